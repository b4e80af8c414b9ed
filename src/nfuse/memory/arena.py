"""Arenas: anonymous memory that grows only with use, at addresses that native code may touch.

An arena reserves address space and gets pages from the kernel when they are first written. It is registered, so that
the check mode (``NFUSE_CHECK=1``) can verify that each load and store of the data path stays inside one.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
import weakref

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nfuse.memory import raw

PAGE = mmap.PAGESIZE
_KNOWN = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64", "riscv64")
_MAP_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if _KNOWN else 0)
"""Python names this flag since 3.13. Without it, the kernel refuses to reserve more than the memory it has."""


class Arena:
    """A zeroed block of anonymous memory.

    Args:
        size: Bytes to reserve. Resident memory grows only with the pages that are touched.
        label: A name for messages.

    Attributes:
        address: Address of the first byte; page aligned.
        size: Bytes, rounded up to whole pages.
    """

    def __init__(self, size: int, label: str = "arena") -> None:
        self.size = max(PAGE, -(-size // PAGE) * PAGE)
        self.label = label
        self._map = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._map, dtype=np.uint8)
        self.address = int(self.bytes.ctypes.data)
        raw.register_range(self.address, self.size)
        self._finalizer = weakref.finalize(self, raw.unregister_range, self.address)

    def array(self, dtype: DTypeLike, count: int, offset: int = 0) -> NDArray[np.generic]:
        """View `count` items of `dtype`, starting `offset` bytes into the arena, as an array (no copy)."""
        return np.frombuffer(self._map, dtype=dtype, count=count, offset=offset)

    def advise_huge(self) -> None:
        """Ask for transparent huge pages: fewer TLB misses for tables that are larger than the caches."""
        if hasattr(mmap, "MADV_HUGEPAGE"):
            try:
                self._map.madvise(mmap.MADV_HUGEPAGE)
            except OSError:
                pass

    def clear(self) -> None:
        """Zero the arena and give its pages back to the kernel."""
        self._map.madvise(mmap.MADV_DONTNEED)


class View:
    """Memory that something else owns (a mapped file, a NumPy array), registered while this object lives."""

    def __init__(self, array: NDArray[np.generic]) -> None:
        self._array = array
        self.address = int(array.ctypes.data)
        self.size = int(array.nbytes)
        raw.register_range(self.address, max(1, self.size))
        self._finalizer = weakref.finalize(self, raw.unregister_range, self.address)


def read_bytes(address: int, size: int) -> bytes:
    """Copy `size` bytes at `address` into a bytes object."""
    return ctypes.string_at(address, size)


def write_bytes(address: int, data: bytes) -> None:
    """Copy `data` to `address`."""
    ctypes.memmove(address, data, len(data))
