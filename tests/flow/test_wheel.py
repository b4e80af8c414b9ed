"""The timing wheel against a sorted list: exact order, whatever is refreshed, shortened, removed or added meanwhile."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nfuse.flow import header, wheel
from nfuse.memory.arena import Arena
from nfuse.memory.jit import native
from nfuse.memory.raw import load64, store64, violations

SIZE = 64
SECOND = 1000
HOUR = 3600 * SECOND
YEAR = 365 * 24 * HOUR


@native
def _load64(address: int) -> int:
    return load64(address)


@native
def _store64(address: int, value: int) -> None:
    store64(address, value)


MOST = 400
MEMORY = Arena(wheel.SIZE)
POOL = Arena((MOST + 1) * SIZE)


class Wheel:
    """A wheel, its pool and, beside them, what a sorted list says: the model is {idx: (deadline, number)}."""

    def __init__(self, capacity: int) -> None:
        assert capacity <= MOST
        self.memory, self.pool = MEMORY, POOL
        self.memory.clear()
        self.pool.clear()
        self.at = (self.memory.address, self.pool.address, SIZE)
        self.free = list(range(capacity, 0, -1))
        self.model: dict[int, tuple[int, int]] = {}
        self.created = 0
        wheel.start(self.memory.address)

    def fcb(self, idx: int) -> int:
        return self.pool.address + idx * SIZE

    def create(self, deadline: int, number: int | None = None) -> int:
        idx = self.free.pop()
        self.created += 1
        number = number or self.created
        _store64(self.fcb(idx) + header.DEADLINE, deadline)
        _store64(self.fcb(idx) + header.NUMBER, number)
        self.model[idx] = (deadline, number)
        wheel.insert(*self.at, idx)
        return idx

    def set_deadline(self, idx: int, deadline: int) -> None:
        old, number = self.model[idx]
        self.model[idx] = (deadline, number)
        _store64(self.fcb(idx) + header.DEADLINE, deadline)
        if deadline < old:
            wheel.shorten(*self.at, idx, old)

    def remove(self, idx: int) -> None:
        assert wheel.remove(*self.at, idx) == 1
        assert wheel.remove(*self.at, idx) == 0
        del self.model[idx]
        self.free.append(idx)

    def expire(self, now: int, most: int) -> int:
        """End up to `most` sessions as an engine does, each compared with the model; returns how many."""
        for count in range(most):
            due = [(deadline, number, idx) for idx, (deadline, number) in self.model.items() if deadline <= now]
            if self.next > now:
                assert not due
                return count
            idx = wheel.next_due(*self.at, now)
            assert idx == (min(due)[2] if due else 0)
            if not idx:
                assert self.next > now
                return count
            self.remove(idx)
        return most

    @property
    def next(self) -> int:
        return _load64(self.memory.address + wheel.W_NEXT)

    @property
    def count(self) -> int:
        return _load64(self.memory.address + wheel.W_COUNT)


timeouts = st.one_of(
    st.integers(0, 5),
    st.integers(0, 600),
    st.sampled_from([60, 120, 240, 300, 7440]).map(lambda s: s * SECOND),
    st.integers(0, 3 * HOUR),
    st.integers(0, 40 * 24 * HOUR),
    st.integers(0, 40 * YEAR),
)
steps = st.one_of(
    st.integers(0, 3), st.integers(0, 600), st.integers(0, HOUR), st.integers(0, 100 * 24 * HOUR), st.just(YEAR)
)


class WheelMachine(RuleBasedStateMachine):
    """Create, refresh, shorten, remove, let time pass; at most 8 sessions end per step."""

    @initialize(now=st.one_of(st.just(0), st.integers(0, 2**41), st.sampled_from([2**40 - 3, 2**31 - 300, 255])))
    def begin(self, now: int) -> None:
        self.wheel = Wheel(300)
        self.now = now
        self.wheel.expire(now, 1)

    @precondition(lambda self: len(self.wheel.free) >= 40)
    @rule(timeout=timeouts, count=st.integers(1, 40))
    def create(self, timeout: int, count: int) -> None:
        for _ in range(count):
            self.wheel.create(self.now + timeout)

    @precondition(lambda self: self.wheel.model)
    @rule(which=st.integers(0, 2**16), count=st.integers(1, 60), step=st.integers(1, 7), timeout=timeouts)
    def refresh(self, which: int, count: int, step: int, timeout: int) -> None:
        """Sessions out of order get one new deadline, later or earlier (but not in the past)."""
        known = sorted(self.wheel.model)
        for n in range(count):
            self.wheel.set_deadline(known[(which + n * step) % len(known)], self.now + timeout)

    @precondition(lambda self: self.wheel.model)
    @rule(which=st.integers(0, 2**16), earlier=st.integers(0, 100_000))
    def shorten(self, which: int, earlier: int) -> None:
        idx = sorted(self.wheel.model)[which % len(self.wheel.model)]
        deadline = self.wheel.model[idx][0]
        if deadline > self.now:
            self.wheel.set_deadline(idx, max(self.now, deadline - earlier))

    @precondition(lambda self: self.wheel.model)
    @rule(which=st.integers(0, 2**16))
    def remove(self, which: int) -> None:
        self.wheel.remove(sorted(self.wheel.model)[which % len(self.wheel.model)])

    @rule(step=steps, packets=st.integers(1, 3))
    def wait(self, step: int, packets: int) -> None:
        for _ in range(packets):
            self.now += step
            self.wheel.expire(self.now, 8)

    @precondition(lambda self: self.wheel.model)
    @rule(beyond=st.integers(-1, 1), most=st.sampled_from([1, 8, 1000]))
    def wait_for_one(self, beyond: int, most: int) -> None:
        self.now = max(self.now, min(deadline for deadline, _ in self.wheel.model.values()) + beyond)
        self.wheel.expire(self.now, most)

    @invariant()
    def bound_holds(self) -> None:
        if hasattr(self, "wheel"):
            assert self.wheel.count == len(self.wheel.model)
            if self.wheel.model:
                assert self.wheel.next <= min(self.wheel.model.values())[0] or self.wheel.next <= self.now

    def teardown(self) -> None:
        if hasattr(self, "wheel"):
            self.wheel.expire(2**45, 1000)
            assert not self.wheel.model
            occupied = self.wheel.memory.bytes[64:].copy()
            occupied[wheel._BINS - 64 : wheel._HEADS - 64] = 0
            assert not occupied.any(), "no trace is left in maps and lists"
        assert violations()[0] == 0


TestWheel = WheelMachine.TestCase
TestWheel.settings = settings(stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("order", ["rising", "falling", "random"])
@pytest.mark.parametrize("count", [1, 2, 24, 25, 300])
@pytest.mark.parametrize("spread", [1, 300, 2**40 + 257])
def test_one_millisecond_is_sorted_by_number(order: str, count: int, spread: int) -> None:
    numbers = [1 + n * spread for n in range(count)]
    if order != "rising":
        numbers.reverse()
    if order == "random":
        random.Random(count).shuffle(numbers)
    table = Wheel(count)
    table.expire(10**12, 1)
    for number in numbers:
        table.create(10**12 + 120 * SECOND, number)
    assert table.expire(10**12 + 120 * SECOND - 1, count) == 0
    assert table.expire(10**12 + 120 * SECOND, count) == count


def test_a_refresh_costs_the_wheel_nothing() -> None:
    table = Wheel(1)
    idx = table.create(1000)
    for deadline in range(1001, 5000):
        table.set_deadline(idx, deadline)
    assert table.expire(4998, 8) == 0
    assert table.expire(4999, 8) == 1


def test_backlog_stays_exact_while_new_sessions_arrive() -> None:
    table = Wheel(200)
    table.expire(0, 1)
    for n in range(100):
        table.create(50 + n % 3)
    now = 5000
    while table.model:
        table.expire(now, 8)  # compares each with the model
        if table.free and table.created < 150:
            table.create(now)  # already due, behind all others
            table.create(now + 1)
        now += 1
    assert table.created >= 150


def test_bound_is_rarely_reached_without_anything_due() -> None:
    """With one session per second, the wheel is asked a few times per session, not every millisecond."""
    table = Wheel(200)
    asked = 0
    for now in range(0, 100 * SECOND, 10):
        if now % SECOND == 0:
            table.create(now + 30 * SECOND)
        if table.next <= now:
            asked += 1
            table.expire(now, 8)
    assert asked < 4 * 100


def test_a_jump_over_years_opens_only_what_is_there() -> None:
    table = Wheel(10)
    table.expire(0, 1)
    table.create(120 * SECOND)
    assert table.expire(30 * YEAR, 8) == 1
    assert _load64(table.memory.address + wheel.W_BASE) == 30 * YEAR
    idx = table.create(30 * YEAR + 240 * SECOND)
    table.remove(idx)
    assert table.expire(60 * YEAR, 8) == 0
