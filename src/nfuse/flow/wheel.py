"""The timing wheel: which session expires next, exactly, at a constant price.

Sessions end in the order of (deadline in ms, session number). A refresh only stores a new ``DEADLINE`` in the FCB; the
session stays hung at an older deadline, and when the clock gets there it is hung anew. So the wheel is touched a few
times in a session's life, never per packet.

Levels, all circular, reckoned from the wheel's own time `base`:

| level | slots | width of a slot | reach |
|---|---|---|---|
| 0 | 256 | 1 ms | 256 ms |
| 1 | 32,768 | 256 ms | 2.3 hours |
| 2 | 256 | 2.3 hours | 24.9 days |
| 3 | 256 | 24.9 days | 17 years |
| far | 1 | | whatever lies beyond |

A session hangs at the lowest level that reaches its deadline. Level 1 reaches all usual time-outs in one step, so that
a session is touched three times (hung, moved to its millisecond, due), and the slots that are opened at once are small.
When the clock reaches the start of a slot, the slot is opened: its sessions move down. An opened millisecond becomes
the *due list*, sorted by session number. Occupancy maps skip empty slots, so a jump of a year costs as much as a step.

**Stalls.** One call of :func:`next_due` opens slots until it meets a session that is due, or passes `now`. Opening a
slot costs a few ns (a cache miss with a large table) for each session that hangs in it: those whose deadline, as it was
when they were hung, lay within the same 256 ms (level 1) or the same ms (level 0). With a million sessions spread over
120 s that is 2,000 sessions at a time. Exactness needs no more than this, except: sessions whose time-out is above 2.3
hours hang in wide slots, which move at once; and a ms with n sessions out of order is sorted at once, in linear time.

The wheel `W` is `SIZE` zeroed bytes, prepared by :func:`start`. `pool`, `size`: the FCB pool and the bytes of an FCB
(:mod:`nfuse.flow.header`). A session is hung by :func:`insert`, taken out by :func:`remove`, both in constant time.
"""

from __future__ import annotations

from nfuse.flow.header import DEADLINE, NEXT, NUMBER, PREV, SLOT
from nfuse.memory.jit import native
from nfuse.memory.raw import (
    ctz,
    i64,
    load16,
    load32,
    load64,
    lsr,
    prefetch,
    store16,
    store32,
    store64,
    zero,
)

W_NEXT = 0
"""Offset of a lower bound (i64, ms) of the next expiry: call :func:`next_due` while it is <= the clock's ms."""
W_BASE = 8
"""Offset of the wheel's time (i64, ms): every slot that starts before has been opened."""
W_COUNT = 16
"""Offset of the number of sessions that hang in the wheel (i64)."""
_TAIL = 24  # last session of the due list, u32
_FAR = 32  # lower bound of the deadlines in the far list, i64
# Lower bounds of when a slot of level 0, of level 1, of a wider level or the far list must be opened (i64, ms). They
# are lowered when a session is hung, and found anew when reached; so the maps are searched once per opened slot.
_NEXT0, _NEXT1, _NEXT_WIDE = 40, 48, 56
_SUMMARY = 64  # level 1: which words of its map are not 0 (8 words)
_MAPS = 128  # occupancy, one bit a slot: level 0 (4 words), 2 (4), 3 (4), then level 1 (512)

_MAP0, _MAP2, _MAP3, _MAP1 = _MAPS, _MAPS + 32, _MAPS + 64, _MAPS + 96

# Numbers of slots, over all levels: 1 is the due list, then the levels, then the far list.
_DUE = 1
_SLOTS0, _SLOTS1, _SLOTS2, _SLOTS3 = 256, 32768, 256, 256
_FIRST0 = 2
_FIRST1 = _FIRST0 + _SLOTS0
_FIRST2 = _FIRST1 + _SLOTS1
_FIRST3 = _FIRST2 + _SLOTS2
_LAST = _FIRST3 + _SLOTS3

_SHIFT1, _SHIFT2, _SHIFT3 = 8, 23, 31

_BINS = _MAP1 + 4096  # for sorting: head and tail (u32 each) of 256 bins
_HEADS = _BINS + 8 * 256  # first session of each list, u32, by _head
_HEADS1 = _HEADS + 4 * (_LAST + 1 - _SLOTS1) + 63 & ~63
SIZE = _HEADS1 + 16 * _SLOTS1
"""Bytes of a wheel."""

NEVER = (1 << 62) - 1
"""Later than any deadline."""
_REST = 1 << 20
"""The longest time (ms) for which :func:`next_due` is not asked: it keeps `base` close to the clock."""
_FEW = 24
"""Up to so many sessions are sorted by insertion."""


@native
def start(W: int) -> None:
    """Prepare an empty wheel at address `W`, in `SIZE` zeroed bytes (whose pages are touched only with use)."""
    store64(W + _FAR, NEVER)
    store64(W + _NEXT0, NEVER)
    store64(W + _NEXT1, NEVER)
    store64(W + _NEXT_WIDE, NEVER)


@native
def _lower(field: int, when: int) -> int:
    """Lower the bound at address `field` to `when`; returns `when`."""
    if when < load64(field):
        store64(field, when)
    return when


@native
def _head(slot: int, idx: int) -> int:
    """Return the offset of the head of the list in which session `idx` hangs, in `slot`.

    A slot of level 1 has four lists, chosen by the FCB number: to walk a list is to wait for memory at each step, and
    the four waits overlap. Their heads stand in one cache line, behind those of all other slots.
    """
    if slot < _FIRST1:
        return _HEADS + (slot << 2)
    if slot >= _FIRST2:
        return _HEADS + ((slot - _SLOTS1) << 2)
    return _HEADS1 + ((slot - _FIRST1) << 4) + ((idx & 3) << 2)


# ------------------------------------------------------------------------------------------------- occupancy maps


@native
def _mark(map_: int, slot: int) -> None:
    word = map_ + ((slot >> 6) << 3)
    store64(word, load64(word) | i64(1 << (slot & 63)))


@native
def _clear(map_: int, slot: int) -> int:
    """Clear a bit; returns the word that is left."""
    word = map_ + ((slot >> 6) << 3)
    left = load64(word) & ~i64(1 << (slot & 63))
    store64(word, left)
    return left


@native
def _first_from(map_: int, words: int, slot: int) -> int:
    """Return the first marked slot at or after `slot`, going round `words` words; -1 if there is none."""
    at = slot >> 6
    bits = load64(map_ + (at << 3)) & i64(-1 << (slot & 63))
    for _ in range(words + 1):
        if bits != 0:
            return (at << 6) + ctz(bits)
        at = (at + 1) & (words - 1)
        bits = load64(map_ + (at << 3))
    return -1


@native
def _first_from1(W: int, slot: int) -> int:
    """As :func:`_first_from`, for level 1 with its summary."""
    at = slot >> 6
    bits = load64(W + _MAP1 + (at << 3)) & i64(-1 << (slot & 63))
    if bits == 0:
        at = _first_from(W + _SUMMARY, _SLOTS1 >> 12, (at + 1) & ((_SLOTS1 >> 6) - 1))
        if at < 0:
            return -1
        bits = load64(W + _MAP1 + (at << 3))
    return (at << 6) + ctz(bits)


# -------------------------------------------------------------------------------------------------- hanging, taking


@native
def _push(W: int, pool: int, size: int, idx: int, slot: int) -> None:
    """Hang session `idx` at the head of the list of `slot`."""
    fcb = pool + idx * size
    head = W + _head(slot, idx)
    first = load32(head)
    store32(fcb + PREV, 0)
    store32(fcb + NEXT, first)
    store16(fcb + SLOT, slot)
    store32(head, idx)
    if first != 0:
        store32(pool + first * size + PREV, idx)


@native
def _insert_due(W: int, pool: int, size: int, idx: int) -> None:
    """Hang session `idx` at its place, by (deadline, number), in the due list; looks from the end."""
    fcb = pool + idx * size
    deadline = load64(fcb + DEADLINE)
    number = load64(fcb + NUMBER)
    before = load32(W + _TAIL)
    after = 0
    while before != 0:
        other = pool + before * size
        theirs = load64(other + DEADLINE)
        if theirs < deadline or (theirs == deadline and load64(other + NUMBER) < number):
            break
        after = before
        before = load32(other + PREV)
    store32(fcb + PREV, before)
    store32(fcb + NEXT, after)
    store16(fcb + SLOT, _DUE)
    if before != 0:
        store32(pool + before * size + NEXT, idx)
    else:
        store32(W + _HEADS + 4 * _DUE, idx)
    if after != 0:
        store32(pool + after * size + PREV, idx)
    else:
        store32(W + _TAIL, idx)


@native
def _hang(W: int, pool: int, size: int, idx: int) -> int:
    """Hang session `idx` by its deadline; returns when its slot must be opened, in ms."""
    deadline = load64(pool + idx * size + DEADLINE)
    base = load64(W + W_BASE)
    if deadline < base or (deadline == base and load32(W + _HEADS + 4 * _DUE) != 0):
        _insert_due(W, pool, size, idx)
        return base
    if deadline - base < _SLOTS0:
        slot = deadline & (_SLOTS0 - 1)
        _mark(W + _MAP0, slot)
        _push(W, pool, size, idx, _FIRST0 + slot)
        return _lower(W + _NEXT0, deadline)
    if (deadline >> _SHIFT1) - (base >> _SHIFT1) < _SLOTS1:
        slot = (deadline >> _SHIFT1) & (_SLOTS1 - 1)
        _mark(W + _MAP1, slot)
        _mark(W + _SUMMARY, slot >> 6)
        _push(W, pool, size, idx, _FIRST1 + slot)
        return _lower(W + _NEXT1, (deadline >> _SHIFT1) << _SHIFT1)
    if (deadline >> _SHIFT2) - (base >> _SHIFT2) < _SLOTS2:
        slot = (deadline >> _SHIFT2) & (_SLOTS2 - 1)
        _mark(W + _MAP2, slot)
        _push(W, pool, size, idx, _FIRST2 + slot)
        return _lower(W + _NEXT_WIDE, (deadline >> _SHIFT2) << _SHIFT2)
    if (deadline >> _SHIFT3) - (base >> _SHIFT3) < _SLOTS3:
        slot = (deadline >> _SHIFT3) & (_SLOTS3 - 1)
        _mark(W + _MAP3, slot)
        _push(W, pool, size, idx, _FIRST3 + slot)
        return _lower(W + _NEXT_WIDE, (deadline >> _SHIFT3) << _SHIFT3)
    _push(W, pool, size, idx, _LAST)
    _lower(W + _FAR, deadline)
    return _lower(W + _NEXT_WIDE, deadline)


@native
def insert(W: int, pool: int, size: int, idx: int) -> None:
    """Hang session `idx`, whose DEADLINE and NUMBER are set and which does not hang in the wheel yet."""
    when = _hang(W, pool, size, idx)
    store64(W + W_COUNT, load64(W + W_COUNT) + 1)
    _lower(W + W_NEXT, when)


@native
def _vacate(W: int, slot: int) -> None:
    """Clear the occupancy bit of a slot, one of whose lists has become empty, if that was the last one."""
    if slot >= _FIRST1 and slot < _FIRST2:
        heads = W + _head(slot, 0)
        if (load64(heads) | load64(heads + 8)) == 0 and _clear(W + _MAP1, slot - _FIRST1) == 0:
            _clear(W + _SUMMARY, (slot - _FIRST1) >> 6)
    elif slot >= _FIRST0 and slot < _FIRST1:
        _clear(W + _MAP0, slot - _FIRST0)
    elif slot >= _FIRST2 and slot < _FIRST3:
        _clear(W + _MAP2, slot - _FIRST2)
    elif slot >= _FIRST3 and slot < _LAST:
        _clear(W + _MAP3, slot - _FIRST3)
    elif slot == _LAST:
        store64(W + _FAR, NEVER)


@native
def remove(W: int, pool: int, size: int, idx: int) -> int:
    """Take session `idx` out. Returns 1, or 0 if it does not hang in the wheel."""
    fcb = pool + idx * size
    slot = load16(fcb + SLOT)
    if slot == 0:
        return 0
    before = load32(fcb + PREV)
    after = load32(fcb + NEXT)
    if after != 0:
        store32(pool + after * size + PREV, before)
    elif slot == _DUE:
        store32(W + _TAIL, before)
    if before != 0:
        store32(pool + before * size + NEXT, after)
    else:
        store32(W + _head(slot, idx), after)
        if after == 0:
            _vacate(W, slot)
    store16(fcb + SLOT, 0)
    store64(W + W_COUNT, load64(W + W_COUNT) - 1)
    return 1


@native
def _slot_start(W: int, slot: int) -> int:
    """Return when `slot` (not empty) must be opened, in ms."""
    base = load64(W + W_BASE)
    if slot == _DUE:
        return base
    if slot < _FIRST1:
        return base + ((slot - _FIRST0 - base) & (_SLOTS0 - 1))
    if slot < _FIRST2:
        now = base >> _SHIFT1
        return (now + ((slot - _FIRST1 - now) & (_SLOTS1 - 1))) << _SHIFT1
    if slot < _FIRST3:
        now = base >> _SHIFT2
        return (now + ((slot - _FIRST2 - now) & (_SLOTS2 - 1))) << _SHIFT2
    if slot < _LAST:
        now = base >> _SHIFT3
        return (now + ((slot - _FIRST3 - now) & (_SLOTS3 - 1))) << _SHIFT3
    return load64(W + _FAR)


@native
def shorten(W: int, pool: int, size: int, idx: int, old: int) -> None:
    """Hang session `idx` anew where needed, after its DEADLINE has been changed from `old` to an earlier one.

    It stays where it is if its slot will be opened in time all the same (then the session was hung before a refresh).
    """
    fcb = pool + idx * size
    deadline = load64(fcb + DEADLINE)
    slot = load16(fcb + SLOT)
    if deadline < old and (slot == _DUE or deadline < _slot_start(W, slot)):
        if remove(W, pool, size, idx) != 0:
            insert(W, pool, size, idx)


# --------------------------------------------------------------------------------------------------- opening slots


@native
def _widest_first(W: int) -> tuple[int, int]:
    """Return (when, slot) of the next slot above level 1; of those that start together the widest. (NEVER, 0): none."""
    base = load64(W + W_BASE)
    when = load64(W + _FAR)
    slot = _LAST if when != NEVER else 0
    found = _first_from(W + _MAP3, _SLOTS3 >> 6, (base >> _SHIFT3) & (_SLOTS3 - 1))
    if found >= 0:
        opens = _slot_start(W, _FIRST3 + found)
        if opens < when:
            when, slot = opens, _FIRST3 + found
    found = _first_from(W + _MAP2, _SLOTS2 >> 6, (base >> _SHIFT2) & (_SLOTS2 - 1))
    if found >= 0:
        opens = _slot_start(W, _FIRST2 + found)
        if opens < when:
            when, slot = opens, _FIRST2 + found
    return when, slot


@native
def _sort_few(pool: int, size: int, first: int) -> int:
    """Sort a chain (linked by NEXT) by number, by insertion; returns its new first session."""
    result = 0
    last = 0
    while first != 0:
        fcb = pool + first * size
        rest = load32(fcb + NEXT)
        number = load64(fcb + NUMBER)
        if result == 0 or number < load64(pool + result * size + NUMBER):
            store32(fcb + NEXT, result)
            if result == 0:
                last = first
            result = first
        elif number > load64(pool + last * size + NUMBER):
            store32(fcb + NEXT, 0)
            store32(pool + last * size + NEXT, first)
            last = first
        else:
            at = pool + result * size
            after = load32(at + NEXT)
            while load64(pool + after * size + NUMBER) < number:
                at = pool + after * size
                after = load32(at + NEXT)
            store32(fcb + NEXT, after)
            store32(at + NEXT, first)
        first = rest
    return result


@native
def _sort_many(W: int, pool: int, size: int, first: int, spread: int) -> int:
    """Sort a chain by number, byte by byte into 256 bins; `spread`: the bits in which the numbers differ."""
    shift = 0
    while lsr(spread, shift) != 0:
        if (lsr(spread, shift) & 0xFF) != 0:
            zero(W + _BINS, 8 * 256)
            while first != 0:
                fcb = pool + first * size
                rest = load32(fcb + NEXT)
                prefetch(pool + rest * size)
                at = W + _BINS + ((lsr(load64(fcb + NUMBER), shift) & 0xFF) << 3)
                last = load32(at + 4)
                if last == 0:
                    store32(at, first)
                else:
                    store32(pool + last * size + NEXT, first)
                store32(at + 4, first)
                first = rest
            last = 0
            for number in range(256):
                at = W + _BINS + (number << 3)
                if load32(at) != 0:
                    if last == 0:
                        first = load32(at)
                    else:
                        store32(pool + last * size + NEXT, load32(at))
                    last = load32(at + 4)
            store32(pool + last * size + NEXT, 0)
        shift += 8
        if shift == 64:
            break
    return first


@native
def _reverse(pool: int, size: int, first: int) -> int:
    """Reverse a chain (linked by NEXT); returns its new first session."""
    result = 0
    while first != 0:
        fcb = pool + first * size
        rest = load32(fcb + NEXT)
        store32(fcb + NEXT, result)
        result = first
        first = rest
    return result


@native
def _open_due(W: int, pool: int, size: int, first: int, base: int) -> None:
    """Turn the chain of an opened millisecond into the due list; sessions refreshed since are hung anew."""
    kept = 0  # the sessions that are due, last met first
    count = 0
    some = 0
    spread = 0
    rises = 0  # neighbours met in rising, in falling order: in practice it is all one or all the other
    falls = 0
    before = 0
    while first != 0:
        fcb = pool + first * size
        rest = load32(fcb + NEXT)
        prefetch(pool + rest * size)
        if load64(fcb + DEADLINE) > base:
            _hang(W, pool, size, first)
        else:
            number = load64(fcb + NUMBER)
            if kept == 0:
                some = number
            elif number > before:
                rises += 1
            else:
                falls += 1
            spread |= number ^ some
            before = number
            store32(fcb + NEXT, kept)
            kept = first
            count += 1
        first = rest
    if falls == 0:
        kept = _reverse(pool, size, kept)
    elif rises != 0:
        if count <= _FEW:
            kept = _sort_few(pool, size, kept)
        else:
            kept = _sort_many(W, pool, size, kept, spread)
    store32(W + _HEADS + 4 * _DUE, kept)
    last = 0
    while kept != 0:
        fcb = pool + kept * size
        store32(fcb + PREV, last)
        store16(fcb + SLOT, _DUE)
        last = kept
        kept = load32(fcb + NEXT)
    store32(W + _TAIL, last)


@native
def _open(W: int, pool: int, size: int, slot: int) -> None:
    """Move the sessions of a slot above level 1 to where they belong now."""
    head = W + _head(slot, 0)
    first = load32(head)
    store32(head, 0)
    _vacate(W, slot)
    while first != 0:
        rest = load32(pool + first * size + NEXT)
        _hang(W, pool, size, first)
        first = rest


@native
def _open_wide(W: int, pool: int, size: int, now: int) -> None:
    """Open the slots above level 1 that start at `now` or before, and find out when the next one does."""
    when, slot = _widest_first(W)
    while when <= now:
        _open(W, pool, size, slot)
        when, slot = _widest_first(W)
    store64(W + _NEXT_WIDE, when)


@native
def _empty1(W: int, pool: int, size: int, slot: int) -> None:
    """Move the sessions of a slot of level 1 to where they belong now, four lists at a time."""
    heads = W + _head(_FIRST1 + slot, 0)
    first = load64(heads)
    second = load64(heads + 8)
    if (first | second) == 0:
        return
    a, b, c, d = first & 0xFFFFFFFF, lsr(first, 32), second & 0xFFFFFFFF, lsr(second, 32)
    store64(heads, 0)
    store64(heads + 8, 0)
    _vacate(W, _FIRST1 + slot)
    while (a | b | c | d) != 0:
        rest_a = load32(pool + a * size + NEXT) if a != 0 else 0
        rest_b = load32(pool + b * size + NEXT) if b != 0 else 0
        rest_c = load32(pool + c * size + NEXT) if c != 0 else 0
        rest_d = load32(pool + d * size + NEXT) if d != 0 else 0
        prefetch(pool + rest_a * size)
        prefetch(pool + rest_b * size)
        prefetch(pool + rest_c * size)
        prefetch(pool + rest_d * size)
        if a != 0:
            _hang(W, pool, size, a)
        if b != 0:
            _hang(W, pool, size, b)
        if c != 0:
            _hang(W, pool, size, c)
        if d != 0:
            _hang(W, pool, size, d)
        a, b, c, d = rest_a, rest_b, rest_c, rest_d


@native
def _open1(W: int, pool: int, size: int, now: int) -> None:
    """Open the slot of level 1 that starts at `now`, and find out when the next one does."""
    at = now >> _SHIFT1
    slot = at & (_SLOTS1 - 1)
    _empty1(W, pool, size, slot)
    found = _first_from1(W, slot)
    store64(W + _NEXT1, (at + ((found - slot) & (_SLOTS1 - 1))) << _SHIFT1 if found >= 0 else NEVER)


@native
def _open0(W: int, pool: int, size: int, now: int) -> None:
    """Open the millisecond `now`, if it is occupied, and find out when the next one is."""
    slot = now & (_SLOTS0 - 1)
    head = W + _HEADS + ((_FIRST0 + slot) << 2)
    first = load32(head)
    if first != 0:
        store32(head, 0)
        _clear(W + _MAP0, slot)
        _open_due(W, pool, size, first, now)
    found = _first_from(W + _MAP0, _SLOTS0 >> 6, slot)
    store64(W + _NEXT0, now + ((found - slot) & (_SLOTS0 - 1)) if found >= 0 else NEVER)


@native
def next_due(W: int, pool: int, size: int, now: int) -> int:
    """Return the session with the smallest (deadline, number) whose deadline is <= `now` (ms), or 0.

    The session stays in the wheel: end it (:func:`remove`) before asking again. `now` never runs backwards.
    """
    while True:
        idx = load32(W + _HEADS + 4 * _DUE)
        base = load64(W + W_BASE)
        if idx != 0:
            if load64(pool + idx * size + DEADLINE) <= base:
                store64(W + W_NEXT, base)
                return idx
            remove(W, pool, size, idx)
            insert(W, pool, size, idx)
            continue
        wide = load64(W + _NEXT_WIDE)
        next1 = load64(W + _NEXT1)
        when = load64(W + _NEXT0)
        if next1 < when:
            when = next1
        if wide < when:
            when = wide
        if when > now:
            if now > base:
                base = now
                store64(W + W_BASE, now)
            store64(W + W_NEXT, when if when < base + _REST else base + _REST)
            return 0
        if when > base:
            store64(W + W_BASE, when)
        if when == wide:  # of slots that start together, the widest first
            _open_wide(W, pool, size, when)
        elif when == next1:
            _open1(W, pool, size, when)
        else:
            _open0(W, pool, size, when)
