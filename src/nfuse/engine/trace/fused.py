"""Asking the fused engine what it did with a packet: which path, which rewrites, and why."""

from __future__ import annotations

from typing import Any

from nfuse.engine.fused.engine import FusedEngine
from nfuse.engine.fused.inspect import Consolidated, consolidated
from nfuse.engine.trace.record import FusedFacts, Journey, Rewritten
from nfuse.packet import desc as d

SYN_ACK, SYN = 0x12, 0x02


class Before:
    """What is known before the fused engine gets a packet.

    Args:
        engine: The engine.
        row: The packet's descriptor, parsed.
        frame: Its bytes.
        number: The number of its session; 0: it has none yet.
        side: Its direction of travel: 0 in chain order.
    """

    def __init__(self, engine: FusedEngine, row: Any, frame: bytes, number: int, side: int) -> None:
        self._engine = engine
        self.work = engine.work
        self.flags = int(row["flags"])
        self.tcp = frame[int(row["l4"]) + 13] if self.flags & d.F_TCP else 0
        self.side = side
        self.table = self._consolidated(number)

    def _consolidated(self, number: int) -> Consolidated | None:
        fcb = self._engine.fcb(number) if number else None
        return None if fcb is None else consolidated(self._engine.plan, fcb, self.side)

    def after(self, number: int, journey: Journey) -> FusedFacts:
        """Return what the engine did.

        Args:
            number: The number of the packet's session now; 0 if it has none.
            journey: The packet's way through the reference engine: at which NF an event fired.
        """
        work = {name: count - self.work[name] for name, count in self._engine.work.items()}
        now = self._consolidated(number)
        upcoming = "" if now is None else "fast path" if now.ready else now.waiting
        facts = FusedFacts("slow", consolidated=bool(work["consolidated"]), next=upcoming)
        if not work["fast"]:
            facts.why = self._why_slow(number)
            return facts
        assert self.table is not None
        order = [plan.node.name for plan in self._engine.plan.order(self.side)]
        facts.path, end = "fast", len(order)
        left = self._left_at(journey)
        if left is None:
            facts.early_drop = self.table.drop
        else:
            facts.path, end = "fast, then slow", order.index(left[0])
            facts.why = f"{left[1]}: from there on NF by NF"
        facts.headers = [name for name in self.table.headers if order.index(name) < end]
        facts.rewrites = [
            Rewritten(one.place, list(one.fields), list(one.nfs)) for one in self.table.rewrites if one.before <= end
        ]
        return facts

    def _why_slow(self, number: int) -> str:
        """Say what kept the packet from the fast path: the conditions of the loop, in its order."""
        for flag, text in (
            (d.F_MALFORMED, "it is malformed"),
            (d.F_LATER, "a later fragment has no ports of its own"),
            (d.F_ICMP_ERROR, "an ICMP error is found by the packet that it quotes"),
        ):
            if self.flags & flag:
                return text
        if not self.flags & d.F_IP:
            return "it is not IP"
        if self.table is None:
            return "the first packet of its session" if number else "it has no session"
        if not self.table.ready:
            return self.table.waiting
        if self.tcp & SYN_ACK == SYN:
            return "a SYN may open its session anew"
        return "its session has changed, or was found by an old reply key"

    def _left_at(self, journey: Journey) -> tuple[str, str] | None:
        """Return the NF at which a packet left the fast path, and why: an event fired, or the NF may answer packets."""
        plans = {plan.node.name: plan for plan in self._engine.plan.nodes}
        for step in journey.steps:
            if plans[step.nf].replies:
                return step.nf, f"{step.nf} may answer packets"
            if step.events:
                return step.nf, f"{step.nf}'s event {step.events[0]} fired"
        return None
