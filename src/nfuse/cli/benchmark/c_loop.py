"""The yardstick: the consolidated work of chain 1 as a hand-written C loop (``bench/chain1.c``)."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nfuse.cli.benchmark.machine import ROOT
from nfuse.flow.index import BUCKET, sized
from nfuse.memory.arena import Arena

SOURCE = ROOT / "bench" / "chain1.c"
TIMEOUTS_MS = ((240_000, 240_000, 240_000, 240_000), (120_000, 300_000, 300_000, 300_000)) + ((60_000,) * 4,) * 2
"""By protocol class (TCP, UDP, ICMP, other) and state (new, answered, closing, closing)."""


def build() -> ctypes.CDLL | None:
    """Compile and load the loop; None where the source or a C compiler is missing."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not SOURCE.exists():
        return None
    with tempfile.TemporaryDirectory(prefix="nfuse-bench-") as folder:
        library = Path(folder) / "chain1.so"
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, "-o", str(library), str(SOURCE)], check=True)
        loaded = ctypes.CDLL(str(library))
    loaded.chain1_table_size.restype = loaded.chain1_session_size.restype = ctypes.c_uint64
    loaded.chain1_run.restype = ctypes.c_int64
    return loaded


class CLoop:
    """The C loop with its table.

    Args:
        library: What :func:`build` gave.
        capacity: Sessions that the table is laid out for.
        session_bytes: Bytes of a flow control block of nfuse; here whole cache lines, at least as many.
    """

    def __init__(self, library: ctypes.CDLL, capacity: int, session_bytes: int) -> None:
        self._library = library
        buckets = sized(2 * capacity)
        self.session_bytes = -(-max(session_bytes, library.chain1_session_size()) // 64) * 64
        self._table = Arena(library.chain1_table_size(), "C table")
        self._index = Arena(buckets * BUCKET, "C index")
        self._pool = Arena((capacity + 2) * self.session_bytes, "C sessions")
        for arena in (self._index, self._pool):
            arena.advise_huge()
        timeouts = np.array(TIMEOUTS_MS, dtype=np.int64)
        library.chain1_open(
            ctypes.c_void_p(self._table.address),
            ctypes.c_void_p(self._index.address),
            ctypes.c_uint64(buckets - 1),
            ctypes.c_void_p(self._pool.address),
            ctypes.c_int64(self.session_bytes),
            ctypes.c_void_p(timeouts.ctypes.data),
        )
        self._order = np.zeros(1 << 16, dtype=np.int32)

    def add(self, before: NDArray[np.uint8], after: NDArray[np.uint8], proto: NDArray[np.uint8], now_ms: int) -> None:
        """Enter sessions: 12 bytes of addresses and ports each, as in the packet, before and after the rewrite."""
        before, after, proto = (np.ascontiguousarray(array) for array in (before, after, proto))
        self._library.chain1_add(
            ctypes.c_void_p(self._table.address),
            ctypes.c_int64(len(before)),
            ctypes.c_void_p(before.ctypes.data),
            ctypes.c_void_p(after.ctypes.data),
            ctypes.c_void_p(proto.ctypes.data),
            ctypes.c_int64(now_ms),
        )

    def run(self, address: int, count: int) -> int:
        """Process the packets of `count` descriptors; return how many leave."""
        if count > len(self._order):
            self._order = np.zeros(count, dtype=np.int32)
        return int(
            self._library.chain1_run(
                ctypes.c_void_p(self._table.address),
                ctypes.c_void_p(address),
                ctypes.c_int64(count),
                ctypes.c_void_p(self._order.ctypes.data),
            )
        )

    def counters(self) -> dict[str, int]:
        """Return the loop's own counters."""
        values = (ctypes.c_uint64 * 5)()
        self._library.chain1_counters(ctypes.c_void_p(self._table.address), values)
        return dict(
            zip(("packets_in", "bytes_in", "packets_out", "bytes_out", "missed"), map(int, values), strict=True)
        )
