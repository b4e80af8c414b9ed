"""Blocks of coarser sessions against a dict and a list."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from nfuse.flow import blocks, index
from nfuse.memory.arena import Arena, read_bytes, write_bytes
from nfuse.memory.raw import violations

KEY = Arena(64)
TABLES: dict[tuple[int, int, int], blocks.Blocks] = {}
IDLE = 60_000

Key = tuple[int, ...]


class Table:
    """A table of blocks beside its model: {key: [block, flows, idle since, payload]}, in order of idling."""

    def __init__(self, payload: int, words: int, capacity: int) -> None:
        kind = (payload, words, capacity)
        self.payload, self.words, self.capacity = kind
        if kind not in TABLES:
            TABLES[kind] = blocks.Blocks(payload, words, capacity, IDLE)
        self.memory = TABLES[kind]
        for arena in (self.memory._blocks, self.memory._index):
            arena.clear()
        self.memory._control.bytes[60:80] = 0
        self.flows: dict[Key, int] = {}
        self.number: dict[Key, int] = {}
        self.data: dict[Key, bytes] = {}
        self.idle: dict[Key, int] = {}  # a dict keeps the order

    def where(self, block: int) -> int:
        return self.memory.base + block * self.memory.stride

    def acquire(self, key: Key, now: int) -> int:
        write_bytes(KEY.address, b"".join(word.to_bytes(8, "little", signed=True) for word in key))
        block = blocks.acquire(self.memory.address, KEY.address, now)
        if key in self.idle and now - self.idle.pop(key) >= IDLE:
            self.data[key] = bytes(self.payload)
        if not self.flows.get(key):
            for old in [k for k, since in self.idle.items() if now - since >= IDLE]:
                self.forget(old)
            if key not in self.data and len(self.data) == self.capacity:
                if not self.idle:
                    assert block == 0
                    return 0
                self.forget(next(iter(self.idle)))
        assert 1 <= block <= self.capacity
        self.flows[key] = self.flows.get(key, 0) + 1
        self.number[key] = block
        used = {self.number[k] for k, n in self.flows.items() if n}
        assert len(used) == sum(1 for n in self.flows.values() if n), "no block serves two keys"
        expected = self.data.setdefault(key, bytes(self.payload))
        assert read_bytes(self.where(block), self.payload) == expected
        assert blocks.flows(self.memory.address, block) == self.flows[key]
        return block

    def forget(self, key: Key) -> None:
        del self.idle[key], self.data[key]

    def release(self, key: Key, now: int) -> None:
        blocks.release(self.memory.address, self.number[key], now)
        self.flows[key] -= 1
        if not self.flows[key]:
            self.idle[key] = now

    def write(self, key: Key, value: int) -> None:
        self.data[key] = (value.to_bytes(8, "little") * 8)[: self.payload]
        write_bytes(self.where(self.number[key]), self.data[key])


class BlocksMachine(RuleBasedStateMachine):
    """Flows of few hosts come and go, in a table with too few blocks."""

    @initialize(
        kind=st.sampled_from([(8, 1, 1), (4, 1, 3), (20, 2, 13), (8, 7, 13), (0, 2, 3)]), now=st.integers(0, 2**41)
    )
    def begin(self, kind: tuple[int, int, int], now: int) -> None:
        self.table = Table(*kind)
        self.now = now

    def busy(self) -> list[Key]:
        return [key for key, count in self.table.flows.items() if count]

    @rule(host=st.integers(0, 16), wide=st.booleans())
    def acquire(self, host: int, wide: bool) -> None:
        self.table.acquire(tuple((host << (word if wide else 0)) - word for word in range(self.table.words)), self.now)

    @precondition(lambda self: self.busy())
    @rule(which=st.integers(0, 99), value=st.integers(0, 2**64 - 1))
    def write(self, which: int, value: int) -> None:
        self.table.write(self.busy()[which % len(self.busy())], value)

    @precondition(lambda self: self.busy())
    @rule(which=st.integers(0, 99), count=st.integers(1, 5))
    def release(self, which: int, count: int) -> None:
        for _ in range(min(count, len(self.busy()))):
            self.table.release(self.busy()[which % len(self.busy())], self.now)

    @rule(step=st.sampled_from([1, IDLE // 3, IDLE - 1, IDLE, 2**33]))
    def wait(self, step: int) -> None:
        self.now += step

    def teardown(self) -> None:
        assert violations()[0] == 0


TestBlocks = BlocksMachine.TestCase
TestBlocks.settings = settings(stateful_step_count=60, deadline=None)


@pytest.mark.parametrize(("late", "kept"), [(IDLE - 1, True), (IDLE, False)])
def test_idle_time_is_exact(late: int, kept: bool) -> None:
    table = Table(8, 1, 3)
    table.acquire((7,), 1000)
    table.write((7,), 42)
    table.release((7,), 1500)
    block = table.acquire((7,), 1500 + late)
    assert read_bytes(table.where(block), 1)[0] == (42 if kept else 0)


def test_full_table_forgets_the_one_that_has_idled_longest() -> None:
    table = Table(4, 1, 3)
    for host in (1, 2, 3):
        table.acquire((host,), 0)
        table.write((host,), host)
    assert table.acquire((4,), 0) == 0
    table.release((2,), 10)
    table.release((1,), 20)
    assert table.acquire((4,), 30) == table.number[(2,)]
    assert read_bytes(table.where(table.acquire((1,), 30)), 1)[0] == 1
    assert table.acquire((2,), 30) == 0


def test_memory_grows_with_use_only() -> None:
    table = Table(8, 1, 3)
    for now in range(0, 1000 * IDLE, IDLE):
        assert table.acquire((now,), now) == 1, "the expired block is taken before a fresh one"
        table.release((now,), now)


def test_small_blocks_are_small() -> None:
    count = 1_000_000
    total = count * blocks.stride(8, 1) + index.sized(count) * index.BUCKET
    assert total <= 41 * count
    with pytest.raises(ValueError, match="1 to 7 words"):
        blocks.Blocks(8, 8, 10)
