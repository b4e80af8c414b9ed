"""One NF at its place of the chain: its instance, its blocks, and how its interpreted handlers are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.chain.spec import Chain, Node
from nfuse.engine.flows import scratchpad
from nfuse.engine.reasons import LATE_REASONS, place_of
from nfuse.engine.reference.blocks import Blocks
from nfuse.engine.reference.columns import block_rows, held, octets
from nfuse.engine.reference.session import TUPLE_FIELDS, Record, Seat, Session, Tuple
from nfuse.engine.reference.trip import Dropped, Trip
from nfuse.nf.abi import LOG_DTYPE, Fault
from nfuse.nf.effects import Effects
from nfuse.nf.facade import FlowFacade, PacketFacade, record_of, zero_of
from nfuse.nf.instance import Instance
from nfuse.packet.fields import MODIFY_FIELDS

NO_TUPLE = Tuple(None, None, 0, 0, 0)  # type: ignore[arg-type]

_IPV4_SUM = frozenset({"ip_src", "ip_dst", "ip_ttl", "ip_dscp", "ip_ecn"})
_L4_SUM = frozenset(TUPLE_FIELDS)
_READ_AS: dict[str, frozenset[str]] = {
    **{name.replace("_", ".", 1): frozenset({name}) for name in MODIFY_FIELDS if "_" in name},
    **{f"{header}.{name}": frozenset({name}) for header in ("tcp", "udp") for name in ("sport", "dport")},
    "icmp.id": frozenset({"sport", "dport"}),
    "icmp6.id": frozenset({"sport", "dport"}),
    "ipv4.checksum": _IPV4_SUM,
    **{f"{header}.checksum": _L4_SUM for header in ("tcp", "udp", "icmp", "icmp6")},
}
"""Fields of ``flow.modify`` that a read of a header field sees. A checksum sees all that it covers."""


def seen_by(effects: Effects) -> frozenset[str]:
    """Return the fields of ``flow.modify`` that a handler reads."""
    if effects.opaque:
        return frozenset(MODIFY_FIELDS)
    found = frozenset(TUPLE_FIELDS) if effects.place else frozenset()
    return found.union(*(_READ_AS.get(name, frozenset()) for name in effects.reads))


class Call:
    """What the handlers of one NF see of one packet.

    Attributes:
        pkt: The packet, as handlers see it.
        session, seat: The packet's session and what it keeps at this NF; None for NFs without session.
        place: Gives the opening tuple at the NF's place.
        drop: Reason given to ``pkt.drop``, or "".
        reply: Kind given to ``pkt.reply``, or "".
        flow: The flow as handlers that record nothing see it; made when it is first asked for.
    """

    def __init__(
        self, trip: Trip, session: Session | None, seat: Seat | None, place: Callable[[], Tuple] = lambda: NO_TUPLE
    ) -> None:
        self.trip = trip
        self.pkt = PacketFacade(trip.packet.view, trip.clock, trip.reverse)
        self.session = session
        self.seat = seat
        self.place = place
        self.drop = ""
        self.reply = ""
        self.flow: FlowFacade | None = None


class Place:
    """A node of the chain in execution.

    Args:
        node: The node.
        chain: Its chain.
        log: Where alerts are written.

    Attributes:
        instance: Its State.
        info: What the compiler knows of the class.
        traffic: The traffic class.
        generation: Grows with each change of parameters.
        clock: The chain's clock, ns.
    """

    def __init__(self, node: Node, chain: Chain, log: list[np.void]) -> None:
        self.node = node
        self.instance = Instance(node.nf)
        self.info = self.instance.info
        self.traffic: Any = self.info.traffic
        self.tick = round(self.info.tick * 1_000_000_000) if "on_tick" in self.info.handlers else 0
        self.generation = 0
        self.clock = 0
        self.has_on_change = "on_change" in self.info.handlers
        self.events = [Event(name, repeat) for name, repeat in self.info.events]
        self.read_in_on_flow = seen_by(self.info.effects.get("on_flow", Effects()))
        self._handlers = self.info.interpreted
        self._reasons = [*self.info.reasons, *[""] * (LATE_REASONS if self.info.interpreted_handlers else 0)]
        self._log = log
        self._entry: Tuple | None = None
        self.instance.on_alert = self._alert
        idle = round(chain.idle * 1000)
        self._blocks = {name: Blocks(chain.capacity, idle, dict) for name, _, _ in self.info.coarse}

    # ------------------------------------------------------------------------------------------- one packet

    def call(
        self,
        trip: Trip,
        session: Session | None = None,
        seat: Seat | None = None,
        place: Callable[[], Tuple] = lambda: NO_TUPLE,
    ) -> Call:
        """Prepare the handlers' view of a packet."""
        self._entry = session.entry if session is not None else trip.entry
        return Call(trip, session, seat, place)

    def set_up(self, call: Call) -> None:
        """The session reaches this NF for the first time: find its blocks, arm its events."""
        seat = call.seat
        assert seat is not None
        for name, fields, _ in self.info.coarse:
            key = tuple(_read(call.trip.packet.view, part) for part in fields)
            seat.blocks[name] = self._blocks[name].hold(key, call.trip.ms)
        seat.reached = True
        seat.armed = [True] * len(self.events)
        seat.generation = self.generation

    def on_flow(self, call: Call) -> Record | None:
        """Run ``on_flow``; return what it recorded, if anything."""
        return self._recording("on_flow", call)

    def on_change(self, call: Call) -> Record | None:
        """Run ``on_change``; return what it recorded, if anything."""
        return self._recording("on_change", call)

    def then(self, call: Call, event: Event) -> Record | None:
        """Run the action of an event; return what it recorded, if anything."""
        return self._recording(f"then_{event.name}", call, faulting=True)

    def run(self, call: Call) -> None:
        """Run the state function of the packet's flow."""
        chosen = call.seat.record.run if call.seat is not None else ""
        name = f"run_{chosen}" if chosen else "on_packet"
        handler = self._handlers.get(name)
        if handler is None:
            return
        if call.trip.observer is not None:
            call.trip.observer.ran(call.trip, self, name)
        arguments = (call.pkt,) if call.seat is None else (call.pkt, self._plain_flow(call))
        try:
            handler(self.instance.facade, *arguments)
        except Fault as fault:
            raise Dropped(self.node.name, self._reason(fault)) from None
        call.drop, call.reply = call.pkt.dropped or "", call.pkt.replied or ""

    def fires(self, call: Call, number: int, event: Event) -> bool:
        """Check an event's condition; True once, then not again until it is armed."""
        seat = call.seat
        assert seat is not None
        if not seat.armed[number] and not event.repeat:
            return False
        try:
            true = bool(
                self._handlers.names[f"event_{event.name}"](self.instance.facade, call.pkt, self._plain_flow(call))
            )
        except Fault as fault:
            raise Dropped(self.node.name, self._reason(fault)) from None
        fired = true and seat.armed[number]
        seat.armed[number] = not true and (seat.armed[number] or event.repeat)
        return fired

    def _recording(self, name: str, call: Call, faulting: bool = False) -> Record | None:
        handler = self._handlers.get(name)
        if handler is None:
            return None
        flow = self._flow(call, call.place())
        if call.trip.observer is not None:
            call.trip.observer.ran(call.trip, self, name)
        try:
            handler(self.instance.facade, call.pkt, flow)
        except Fault as fault:
            reason = self._reason(fault)
            if faulting:
                raise Dropped(self.node.name, reason) from None
            return Record(drop=reason)
        made = record_of(flow)
        if not made.recorded:
            return None
        drop = self._counted(made.drop) if made.drop else ""
        return Record(
            dict(made.modifies), {}, drop, made.reply or "", made.encap, made.decap or "", made.run or "", made.turn
        )

    def _counted(self, reason: str) -> str:
        """Return the text under which a drop reason is counted."""
        at, text = place_of(reason, self._reasons)
        self._reasons[at] = text
        return text

    def _flow(self, call: Call, place: Tuple = NO_TUPLE) -> FlowFacade:
        assert call.seat is not None
        known = None if place is NO_TUPLE else place._asdict()
        return FlowFacade(self.info, self._values(call.seat), call.trip.opening, known)

    def _plain_flow(self, call: Call) -> FlowFacade:
        """The flow of handlers that record nothing: one for all of them."""
        if call.flow is None:
            call.flow = self._flow(call)
        return call.flow

    def _values(self, seat: Seat) -> dict[str, dict[str, Any]]:
        return {
            name: seat.pad if session.block is None else seat.blocks[name].pad
            for name, session in self.info.sessions.items()
        }

    def _reason(self, fault: Fault) -> str:
        return f"fault:{self.info.name}:{fault.line}"

    # ----------------------------------------------------------------------------------------- outside packets

    def on_tick(self, elapsed: int) -> bool:
        """Run ``on_tick``; False if it faulted."""
        try:
            self._handlers.names["on_tick"](self.instance.facade, elapsed)
        except Fault:
            return False
        return True

    def on_end(self, session: Session, seat: Seat) -> bool:
        """Run ``on_end`` for a session; False if it faulted."""
        handler = self._handlers.get("on_end")
        if handler is None:
            return True
        self._entry = session.entry
        try:
            handler(self.instance.facade, FlowFacade(self.info, self._values(seat), True, session.entry._asdict()))
        except Fault:
            return False
        return True

    def release(self, seat: Seat, ms: int) -> None:
        """Let go of a session's blocks."""
        for name, block in seat.blocks.items():
            self._blocks[name].release(block, ms)

    def columns(self, seat: Seat) -> dict[str, Any]:
        """The scratchpad of a session that reached this NF, by column of the flow table."""
        values = self._values(seat)
        found: dict[str, Any] = {}
        for column, session, slot in scratchpad(self.node.name, self.info):
            value = values[session].get(slot.name)
            if value is not None:
                found[column] = held(slot.kind, value)
        return found

    def fields(self, seat: Seat) -> dict[str, Any]:
        """The Session fields of a seat by name, those of a further session as ``session.field``; 0 if never stored."""
        values = self._values(seat) if seat.reached else {}
        stem = len(self.node.name) + 1
        return {
            column[stem:]: values.get(session, {}).get(slot.name, zero_of(slot.kind))
            for column, session, slot in scratchpad(self.node.name, self.info)
        }

    def explain(self, seat: Seat, here: Tuple) -> str:
        """What the NF says about a session that has reached it; `here` is the opening tuple at its place."""
        told = self.instance.facade.explain(FlowFacade(self.info, self._values(seat), True, here._asdict()))
        return "" if told is None else str(told)

    def block_rows(self, session: str, ms: int) -> NDArray[np.void]:
        """The blocks of a coarser session as a table."""
        return block_rows(self._blocks[session].kept(ms), self.info, session)

    def _alert(self, signature: str, value: int) -> None:
        row = np.zeros((), LOG_DTYPE)
        row["clock"], row["nf"] = self.clock, self.node.index
        row["signature"], row["value"] = self.info.signature_number(signature), value
        entry = self._entry
        if entry is not None:
            row["src"], row["dst"] = octets(entry.ip_src), octets(entry.ip_dst)
            row["sport"], row["dport"], row["proto"] = entry.sport, entry.dport, entry.proto
            row["family"] = entry.ip_src.version
        self._log.append(row[()])  # type: ignore[arg-type]


class Event:
    """An event of an NF: its name, and whether it can fire again."""

    def __init__(self, name: str, repeat: bool) -> None:
        self.name = name
        self.repeat = repeat


def _read(view: Any, field: Any) -> Any:
    """Read a key field from a packet; 0 if it has none."""
    if not field.header:
        return getattr(view, field.name)
    header = getattr(view, field.header)
    return getattr(header, field.name) if header else 0
