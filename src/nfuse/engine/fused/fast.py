"""Generating the fast path: packets of sessions whose actions are consolidated."""

from __future__ import annotations

from nfuse.action.points import TUPLE_FIELDS
from nfuse.engine.fused.layout import NodePlan, PlacedPoint
from nfuse.engine.fused.part import Part


class FastPath(Part):
    """Writes ``fast_<side>``."""

    def _fast(self, side: int) -> None:
        w = self.w
        plan_of = self.plan.order(side)
        points = {placed.point.before: placed for placed in self.plan.points[side]}
        with w.function(
            f"fast_{side}(X, P, fcb, ext, opening)",
            "Take a packet of a consolidated session: state functions, then one rewrite. Returns 0 if it leaves, 1 if "
            "it was dropped, 10 + that if it went on NF by NF.",
        ):
            w("matched = load32(fcb + MATCHED)", "states = load64(X + STATES)")
            w(f"drop = load8(fcb + DROP_OF + {side})")
            held: list[NodePlan] = []
            for position, plan in enumerate(plan_of):
                w(f"# ---- {plan.node.name}")
                if position in points:
                    self._apply_point(points[position])
                    held = []
                if plan.stateless:
                    self._fast_stateless(plan, side, position)
                elif plan.replies:
                    with w.block(f"if matched & {1 << plan.index}:"):
                        self._go_slow(side, position)
                elif plan.per_packet:
                    with w.block(f"if matched & {1 << plan.index}:"):
                        self._fast_session(plan, side, position, held)
                if not plan.stateless and plan.records:
                    with w.block(f"if drop == {plan.index + 1}:"):
                        w(f"drop_recorded(X, {plan.index}, load16(fcb + {plan.local} + L_DROP))", "return i64(1)")
                    if plan.encap or plan.decap:
                        w(f"r = apply_record(X, P, fcb, ext, {plan.index}, opening)")
                        with w.block("if r:"):
                            w("count_drop(X, r - 1)", "return i64(1)")
                    elif plan.modifies:
                        held.append(plan)
            if len(plan_of) in points:
                self._apply_point(points[len(plan_of)])
            w("return i64(0)")

    def _go_slow(self, side: int, position: int) -> None:
        """Write the way out for packets that an NF may answer: from here on, NF by NF."""
        if self.logs:
            self.w("set_entry(X, load64(X + CURRENT))")
        self.w(f"return 10 + slow_{side}(X, P, {position}, 0)")

    def _apply_point(self, placed: PlacedPoint) -> None:
        fields = placed.point.fields
        if fields & set(TUPLE_FIELDS):
            if placed.values:
                self.w(f"rewrite_here(P, fcb, ext, {placed.record}, {placed.values}, {placed.values6})")
            else:
                self.w(f"rewrite_last(P, fcb, ext, {placed.record}, opening)")
        if fields - set(TUPLE_FIELDS):
            self.w(f"rewrite_others(P, fcb, {placed.record}, {placed.others})")

    def _fast_stateless(self, plan: NodePlan, side: int, position: int) -> None:
        w = self.w
        conditions: list[str] = []
        for b, alternative in plan.node.guard:
            at = f"fcb + {self.plan.sel + b}"
            with w.block(f"if load8({at}) == 0" + "".join(f" and {c}" for c in conditions) + ":"):
                w(f"store8({at}, judge_{b}(P))")
            conditions.append(f"load8({at}) == {alternative + 1}")
        with w.block("if " + " and ".join([*conditions, f"({plan.traffic.emit('P')})"]) + ":"):
            if plan.replies:
                self._go_slow(side, position)
            elif "on_packet" in plan.info.handlers:
                self._fast_handler(plan, "on_packet", "0")
                with w.block("if r:"):
                    w(f"count_drop(X, {self._reason(plan)} + r)", "return i64(1)")
            else:
                w("pass")

    def _fast_handler(self, plan: NodePlan, handler: str, scratch: str | None) -> None:
        w = self.w
        effects = plan.info.effects.get(handler)
        if effects is None or effects.logs:
            w("set_entry(X, load64(X + CURRENT))")
        self._announce(plan, handler)
        w(f"r = {self._call(plan, handler, scratch=scratch)}")
        with w.block("if r < 0:"):
            w(f"count_fault(X, {plan.index}, -r, 1)", "return i64(1)")

    def _fast_session(self, plan: NodePlan, side: int, position: int, held: list[NodePlan]) -> None:
        w = self.w
        functions = plan.info.functions
        w("r = i64(0)")
        if functions:
            w(f"run = load8(fcb + {plan.local} + L_RUN)")
            head = "if"
            for number, name in enumerate(functions):
                with w.block(f"{head} run == {number + 1}:"):
                    self._fast_handler(plan, f"run_{name}", None)
                head = "elif"
            if "on_packet" in plan.info.handlers:
                with w.block("else:"):
                    self._fast_handler(plan, "on_packet", None)
        elif "on_packet" in plan.info.handlers:
            self._fast_handler(plan, "on_packet", None)
        for k, (name, repeat) in enumerate(plan.info.events):
            event = plan.first_event + k
            effects = plan.info.effects.get(f"event_{name}")
            if effects is None or effects.logs:
                w("set_entry(X, load64(X + CURRENT))")
            self._announce(plan, f"event_{name}")
            with w.block(f"if {int(repeat)} or armed(X, fcb, {event}):"):
                w(f"fired = {self._call(plan, f'event_{name}')}")
            with w.block("else:"):
                w("fired = i64(0)")
            with w.block("if fired < 0:"):
                w(f"count_fault(X, {plan.index}, -fired, 1)", "return i64(1)")
            with w.block("if fired" + (f" and armed(X, fcb, {event}):" if repeat else ":")):
                w("store64(X + CARRY, r)")
                for before in held:
                    w(f"c = apply_record(X, P, fcb, ext, {before.index}, opening)")
                    with w.block("if c:"):
                        w("count_drop(X, c - 1)", "return i64(11)")
                w("set_entry(X, load64(X + CURRENT))")
                w(f"return 10 + slow_{side}(X, P, {position}, {k + 1})")
            if repeat:
                with w.block("if fired == 0:"):
                    w(f"arm(X, fcb, {event}, 1)")
        with w.block("if r:"):
            w(f"count_drop(X, {self._reason(plan)} + r)", "return i64(1)")
