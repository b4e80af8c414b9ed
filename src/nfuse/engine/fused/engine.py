"""The fused engine as a Python object: memory, tables, and the loop's entry."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.chain.spec import Chain
from nfuse.engine.api import STATES, Control
from nfuse.engine.flows import flow_type, scratchpad
from nfuse.engine.fused import context as cx
from nfuse.engine.fused.block_table import block_table
from nfuse.engine.fused.build import build
from nfuse.engine.fused.callback import Callback
from nfuse.engine.fused.codegen import Generator
from nfuse.engine.fused.farlib import SHARED, handler_module, kernel, shared
from nfuse.engine.fused.keys import key_words, stride_of
from nfuse.engine.fused.layout import ChainPlan, NodePlan, plan_chain
from nfuse.flow import evict, index, wheel
from nfuse.flow.blocks import Blocks
from nfuse.flow.header import DEADLINE, NUMBER, STATE
from nfuse.memory.arena import Arena
from nfuse.memory.cache import write_generated
from nfuse.memory.jit import Entry
from nfuse.memory.raw import violations
from nfuse.nf.abi import CX_LOG_BASE, CX_LOG_CAPACITY, CX_LOG_HEAD, CX_LOG_LOST, LOG_DTYPE, MAT_SIZE, TUPLE_SIZE
from nfuse.nf.instance import Instance
from nfuse.packet.fields import MODIFY_FIELDS
from nfuse.packet.reasons import MALFORMED
from nfuse.port.burst import Burst

LOG_RECORDS = 1 << 16
LATE_REASONS = 64
"""Drop reasons that an NF with interpreted handlers may come up with while it runs."""


class FusedEngine:
    """Runs a chain in one native loop.

    Args:
        chain: The chain. Its functions are compiled here (or taken from the cache), before any traffic.

    Raises:
        CompileError: A mistake in an NF.
        ValueError: The chain needs something that is not supported; the message says what.
    """

    original = False
    parses = True
    """Whether it takes packets that have not been parsed (:meth:`take`)."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.plan: ChainPlan = plan_chain(chain)
        self.instances = [Instance(node.nf) for node in chain.nodes]
        modules = [plan.info.load().__name__ for plan in self.plan.nodes]
        generator = Generator(self.plan, modules, self.original)
        self.sources = generator.generate()
        self._reasons: list[tuple[str, str]] = [("chain", reason) for reason in cx.CHAIN_REASONS]
        self._reasons += [("chain", f"malformed: {reason}") for reason in MALFORMED]
        self._first_reason: list[int] = []
        self._allocate()
        self._fill_nodes()
        for instance in self.instances:
            instance.start()
        self._callback = Callback(self)
        self._set(cx.CALLBACK, self._callback.address)
        self._logged = 0
        self._compile(generator, modules)
        chain.attach(self)

    # ------------------------------------------------------------------------------------------------------- memory

    def _set(self, offset: int, value: int) -> None:
        self._x[offset // 8] = value

    def _get(self, offset: int) -> int:
        return int(self._x[offset // 8])

    def _allocate(self) -> None:
        plan, chain = self.plan, self.chain
        count = len(plan.nodes)
        self._arena = Arena(1 << 20, "context")
        self.X = self._arena.address
        self._x: NDArray[np.int64] = self._arena.array(np.int64, cx.X_SIZE // 8)  # type: ignore[assignment]
        self._top = cx.X_SIZE
        capacity = chain.capacity
        self._pool = Arena((capacity + 1) * plan.size + 64, "sessions")
        self._ext = Arena((capacity + 1) * plan.ext_size + 64, "IPv6 sessions")
        self._old_keys = Arena((capacity + 1) * cx.OLD_KEY_SIZE + 64, "old reply keys")
        keys, most = 2 * capacity, 3 * capacity
        buckets = index.sized(keys, most)
        self._index4 = Arena(buckets * index.BUCKET, "IPv4 index")
        self._index6 = Arena(buckets * index.BUCKET, "IPv6 index")
        for arena in (self._index4, self._index6, self._pool, self._ext):
            if arena.size > 1 << 22:
                arena.advise_huge()
        self._wheel = Arena(wheel.SIZE, "timing wheel")
        wheel.start(self._wheel.address)
        self._heap = Arena(evict.memory_size(capacity), "eviction heap")
        evict.start(self._heap.address, capacity)
        self._log = Arena(LOG_RECORDS * LOG_DTYPE.itemsize, "log")
        self._drops_arena = Arena(1 << 16, "drop counters")
        set_ = self._set
        for offset, value in {
            cx.POOL: self._pool.address,
            cx.SIZE: plan.size,
            cx.EXT: self._ext.address,
            cx.ESIZE: plan.ext_size,
            cx.INDEX4: self._index4.address,
            cx.MASK4: buckets - 1,
            cx.INDEX6: self._index6.address,
            cx.MASK6: buckets - 1,
            cx.CAPACITY: capacity,
            cx.WHEEL: self._wheel.address,
            cx.HEAP: self._heap.address,
            cx.OLD_KEYS: self._old_keys.address,
            cx.GEN: 1,
            cx.TWO_SIDED: int(chain.two_sided),
            cx.NODES: count,
            cx.COLD: plan.cold,
            cx.FRAME_LIMIT: chain.mtu or 0,
            cx.FORCE_SLOW: int(self.original),
            cx.NEVER_QUICK: int(plan.never_quick or self.original),
            cx.ON_MALFORMED: int(chain.malformed == "pass"),
            cx.ON_UNMATCHED: int(chain.unmatched == "drop"),
            cx.DROPS: self._drops_arena.address,
            cx.SESSION_MASK: sum(1 << p.index for p in plan.nodes if not p.stateless),
            cx.TIMEOUTS: self._room(4 * cx.STATES_PER_CLASS * 8),
            cx.COUNTERS: self._room(8 * len(cx.COUNTER_NAMES)),
            cx.FAULTS: self._room(16 * cx.FAULT_SLOTS),
            cx.STATES: self._room(8 * count),
            cx.TEMP: self._room(MAT_SIZE),
            cx.PLACES: self._room(TUPLE_SIZE * (count + 1)),
            cx.HIDDEN: self._room(TUPLE_SIZE * (count + 1)),
            cx.NODE_TABLE: self._room(cx.NODE_SIZE * count),
            cx.NODE_GEN: self._room(8 * count),
            cx.TICKS: self._room(8 * count),
            cx.BLOCKS: self._room(64 * count),
            cx.MADE_QUEUE: self._room(8 * (count + 8)),
            CX_LOG_BASE: self._log.address,
            CX_LOG_CAPACITY: LOG_RECORDS,
        }.items():
            set_(offset, value)
        if self.original:
            tables = self._room(8 * count)
            set_(cx.OWN_TABLES, tables)
            set_(cx.OWN_MASK, buckets - 1)
            self._own = [Arena(buckets * index.BUCKET, f"table of {node.name}") for node in chain.nodes]
            self._words(cx.OWN_TABLES, count)[:] = [arena.address for arena in self._own]
        set_(cx.KEEPS_OLD, int(any(p.old for p in plan.nodes)))
        if plan.last_points is not None:
            set_(cx.LAST_ONLY, 1)
            set_(cx.LAST_POINTS, plan.last_points[0] | plan.last_points[1] << 32)
        self._timeouts()
        self._order = Arena(4 * 65536, "output order")
        set_(cx.ORDER, self._order.address)

    def _room(self, size: int) -> int:
        at = self._top
        self._top = -(-(at + size) // 64) * 64
        if self._top > self._arena.size:
            raise MemoryError("the chain's tables outgrow their arena")
        return self._arena.address + at

    def _words(self, offset: int, count: int) -> NDArray[np.int64]:
        start = self._get(offset) - self._arena.address
        return self._arena.array(np.int64, count, start)  # type: ignore[return-value]

    def _timeouts(self) -> None:
        ms = self.chain.timeouts.milliseconds()
        table = self._words(cx.TIMEOUTS, 4 * cx.STATES_PER_CLASS).reshape(4, cx.STATES_PER_CLASS)
        for state in range(cx.STATES_PER_CLASS):
            confirmed = bool(state & cx.ST_CONFIRMED)
            closing = bool(state & cx.ST_CLOSING)
            table[0, state] = ms["tcp_closing" if closing else "tcp_established" if confirmed else "tcp_new"]
            table[1, state] = ms["udp" if confirmed else "udp_new"]
            table[2, state] = ms["icmp"]
            table[3, state] = ms["other" if confirmed else "other_new"]

    def _fill_nodes(self) -> None:
        count = len(self.plan.nodes)
        rows = self._words(cx.NODE_TABLE, count * cx.NODE_SIZE // 8).reshape(count, -1)
        states = self._words(cx.STATES, count)
        blocks = self._words(cx.BLOCKS, 8 * count)
        self.blocks: dict[tuple[int, int], Blocks] = {}
        for plan, instance in zip(self.plan.nodes, self.instances, strict=True):
            row = rows[plan.index]
            states[plan.index] = instance.address
            self._first_reason.append(len(self._reasons))
            spare = [""] * (LATE_REASONS if plan.info.interpreted_handlers else 0)
            self._reasons += [(plan.node.name, reason) for reason in [*plan.info.reasons, *spare]]
            row[cx.N_REASONS // 8] = self._first_reason[-1]
            row[cx.N_LOCAL // 8] = plan.local
            row[cx.N_SCRATCH // 8] = plan.scratch
            row[cx.N_SCRATCH_SIZE // 8] = plan.scratch_size
            row[cx.N_READS // 8] = sum(1 << MODIFY_FIELDS.index(f) for f in plan.reads_at_setup if f in MODIFY_FIELDS)
            row[cx.N_HAS_CHANGE // 8] = int("on_change" in plan.info.handlers)
            row[cx.N_ENCAP // 8] = plan.encap_at
            row[cx.N_PARTNER // 8] = plan.partner
            for number, name in enumerate(MODIFY_FIELDS):
                row[cx.N_VALUES // 8 + number] = plan.values.get(name, 0)
                row[cx.N_VALUES6 // 8 + number] = plan.values6.get(name, 0)
                row[cx.N_OLD // 8 + number] = plan.old.get(name, 0)
                row[cx.N_OLD6 // 8 + number] = plan.old6.get(name, 0)
            for k, (_, fields, layout) in enumerate(plan.info.coarse):
                table = Blocks(
                    layout.size,
                    len(key_words(fields, plan.traffic)),
                    self.chain.capacity,
                    round(self.chain.idle * 1000),
                )
                assert table.stride == stride_of(plan, k)
                self.blocks[plan.index, k] = table
                blocks[8 * plan.index + k] = table.address
                instance.arena.array(np.int64, 8)[k] = table.base
        for side in (0, 1):
            order = self.plan.order(side)
            for placed in self.plan.points[side]:
                for position in placed.point.stages:
                    at = (cx.N_POINT + 32 * side) // 8
                    rows[order[position].index][at : at + 4] = (
                        placed.record,
                        placed.values,
                        placed.values6,
                        placed.others,
                    )

    @property
    def source(self) -> str:
        """The generated source of the chain, all modules of it."""
        return "\n\n".join(f"# ---- {name}\n{text}" for name, text in self.sources.items())

    def _compile(self, generator: Generator, modules: list[str]) -> None:
        """Compile everything now, or load it from the cache; put addresses where generated code looks for them."""
        kernels = [name for name in SHARED if self.original or name not in ("probe", "remember", "forget")]
        handlers = {key: handler_module(modules[key[0]], key[1]) for key in generator.handlers}
        written = {name: write_generated(name, text) for name, text in self.sources.items()}
        build([*map(kernel, kernels), *handlers.values(), *written.values(), "nfuse.packet.parse:parse_burst"])
        table = self._x[cx.FAR // 8 :]
        for name in kernels:
            table[cx.FAR_NAMES.index(name)] = shared(name).address
        for key, number in generator.handlers.items():
            if cx.FAR_HANDLERS + number >= len(table):
                raise ValueError("the chain has too many handlers")
            table[cx.FAR_HANDLERS + number] = importlib.import_module(handlers[key]).by_address.address
        for module in map(importlib.import_module, written.values()):
            for number, name in enumerate(cx.FAR_NAMES):
                if isinstance(getattr(module, name, None), Entry):
                    table[number] = getattr(module, name).address
        self.module: Any = importlib.import_module(written["chain"])
        self.module.process(self.X, 0, 0, 0)

    # ---------------------------------------------------------------------------------------------------- the engine

    def process(self, burst: Burst, start: int, stop: int) -> NDArray[np.int32]:
        """See :class:`nfuse.engine.api.Engine`."""
        return self._process(burst, start, stop, 0)

    def _process(self, burst: Burst, start: int, stop: int, raw: int) -> NDArray[np.int32]:
        if 4 * burst.capacity > self._order.size:
            self._order = Arena(4 * burst.capacity, "output order")
            self._set(cx.ORDER, self._order.address)
        self._set(cx.DESCS, burst.desc_address)
        self._set(cx.ORDER_COUNT, 0)
        self._set(cx.NEXT_DESC, burst.n)
        self._set(cx.LAST_DESC, burst.capacity)
        self._set(cx.NEXT_BYTE, burst.buffer.address + burst.used)
        self._set(cx.LAST_BYTE, burst.buffer.address + burst.buffer.size)
        count = self.module.process(self.X, start, stop, raw)
        if self._callback.error is not None:
            error, self._callback.error = self._callback.error, None
            raise error
        order: NDArray[np.int32] = self._order.array(np.int32, count)  # type: ignore[assignment]
        return order

    def take(self, burst: Burst, start: int, stop: int) -> tuple[NDArray[np.int32], int]:
        """As :meth:`process`, for packets that have not been parsed: each is parsed shortly before its turn.

        Returns:
            What leaves, and the index where it stopped: that of the first fragment, or `stop`.
        """
        order = self._process(burst, start, stop, 1)
        return order, self._get(cx.STOPPED)

    def control(self, change: Control) -> None:
        """See :class:`nfuse.engine.api.Engine`."""
        node = self.chain.node(change.nf).index
        self.instances[node].update(change.set)
        generation = self._get(cx.GEN) + 1
        self._set(cx.GEN, generation)
        self._words(cx.NODE_GEN, len(self.plan.nodes))[node] = generation

    def finish(self) -> None:
        """See :class:`nfuse.engine.api.Engine`."""
        count, address, size = violations()
        if count:
            raise MemoryError(f"{count} accesses outside all arenas; the first at {address:#x}, {size} bytes")

    def close(self) -> None:
        """See :class:`nfuse.engine.api.Engine`."""

    # ----------------------------------------------------------------------------------------------------- counters

    def _faults(self) -> list[tuple[int, int, bool, int]]:
        table = self._words(cx.FAULTS, 2 * cx.FAULT_SLOTS).reshape(-1, 2)
        found = []
        for key, count in table[table[:, 0] != 0].tolist():
            key &= ~(1 << 62)
            found.append((key >> 33, (key >> 1) & 0xFFFFFFFF, bool(key & 1), count))
        return found

    @property
    def counters(self) -> dict[str, int]:
        """See :class:`nfuse.engine.api.Engine`."""
        values = self._words(cx.COUNTERS, len(cx.COUNTER_NAMES)).tolist()
        counted = dict(zip(cx.COUNTER_NAMES, values, strict=True))
        counted["dropped"] = sum(self.drops.values())
        counted["faults"] = sum(count for _, _, dropped, count in self._faults() if not dropped)
        return {name: counted[name] for name in API_COUNTERS}

    @property
    def work(self) -> dict[str, int]:
        """How the packets were taken: on the fast or the slow path; consolidations, events, calls of on_change."""
        values = self._words(cx.COUNTERS, len(cx.COUNTER_NAMES)).tolist()
        return {k: v for k, v in zip(cx.COUNTER_NAMES, values, strict=True) if k not in API_COUNTERS}

    @property
    def drops(self) -> dict[tuple[str, str], int]:
        """See :class:`nfuse.engine.api.Engine`."""
        table = self._drops_arena.array(np.int64, len(self._reasons)).tolist()
        found = {self._reasons[n]: count for n, count in enumerate(table) if count}
        for node, line, dropped, count in self._faults():
            if dropped:
                plan = self.plan.nodes[node]
                found[plan.node.name, f"fault:{plan.info.name}:{line}"] = count
        return found

    def reason_number(self, node: int, text: str) -> int:
        """Return the number of an NF's drop reason; interpreted code may use texts that were not seen before."""
        from nfuse.engine.reasons import place_of

        first, end = self._first_reason[node], [*self._first_reason[1:], len(self._reasons)][node]
        at, text = place_of(text, [reason for _, reason in self._reasons[first:end]])
        self._reasons[first + at] = (self.plan.nodes[node].node.name, text)
        return at + 1

    def logs(self) -> NDArray[np.void]:
        """See :class:`nfuse.engine.api.Engine`."""
        head = self._get(CX_LOG_HEAD)
        if head - self._logged > LOG_RECORDS:
            self._set(CX_LOG_LOST, self._get(CX_LOG_LOST) + head - self._logged - LOG_RECORDS)
            self._logged = head - LOG_RECORDS
        ring = self._log.array(LOG_DTYPE, LOG_RECORDS)
        where = np.arange(self._logged, head) % LOG_RECORDS
        self._logged = head
        return ring[where].copy()  # type: ignore[return-value]

    def state(self, name: str, containers: bool = True) -> dict[str, Any]:
        """See :class:`nfuse.engine.api.Engine`."""
        return self.instances[self.chain.node(name).index].values(containers)

    def blocks_of(self, name: str, session: str) -> NDArray[np.void]:
        """See :class:`nfuse.engine.api.Engine`."""
        index, idle = self.chain.node(name).index, round(self.chain.idle * 1000)
        info = self.plan.nodes[index].info
        block = info.sessions[session].block
        assert block is not None
        return block_table(self.blocks[index, block], info, session, self._get(cx.NOW_MS), idle)

    # --------------------------------------------------------------------------------------------------- flow table

    def flows(self) -> NDArray[np.void]:
        """See :class:`nfuse.engine.api.Engine`."""
        kind = flow_type([(plan.node.name, plan.info) for plan in self.plan.nodes])
        used = self._get(cx.USED)
        size, ext_size = self.plan.size, self.plan.ext_size
        pool = self._pool.bytes[size : (used + 1) * size].reshape(used, size)
        ext = self._ext.bytes[ext_size : (used + 1) * ext_size].reshape(used, ext_size)

        def column(table: NDArray[np.uint8], rows: NDArray[Any], at: int, form: Any) -> NDArray[Any]:
            dtype = np.dtype(form)
            return np.ascontiguousarray(table[rows, at : at + dtype.itemsize]).view(dtype).reshape(len(rows))

        numbers = column(pool, np.arange(used), NUMBER, "<i8")
        live = np.flatnonzero(numbers)
        live = live[np.argsort(numbers[live], kind="stable")]
        rows = np.zeros(len(live), kind)
        rows["number"] = numbers[live]
        rows["deadline"] = column(pool, live, DEADLINE, "<i8")
        flags = column(pool, live, cx.FLAGS, "u1")
        rows["side"] = (flags & cx.FL_SIDE) != 0
        six = (flags & cx.FL_V6) != 0
        rows["family"] = np.where(six, 6, 4)
        state = column(pool, live, STATE, "u1")
        rows["state"] = np.where(
            state & cx.ST_CLOSING,
            STATES.index("closing"),
            np.where(state & cx.ST_CONFIRMED, STATES.index("established"), STATES.index("new")),
        )
        four = live[~six]
        for name, at in (("src", 0), ("dst", 4)):
            rows[name][~six, 12:] = pool[four, cx.KEY_O + at : cx.KEY_O + at + 4]
            rows[name][~six, 10:12] = 0xFF
            rows[name][six] = ext[live[six], cx.E_KEY_O + 4 * at : cx.E_KEY_O + 4 * at + 16]
        for name, at, form in (("sport", 0, "<u2"), ("dport", 2, "<u2"), ("proto", 4, "u1")):
            rows[name][~six] = column(pool, four, cx.KEY_O + 8 + at, form)
            rows[name][six] = column(ext, live[six], cx.E_KEY_O + 32 + at, form)
        matched = column(pool, live, cx.MATCHED, "<u4")
        for plan in self.plan.nodes:
            if not plan.stateless:
                self._scratch_columns(plan, rows, pool, live, (matched >> plan.index) & 1 != 0, column)
        return rows

    def fcb(self, number: int) -> bytes | None:
        """Return a copy of the flow control block of the live session of that number, None if there is none."""
        size, used = self.plan.size, self._get(cx.USED)
        pool = self._pool.bytes[size : (used + 1) * size].reshape(used, size)
        numbers = np.ascontiguousarray(pool[:, NUMBER : NUMBER + 8]).view("<i8").reshape(used)
        found = np.flatnonzero(numbers == number)
        return pool[found[0]].tobytes() if number and len(found) else None

    def _scratch_columns(
        self,
        plan: NodePlan,
        rows: NDArray[Any],
        pool: NDArray[Any],
        live: NDArray[Any],
        mine: NDArray[Any],
        column: Any,
    ) -> None:
        for name, session, slot in scratchpad(plan.node.name, plan.info):
            form = rows.dtype[name]
            k = plan.info.sessions[session].block
            if k is None:
                at = plan.scratch + slot.offset
                values = np.ascontiguousarray(pool[live, at : at + form.itemsize])
            else:
                offsets = column(pool, live, plan.scratch + 4 * k, "<u4").astype(np.int64) * 8 + slot.offset
                memory = self.blocks[plan.index, k].memory()
                values = memory[np.where(mine, offsets, 0)[:, None] + np.arange(form.itemsize)[None, :]]
            values[~mine] = 0
            rows[name] = values.view(form.base).reshape((len(live), *form.shape))


class OriginalEngine(FusedEngine):
    """The same chain without consolidation: each NF parses, judges its class, probes a table of its own, and acts."""

    original = True
    parses = False


from nfuse.engine.api import COUNTERS as API_COUNTERS  # noqa: E402
