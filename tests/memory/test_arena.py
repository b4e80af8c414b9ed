"""Arenas: zeroed, grown by use, registered while they live."""

from __future__ import annotations

import gc
import mmap

import numpy as np

from nfuse.memory import raw
from nfuse.memory.arena import PAGE, Arena, View, read_bytes, write_bytes


def test_whole_pages_of_zeros() -> None:
    arena = Arena(PAGE + 1, "two pages")
    assert arena.size == 2 * PAGE
    assert arena.address % mmap.PAGESIZE == 0
    assert read_bytes(arena.address, arena.size) == bytes(arena.size)
    assert Arena(0).size == PAGE


def test_arrays_are_views() -> None:
    arena = Arena(PAGE)
    numbers = arena.array(np.int32, 4, offset=8)
    numbers[:] = [1, -2, 3, -4]
    assert read_bytes(arena.address + 8, 16) == numbers.astype("<i4").tobytes()
    write_bytes(arena.address + 8, b"\7\0\0\0")
    assert numbers[0] == 7
    assert arena.bytes[8] == 7


def test_memory_grows_with_use_only() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * PAGE

    before = resident()
    arena = Arena(1 << 36)  # 64 GiB of addresses
    arena.advise_huge()
    write_bytes(arena.address + (1 << 35), b"x")
    assert resident() - before < 64 << 20


def test_clear_gives_pages_back() -> None:
    arena = Arena(4 * PAGE)
    arena.bytes[:] = 255
    arena.clear()
    assert not arena.bytes.any()


def test_ranges_live_as_long_as_their_owners() -> None:
    arena = Arena(PAGE)
    array = np.zeros(100, dtype=np.uint8)
    view = View(array)
    assert (view.address, view.size) == (array.ctypes.data, 100)
    starts = {arena.address, view.address}
    assert starts <= set(raw._starts)
    del arena, view
    gc.collect()
    other = Arena(PAGE)  # what is gone is withdrawn when the next range is registered
    assert not (starts - {other.address}) & set(raw._starts)
    assert raw._starts == sorted(raw._starts)


def test_an_array_keeps_its_arena_mapped() -> None:
    numbers = Arena(PAGE).array(np.int64, 4)
    gc.collect()
    numbers[:] = 5
    assert numbers.sum() == 20
