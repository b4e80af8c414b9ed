"""The victim when the table is full: the embryonic session that would expire next.

An embryonic session has not seen a handshake or a reply yet. The victim is the one with the smallest (deadline, session
number). Most tables are never full, so nothing is kept up to date until the first victim is asked for: then a heap of
all embryonic sessions is built by one scan of the pool. While it is active, the engine announces each new session
(:func:`note`), and whatever else happens to the sessions is found out when an entry reaches the top: it is thrown away
if its session has ended or grown up, and sinks to its place if the session has been refreshed. Once the table is less
than 7/8 full the heap is forgotten.

An entry takes 16 bytes, so that the four children of a node fill one cache line:

| offset | what |
|---|---|
| 0 | i64: (deadline - `origin`, 33 bits) << 30, FCB number (30 bits) |
| 8 | i64: session number |

The heap `E` is ``memory_size(capacity)`` zeroed bytes, 64-aligned, prepared by :func:`start`; its pages are touched
only when it is used. `pool`, `size`: the FCB pool and the bytes of an FCB (:mod:`nfuse.flow.header`). A session is
embryonic if ``load8(fcb + at) & mask == 0``; the engine passes `at` and `mask`.

**Stalls.** The first victim costs a scan of all FCBs (about 10 ns each), and so does a rebuild, due when entries of
ended sessions have filled the heap: at most one scan per `capacity` new sessions. Otherwise a victim and a new session
cost a walk through the heap each, of depth log4.
"""

from __future__ import annotations

from nfuse.flow.header import DEADLINE, NUMBER
from nfuse.memory.jit import native
from nfuse.memory.raw import load8, load64, store64, zero

E_ACTIVE = 0
"""Offset of the truth value (i64): the heap is kept; engines call :func:`note` only then."""
E_COUNT = 8
"""Offset of the number of entries (i64), stale ones included."""
_ROOM = 16  # entries that fit
_FLOOR = 24  # below so many live sessions the heap is forgotten
_ORIGIN = 32  # deadlines in entries count from here, in ms
# The root stands at the end of the second line, so that the children 4i + 1 ... 4i + 4 of each node share a line.
_ENTRIES = 128 - 16

_NUMBER_BITS = 30
_NUMBER_MASK = (1 << _NUMBER_BITS) - 1
_LATEST = (1 << 33) - 1
# Relative deadlines above this (99 days) count as equal. An entry at the top whose relative deadline is above _SLACK
# makes the heap be built anew with a later origin, so the top is always exact.
_SLACK = _LATEST >> 1
_NEVER = 1 << 62
_LEAD = 1 << 31  # the origin lies so far before the first deadline that is met


def memory_size(capacity: int) -> int:
    """Return the bytes that the heap of a table of `capacity` sessions needs."""
    return _ENTRIES + 16 * 2 * max(capacity, 16)


@native
def start(E: int, capacity: int) -> None:
    """Prepare an empty, inactive heap at address `E` for a table of `capacity` sessions."""
    zero(E, 64)
    store64(E + _ROOM, 2 * (capacity if capacity > 16 else 16))
    store64(E + _FLOOR, capacity - (capacity >> 3))


@native
def _order(E: int, deadline: int, idx: int) -> int:
    """Return the first word of an entry."""
    relative = deadline - load64(E + _ORIGIN)
    if relative > _LATEST:
        relative = _LATEST
    if relative < 0:
        relative = 0
    return (relative << _NUMBER_BITS) | idx


@native
def _before(order: int, number: int, other_order: int, other_number: int) -> bool:
    """Return whether one entry expires before the other."""
    mine = order >> _NUMBER_BITS
    theirs = other_order >> _NUMBER_BITS
    return mine < theirs or (mine == theirs and number < other_number)


@native
def _rise(E: int, at: int, order: int, number: int) -> None:
    """Put an entry at node `at` or above, where the heap is in order."""
    while at > 0:
        parent = (at - 1) >> 2
        node = E + _ENTRIES + (parent << 4)
        if not _before(order, number, load64(node), load64(node + 8)):
            break
        store64(E + _ENTRIES + (at << 4), load64(node))
        store64(E + _ENTRIES + (at << 4) + 8, load64(node + 8))
        at = parent
    store64(E + _ENTRIES + (at << 4), order)
    store64(E + _ENTRIES + (at << 4) + 8, number)


@native
def _sink(E: int, at: int, order: int, number: int) -> None:
    """Put an entry at node `at` or below, where the heap is in order."""
    count = load64(E + E_COUNT)
    while True:
        child = 4 * at + 1
        if child >= count:
            break
        last = child + 4 if child + 4 < count else count
        best = child
        node = E + _ENTRIES + (child << 4)
        best_order = load64(node)
        best_number = load64(node + 8)
        child += 1
        while child < last:
            node = E + _ENTRIES + (child << 4)
            if _before(load64(node), load64(node + 8), best_order, best_number):
                best = child
                best_order = load64(node)
                best_number = load64(node + 8)
            child += 1
        if not _before(best_order, best_number, order, number):
            break
        store64(E + _ENTRIES + (at << 4), best_order)
        store64(E + _ENTRIES + (at << 4) + 8, best_number)
        at = best
    store64(E + _ENTRIES + (at << 4), order)
    store64(E + _ENTRIES + (at << 4) + 8, number)


@native
def _drop_top(E: int) -> None:
    count = load64(E + E_COUNT) - 1
    store64(E + E_COUNT, count)
    if count > 0:
        last = E + _ENTRIES + (count << 4)
        _sink(E, 0, load64(last), load64(last + 8))


@native
def _fill(E: int, pool: int, size: int, used: int, at: int, mask: int) -> int:
    """Make entries of all embryonic sessions; returns 0 if one lies before the origin (which has been moved)."""
    count = 0
    for idx in range(1, used + 1):
        fcb = pool + idx * size
        number = load64(fcb + NUMBER)
        if number != 0 and load8(fcb + at) & mask == 0:
            deadline = load64(fcb + DEADLINE)
            if deadline < load64(E + _ORIGIN):
                store64(E + _ORIGIN, deadline - _LEAD)
                if count != 0:
                    return 0
            node = E + _ENTRIES + (count << 4)
            store64(node, _order(E, deadline, idx))
            store64(node + 8, number)
            count += 1
    store64(E + E_COUNT, count)
    return 1


@native
def build(E: int, pool: int, size: int, used: int, at: int, mask: int) -> None:
    """Make the heap anew from all embryonic sessions among the FCBs 1 to `used`, and activate it."""
    store64(E + _ORIGIN, _NEVER)
    while _fill(E, pool, size, used, at, mask) == 0:
        pass
    store64(E + E_ACTIVE, 1)
    parent = (load64(E + E_COUNT) - 2) >> 2
    while parent >= 0:
        node = E + _ENTRIES + (parent << 4)
        _sink(E, parent, load64(node), load64(node + 8))
        parent -= 1


@native
def note(E: int, pool: int, size: int, idx: int, live: int) -> None:
    """Tell the heap of session `idx`: it is new, or its deadline has been made earlier while it was embryonic.

    Does nothing while the heap is inactive, and deactivates it if the table, with `live` sessions, is less than 7/8
    full.
    """
    if load64(E + E_ACTIVE) == 0:
        return
    count = load64(E + E_COUNT)
    if live < load64(E + _FLOOR) or count >= load64(E + _ROOM):
        store64(E + E_ACTIVE, 0)  # it is built anew when it is needed
        return
    fcb = pool + idx * size
    deadline = load64(fcb + DEADLINE)
    if count == 0:
        store64(E + _ORIGIN, deadline - _LEAD)
    elif deadline < load64(E + _ORIGIN):
        store64(E + E_ACTIVE, 0)
        return
    store64(E + E_COUNT, count + 1)
    _rise(E, count, _order(E, deadline, idx), load64(fcb + NUMBER))


@native
def victim(E: int, pool: int, size: int, used: int, at: int, mask: int) -> int:
    """Return the embryonic session with the smallest (deadline, number), or 0 if no session is embryonic.

    Args:
        E: The heap.
        pool: Address of the FCB pool.
        size: Bytes of an FCB.
        used: Highest FCB number in use so far.
        at: Offset in the FCB of the byte that tells.
        mask: Its bits that are all 0 in an embryonic session.

    The session stays; the engine ends it.
    """
    if load64(E + E_ACTIVE) == 0:
        build(E, pool, size, used, at, mask)
    while load64(E + E_COUNT) > 0:
        order = load64(E + _ENTRIES)
        number = load64(E + _ENTRIES + 8)
        idx = order & _NUMBER_MASK
        fcb = pool + idx * size
        if load64(fcb + NUMBER) != number or load8(fcb + at) & mask != 0:
            _drop_top(E)
            continue
        deadline = load64(fcb + DEADLINE)
        if (order >> _NUMBER_BITS) > _SLACK:
            build(E, pool, size, used, at, mask)  # the origin has fallen far behind
            continue
        now = _order(E, deadline, idx)
        if now == order:
            return idx
        _sink(E, 0, now, number)
    return 0
