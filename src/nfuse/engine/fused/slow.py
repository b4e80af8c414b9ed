"""Generating the slow path: a packet taken NF by NF, with set-up, events, and every action at its place."""

from __future__ import annotations

from nfuse.action.points import TUPLE_FIELDS
from nfuse.engine.fused.keys import key_words, stride_of
from nfuse.engine.fused.layout import NodePlan
from nfuse.engine.fused.part import Part


class SlowPath(Part):
    """Writes ``slow_<side>``, and where NFs answer packets ``back_<side>`` and ``send_back_<side>``."""

    def _send_back(self, side: int) -> None:
        w = self.w
        count = len(self.plan.nodes)
        with w.function(
            f"send_back_{side}(X, P, kind, position)",
            f"Answer a packet that is at a position of its way on side {side}: the made packet passes the NFs before.",
        ):
            with w.block("if load32(P + FLAGS) & F_MADE:"):
                w("return i64(0)")
            w("Q = answer(X, P, kind)")
            with w.block("if Q == 0:"):
                w("return i64(0)")
            w(
                "opening = load64(X + CX_INITIATOR)",
                "reverse = load64(X + CX_REVERSE)",
                "pushed = load64(X + PUSHED)",
                "taken = load64(X + TAKEN)",
                "carry = load64(X + CARRY)",
                "store64(X + PUSHED, 0)",
                "store64(X + CX_INITIATOR, 1 - opening)",
            )
            if self.two_sided:
                w("store64(X + CX_REVERSE, 1 - reverse)")
            else:
                w("store64(X + CX_REVERSE, opening if load64(X + CURRENT) else i64(0))")
            w(f"status = back_{1 - side}(X, Q, {count} - position, 0)")
            with w.block("if status == 0:"):
                w("made_leaves(X, Q)")
            w(
                "store64(X + CX_INITIATOR, opening)",
                "store64(X + CX_REVERSE, reverse)",
                "store64(X + PUSHED, pushed)",
                "store64(X + TAKEN, taken)",
                "store64(X + CARRY, carry)",
                "return i64(0)",
            )

    def _slow(self, side: int, back: bool = False) -> None:
        w = self.w
        order = self.plan.order(side)
        way = "chain order" if side == 0 else "reverse order"
        self.back = back
        what = "made packet" if back else "packet"
        with w.function(
            f"{'back' if back else 'slow'}_{side}(X, P, start, resume)",
            f"Take a {what} through the NFs in {way}, one by one. Returns 0 if it leaves, 1 if it was dropped.",
        ):
            w(
                "number = load64(X + CURRENT)",
                "opening = load64(X + CX_INITIATOR)",
                "flags = load32(P + FLAGS)",
                "special = flags & (F_LATER | F_ICMP_ERROR)",
                "quiet = flags & (F_LATER | F_ICMP_ERROR | F_MADE)",
                "states = load64(X + STATES)",
                "M = load64(X + TEMP)",
                "fcb = i64(0)",
                "ext = i64(0)",
                "reached = i64(0)",
                "matched = i64(0)",
                "pending = i64(0)",
                "placed = i64(0)  # whether the tuple at the place is that of the packet as it is",
            )
            for b in range(len(self.plan.chain.branches)):
                w(f"sel_{b} = i64(0)")
            with w.block("if number:"):
                w("fcb = fcb_of(X, number)", "ext = ext_of(X, number)")
                w(f"reached = load32(fcb + {self.plan.cold} + REACHED)")
                w(f"pending = load32(fcb + {self.plan.cold} + PENDING)")
                w("matched = load32(fcb + MATCHED)")
                for b in range(len(self.plan.chain.branches)):
                    w(f"sel_{b} = load8(fcb + {self.plan.sel + b})")
            for position, plan in enumerate(order):
                w(f"# ---- {plan.node.name}")
                with w.block(f"if start <= {position}:"):
                    if self.original:
                        w("parse(P)")
                    if plan.stateless:
                        self._slow_stateless(plan, side, position)
                    else:
                        self._slow_session(plan, side, position)
            w("return i64(0)")

    def _guard(self, plan: NodePlan) -> str:
        """Write the judging of the branches around a node; return the condition under which it is reached."""
        w = self.w
        conditions: list[str] = []
        for b, alternative in plan.node.guard:
            before = " and ".join(conditions)
            head = f"if sel_{b} == 0" + (f" and {before}" if before else "") + ":"
            with w.block(head):
                w(f"sel_{b} = judge_{b}(P)")
                with w.block("if number and special == 0:"):
                    w(f"store8(fcb + {self.plan.sel + b}, sel_{b})")
            conditions.append(f"sel_{b} == {alternative + 1}")
        return " and ".join(conditions)

    def _slow_stateless(self, plan: NodePlan, side: int, position: int) -> None:
        w = self.w
        guard = self._guard(plan)
        condition = " and ".join(filter(None, [guard, f"({plan.traffic.emit('P')})"]))
        with w.block(f"if {condition}:"):
            w("store64(X + TAKEN, 1)")
            if "on_packet" not in plan.info.handlers:
                return
            self._run_packet(plan, "on_packet", "0")
            self._reply(plan, ["on_packet"], side, position, recorded=False)
            with w.block("if verdict:"):
                w(f"count_drop(X, {self._reason(plan)} + verdict)", "return i64(1)")

    def _replies(self, plan: NodePlan, handlers: list[str]) -> bool:
        return any(plan.info.effects[h].replies for h in handlers if h in plan.info.effects)

    def _run_packet(self, plan: NodePlan, handler: str, scratch: str | None) -> None:
        w = self.w
        self._announce(plan, handler)
        if self._replies(plan, [handler]):
            w("store64(X + CX_REPLY, 0)")
        w(f"verdict = {self._call(plan, handler, scratch=scratch)}")
        effects = plan.info.effects.get(handler)
        if effects is None or effects.writes:
            w("placed = i64(0)")
        with w.block("if verdict < 0:"):
            w(f"count_fault(X, {plan.index}, -verdict, 1)", "return i64(1)")
        if self._replies(plan, [handler]):
            w("reply = load64(X + CX_REPLY)")

    def _reply(self, plan: NodePlan, handlers: list[str], side: int, position: int, recorded: bool) -> None:
        """Write the answer that an NF asked for, per packet or with its recorded drop."""
        if self.back or not self.replies:
            return
        w = self.w
        per_packet = self._replies(plan, handlers)
        if recorded:
            with w.block(
                f"if verdict == 0 and load16(fcb + {plan.local} + L_DROP)" + (" and reply == 0:" if per_packet else ":")
            ):
                w(f"reply = load8(fcb + {plan.local} + L_MORE) & L_REPLY")
        if per_packet or recorded:
            with w.block("if reply:"):
                w(f"send_back_{side}(X, P, reply, {position})", "placed = i64(0)")

    def _slow_session(self, plan: NodePlan, side: int, position: int) -> None:
        w = self.w
        i = plan.index
        bit = 1 << i
        cold = self.plan.cold
        guard = self._guard(plan)
        if self.original:
            w(f"judged = i64({plan.traffic.emit('P')})", f"probed = probe(X, {i}, number, opening)")
            with w.block("if judged < 0 or probed < 0:"):
                w("return i64(1)")
        with w.block(f"if reached & {bit} == 0:"):
            with w.block("if quiet == 0:"):
                condition = " and ".join(filter(None, [guard, f"({plan.traffic.emit('P')})"]))
                with w.block(f"if {condition}:"):
                    with w.block("if number == 0:"):
                        with w.block("if make_room(X) == 0:"):
                            w("store64(X + TAKEN, 1)", "count_drop(X, R_TABLE_FULL)", "return i64(1)")
                        w(f"number = create(X, P, {side}, {self.plan.size})")
                        w("store64(X + CURRENT, number)", "fcb = fcb_of(X, number)", "ext = ext_of(X, number)")
                        w("store32(fcb + SEEN_GEN, load64(X + GEN))")
                        for b in range(len(self.plan.chain.branches)):
                            w(f"store8(fcb + {self.plan.sel + b}, sel_{b})")
                        if self.logs:
                            w("set_entry(X, number)")
                    w(f"matched |= {bit}", "store32(fcb + MATCHED, matched)")
                    if self.original:
                        w(f"remember(X, {i}, number)")
                    self._set_up(plan, "on_flow")
                w(f"reached |= {bit}")
                with w.block("if number:"):
                    w(f"store32(fcb + {cold} + REACHED, reached)")
        if "on_change" in plan.info.handlers:
            with w.block(f"elif pending & {bit} and quiet == 0:"):
                w(f"pending = load32(fcb + {cold} + PENDING) & ~{bit}", f"store32(fcb + {cold} + PENDING, pending)")
                with w.block(f"if matched & {bit}:"):
                    w("count(X, C_ON_CHANGE)")
                    self._set_up(plan, "on_change")
        with w.block(f"if matched & {bit}:"):
            w("store64(X + TAKEN, 1)", "verdict = i64(0)", "reply = i64(0)")
            self._state_function(plan, side, position)
            self._events(plan, side, position)
            handlers = ["on_packet", *(f"run_{name}" for name in plan.info.functions)]
            may_answer = any(e.replies for e in plan.info.effects.values())
            if may_answer:
                self._reply(plan, handlers, side, position, recorded=plan.records)
            with w.block("if verdict:"):
                w(f"count_drop(X, {self._reason(plan)} + verdict)", "return i64(1)")
            if plan.records:
                w(f"dropped = load16(fcb + {plan.local} + L_DROP)")
                with w.block("if dropped:"):
                    w(f"drop_recorded(X, {i}, dropped)", "return i64(1)")
                if plan.modifies or plan.encap or plan.decap:
                    w(f"r = apply_record(X, P, fcb, ext, {i}, opening)", "placed = i64(0)")
                    with w.block("if r:"):
                        w("count_drop(X, r - 1)", "return i64(1)")
                if self._last_of_tuple(side) is plan:
                    with w.block("if opening and special == 0:"):
                        w("expect_reply(X, P, number)")

    def _last_of_tuple(self, side: int) -> NodePlan | None:
        """Return the last NF on the way that may modify the tuple, if NFs come behind it that let the tuple be."""
        order = self.plan.order(side)
        if self.back or self.plan.never_quick or any(plan.encap or plan.decap for plan in order):
            return None
        found = [plan for plan in order if plan.modifies & set(TUPLE_FIELDS)]
        return found[-1] if found and found[-1] is not order[-1] else None

    def _blocks(self, plan: NodePlan) -> None:
        """Write the look-up of a node's coarser sessions; the opening tuple at its place is known."""
        w = self.w
        for k, (_, fields, _) in enumerate(plan.info.coarse):
            words = key_words(fields, plan.traffic)
            for n, word in enumerate(words):
                w(f"store64(X + BLOCK_KEY + {8 * n}, {word})")
            w(
                f"block = block_acquire(load64(load64(X + BLOCKS) + {8 * (plan.index * 8 + k)}), X + BLOCK_KEY, "
                "load64(X + NOW_MS))"
            )
            w(f"store32(fcb + {plan.scratch + 4 * k}, block * {stride_of(plan, k) // 8})")

    def _set_up(self, plan: NodePlan, handler: str) -> None:
        w = self.w
        i = plan.index
        blocks = handler == "on_flow" and plan.info.coarse
        if handler in plan.info.handlers or blocks:
            if handler == "on_flow":
                with w.block("if opening == 0:"):
                    w(f"place(X, fcb, ext, {i}, X + CX_PLACE)", "placed = i64(0)")
                with w.block("elif placed == 0:"):
                    w("read_packet(P, X + CX_PLACE)", "placed = i64(1)")
            else:
                w(f"place(X, fcb, ext, {i}, X + CX_PLACE)", "placed = i64(0)")
        if blocks:
            self._blocks(plan)
        if handler not in plan.info.handlers:
            return
        if plan.records:
            w("clear_record(M)")
        self._announce(plan, handler)
        w(f"r = {self._call(plan, handler, record='M')}")
        if not plan.records:
            return
        with w.block("if r < 0:"):
            w(f"record_fault(X, fcb, {i}, -r)", f"pending = load32(fcb + {self.plan.cold} + PENDING)")
        with w.block("elif load32(M + MAT_RECORDED):"):
            w(f"commit(X, fcb, ext, {i}, M)", f"pending = load32(fcb + {self.plan.cold} + PENDING)")

    def _state_function(self, plan: NodePlan, side: int, position: int) -> None:
        w = self.w
        functions = plan.info.functions
        if not functions and "on_packet" not in plan.info.handlers:
            w(f"if resume and start == {position}:", "    verdict = load64(X + CARRY)")
            return
        with w.block(f"if resume and start == {position}:"):
            w("verdict = load64(X + CARRY)")
        with w.block(f"elif special == 0 or {int(not plan.needs_l4)}:"):
            if functions:
                w(f"run = load8(fcb + {plan.local} + L_RUN)")
                head = "if"
                for number, name in enumerate(functions):
                    with w.block(f"{head} run == {number + 1}:"):
                        self._run_packet(plan, f"run_{name}", None)
                    head = "elif"
                if "on_packet" in plan.info.handlers:
                    with w.block("else:"):
                        self._run_packet(plan, "on_packet", None)
            else:
                self._run_packet(plan, "on_packet", None)

    def _events(self, plan: NodePlan, side: int, position: int) -> None:
        w = self.w
        if not plan.info.events:
            return
        with w.block(f"if special == 0 or {int(not plan.needs_l4)}:"):
            for k, (name, repeat) in enumerate(plan.info.events):
                event = plan.first_event + k
                with w.block(f"if resume == 0 or start != {position} or resume <= {k + 1}:"):
                    with w.block(f"if resume == {k + 1} and start == {position}:"):
                        w("fired = i64(1)")
                    if not repeat:
                        with w.block(f"elif armed(X, fcb, {event}) == 0:"):
                            w("fired = i64(0)")
                    with w.block("else:"):
                        self._announce(plan, f"event_{name}")
                        w(f"fired = {self._call(plan, f'event_{name}')}")
                        with w.block("if fired < 0:"):
                            w(f"count_fault(X, {plan.index}, -fired, 1)", "return i64(1)")
                    with w.block("if fired:"):
                        with w.block(f"if armed(X, fcb, {event}):"):
                            w(f"arm(X, fcb, {event}, 0)", "count(X, C_EVENTS)", "clear_record(M)")
                            w(f"place(X, fcb, ext, {plan.index}, X + CX_PLACE)", "placed = i64(0)")
                            self._announce(plan, f"then_{name}")
                            w(f"r = {self._call(plan, f'then_{name}', record='M')}")
                            with w.block("if r < 0:"):
                                w(f"count_fault(X, {plan.index}, -r, 1)", "return i64(1)")
                            w(f"commit(X, fcb, ext, {plan.index}, M)")
                            w(f"pending = load32(fcb + {self.plan.cold} + PENDING)")
                    if repeat:
                        with w.block("else:"):
                            w(f"arm(X, fcb, {event}, 1)")
