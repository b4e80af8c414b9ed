"""Loads, stores and arithmetic against Python's own integers; the check mode."""

from __future__ import annotations

import gc
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nfuse.memory import raw
from nfuse.memory.arena import Arena, read_bytes, write_bytes
from nfuse.memory.jit import CHECK, native
from nfuse.memory.raw import (
    call,
    copy,
    ctz,
    i64,
    load8,
    load8i,
    load16,
    load16be,
    load16i,
    load32,
    load32be,
    load32i,
    load64,
    load64be,
    lsr,
    mulhi,
    popcount,
    prefetch,
    store8,
    store16,
    store16be,
    store32,
    store32be,
    store64,
    store64be,
    zero,
)

_arena = Arena(4096)
_words = st.integers(-(1 << 63), (1 << 63) - 1)


@native
def _stores(at: int, value: int) -> int:
    store8(at, value)
    store16(at + 1, value)
    store32(at + 3, value)
    store64(at + 7, value)
    store16be(at + 15, value)
    store32be(at + 17, value)
    store64be(at + 21, value)
    return i64(0)


@native
def _loads(at: int, out: int) -> int:
    store64(out, load8(at))
    store64(out + 8, load16(at))
    store64(out + 16, load32(at))
    store64(out + 24, load64(at))
    store64(out + 32, load8i(at))
    store64(out + 40, load16i(at))
    store64(out + 48, load32i(at))
    store64(out + 56, load16be(at))
    store64(out + 64, load32be(at))
    store64(out + 72, load64be(at))
    return i64(0)


@native
def _arithmetic(a: int, b: int, count: int, out: int) -> int:
    store64(out, lsr(a, count))
    store64(out + 8, mulhi(a, b))
    store64(out + 16, ctz(a))
    store64(out + 24, popcount(a))
    store64(out + 32, i64(a * b))
    store64(out + 40, i64(a + b))
    store64(out + 48, i64(a == b))
    return i64(0)


@native
def _move(target: int, source: int, size: int) -> int:
    prefetch(source)
    prefetch(i64(0))
    copy(target, source, size)
    return i64(0)


@native
def _wipe(target: int, size: int) -> int:
    zero(target, size)
    return i64(0)


@native
def _call(function: int, a: int) -> int:
    return call(function, a, i64(2), i64(3), i64(4), i64(5), i64(6))


def _results(count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}q", read_bytes(_arena.address + 1024, 8 * count))


@given(value=_words, at=st.integers(0, 70))
@example(value=-1, at=63)
def test_stores_truncate(value: int, at: int) -> None:
    write_bytes(_arena.address, bytes(256))
    _stores(_arena.address + at, value)
    little, big = (value % (1 << 64)).to_bytes(8, "little"), (value % (1 << 64)).to_bytes(8, "big")
    written = little[:1] + little[:2] + little[:4] + little + big[6:] + big[4:] + big
    assert read_bytes(_arena.address, 256) == bytes(at) + written + bytes(256 - at - len(written))


@given(data=st.binary(min_size=8, max_size=8), at=st.integers(0, 70))
@example(data=b"\xff" * 8, at=61)
def test_loads_extend(data: bytes, at: int) -> None:
    write_bytes(_arena.address + at, data)
    _loads(_arena.address + at, _arena.address + 1024)
    unsigned = tuple(int.from_bytes(data[:n], "little") for n in (1, 2, 4))
    signed = tuple(int.from_bytes(data[:n], "little", signed=True) for n in (8, 1, 2, 4))
    big = (int.from_bytes(data[:2], "big"), int.from_bytes(data[:4], "big"), int.from_bytes(data, "big", signed=True))
    assert _results(10) == unsigned + signed + big


def _wrap(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


@given(a=_words, b=_words, count=st.integers(0, 63))
@example(a=0, b=0, count=63)
@example(a=-1, b=-1, count=0)
@example(a=-(1 << 63), b=-(1 << 63), count=63)
def test_arithmetic_wraps(a: int, b: int, count: int) -> None:
    _arithmetic(a, b, count, _arena.address + 1024)
    m, n = a % (1 << 64), b % (1 << 64)
    trailing = 64 if m == 0 else len(f"{m:b}") - len(f"{m:b}".rstrip("0"))
    assert _results(7) == (
        _wrap(m >> count), _wrap((m * n) >> 64), trailing, f"{m:b}".count("1"), _wrap(a * b), _wrap(a + b), int(a == b)
    )  # fmt: skip


@given(source=st.integers(0, 40), target=st.integers(0, 40), size=st.integers(-3, 40))
def test_copies_may_overlap(source: int, target: int, size: int) -> None:
    before = bytes(range(1, 101))
    write_bytes(_arena.address, before)
    _move(_arena.address + target, _arena.address + source, size)
    expected = bytearray(before)
    expected[target : target + max(size, 0)] = before[source : source + max(size, 0)]
    assert read_bytes(_arena.address, 100) == bytes(expected)


@pytest.mark.parametrize("size", [-1, 0, 1, 7, 64])
def test_zero(size: int) -> None:
    write_bytes(_arena.address, b"\xff" * 100)
    _wipe(_arena.address + 10, size)
    assert read_bytes(_arena.address, 100) == b"\xff" * 10 + bytes(max(size, 0)) + b"\xff" * (90 - max(size, 0))


def test_call_reaches_python() -> None:
    import ctypes

    seen: list[tuple[int, ...]] = []

    def called(*args: int) -> int:
        seen.append(args)
        return -7

    made = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 6)(called)
    assert _call(ctypes.cast(made, ctypes.c_void_p).value or 0, -1) == -7
    assert seen == [(-1, 2, 3, 4, 5, 6)]


# ---------------------------------------------------------------------------------------------------- the check mode

needs_check = pytest.mark.skipif(not CHECK, reason="NFUSE_CHECK=1 only")


@needs_check
def test_a_load_outside_gives_zero_and_is_counted() -> None:
    arena = Arena(4096)
    end = arena.address + arena.size
    write_bytes(end - 8, b"\xff" * 8)
    raw.violations()
    _loads(end - 4, _arena.address + 1024)
    assert _results(4) == (0xFF, 0xFFFF, 0xFFFFFFFF, 0)
    assert raw.violations() == (2, end - 4, 8)  # the two of eight bytes
    assert raw.violations()[0] == 0


@needs_check
def test_a_store_outside_does_nothing() -> None:
    arena = Arena(4096)
    write_bytes(arena.address, b"\xaa" * 16)
    raw.violations()
    _stores(arena.address - 3, 0)  # its neighbours before the arena, if any, are not ours
    count, first, _ = raw.violations()
    if count:
        assert arena.address - 3 <= first < arena.address


@needs_check
@pytest.mark.parametrize("address", [0, 8, -8, (1 << 63) - 8])
def test_wild_addresses_are_caught(address: int) -> None:
    raw.violations()
    _loads(address, _arena.address + 1024)
    assert _results(10) == (0,) * 10
    assert raw.violations() == (10, address, 1)
    _stores(address, -1)
    _move(_arena.address, address, 8)
    _move(address, _arena.address, 8)
    _wipe(address, 8)
    assert raw.violations()[0] == 10


@needs_check
def test_an_arena_that_is_gone_is_outside() -> None:
    arena: Any = Arena(4096)
    address = arena.address
    raw.violations()
    _loads(address, _arena.address + 1024)
    assert raw.violations()[0] == 0
    del arena
    gc.collect()
    other = Arena(4096)  # withdrawals take effect when the next range is registered
    if other.address != address:
        _loads(address, _arena.address + 1024)
        assert raw.violations() == (10, address, 1)
