"""The victim against the minimum over all sessions."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from nfuse.flow import evict, header
from nfuse.memory.arena import Arena
from nfuse.memory.jit import native
from nfuse.memory.raw import load64, store8, store64, violations

SIZE = 64
AT = 30
MASK = 0b0110
MOST = 64
POOL = Arena((MOST + 1) * SIZE)
HEAP = Arena(evict.memory_size(MOST))


@native
def _load64(address: int) -> int:
    return load64(address)


@native
def _put(fcb: int, deadline: int, number: int, state: int) -> None:
    store64(fcb + header.DEADLINE, deadline)
    store64(fcb + header.NUMBER, number)
    store8(fcb + AT, state)


class Sessions:
    """A full-size pool whose model is {idx: [deadline, number, state]}."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.model: dict[int, list[int]] = {}
        self.created = 0
        self.used = 0
        POOL.clear()
        evict.start(HEAP.address, capacity)

    def store(self, idx: int) -> None:
        _put(POOL.address + idx * SIZE, *self.model[idx])

    def note(self, idx: int) -> None:
        evict.note(HEAP.address, POOL.address, SIZE, idx, len(self.model))

    def create(self, deadline: int) -> int:
        idx = next(i for i in range(1, self.capacity + 1) if i not in self.model)
        self.used = max(self.used, idx)
        self.created += 1
        self.model[idx] = [deadline, self.created, 0x80]
        self.store(idx)
        self.note(idx)
        return idx

    def end(self, idx: int) -> None:
        deadline, _, state = self.model.pop(idx)
        _put(POOL.address + idx * SIZE, deadline, 0, state)

    def victim(self) -> int:
        idx = evict.victim(HEAP.address, POOL.address, SIZE, self.used, AT, MASK)
        young = [(deadline, number, i) for i, (deadline, number, state) in self.model.items() if not state & MASK]
        assert idx == (min(young)[2] if young else 0)
        return idx

    @property
    def active(self) -> int:
        return _load64(HEAP.address + evict.E_ACTIVE)


timeouts = st.one_of(
    st.sampled_from([120_000, 240_000]), st.integers(0, 3), st.integers(0, 2**34), st.integers(0, 2**40)
)


class EvictMachine(RuleBasedStateMachine):
    """Sessions are created, refreshed, grow up and end; victims are asked for at any time."""

    @initialize(capacity=st.sampled_from([1, 2, 8, 40]), now=st.sampled_from([0, 5, 2**40]))
    def begin(self, capacity: int, now: int) -> None:
        self.sessions = Sessions(capacity)
        self.now = now

    def pick(self, which: int) -> int:
        known = sorted(self.sessions.model)
        return known[which % len(known)]

    @rule(timeout=timeouts, count=st.integers(1, 40))
    def create(self, timeout: int, count: int) -> None:
        for _ in range(count):
            if len(self.sessions.model) == self.sessions.capacity:
                idx = self.sessions.victim()
                if not idx:
                    return
                self.sessions.end(idx)
            self.sessions.create(self.now + timeout)

    @rule(step=st.one_of(st.integers(0, 5), st.integers(0, 2**35)))
    def wait(self, step: int) -> None:
        self.now += step

    @precondition(lambda self: self.sessions.model)
    @rule(which=st.integers(0, 1000), timeout=timeouts)
    def refresh(self, which: int, timeout: int) -> None:
        idx = self.pick(which)
        before = self.sessions.model[idx][0]
        self.sessions.model[idx][0] = self.now + timeout
        self.sessions.store(idx)
        if self.now + timeout < before:
            self.sessions.note(idx)

    @precondition(lambda self: self.sessions.model)
    @rule(which=st.integers(0, 1000), bit=st.sampled_from([2, 4]))
    def grow_up(self, which: int, bit: int) -> None:
        idx = self.pick(which)
        self.sessions.model[idx][2] |= bit
        self.sessions.store(idx)

    @precondition(lambda self: self.sessions.model)
    @rule(which=st.integers(0, 1000))
    def end(self, which: int) -> None:
        self.sessions.end(self.pick(which))

    @rule()
    def victim(self) -> None:
        self.sessions.victim()

    def teardown(self) -> None:
        if hasattr(self, "sessions"):
            while idx := self.sessions.victim():
                self.sessions.end(idx)
        assert violations()[0] == 0


TestEvict = EvictMachine.TestCase
TestEvict.settings = settings(stateful_step_count=40, deadline=None)


def test_nothing_is_kept_before_the_first_victim() -> None:
    sessions = Sessions(8)
    for n in range(8):
        sessions.create(100 - n)
    assert not sessions.active
    assert sessions.victim() == 8
    assert sessions.active


def test_flood_through_a_full_table() -> None:
    sessions = Sessions(16)
    for n in range(200):
        if len(sessions.model) == 16:
            sessions.end(sessions.victim())
        sessions.create(1000 + n // 3)
    assert sessions.active
    assert sorted(number for _, number, _ in sessions.model.values()) == list(range(185, 201))


def test_heap_is_forgotten_once_the_table_is_less_than_seven_eighths_full() -> None:
    sessions = Sessions(16)
    for _ in range(16):
        sessions.create(50)
    sessions.victim()
    for idx in (1, 2):
        sessions.end(idx)
    sessions.create(60)
    assert sessions.active
    for idx in (1, 3, 4, 5):
        sessions.end(idx)
    sessions.create(60)
    assert not sessions.active


def test_no_victim_among_grown_up_sessions() -> None:
    sessions = Sessions(8)
    for _ in range(8):
        idx = sessions.create(50)
        sessions.model[idx][2] = 0x02
        sessions.store(idx)
    assert sessions.victim() == 0
    sessions.end(3)
    assert sessions.create(70) == 3
    assert sessions.active, "an empty heap stays in use: no second scan"
    assert sessions.victim() == 3


@pytest.mark.parametrize("capacity", [0, 1, 1_000_000])
def test_memory(capacity: int) -> None:
    assert evict.memory_size(capacity) >= 32 * capacity
