"""The part of the data path that is particular to a chain, written as Python source.

For each direction of travel there are two functions. ``slow_<side>`` takes a packet NF by NF, judges classes, runs
on_flow and on_change, and applies each NF's action at its place. ``fast_<side>`` takes packets of sessions whose
actions are consolidated: the state functions, and the rewrites at the points of application. ``process`` runs a burst
in batches: hash and prefetch, look up and prefetch, then packet by packet.

``original=True`` gives the same chain the way it runs without consolidation: no fast path; each NF parses the packet,
judges its class and probes a table of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nfuse.action.points import modify_fields
from nfuse.engine.fused.context import KEY_AHEAD, R_MALFORMED, TUPLE_AHEAD
from nfuse.engine.fused.fast import FastPath
from nfuse.engine.fused.keys import TUPLE_NAMES, key_words, stride_of
from nfuse.engine.fused.layout import NodePlan
from nfuse.engine.fused.slow import SlowPath
from nfuse.engine.fused.writer import Writer

NEAR, FAR_AHEAD, FRAMES_AHEAD = 12, 24, 48
"""How many packets ahead of the one in hand its session, before that its bucket of the index, and before that its frame
is prefetched. Rolling ahead beats whole batches: a processor follows some dozen misses at a time and drops what goes
beyond."""

HEADER = '''"""Generated: the data path of one chain."""

from nfuse.engine.fused.chainlib import *
'''


class Generator(SlowPath, FastPath):
    """Writes the module of one chain; see :class:`~nfuse.engine.fused.part.Part` for the arguments."""

    def generate(self) -> dict[str, str]:
        """Return the sources of the chain's modules by name; ``chain`` holds the loop itself.

        What is called by address has modules of its own, so that they can be compiled side by side.
        """
        parts: dict[str, str] = {}

        def module(name: str, *makers: Callable[[], None]) -> None:
            self.w = Writer()
            self.w(HEADER.rstrip())
            for make in makers:
                make()
            parts[name] = self.w.text()

        for side in (0, 1):
            if self.replies:
                module(f"chain_back_{side}", self._judges, partial(self._slow, side, back=True))
                module(f"chain_slow_{side}", self._judges, partial(self._send_back, side), partial(self._slow, side))
            else:
                module(f"chain_slow_{side}", self._judges, partial(self._slow, side))
        module("chain_life", self._end, self._expire, self._make_room, self._ticks, self._finish, self._handle)
        if self.original:
            module("chain", self._process)
        else:
            module("chain", self._imports, self._judges, self._fasts, self._expect, self._look_ahead, self._process)
        return parts

    def _imports(self) -> None:
        for plan, module in zip(self.plan.nodes, self.modules, strict=True):
            for name in sorted(self._compiled(plan)):
                if name == "on_packet" or name.startswith(("run_", "event_")):
                    self.w(f"from {module} import {name} as n{plan.index}_{name}")

    def _judges(self) -> None:
        for number, alternatives in enumerate(self.plan.chain.branches):
            self._judge(number, alternatives)

    def _fasts(self) -> None:
        self.inline = True
        for side in (0, 1):
            self._fast(side)
        self.inline = False

    # --------------------------------------------------------------------------------------------- sessions, time

    def _end(self) -> None:
        w = self.w
        with w.function("end(X, number)", "End a session: on_end of its NFs in chain order, then free what it holds."):
            w("fcb = fcb_of(X, number)", "states = load64(X + STATES)", "matched = load32(fcb + MATCHED)")
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
        with w.function(
            "make_room(X)", "Make sure that one more session fits: 0 if nothing may be evicted (rule S14)."
        ):
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
                if self.turns:
                    with w.block("if status == 0:"):
                        w("turn_out(P, fcb, side, opening)")
                with w.block("if status == 0 and special == 0:"):
                    with w.block("if opening and load8(fcb + FLAGS_OF) & FL_REKEY and rekey(X, P, number) == 0:"):
                        w("count_drop(X, R_REVERSE_KEY)", "status = i64(1)", "end(X, number)", "number = i64(0)")
                    with w.block("else:"):
                        w("track(X, fcb, number, opening, tcp, load64(X + NOW_MS), load64(X + TIMEOUTS))")
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
                w("side = load8(P + SIDE)")
                if self.turns:
                    with w.block("if number:"):
                        w("side = travels(fcb, opening)")
            else:
                w("side = 1 - opening")
            w(
                "store64(X + CURRENT, number)",
                "store64(X + CX_INITIATOR, opening)",
                "store64(X + CX_REVERSE, side)",
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
        with w.function(
            "process(X, start, stop, raw)",
            "Run the packets of descriptors [start, stop) through the chain; raw: they have not been parsed.",
        ):
            w("descs = load64(X + DESCS)")
            if not self.original:
                w(
                    "index4 = load64(X + INDEX4)",
                    "mask4 = load64(X + MASK4)",
                    "index6 = load64(X + INDEX6)",
                    "mask6 = load64(X + MASK6)",
                    "pool = load64(X + POOL)",
                    "exts = load64(X + EXT)",
                    "timeouts = load64(X + TIMEOUTS)",
                    "order = load64(X + ORDER)",
                    "out = load64(X + ORDER_COUNT)",
                )
            w(
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
            if not self.original:
                self._first_looks()  # a fragment that is met may make the part empty
            with w.block("if load64(X + STARTED) == 0 and stop > start:"):
                w("store64(X + STARTED, 1)", "now = load64(descs + start * DESC_SIZE + TS)", "store64(X + NOW, now)")
                w("ms = now // 1000000", "store64(X + NOW_MS, ms)", "next_ms = (ms + 1) * 1000000")
                if ticking:
                    w("tick(X, 1)")
            w("index = i64(start)")
            with w.block("while index < stop:"):
                w("P = descs + index * DESC_SIZE")
                if not self.original:
                    with w.block(f"if index + {FAR_AHEAD} < stop:"):
                        self._look_far(f"index + {FAR_AHEAD}")
                    with w.block(f"if index + {NEAR} < stop:"):
                        w(f"look_near(P + {NEAR} * DESC_SIZE, {self._tables()})")
                w("bytes_in += load32(P + WIRE)", "ts = load64(P + TS)")
                with w.block("if ts > now:"):
                    w("now = ts", "store64(X + NOW, now)")
                    with w.block("if now >= next_ms:"):
                        w("ms = now // 1000000", "next_ms = (ms + 1) * 1000000", "store64(X + NOW_MS, ms)")
                if ticking:
                    w("tick(X, 0)")
                with w.block("if load64(wheel + W_NEXT) <= ms:"):
                    w("expire(X)")
                if self.original:
                    w("handle(X, P, index)")
                else:
                    self._try_fast(pushes)
                    with w.block("if taken == 0:"):
                        w("store64(X + ORDER_COUNT, out)", "handle(X, P, index)", "out = load64(X + ORDER_COUNT)")
                w("index += 1")
            if not self.original:
                w("store64(X + ORDER_COUNT, out)")
            w(
                "counters = load64(X + COUNTERS)",
                "store64(counters + C_IN, load64(counters + C_IN) + stop - start)",
                "store64(counters + C_BYTES_IN, load64(counters + C_BYTES_IN) + bytes_in)",
                "store64(counters + C_OUT, load64(counters + C_OUT) + sent)",
                "store64(counters + C_BYTES_OUT, load64(counters + C_BYTES_OUT) + bytes_out)",
                "store64(counters + C_FAST, load64(counters + C_FAST) + fast)",
                "store64(X + STOPPED, stop)",
                "return load64(X + ORDER_COUNT)",
            )

    def _tables(self) -> str:
        return "X, index4, mask4, index6, mask6, pool, exts"

    def _foreseen(self) -> list[tuple[NodePlan, int, list[str]]]:
        """List the coarser sessions whose keys follow from a packet at the entry: node, number, words of the key."""
        found = []
        modified: set[str] = set()
        for plan in self.plan.nodes:
            for k, (_, fields, _) in enumerate(plan.info.coarse):
                names = {str(field) for field in fields}
                if names <= TUPLE_NAMES and not modify_fields(names) & modified:
                    found.append((plan, k, key_words(fields, plan.traffic, TUPLE_AHEAD)))
            modified |= plan.modifies
        return found

    def _expect(self) -> None:
        """Write what is prefetched for a packet that will probably open a session."""
        w = self.w
        if not self._foreseen():
            return
        with w.function("expect(X, P)", "Prefetch the blocks of coarser sessions that a packet to come will ask for."):
            w(f"read_packet(P, X + {TUPLE_AHEAD})")
            for plan, k, words in self._foreseen():
                for n, word in enumerate(words):
                    w(f"store64(X + {KEY_AHEAD + 8 * n}, {word})")
                w(f"prefetch_block(load64(load64(X + BLOCKS) + {8 * (plan.index * 8 + k)}), X + {KEY_AHEAD})")
            w("return i64(0)")

    def _first_looks(self) -> None:
        """Write what looks at the packets before the first one's turn."""
        w = self.w
        with w.block("if raw:"):
            with w.block(f"for ahead in range(start, min(start + {FRAMES_AHEAD}, stop)):"):
                w("prefetch(load64(descs + ahead * DESC_SIZE + ADDR))")
        w("ahead = i64(start)", f"limit = min(start + {FAR_AHEAD}, stop)")
        with w.block("while ahead < limit and ahead < stop:"):
            self._look_far("ahead")
            w("ahead += 1")
        with w.block(f"for ahead in range(start, min(start + {NEAR}, stop)):"):
            w(f"look_near(descs + ahead * DESC_SIZE, {self._tables()})")

    def _look_far(self, ahead: str) -> None:
        """Write the first look at a packet to come; a fragment ends the part that can be run without sorting."""
        w = self.w
        w(f"Q = descs + ({ahead}) * DESC_SIZE")
        with w.block("if raw:"):
            with w.block(f"if {ahead} + {FRAMES_AHEAD - FAR_AHEAD} < stop:"):
                w(f"prefetch(load64(Q + {FRAMES_AHEAD - FAR_AHEAD} * DESC_SIZE + ADDR))")
            w("f = parse_common(Q)")
            with w.block("if f == 0:"):
                w("f = parse(Q)")
            if self.plan.chain.direction is not None:
                condition = self.plan.chain.direction.bind(self.plan.chain.ports).emit("Q")
                w(f"s = i64(1 if {condition} else 0)", "store8(Q + SIDE, s)", "store8(Q + INPORT, s)")
            with w.block("if f & F_FRAG:"):
                w(f"stop = {ahead}")
        w(f"look_far(Q, {self._tables()})")

    def _look_ahead(self) -> None:
        w = self.w
        size, ext, touched = self.plan.size, self.plan.ext_size, self.plan.touched
        with w.function(
            f"look_far(P, {self._tables()})", "Hash the key of a packet to come and prefetch its bucket of the index."
        ):
            w("flags = load32(P + FLAGS)", "store32(P + HASH, 0)")
            with w.block("if flags & (F_IP4 | F_IP6):"):
                w("h = packet_hash(P)", "store64(P + USER, h)")
                with w.block("if flags & F_IP4:"):
                    w("prefetch(bucket(index4, mask4, h))")
                with w.block("else:"):
                    w("prefetch(bucket(index6, mask6, h))")
        with w.function(
            f"look_near(P, {self._tables()})", "Find what is probably the session of a packet to come and prefetch it."
        ):
            w("flags = load32(P + FLAGS)")
            with w.block("if flags & F_IP4:"):
                w("value = candidate(index4, mask4, load64(P + USER))", "store32(P + HASH, value)")
                if self._foreseen():
                    with w.block("if value == 0:"):
                        w("expect(X, P)")
                w(f"fcb = pool + (value >> 2) * {size}")
                for line in range(0, touched, 64):
                    w(f"prefetch(fcb + {line})" if line else "prefetch(fcb)")
            with w.block("elif flags & F_IP6:"):
                w("value = candidate(index6, mask6, load64(P + USER))", "store32(P + HASH, value)")
                w(f"fcb = pool + (value >> 2) * {size}", f"ext = exts + (value >> 2) * {ext}")
                for line in range(0, touched, 64):
                    w(f"prefetch(fcb + {line})" if line else "prefetch(fcb)")
                w("prefetch(ext)", "prefetch(ext + 64)")

    def _try_fast(self, pushes: bool) -> None:
        w = self.w
        size, ext = self.plan.size, self.plan.ext_size
        w("flags = load32(P + FLAGS)", "value = load32(P + HASH)", "taken = i64(0)")
        with w.block("if value and flags & (F_LATER | F_ICMP_ERROR | F_MALFORMED) == 0:"):
            w(f"fcb = pool + (value >> 2) * {size}", f"ext = exts + (value >> 2) * {ext}")
            w("side = load8(P + SIDE)")
            w("ip = load64(P + ADDR) + load16(P + L3)")
            w("b = load32(P + SPORT)", "c = load8(P + PROTO) | side << 8")
            with w.block("if flags & F_IP4:"):
                w("same = same4(fcb + KEY_O + (value & 1) * KEY_STRIDE, load64(ip + 12), b, c)")
            with w.block("else:"):
                w(
                    "same = same6(ext + E_KEY_O + (value & 1) * E_KEY_STRIDE, load64(ip + 8), load64(ip + 16), "
                    "load64(ip + 24), load64(ip + 32), b | c << 32)"
                )
            with w.block("if same == 0:  # the hint deceived: a tag is one byte"):
                w("value = find_packet(X, P)", "same = value")
                w(f"fcb = pool + (value >> 2) * {size}", f"ext = exts + (value >> 2) * {ext}")
            w("kind = value & 3")
            if not self.two_sided:
                w("side = kind & 1")
            elif self.turns:
                w("side = travels(fcb, 1 - (kind & 1))")
            w("tcp = i64(0)")
            with w.block("if flags & F_TCP:"):
                w("tcp = load8(load64(P + ADDR) + load16(P + L4) + 13)")
            with w.block(
                "if same and kind < 2 and load32(fcb + SEEN_GEN) == gen and load8(fcb + QUICK) >> side & 1 "
                "and load64(fcb + DEADLINE) > ms and tcp & 0x12 != 2:"
            ):
                w("number = value >> 2", "opening = 1 - kind", "fast += 1", "taken = i64(1)")
                w("store64(X + CURRENT, number)", "store64(X + CX_INITIATOR, opening)", "store64(X + CX_REVERSE, side)")
                if pushes:
                    w("store64(X + PUSHED, 0)")
                with w.block("if side == 0:"):
                    w("status = fast_0(X, P, fcb, ext, opening)")
                with w.block("else:"):
                    w("status = fast_1(X, P, fcb, ext, opening)")
                with w.block("if status >= 10:"):
                    w("store64(X + ORDER_COUNT, out)", "finish(X, P, index, status - 10, side, flags | tcp << 32)")
                    w("out = load64(X + ORDER_COUNT)")
                if self.plan.chain.mtu is not None:
                    with w.block("elif status == 0 and too_long(X, P):"):
                        w("count_drop(X, R_MTU)")
                with w.block("elif status == 0:"):
                    w("track(X, fcb, number, opening, tcp, ms, timeouts)")
                    if self.turns:
                        w("turn_out(P, fcb, side, opening)")
                    w("store32(order + 4 * out, index)", "out += 1", "sent += 1", "bytes_out += load32(P + WIRE)")
