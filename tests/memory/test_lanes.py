"""The vector compare against one byte at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nfuse.memory import lanes
from nfuse.memory.arena import Arena, write_bytes
from nfuse.memory.jit import CHECK, native
from nfuse.memory.raw import violations

_arena = Arena(4096)


@native
def _equal(address: int, byte: int) -> int:
    return lanes.equal_bytes(address, byte)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 255), st.integers(0, 63), st.integers(-3, 3))
def test_equal_bytes(data: bytes, byte: int, at: int, beyond: int) -> None:
    write_bytes(_arena.address + at, data)
    expected = sum(1 << lane for lane in range(16) if data[lane] == byte)
    assert _equal(_arena.address + at, byte + 256 * beyond) == expected


def test_check_mode_catches_a_compare_that_leaves_the_arena() -> None:
    if CHECK:
        assert _equal(_arena.address + 4096 - 15, 0) == 0
        assert violations()[0] == 1
    assert _equal(_arena.address + 4096 - 16, 0) == 0xFFFF
    assert violations()[0] == 0
