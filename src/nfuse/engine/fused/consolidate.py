"""The global match-action table: what a session's NFs recorded, consolidated for each direction of travel.

A point record (see :func:`nfuse.action.points.apply_points`) holds, for the NFs whose actions are applied there:

| offset | what |
|---|---|
| 0 | u16: fields to write, bits as in MODIFY_FIELDS |
| 2 | u16: sum to add to the IPv4 header checksum (RFC 1624), prepared |
| 4 | u16: sum to add to the L4 checksum, prepared |

Later modifies of a field win, but each adds its own old and new value to the sums, so that the checksum comes out as if
the modifies had been made one by one, also where it is 0x0000 or 0xffff (rule S12). The values of tuple fields of the
last point need no room: the packet leaves with the tuple that the other direction's key mirrors.
"""

from __future__ import annotations

from nfuse.engine.fused.context import (
    C_CONSOLIDATED,
    COLD,
    COUNTERS,
    DROP_OF,
    E_KEY_O,
    E_KEY_R,
    FL_CHANGED,
    FL_HAS_REPLY_KEY,
    FL_NEVER_QUICK,
    FL_REKEY,
    FL_SIDE,
    FL_V6,
    FLAGS,
    FORCE_SLOW,
    GEN,
    HIDDEN,
    KEEPS_OLD,
    KEY_O,
    KEY_R,
    L_DECAP,
    L_DROP,
    L_ENCAP,
    L_MASK,
    L_MORE,
    L_REPLY,
    L_WRONG,
    LAST_ONLY,
    LAST_POINTS,
    N_LOCAL,
    N_OLD,
    N_POINT,
    NEVER_QUICK,
    NODES,
    PCLASS,
    PENDING,
    PLACES,
    QUICK,
    REACHED,
    SEEN_GEN,
    SESSION_MASK,
    TUPLE_OUT,
    TUPLE_TEMP,
)
from nfuse.engine.fused.records import load_old, node_of, store_value_at, value_hi, value_lo, walk_tuple
from nfuse.engine.fused.tuples import field_hi, field_lo, mirror, set_field, tuple_from_key
from nfuse.memory.jit import native
from nfuse.memory.raw import (
    copy,
    ctz,
    i64,
    load8,
    load16,
    load16be,
    load32,
    load64,
    lsr,
    store8,
    store16,
    store32,
    store64,
)
from nfuse.nf.abi import TUPLE_SIZE
from nfuse.packet.checksum import delta16, delta_address, fold

ACTS = L_ENCAP | L_DECAP | L_WRONG
"""Bits of a local record's L_MORE that matter to packets even where no field is modified."""

P_MASK = 0
P_IP = 2
P_L4 = 4
POINT_SIZE = 6


@native
def consolidate(X: int, fcb: int, ext: int) -> None:
    """Compute a session's point records and first drops for both directions, and say which may take the fast path."""
    flags = load8(fcb + FLAGS) & ~(FL_CHANGED | FL_NEVER_QUICK)
    nodes = load64(X + NODES)
    if load64(X + LAST_ONLY) and flags & (FL_HAS_REPLY_KEY | FL_REKEY) == FL_HAS_REPLY_KEY:
        wrong = sum_keys(X, fcb, ext, nodes)
    else:
        wrong = sum_records(X, fcb, ext, nodes)
    if load8(fcb + PCLASS) == 2:
        if flags & FL_V6:
            ports = load32(ext + E_KEY_O + 32) | load32(ext + E_KEY_R + 32)
        else:
            ports = load32(fcb + KEY_O + 8) | load32(fcb + KEY_R + 8)
        if ports == 0:
            flags |= FL_NEVER_QUICK  # messages with and without an identifier share this session
    if load64(X + FORCE_SLOW) or load64(X + NEVER_QUICK):
        flags |= FL_NEVER_QUICK
    store8(fcb + FLAGS, flags)
    quick = i64(0)
    if flags & FL_NEVER_QUICK == 0:
        quick = ready(X, fcb, 0, nodes, wrong) | ready(X, fcb, 1, nodes, wrong) << 1
        if load64(X + KEEPS_OLD) and restores(X, fcb, ext, nodes) == 0:
            quick &= i64(1) << lsr(flags & FL_SIDE, 1)  # packets of the other direction go NF by NF
    store8(fcb + QUICK, quick)
    store32(fcb + SEEN_GEN, load64(X + GEN))
    counter = load64(X + COUNTERS) + C_CONSOLIDATED
    store64(counter, load64(counter) + 1)


@native
def restores(X: int, fcb: int, ext: int, nodes: int) -> int:
    """Tell whether undoing all records leads back to the tuple with which the session came in: 1 or 0.

    It does unless an NF has taken back its change of a field, which a later NF had found changed.
    """
    flags = load8(fcb + FLAGS)
    T = X + TUPLE_TEMP
    before = X + TUPLE_OUT
    if flags & FL_V6:
        tuple_from_key(ext + E_KEY_O, 1, T)
    else:
        tuple_from_key(fcb + KEY_O, 0, T)
    seen = i64(0)
    step = i64(0)
    while step < nodes:
        N = node_of(X, nodes - 1 - step if flags & FL_SIDE else step)
        step += 1
        local = load64(N + N_LOCAL)
        if local == 0:
            continue
        first = load16(fcb + local + L_MASK) & 15 & ~seen
        seen |= first
        while first:
            field = ctz(first)
            first &= first - 1
            if load64(N + N_OLD + 8 * field):
                load_old(N, fcb, ext, field, before)
                if field < 2 and field_hi(before, field) != field_hi(T, field):
                    return i64(0)
                if field_lo(before, field) != field_lo(T, field):
                    return i64(0)
    return i64(1)


@native
def sum_keys(X: int, fcb: int, ext: int, nodes: int) -> int:
    """Compute the points of a chain that modifies only tuple fields, and applies all last, from a session's keys.

    A packet comes in with one key's tuple and leaves with the other's, mirrored. The sums over all modifies telescope
    to the difference of the two: sums of terms that are not 0 are equal where they are congruent modulo 0xffff.

    Returns:
        1 if a record holds an address of the wrong family.
    """
    mask = i64(0)
    wrong = i64(0)
    node = i64(0)
    while node < nodes:
        local = load64(node_of(X, node) + N_LOCAL)
        node += 1
        if local:
            mask |= load16(fcb + local + L_MASK)
            wrong |= load8(fcb + local + L_MORE) & L_WRONG
    mask &= 15
    flags = load8(fcb + FLAGS)
    if flags & FL_V6:
        opener = ext + E_KEY_O
        reply = ext + E_KEY_R
        address = i64(0)
        for word in range(0, 32, 2):
            address += (load16be(opener + word) ^ 0xFFFF) + load16be(reply + word)
        ports_o = load32(opener + 32)
        ports_r = load32(reply + 32)
    else:
        address = word_difference(load64(fcb + KEY_O), load64(fcb + KEY_R))
        ports_o = load32(fcb + KEY_O + 8)
        ports_r = load32(fcb + KEY_R + 8)
    ports = (ports_o ^ 0xFFFFFFFF) + ports_r
    ports = fold((ports & 0xFFFF) + (ports >> 16))
    address = fold(address)
    # The reply key mirrors what leaves: sums over all words hold, and the way back is the same with the keys swapped.
    side = lsr(flags & FL_SIDE, 1)
    put_point(X, fcb, side, mask, flags & FL_V6, address, ports)
    back = (mask & 5) << 1 | (mask & 10) >> 1
    put_point(X, fcb, 1 - side, back, flags & FL_V6, 0xFFFF - address, 0xFFFF - ports)
    return i64(wrong != 0)


@native
def word_difference(before: int, after: int) -> int:
    """Sum the complemented 16-bit words of `before` and those of `after`, which are in network order."""
    total = i64(0)
    for shift in range(0, 64, 16):
        old = lsr(before, shift) & 0xFFFF
        new = lsr(after, shift) & 0xFFFF
        total += ((old >> 8 | (old & 0xFF) << 8) ^ 0xFFFF) + (new >> 8 | (new & 0xFF) << 8)
    return total


@native
def put_point(X: int, fcb: int, side: int, mask: int, v6: int, address: int, ports: int) -> None:
    """Fill the last point's record of a direction: fields, and the sums of those that are written."""
    at = load32(X + LAST_POINTS + 4 * side)
    if at == 0:
        return
    of_address = i64(0)
    of_l4 = i64(0)
    if mask & 3:
        of_address = address if address else 0xFFFF
        if load8(fcb + PCLASS) != 2 or v6:  # ICMP has no pseudo header
            of_l4 = of_address
    if mask & 12:
        of_l4 = fold(of_l4 + (ports if ports else 0xFFFF))
    store16(fcb + at + P_MASK, mask)
    store16(fcb + at + P_IP, 0 if v6 else of_address)
    store16(fcb + at + P_L4, of_l4)


@native
def sum_records(X: int, fcb: int, ext: int, nodes: int) -> int:
    """Compute all points from the NFs' records, one after the other; returns 1 if one has a wrong family's address."""
    flags = load8(fcb + FLAGS)
    T = X + TUPLE_TEMP
    v6 = flags & FL_V6
    if v6:
        tuple_from_key(ext + E_KEY_O, 1, T)
    else:
        tuple_from_key(fcb + KEY_O, 0, T)
    opener = i64((flags & FL_SIDE) != 0)
    clear_points(X, fcb, nodes)
    places = load64(X + PLACES)
    step = i64(0)
    wrong = i64(0)
    depth = i64(0)
    while step < nodes:  # the opening direction: from what came in to what leaves
        node = nodes - 1 - step if opener else step
        step += 1
        local = load64(node_of(X, node) + N_LOCAL)
        if local == 0 or (load16(fcb + local + L_MASK) | load8(fcb + local + L_MORE) & ACTS) == 0:
            continue
        wrong |= add_forward(X, fcb, ext, node, opener, T, places + node * TUPLE_SIZE)
        depth = walk_tuple(X, fcb, ext, node, T, depth)
    if depth:
        copy(T, load64(X + HIDDEN), TUPLE_SIZE)
    R = X + TUPLE_OUT
    mirror(T, R)
    step = i64(0)
    while step < nodes:  # the other direction: back to what came in
        node = step if opener else nodes - 1 - step
        step += 1
        local = load64(node_of(X, node) + N_LOCAL)
        if local == 0 or load16(fcb + local + L_MASK) & 15 == 0:
            continue
        add_inverse(X, fcb, ext, node, 1 - opener, R, places + node * TUPLE_SIZE)
    return wrong


@native
def clear_points(X: int, fcb: int, nodes: int) -> None:
    """Empty all point records of a session."""
    node = i64(0)
    while node < nodes:
        N = node_of(X, node)
        for side in range(2):
            at = load64(N + N_POINT + 32 * side)
            if at:
                store16(fcb + at + P_MASK, 0)
                store32(fcb + at + P_IP, 0)
        node += 1


@native
def add_sums(
    fcb: int, point: int, v6: int, kind: int, field: int, old_hi: int, old_lo: int, new_hi: int, new_lo: int
) -> None:
    """Add the change of a tuple field to a point's checksum sums."""
    if field < 2:
        delta = delta_address(old_hi, old_lo, new_hi, new_lo)
        if v6 == 0:
            store16(fcb + point + P_IP, fold(load16(fcb + point + P_IP) + delta))
        if kind == 2 and v6 == 0:
            return  # ICMP has no pseudo header
    else:
        delta = delta16(old_lo, new_lo)
    store16(fcb + point + P_L4, fold(load16(fcb + point + P_L4) + delta))


@native
def keep_value(N: int, side: int, fcb: int, ext: int, field: int, hi: int, lo: int) -> None:
    """Keep a value for a point that is not the last one, or of a field outside the tuple."""
    row = N + N_POINT + 32 * side
    if field < 4:
        at = load64(row + 8)
        if at:
            store_value_at(fcb + at, ext + load64(row + 16), load8(fcb + FLAGS) & FL_V6, field, hi, lo)
    else:
        at = fcb + load64(row + 24)
        if field == 7:
            store64(at, lo)
        elif field == 8:
            store64(at + 8, lo)
        elif field == 9:
            store16(at + 16, lo)
        else:
            store8(at + 18 + (field - 4 if field < 7 else 3), lo)


@native
def add_forward(X: int, fcb: int, ext: int, node: int, side: int, T: int, before: int) -> int:
    """Consolidate one NF's record for the opening direction; `T` is the tuple at its place; what it
    changes is kept in `before`.

    Returns 1 if the record holds an address of the wrong family.
    """
    N = node_of(X, node)
    local = load64(N + N_LOCAL)
    if local == 0:
        return i64(0)
    if load8(fcb + local + L_MORE) & L_WRONG:
        return i64(1)
    point = load64(N + N_POINT + 32 * side)
    mask = load16(fcb + local + L_MASK)
    if mask == 0 or point == 0:
        return i64(0)
    store16(fcb + point + P_MASK, load16(fcb + point + P_MASK) | mask)
    v6 = load8(fcb + FLAGS) & FL_V6
    kind = load8(fcb + PCLASS)
    while mask:
        field = ctz(mask)
        mask &= mask - 1
        hi = value_hi(N, fcb, ext, field)
        lo = value_lo(N, fcb, ext, field)
        if field < 4:
            old_hi = field_hi(T, field & 1)
            old_lo = field_lo(T, field)
            set_field(before, field, old_hi, old_lo)
            add_sums(fcb, point, v6, kind, field, old_hi, old_lo, hi, lo)
        keep_value(N, side, fcb, ext, field, hi, lo)
    return i64(0)


@native
def add_inverse(X: int, fcb: int, ext: int, node: int, side: int, R: int, before: int) -> None:
    """Consolidate the inverse of one NF's record; `R` is the tuple of the other direction at its place and moves on."""
    N = node_of(X, node)
    local = load64(N + N_LOCAL)
    if local == 0 or load8(fcb + local + L_MORE) & L_WRONG:
        return
    mask = load16(fcb + local + L_MASK) & 15
    if mask == 0:
        return
    point = load64(N + N_POINT + 32 * side)
    if point == 0:
        return
    v6 = load8(fcb + FLAGS) & FL_V6
    kind = load8(fcb + PCLASS)
    while mask:
        field = ctz(mask)
        mask &= mask - 1
        other = field ^ 1
        if load64(N + N_OLD + 8 * field):
            load_old(N, fcb, ext, field, before)
        hi = field_hi(before, field & 1)
        lo = field_lo(before, field)
        store16(fcb + point + P_MASK, load16(fcb + point + P_MASK) | i64(1) << other)
        add_sums(fcb, point, v6, kind, other, field_hi(R, other & 1), field_lo(R, other), hi, lo)
        set_field(R, other, hi, lo)
        keep_value(N, side, fcb, ext, other, hi, lo)


@native
def ready(X: int, fcb: int, side: int, nodes: int, wrong: int) -> int:
    """Find the first recorded drop for a direction of travel; tell whether its packets may take the fast path: 1 or 0.

    Side 0 travels in chain order, side 1 backwards.
    """
    flags = load8(fcb + FLAGS)
    cold = fcb + load64(X + COLD)
    reached = load32(cold + REACHED)
    pending = load32(cold + PENDING)
    needed = load64(X + SESSION_MASK)
    store8(fcb + DROP_OF + side, 0)
    step = i64(0)
    while step < nodes:
        node = nodes - 1 - step if side else step
        bit = i64(1) << node
        if needed & bit and (reached & bit == 0 or pending & bit):
            return i64(0)
        local = load64(node_of(X, node) + N_LOCAL)
        if local and load16(fcb + local + L_DROP):
            if load8(fcb + local + L_MORE) & L_REPLY:
                return i64(0)
            store8(fcb + DROP_OF + side, node + 1)
            return i64(1)
        step += 1
    opening = side == lsr(flags & FL_SIDE, 1)
    if flags & FL_REKEY or flags & FL_HAS_REPLY_KEY == 0 or (opening and wrong):
        return i64(0)
    return i64(1)
