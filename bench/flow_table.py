"""Cost of the flow table's kernels, in ns per operation: index, timing wheel, eviction, coarser blocks.

    PYTHONPATH=src python bench/flow_table.py [sessions ...]

Each figure is the median of several runs, with the spread (largest minus smallest) behind it. The sessions have random
keys, two each where the flow table would have them; FCBs are 192 bytes. "batched" is the look-up as an engine does it:
64 packets at a time, first the buckets, then the FCBs are prefetched. "life" is one session's whole life in the wheel:
hung, refreshed once, hung anew, due, removed; "in order" where sessions lie in memory as they expire, "shuffled" where
the refresh has put them into random order.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from nfuse.flow import blocks, evict, index, wheel
from nfuse.flow.header import DEADLINE, NUMBER
from nfuse.memory.arena import Arena
from nfuse.memory.jit import native
from nfuse.memory.raw import load16, load32, load64, prefetch, store64, zero

RUNS = 5
SIZE, OFFSET, STRIDE = 192, 32, 14  # FCB
BATCH = 64
TIMEOUT = 120_000


@native
def fill(base: int, mask: int, pool: int, keys: int, count: int) -> int:
    """Insert the keys 0 to `count` - 1."""
    for n in range(count):
        key = keys + 16 * n
        a, b, c = load64(key), load32(key + 8), load16(key + 12)
        value = (n >> 1) + 1 << 2 | (n & 1)
        index.store_key4(pool + (value >> 2) * SIZE + OFFSET + (n & 1) * STRIDE, a, b, c)
        index.insert(base, mask, index.hash4(a, b, c), value)
    return count


@native
def find(base: int, mask: int, pool: int, keys: int, order: int, count: int) -> int:
    """Look keys up one after the other; returns how many are found."""
    hits = 0
    for n in range(count):
        key = keys + 16 * load32(order + 4 * n)
        a, b, c = load64(key), load32(key + 8), load16(key + 12)
        hits += index.find4(base, mask, index.hash4(a, b, c), pool, SIZE, OFFSET, STRIDE, a, b, c) != 0
    return hits


@native
def find_batched(base: int, mask: int, pool: int, keys: int, order: int, count: int, scratch: int) -> int:
    """Look keys up in batches, with prefetch; returns how many are found."""
    hits = 0
    for start in range(0, count, BATCH):
        for n in range(BATCH):
            key = keys + 16 * load32(order + 4 * (start + n))
            h = index.hash4(load64(key), load32(key + 8), load16(key + 12))
            store64(scratch + 8 * n, h)
            prefetch(index.bucket(base, mask, h))
        for n in range(BATCH):
            prefetch(pool + (index.candidate(base, mask, load64(scratch + 8 * n)) >> 2) * SIZE + OFFSET)
        for n in range(BATCH):
            key = keys + 16 * load32(order + 4 * (start + n))
            a, b, c = load64(key), load32(key + 8), load16(key + 12)
            hits += index.find4(base, mask, load64(scratch + 8 * n), pool, SIZE, OFFSET, STRIDE, a, b, c) != 0
    return hits


@native
def empty(base: int, mask: int, keys: int, order: int, count: int) -> int:
    """Remove keys in the given order; returns how many were there."""
    removed = 0
    for n in range(count):
        which = load32(order + 4 * n)
        key = keys + 16 * which
        h = index.hash4(load64(key), load32(key + 8), load16(key + 12))
        removed += index.remove(base, mask, h, (which >> 1) + 1 << 2 | (which & 1))
    return removed


@native
def lives(W: int, pool: int, sessions: int, count: int, delays: int, mask: int) -> int:
    """Let `count` sessions live in the wheel, `sessions` at a time; returns how many have expired.

    Each is created for TIMEOUT ms and refreshed once, at once, by a random delay.
    """
    zero(W, wheel.SIZE)
    wheel.start(W)
    wheel.next_due(W, pool, SIZE, 1)
    free = sessions
    expired = 0
    reuse = 0
    for n in range(count):
        now = n * TIMEOUT // sessions
        while load64(W + wheel.W_NEXT) <= now:
            idx = wheel.next_due(W, pool, SIZE, now)
            if idx == 0:
                break
            wheel.remove(W, pool, SIZE, idx)
            store64(pool + idx * SIZE + 64, reuse)
            reuse = idx
            expired += 1
        if reuse != 0:
            idx = reuse
            reuse = load64(pool + idx * SIZE + 64)
        elif free > 0:
            idx = free
            free -= 1
        else:
            continue
        fcb = pool + idx * SIZE
        store64(fcb + NUMBER, n + 1)
        store64(fcb + DEADLINE, now + TIMEOUT // 2)
        wheel.insert(W, pool, SIZE, idx)
        store64(fcb + DEADLINE, now + TIMEOUT // 2 + load32(delays + 4 * (n & mask)))
    return expired


@native
def flood(E: int, pool: int, sessions: int, count: int) -> int:
    """Evict a victim for each of `count` newcomers to a table full of embryonic sessions."""
    evict.start(E, sessions)
    for idx in range(1, sessions + 1):
        store64(pool + idx * SIZE + NUMBER, idx)
        store64(pool + idx * SIZE + DEADLINE, idx >> 4)
    evict.victim(E, pool, SIZE, sessions, 28, 0)
    for n in range(count):
        idx = evict.victim(E, pool, SIZE, sessions, 28, 0)
        store64(pool + idx * SIZE + NUMBER, sessions + n)
        store64(pool + idx * SIZE + DEADLINE, (sessions + n) >> 4)
        evict.note(E, pool, SIZE, idx, sessions)
    return count


@native
def come_and_go(B: int, keys: int, order: int, count: int) -> int:
    """A flow from a random host comes, and goes."""
    for n in range(count):
        key = keys + 16 * load32(order + 4 * n)
        block = blocks.acquire(B, key, n)
        blocks.release(B, block, n)
    return count


def measure(work: Callable[[], object], operations: int) -> str:
    """Run and time `work`; returns median and spread in ns per operation."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) / operations * 1e9)
    return f"{statistics.median(times):7.1f} ±{max(times) - min(times):<5.1f}"


def run(sessions: int) -> list[tuple[str, str]]:
    """Measure everything with a table of `sessions` sessions."""
    rng = np.random.default_rng(1)
    keys_count = 2 * sessions
    buckets = index.sized(keys_count, 3 * sessions)
    table, pool = Arena(buckets * index.BUCKET), Arena((sessions + 2) * SIZE)
    for arena in (table, pool):
        arena.advise_huge()
    keys = Arena(16 * keys_count)
    words = keys.array(np.uint64, 2 * keys_count)
    words[0::2] = rng.integers(0, 2**63, keys_count)
    words[1::2] = rng.integers(0, 2**48, keys_count)
    lookups = 1 << 20
    order = Arena(4 * lookups)
    order.array(np.uint32, lookups)[:] = rng.integers(0, keys_count, lookups)
    shuffled = Arena(4 * keys_count)
    shuffled.array(np.uint32, keys_count)[:] = rng.permutation(keys_count)
    at = (table.address, buckets - 1)
    scratch = Arena(8 * BATCH)
    rounds = max(1, 200_000 // keys_count)

    result: list[tuple[str, str]] = []
    inserts, removes = [], []
    for _ in range(RUNS + 1):
        spent = [0.0, 0.0]
        for _ in range(rounds):
            start = time.perf_counter()
            fill(*at, pool.address, keys.address, keys_count)
            middle = time.perf_counter()
            assert empty(*at, keys.address, shuffled.address, keys_count) == keys_count
            spent[0] += middle - start
            spent[1] += time.perf_counter() - middle
        inserts.append(spent[0] / rounds / keys_count * 1e9)
        removes.append(spent[1] / rounds / keys_count * 1e9)
    for name, times in (("insert a key", inserts[1:]), ("remove a key", removes[1:])):
        result.append((f"index: {name}", f"{statistics.median(times):7.1f} ±{max(times) - min(times):<5.1f}"))
    fill(*at, pool.address, keys.address, keys_count)
    look = (*at, pool.address, keys.address, order.address, lookups)
    assert find(*look) == find_batched(*look, scratch.address) == lookups
    result.append(("index: find, one by one", measure(lambda: find(*look), lookups)))
    result.append(("index: find, batched", measure(lambda: find_batched(*look, scratch.address), lookups)))

    memory = Arena(wheel.SIZE)
    delays = Arena(4 * lookups)
    span = delays.array(np.uint32, lookups)
    count = max(4 * sessions, 200_000)
    for name in ("in order", "shuffled"):
        span[:] = TIMEOUT // 4 if name == "in order" else rng.integers(0, TIMEOUT // 2, lookups)
        live = (memory.address, pool.address, sessions, count, delays.address, lookups - 1)
        lives(*live)
        pool.clear()
        result.append((f"wheel: a life, {name}", measure(lambda live=live: lives(*live), count)))  # type: ignore[misc]

    heap = Arena(evict.memory_size(sessions))
    pool.clear()
    flood(heap.address, pool.address, sessions, 1)
    result.append(
        ("evict: build, per session", measure(lambda: flood(heap.address, pool.address, sessions, 0), sessions))
    )
    full = (heap.address, pool.address, sessions, count)
    result.append(("evict: a victim and a newcomer", measure(lambda: flood(*full), count)))

    hosts = blocks.Blocks(8, 1, keys_count)
    going = (hosts.address, keys.address, order.address, lookups)
    come_and_go(*going)
    result.append(("blocks: acquire and release", measure(lambda: come_and_go(*going), lookups)))
    return result


def main() -> None:
    """Print one table: a row per operation, a column per number of sessions."""
    sizes = [int(word) for word in sys.argv[1:]] or [1_000, 100_000, 1_000_000]
    columns = [run(size) for size in sizes]
    print(f"{'ns per operation':34}" + "".join(f"{size:>15,}" for size in sizes))
    for row in zip(*columns, strict=True):
        print(f"{row[0][0]:34}" + "".join(f"{cell:>15}" for _, cell in row))


if __name__ == "__main__":
    main()
