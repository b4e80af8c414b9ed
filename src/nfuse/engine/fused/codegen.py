"""The part of the data path that is particular to a chain, written as Python source.

For each direction of travel there are two functions. ``slow_<side>`` takes a packet NF by NF, judges classes, runs
on_flow and on_change, and applies each NF's action at its place. ``fast_<side>`` takes packets of sessions whose
actions are consolidated: the state functions, and the rewrites at the points of application. ``process`` runs a burst
in batches: hash and prefetch, look up and prefetch, then packet by packet.

``original=True`` gives the same chain the way it runs without consolidation: no fast path; each NF parses the packet,
judges its class and probes a table of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from nfuse.action.points import TUPLE_FIELDS
from nfuse.engine.fused.context import FAR, FAR_HANDLERS, FAR_NAMES, FAR_SHARED, R_MALFORMED
from nfuse.engine.fused.keys import key_words, stride_of
from nfuse.engine.fused.layout import ChainPlan, NodePlan, PlacedPoint

INLINED = ("fast_0", "fast_1", "look_far", "look_near")
NEAR, FAR_AHEAD = 12, 24
"""How many packets ahead of the one in hand its session, and before that its bucket of the index, is prefetched. Rolling
ahead beats whole batches: a processor follows some dozen misses at a time and drops what goes beyond."""

HEADER = '''"""Generated: the data path of one chain."""

from nfuse.engine.fused.chainlib import *
'''


_FAR = re.compile(r"(?<![\w.])(" + "|".join(FAR_NAMES) + r")\(")


def by_address(line: str) -> str:
    """Turn calls of functions that are called by address (``FAR_NAMES``) into calls by address."""
    if line.startswith(("def ", "from ")):
        return line
    found = _FAR.search(line)
    if not found:
        return line
    depth, end = 0, found.end() - 1
    for end in range(found.end() - 1, len(line)):
        depth += {"(": 1, ")": -1}.get(line[end], 0)
        if not depth:
            break
    inside = line[found.end() : end]
    args = split_arguments(by_address(inside))
    args += ["0"] * (6 - len(args))
    number = FAR_NAMES.index(found.group(1))
    made = f"call(load64(X + {FAR + 8 * number}), {', '.join(args)})"
    return line[: found.start()] + made + by_address(line[end + 1 :])


def split_arguments(text: str) -> list[str]:
    """Split the arguments of a call at the commas that stand outside brackets."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()] if text.strip() else []


class Writer:
    """Collects lines of source at the current depth of indentation."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 0

    def __call__(self, *lines: str) -> None:
        """Add lines."""
        for line in lines:
            self.lines.append("    " * self._depth + by_address(line) if line else "")

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add a line that opens a block, and indent what follows."""
        self(head)
        self._depth += 1
        yield
        self._depth -= 1

    @contextmanager
    def function(self, head: str, doc: str) -> Iterator[None]:
        """Add a native function."""
        name = head.partition("(")[0]
        self("", "", "@entry" if name in FAR_NAMES else "@inlined" if name in INLINED else "@native")
        with self.block(f"def {head}:"):
            self(f'"""{doc}"""')
            yield

    def text(self) -> str:
        """Return the source."""
        return "\n".join(self.lines) + "\n"


class Generator:
    """Writes the module of one chain.

    Args:
        plan: The chain's plan.
        modules: Name of the module of compiled handlers, by node.
        original: Without consolidation.
    """

    def __init__(self, plan: ChainPlan, modules: list[str], original: bool = False) -> None:
        self.plan = plan
        self.modules = modules
        self.original = original
        self.w = Writer()
        self.inline = False
        self.back = False
        self.handlers: dict[tuple[int, str], int] = {}
        self.two_sided = plan.chain.two_sided
        self.replies = any(e.replies for p in plan.nodes for e in p.info.effects.values())
        self.logs = any(e.logs for p in plan.nodes for e in p.info.effects.values())

    def generate(self) -> str:
        """Return the module's source."""
        self.w(HEADER.rstrip())
        if not self.original:
            for plan, module in zip(self.plan.nodes, self.modules, strict=True):
                for name in sorted(self._compiled(plan)):
                    if name == "on_packet" or name.startswith(("run_", "event_")):
                        self.w(f"from {module} import {name} as n{plan.index}_{name}")
        self._end()
        self._expire()
        self._make_room()
        self._ticks()
        for number, alternatives in enumerate(self.plan.chain.branches):
            self._judge(number, alternatives)
        if self.replies:
            for side in (0, 1):
                self._slow(side, back=True)
            for side in (0, 1):
                self._send_back(side)
        for side in (0, 1):
            self._slow(side)
        if not self.original:
            self.inline = True
            for side in (0, 1):
                self._fast(side)
            self.inline = False
        self._finish()
        self._handle()
        if not self.original:
            self._look_ahead()
        self._process()
        return self.w.text()

    # -------------------------------------------------------------------------------------------------- handler calls

    def _compiled(self, plan: NodePlan) -> set[str]:
        names = set(plan.info.handlers - plan.info.interpreted_handlers)
        names |= {f"run_{name}" for name in plan.info.functions}
        for name, _ in plan.info.events:
            names |= {f"event_{name}", f"then_{name}"}
        return names

    def _call(self, plan: NodePlan, handler: str, packet: str = "P", record: str = "0", scratch: str | None = None) -> str:
        i = plan.index
        scratch = scratch if scratch is not None else f"fcb + {plan.scratch}"
        state = f"load64(states + {8 * i})"
        if handler in self._compiled(plan):
            if self.inline:
                return f"n{i}_{handler}({state}, {packet}, {scratch}, {record}, X)"
            number = self.handlers.setdefault((i, handler), len(self.handlers))
            return f"call(load64(X + {FAR + 8 * (FAR_HANDLERS + number)}), {state}, {packet}, {scratch}, {record}, X, 0)"
        code = {"on_flow": 0, "on_change": 1, "on_end": 2, "on_tick": 3}[handler]
        return f"call(load64(X + CALLBACK), {code}, {i}, {packet}, {scratch}, {record}, X)"

    def _announce(self, plan: NodePlan, handler: str) -> None:
        effects = plan.info.effects.get(handler)
        if effects is None or effects.logs or effects.opaque:
            self.w(f"store64(X + CX_NF_INDEX, {plan.index})")

    # --------------------------------------------------------------------------------------------- sessions, time

    def _end(self) -> None:
        w = self.w
        with w.function("end(X, number)", "End a session: on_end of its NFs in chain order, then free what it holds."):
            w("fcb = fcb_of(X, number)", "states = load64(X + STATES)", f"matched = load32(fcb + MATCHED)")
            w("set_entry(X, number)", "opening = load64(X + CX_INITIATOR)", "store64(X + CX_INITIATOR, 1)")
            for plan in self.plan.nodes:
                if plan.stateless:
                    continue
                coarse = plan.info.coarse
                if "on_end" not in plan.info.handlers and not coarse and not self.original:
                    continue
                with w.block(f"if matched & {1 << plan.index}:"):
                    if self.original:
                        w(f"forget(X, {plan.index}, number)")
                    if "on_end" in plan.info.handlers:
                        self._announce(plan, "on_end")
                        w(f"r = {self._call(plan, 'on_end', packet='0')}")
                        with w.block("if r < 0:"):
                            w(f"count_fault(X, {plan.index}, -r, 0)")
                    for k in range(len(coarse)):
                        w(
                            f"block_release(load64(load64(X + BLOCKS) + {8 * (plan.index * 8 + k)}), "
                            f"load32(fcb + {plan.scratch + 4 * k}) // {stride_of(plan, k) // 8}, load64(X + NOW_MS))"
                        )
            w("store64(X + CX_INITIATOR, opening)", "release(X, number)", "count(X, C_ENDED)", "return i64(0)")

    def _expire(self) -> None:
        w = self.w
        with w.function("expire(X)", "End sessions that are due: at most 8, the one due first ahead (rule S13)."):
            w("left = i64(8)")
            with w.block("while left > 0:"):
                w("number = next_due(X)")
                with w.block("if number == 0:"):
                    w("break")
                w("end(X, number)", "count(X, C_EXPIRED)", "left -= 1")
            w("return i64(0)")

    def _make_room(self) -> None:
        w = self.w
        with w.function("make_room(X)", "Make sure that one more session fits: 0 if nothing may be evicted (rule S14)."):
            with w.block("if load64(X + LIVE) < load64(X + CAPACITY):"):
                w("return i64(1)")
            w("number = victim(X, STATE, ST_CONFIRMED | ST_CLOSING)")
            with w.block("if number == 0:"):
                w("return i64(0)")
            w("end(X, number)", "count(X, C_EVICTED)", "return i64(1)")

    def _ticks(self) -> None:
        ticking = [p for p in self.plan.nodes if "on_tick" in p.info.handlers]
        w = self.w
        with w.function("tick(X, first)", "Run on_tick of the NFs whose time has come, in chain order."):
            w("now = load64(X + NOW)", "states = load64(X + STATES)", "ticks = load64(X + TICKS)")
            for plan in ticking:
                period = round(float(plan.node.nf.tick) * 1_000_000_000)
                with w.block("if first:"):
                    w(f"store64(ticks + {8 * plan.index}, now)")
                with w.block(f"elif now - load64(ticks + {8 * plan.index}) >= {period}:"):
                    w(f"elapsed = now // 1000000 - load64(ticks + {8 * plan.index}) // 1000000")
                    w(f"store64(ticks + {8 * plan.index}, now)")
                    self._announce(plan, "on_tick")
                    w("zero(X + CX_ENTRY, 96)")
                    w(f"r = {self._call(plan, 'on_tick', packet='elapsed', scratch='0')}")
                    with w.block("if r < 0:"):
                        w(f"count_fault(X, {plan.index}, -r, 0)")
            w("return i64(0)")

    def _judge(self, number: int, alternatives: tuple[object, ...]) -> None:
        w = self.w
        with w.function(f"judge_{number}(P)", f"Choose the alternative of branch {number}: 1, 2, ...; 255 for none."):
            for k, alternative in enumerate(alternatives):
                with w.block(f"if {alternative.emit('P')}:"):  # type: ignore[attr-defined]
                    w(f"return i64({k + 1})")
            w("return i64(255)")

    # -------------------------------------------------------------------------------------------------- slow path

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
        conditions = []
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
            with w.block(f"if verdict == 0 and load16(fcb + {plan.local} + L_DROP)" + (" and reply == 0:" if per_packet else ":")):
                w(f"reply = load8(fcb + {plan.local} + L_MORE) & L_REPLY")
        if per_packet or recorded:
            with w.block("if reply:"):
                w(f"send_back_{side}(X, P, reply, {position})")

    def _reason(self, plan: NodePlan) -> str:
        return f"load64(node_of(X, {plan.index}) + N_REASONS) - 1"

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
                    w(f"r = apply_record(X, P, fcb, ext, {i}, opening)")
                    with w.block("if r:"):
                        w("count_drop(X, r - 1)", "return i64(1)")

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
                with w.block("if opening:"):
                    w("read_packet(P, X + CX_PLACE)")
                with w.block("else:"):
                    w(f"place(X, fcb, ext, {i}, X + CX_PLACE)")
            else:
                w(f"place(X, fcb, ext, {i}, X + CX_PLACE)")
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
                            w(f"place(X, fcb, ext, {plan.index}, X + CX_PLACE)")
                            self._announce(plan, f"then_{name}")
                            w(f"r = {self._call(plan, f'then_{name}', record='M')}")
                            with w.block("if r < 0:"):
                                w(f"count_fault(X, {plan.index}, -r, 1)", "return i64(1)")
                            w(f"commit(X, fcb, ext, {plan.index}, M)")
                            w(f"pending = load32(fcb + {self.plan.cold} + PENDING)")
                    if repeat:
                        with w.block("else:"):
                            w(f"arm(X, fcb, {event}, 1)")

    # -------------------------------------------------------------------------------------------------- fast path

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
        conditions = []
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

    # ------------------------------------------------------------------------------------------------- around them

    def _finish(self) -> None:
        w = self.w
        with w.function(
            "finish(X, P, index, status, side, flags)",
            "After the NFs: reply key, protocol state, output; consolidation; then the packets that were made.",
        ):
            w("# flags: TCP flags << 32 | the descriptor's flags, both as at the entry", "tcp = flags >> 32")
            w("number = load64(X + CURRENT)")
            w("special = flags & (F_LATER | F_ICMP_ERROR)", "opening = load64(X + CX_INITIATOR)")
            with w.block("if status == 0 and too_long(X, P):"):
                w("count_drop(X, R_MTU)", "status = i64(1)")
            with w.block("if number:"):
                w("fcb = fcb_of(X, number)")
                with w.block("if status == 0 and special == 0:"):
                    with w.block("if opening and load8(fcb + FLAGS_OF) & FL_REKEY and rekey(X, P, number) == 0:"):
                        w("count_drop(X, R_REVERSE_KEY)", "status = i64(1)", "end(X, number)", "number = i64(0)")
                    with w.block("else:"):
                        w("track(X, fcb, number, opening, tcp)")
                with w.block("elif status == 0 and flags & F_LATER:"):
                    w("refresh(X, fcb, number, load8(fcb + PCLASS), load8(fcb + STATE))")
                if not self.original:
                    with w.block(
                        "if number and special == 0 and load8(fcb + QUICK) >> side & 1 == 0 "
                        "and load64(X + NEVER_QUICK) == 0:"
                    ):
                        w("consolidate(X, fcb, ext_of(X, number))")
            with w.block("if status == 0:"):
                w("emit(X, P, index)")
            if self.replies:
                w("emit_made(X)")
            w("return i64(0)")

    def _handle(self) -> None:
        w = self.w
        with w.function("handle(X, P, index)", "Take a packet that the fast path does not take."):
            w("flags = load32(P + FLAGS)", "count(X, C_SLOW)")
            with w.block("if flags & F_MALFORMED:"):
                w("count(X, C_MALFORMED)")
                with w.block("if load64(X + ON_MALFORMED):"):
                    w("emit(X, P, index)")
                with w.block("else:"):
                    w(f"count_drop(X, {R_MALFORMED} + load8(P + BAD))")
                w("return i64(0)")
            w("store64(X + PUSHED, 0)", "store64(X + TAKEN, 0)", "store64(X + MADE_COUNT, 0)")
            w("value = i64(0)", "tcp = i64(0)", "number = i64(0)")
            with w.block("if flags & F_ICMP_ERROR:"):
                w("value = find_quoted(X, P)")
            with w.block("elif flags & (F_IP4 | F_IP6):"):
                w("value = find_packet(X, P)")
            with w.block("if flags & F_TCP:"):
                w("tcp = load8(load64(P + ADDR) + load16(P + L4) + 13)")
            with w.block("if value:"):
                w("number = value >> 2", "fcb = fcb_of(X, number)")
                with w.block("if load64(fcb + DEADLINE) <= load64(X + NOW_MS):"):
                    w("end(X, number)", "count(X, C_EXPIRED)", "value = i64(0)", "number = i64(0)")
                with w.block("elif value & 3 == 0 and tcp & 0x12 == 2 and load8(fcb + STATE) & ST_CLOSING:"):
                    w("end(X, number)", "count(X, C_REOPENED)", "value = i64(0)", "number = i64(0)")
                with w.block("elif load32(fcb + SEEN_GEN) != load64(X + GEN):"):
                    w("see_changes(X, fcb, load64(X + GEN))")
            with w.block("if number == 0 and flags & (F_IP4 | F_IP6):"):
                w("keep_entry_key(X, P)")
            w("opening = i64(value & 3 == 0)")
            if self.two_sided:
                w("side = load8(P + SIDE)", "reverse = side")
            else:
                w("side = 1 - opening", "reverse = side")
            w(
                "store64(X + CURRENT, number)",
                "store64(X + CX_INITIATOR, opening)",
                "store64(X + CX_REVERSE, reverse)",
            )
            if self.logs:
                with w.block("if number:"):
                    w("set_entry(X, number)")
                with w.block("elif flags & (F_IP4 | F_IP6):"):
                    w("read_packet(P, X + CX_ENTRY)")
                with w.block("else:"):
                    w("zero(X + CX_ENTRY, 48)")
            with w.block("if side:"):
                w("status = slow_1(X, P, 0, 0)")
            with w.block("else:"):
                w("status = slow_0(X, P, 0, 0)")
            with w.block("if load64(X + TAKEN) == 0:"):
                w("count(X, C_UNMATCHED)")
                with w.block("if status == 0 and load64(X + ON_UNMATCHED):"):
                    w("count_drop(X, R_UNMATCHED)", "status = i64(1)")
            w("finish(X, P, index, status, side, flags | tcp << 32)", "return i64(0)")

    def _process(self) -> None:
        w = self.w
        ticking = any("on_tick" in p.info.handlers for p in self.plan.nodes)
        pushes = any(p.encap or p.decap for p in self.plan.nodes)
        with w.function("process(X, start, stop)", "Run the packets of descriptors [start, stop) through the chain."):
            w(
                "descs = load64(X + DESCS)",
                "pool = load64(X + POOL)",
                "exts = load64(X + EXT)",
                "wheel = load64(X + WHEEL)",
                "gen = load64(X + GEN)",
                "now = load64(X + NOW)",
                "ms = load64(X + NOW_MS)",
                "next_ms = (ms + 1) * 1000000",
                "bytes_in = i64(0)",
                "bytes_out = i64(0)",
                "sent = i64(0)",
                "fast = i64(0)",
            )
            with w.block("if load64(X + STARTED) == 0 and stop > start:"):
                w("store64(X + STARTED, 1)", "now = load64(descs + start * DESC_SIZE + TS)", "store64(X + NOW, now)")
                w("ms = now // 1000000", "store64(X + NOW_MS, ms)", "next_ms = (ms + 1) * 1000000")
                if ticking:
                    w("tick(X, 1)")
            if not self.original:
                with w.block(f"for index in range(start, min(start + {FAR_AHEAD}, stop)):"):
                    w("look_far(X, descs + index * DESC_SIZE)")
                with w.block(f"for index in range(start, min(start + {NEAR}, stop)):"):
                    w("look_near(X, descs + index * DESC_SIZE)")
            with w.block("for index in range(start, stop):"):
                w("P = descs + index * DESC_SIZE")
                if not self.original:
                    with w.block(f"if index + {FAR_AHEAD} < stop:"):
                        w(f"look_far(X, P + {FAR_AHEAD} * DESC_SIZE)")
                    with w.block(f"if index + {NEAR} < stop:"):
                        w(f"look_near(X, P + {NEAR} * DESC_SIZE)")
                w("bytes_in += load32(P + WIRE)", "ts = load64(P + TS)")
                with w.block("if ts > now:"):
                    w("now = ts", "store64(X + NOW, now)")
                    with w.block("if now >= next_ms:"):
                        w("ms = now // 1000000", "next_ms = (ms + 1) * 1000000", "store64(X + NOW_MS, ms)")
                if ticking:
                    w("tick(X, 0)")
                with w.block("if load64(wheel + W_NEXT) <= ms:"):
                    w("expire(X)")
                if not self.original:
                    self._try_fast(pushes)
                w("handle(X, P, index)")
            w(
                "counters = load64(X + COUNTERS)",
                "store64(counters + C_IN, load64(counters + C_IN) + stop - start)",
                "store64(counters + C_BYTES_IN, load64(counters + C_BYTES_IN) + bytes_in)",
                "store64(counters + C_OUT, load64(counters + C_OUT) + sent)",
                "store64(counters + C_BYTES_OUT, load64(counters + C_BYTES_OUT) + bytes_out)",
                "store64(counters + C_FAST, load64(counters + C_FAST) + fast)",
                "return load64(X + ORDER_COUNT)",
            )

    def _look_ahead(self) -> None:
        w = self.w
        size, ext = self.plan.size, self.plan.ext_size
        with w.function("look_far(X, P)", "Hash the key of a packet to come and prefetch its bucket of the index."):
            w("flags = load32(P + FLAGS)", "store32(P + HASH, 0)")
            with w.block("if flags & (F_IP4 | F_IP6):"):
                w("h = packet_hash(P)", "store64(P + USER, h)")
                with w.block("if flags & F_IP4:"):
                    w("prefetch(bucket(load64(X + INDEX4), load64(X + MASK4), h))")
                with w.block("else:"):
                    w("prefetch(bucket(load64(X + INDEX6), load64(X + MASK6), h))")
        with w.function("look_near(X, P)", "Find what is probably the session of a packet to come and prefetch it."):
            w("flags = load32(P + FLAGS)")
            with w.block("if flags & F_IP4:"):
                w("value = candidate(load64(X + INDEX4), load64(X + MASK4), load64(P + USER))", "store32(P + HASH, value)")
                w(f"fcb = load64(X + POOL) + (value >> 2) * {size}")
                for line in range(0, min(size, 192), 64):
                    w(f"prefetch(fcb + {line})" if line else "prefetch(fcb)")
            with w.block("elif flags & F_IP6:"):
                w("value = candidate(load64(X + INDEX6), load64(X + MASK6), load64(P + USER))", "store32(P + HASH, value)")
                w(f"fcb = load64(X + POOL) + (value >> 2) * {size}", f"ext = load64(X + EXT) + (value >> 2) * {ext}")
                w("prefetch(fcb)", "prefetch(fcb + 64)", "prefetch(ext)", "prefetch(ext + 64)")

    def _try_fast(self, pushes: bool) -> None:
        w = self.w
        size, ext = self.plan.size, self.plan.ext_size
        w("flags = load32(P + FLAGS)", "value = load32(P + HASH)")
        with w.block("if value & 2 == 0 and value and flags & (F_LATER | F_ICMP_ERROR | F_MALFORMED) == 0:"):
            w(f"fcb = pool + (value >> 2) * {size}", f"ext = exts + (value >> 2) * {ext}")
            w("kind = value & 1", "side = load8(P + SIDE)")
            w("ip = load64(P + ADDR) + load16(P + L3)")
            w("b = load32(P + SPORT)", "c = load8(P + PROTO) | side << 8")
            with w.block("if flags & F_IP4:"):
                w("same = same4(fcb + KEY_O + kind * KEY_STRIDE, load64(ip + 12), b, c)")
            with w.block("else:"):
                w(
                    "same = same6(ext + E_KEY_O + kind * E_KEY_STRIDE, load64(ip + 8), load64(ip + 16), "
                    "load64(ip + 24), load64(ip + 32), b | c << 32)"
                )
            if not self.two_sided:
                w("side = kind")
            w("tcp = i64(0)")
            with w.block("if flags & F_TCP:"):
                w("tcp = load8(load64(P + ADDR) + load16(P + L4) + 13)")
            with w.block(
                "if same and load32(fcb + SEEN_GEN) == gen and load8(fcb + QUICK) >> side & 1 "
                "and load64(fcb + DEADLINE) > ms and tcp & 0x12 != 2:"
            ):
                w("number = value >> 2", "opening = 1 - kind", "fast += 1")
                w("store64(X + CURRENT, number)", "store64(X + CX_INITIATOR, opening)", "store64(X + CX_REVERSE, side)")
                if pushes:
                    w("store64(X + PUSHED, 0)")
                with w.block("if side == 0:"):
                    w("status = fast_0(X, P, fcb, ext, opening)")
                with w.block("else:"):
                    w("status = fast_1(X, P, fcb, ext, opening)")
                with w.block("if status >= 10:"):
                    w("finish(X, P, index, status - 10, side, flags | tcp << 32)")
                with w.block("elif status == 0:"):
                    with w.block("if too_long(X, P):"):
                        w("count_drop(X, R_MTU)")
                    with w.block("else:"):
                        w("track(X, fcb, number, opening, tcp)")
                        w("at = load64(X + ORDER_COUNT)", "store32(load64(X + ORDER) + 4 * at, index)")
                        w("store64(X + ORDER_COUNT, at + 1)", "sent += 1", "bytes_out += load32(P + WIRE)")
                w("continue")
