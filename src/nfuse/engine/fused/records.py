"""Local match-action tables: what each NF recorded for a session, kept, applied at its place, and inverted.

The kernels are driven by the node table (:mod:`nfuse.engine.fused.context`), so they are compiled once for all chains.
"""

from __future__ import annotations

from nfuse.engine.fused.context import (
    COLD,
    DISARMED,
    E_KEY_O,
    EXPECTED,
    FL_CHANGED,
    FL_REKEY,
    FL_SIDE,
    FL_TURNED,
    FL_V6,
    FLAGS,
    HIDDEN,
    KEY_O,
    L_DECAP,
    L_DROP,
    L_ENCAP,
    L_MASK,
    L_MORE,
    L_RUN,
    L_SIZE,
    L_TURN,
    L_WRONG,
    MATCHED,
    N_ENCAP,
    N_HAS_CHANGE,
    N_LOCAL,
    N_OLD,
    N_OLD6,
    N_READS,
    N_VALUES,
    N_VALUES6,
    NODE_SIZE,
    NODE_TABLE,
    NODES,
    PCLASS,
    PENDING,
    PUSHED,
    QUICK,
    R_FAMILY,
    R_HEAD_ROOM,
    R_TOO_LONG,
    REACHED,
    TUPLE_INNER,
    TUPLE_TEMP,
)
from nfuse.engine.fused.tuples import (
    V4_PREFIX,
    field_hi,
    field_lo,
    read_packet,
    set_field,
    tuple_from_key,
)
from nfuse.memory.jit import native
from nfuse.memory.raw import (
    copy,
    ctz,
    i64,
    load8,
    load16,
    load32,
    load64,
    lsr,
    store8,
    store16,
    store32,
    store64,
    zero,
)
from nfuse.nf.abi import (
    CX_PLACE,
    MAT_DECAP,
    MAT_DROP,
    MAT_ENCAP,
    MAT_ENCAP_DST,
    MAT_ENCAP_SRC,
    MAT_ENCAP_TOS,
    MAT_ENCAP_TTL,
    MAT_MASK,
    MAT_RECORDED,
    MAT_REPLY,
    MAT_RUN,
    MAT_TURN,
    MAT_VALUES,
    TUPLE_PROTO,
    TUPLE_SIZE,
    TUPLE_SPORT,
)
from nfuse.packet.desc import F_ICMP_ERROR, ROOM
from nfuse.packet.desc import FLAGS as P_FLAGS
from nfuse.packet.native import (
    err_set_dport,
    err_set_dst,
    err_set_sport,
    err_set_src,
    pop_ipip,
    push_ipip,
    set_dport,
    set_eth_dst,
    set_eth_src,
    set_ip_dscp,
    set_ip_dst,
    set_ip_ecn,
    set_ip_src,
    set_ip_ttl,
    set_sport,
    set_vlan_pcp,
    set_vlan_vid,
)

FAULT_BIT = 0x8000


@native
def node_of(X: int, node: int) -> int:
    """Return the address of a node's row in the node table."""
    return load64(X + NODE_TABLE) + node * NODE_SIZE


@native
def value_hi(N: int, fcb: int, ext: int, field: int) -> int:
    """Return the high half of a recorded address (0 for IPv4 and for other fields)."""
    if field < 2 and load8(fcb + FLAGS) & FL_V6:
        return load64(ext + load64(N + N_VALUES6 + 8 * field))
    return i64(0)


@native
def value_lo(N: int, fcb: int, ext: int, field: int) -> int:
    """Return the low half of a recorded address, or the value of another recorded field."""
    where = fcb + load64(N + N_VALUES + 8 * field)
    if field < 2:
        if load8(fcb + FLAGS) & FL_V6:
            return load64(ext + load64(N + N_VALUES6 + 8 * field) + 8)
        return V4_PREFIX | load32(where)
    if field < 4 or field == 9:
        return load16(where)
    if field == 7 or field == 8:
        return load64(where)
    return load8(where)


@native
def store_value(N: int, fcb: int, ext: int, field: int, hi: int, lo: int) -> None:
    """Keep the value of a recorded field."""
    where = fcb + load64(N + N_VALUES + 8 * field)
    if field < 2:
        if load8(fcb + FLAGS) & FL_V6:
            at = ext + load64(N + N_VALUES6 + 8 * field)
            store64(at, hi)
            store64(at + 8, lo)
        else:
            store32(where, lo)
    elif field < 4 or field == 9:
        store16(where, lo)
    elif field == 7 or field == 8:
        store64(where, lo)
    else:
        store8(where, lo)


@native
def store_value_at(where: int, where6: int, v6: int, field: int, hi: int, lo: int) -> None:
    """Keep a tuple field's value in a block of 12 bytes (src, dst u32; sport, dport u16), IPv6 addresses at where6."""
    if field < 2:
        if v6:
            store64(where6 + 16 * field, hi)
            store64(where6 + 16 * field + 8, lo)
        else:
            store32(where + 4 * field, lo)
    else:
        store16(where + 8 + 2 * (field - 2), lo)


@native
def is_v4(hi: int, lo: int) -> int:
    """Tell whether an address is IPv4 (v4-mapped)."""
    return i64(hi == 0 and lsr(lo, 32) == 0xFFFF)


@native
def walk_tuple(X: int, fcb: int, ext: int, node: int, T: int, depth: int) -> int:
    """Let tuple `T` pass `node` in the opening direction, with what is recorded there; `depth` headers hide others.

    A pushed header hides the tuple below it until it is removed. Returns the new depth.
    """
    N = node_of(X, node)
    local = load64(N + N_LOCAL)
    if local == 0:
        return depth
    record = fcb + local
    if load16(record + L_DROP):
        return depth
    left = load16(record + L_MASK) & 15
    if depth:
        left &= 3
    while left:
        field = ctz(left)
        left &= left - 1
        hi = value_hi(N, fcb, ext, field)
        lo = value_lo(N, fcb, ext, field)
        if field > 1 or is_v4(hi, lo) == is_v4(field_hi(T, field), field_lo(T, field)):
            set_field(T, field, hi, lo)
    header = load8(record + L_MORE)
    stack = load64(X + HIDDEN)
    if header & L_DECAP and depth:
        depth -= 1
        copy(T, stack + depth * TUPLE_SIZE, TUPLE_SIZE)
    if header & L_ENCAP:
        copy(stack + depth * TUPLE_SIZE, T, TUPLE_SIZE)
        depth += 1
        at = fcb + load64(N + N_ENCAP)
        v4 = is_v4(field_hi(T, 0), field_lo(T, 0))
        copy(T, at, 32)
        store64(T + TUPLE_SPORT, 0)
        store32(T + TUPLE_PROTO, 4 if v4 else 41)
    return depth


@native
def place(X: int, fcb: int, ext: int, node: int, T: int) -> None:
    """Write into `T` the session's opening tuple as it reaches `node` (NODES or -1: as it leaves)."""
    flags = load8(fcb + FLAGS)
    if flags & FL_V6:
        tuple_from_key(ext + E_KEY_O, 1, T)
    else:
        tuple_from_key(fcb + KEY_O, 0, T)
    depth = i64(0)
    if flags & FL_SIDE:
        at = load64(X + NODES) - 1
        while at > node:
            depth = walk_tuple(X, fcb, ext, at, T, depth)
            at -= 1
    else:
        at = i64(0)
        while at < node:
            depth = walk_tuple(X, fcb, ext, at, T, depth)
            at += 1


@native
def effective_fields(fcb: int, ext: int) -> int:
    """Return the mask of modify fields that mean something for a session: port fields only where there is a port."""
    kind = load8(fcb + PCLASS)
    if kind <= 1:
        return i64(0x7FF)
    if kind == 2:
        if load8(fcb + FLAGS) & FL_V6:
            ports = ext + E_KEY_O + 32
        else:
            ports = fcb + KEY_O + 8
        mask = i64(0x7F3)
        if load16(ports):
            mask |= 4
        if load16(ports + 2):
            mask |= 8
        return mask
    return i64(0x7F3)


@native
def commit(X: int, fcb: int, ext: int, node: int, M: int) -> None:
    """Keep what a handler recorded in `M` as the session's local record of `node`; marks later NFs for on_change."""
    N = node_of(X, node)
    local = load64(N + N_LOCAL)
    if local == 0:
        return
    record = fcb + local
    if load32(M + MAT_RECORDED) == 0:
        return
    v6 = load8(fcb + FLAGS) & FL_V6
    asked = load32(M + MAT_MASK)
    before = load16(record + L_MASK)
    wrong = i64(0)
    if asked & 1 and is_v4(load64(M + MAT_VALUES), load64(M + MAT_VALUES + 8)) == i64(v6 != 0):
        wrong = i64(1)
    if asked & 2 and is_v4(load64(M + MAT_VALUES + 16), load64(M + MAT_VALUES + 24)) == i64(v6 != 0):
        wrong = i64(1)
    mask = asked & effective_fields(fcb, ext)
    changed = mask ^ before
    left = mask
    while left:
        field = ctz(left)
        left &= left - 1
        if field < 2:
            hi = load64(M + MAT_VALUES + 16 * field)
            lo = load64(M + MAT_VALUES + 16 * field + 8)
        else:
            hi = i64(0)
            lo = load64(M + MAT_VALUES + 16 * field)
        bit = i64(1) << field
        if before & bit and (value_lo(N, fcb, ext, field) != lo or (v6 and value_hi(N, fcb, ext, field) != hi)):
            changed |= bit
        store_value(N, fcb, ext, field, hi, lo)
        if field < 4 and load64(N + N_OLD + 8 * field):
            keep_old(X, N, fcb, ext, field)
    store16(record + L_MASK, mask)
    store16(record + L_DROP, load32(M + MAT_DROP))
    store8(record + L_RUN, load32(M + MAT_RUN))
    more = load32(M + MAT_REPLY) | (L_WRONG if wrong else 0)
    if load32(M + MAT_ENCAP):
        more |= L_ENCAP
        at = fcb + load64(N + N_ENCAP)
        store64(at, load64(M + MAT_ENCAP_SRC))
        store64(at + 8, load64(M + MAT_ENCAP_SRC + 8))
        store64(at + 16, load64(M + MAT_ENCAP_DST))
        store64(at + 24, load64(M + MAT_ENCAP_DST + 8))
        store8(at + 32, load64(M + MAT_ENCAP_TTL))
        store8(at + 33, load64(M + MAT_ENCAP_TOS))
    if load32(M + MAT_DECAP):
        more |= L_DECAP
    if load32(M + MAT_TURN):
        more |= L_TURN
    turned = (more | load8(record + L_MORE)) & L_TURN
    store8(record + L_MORE, more)
    if turned:
        note_turn(X, fcb)
    store8(fcb + FLAGS, load8(fcb + FLAGS) | FL_CHANGED | FL_REKEY)
    store8(fcb + QUICK, 0)
    store64(X + EXPECTED, 0)
    if changed:
        mark_readers(X, fcb, node, changed)


@native
def note_turn(X: int, fcb: int) -> None:
    """Note in a session's flags whether an NF has recorded that it is sent out where it came in."""
    turned = i64(0)
    nodes = load64(X + NODES)
    node = i64(0)
    while node < nodes:
        local = load64(node_of(X, node) + N_LOCAL)
        if local:
            turned |= load8(fcb + local + L_MORE) & L_TURN
        node += 1
    flags = load8(fcb + FLAGS)
    store8(fcb + FLAGS, flags | FL_TURNED if turned else flags & ~FL_TURNED)


@native
def keep_old(X: int, N: int, fcb: int, ext: int, field: int) -> None:
    """Keep the value that a tuple field had before this NF (chains whose stores disturb the tuple)."""
    T = X + CX_PLACE
    if field < 2:
        if load8(fcb + FLAGS) & FL_V6:
            at = ext + load64(N + N_OLD6 + 8 * field)
            store64(at, field_hi(T, field))
            store64(at + 8, field_lo(T, field))
        else:
            store32(fcb + load64(N + N_OLD + 8 * field), field_lo(T, field))
    else:
        store16(fcb + load64(N + N_OLD + 8 * field), field_lo(T, field))


@native
def mark_readers(X: int, fcb: int, node: int, changed: int) -> None:
    """Mark on_change as due at NFs after `node`, in opening order, whose on_flow read a field of `changed` (S6)."""
    cold = fcb + load64(X + COLD)
    matched = load32(fcb + MATCHED) & load32(cold + REACHED)
    if load8(fcb + FLAGS) & FL_SIDE:
        later = matched & ((i64(1) << node) - 1)
    else:
        later = matched & ~((i64(2) << node) - 1)
    pending = load32(cold + PENDING)
    while later:
        other = ctz(later)
        later &= later - 1
        N = node_of(X, other)
        if load64(N + N_HAS_CHANGE) and load64(N + N_READS) & changed:
            pending |= i64(1) << other
    store32(cold + PENDING, pending)


@native
def record_fault(X: int, fcb: int, node: int, line: int) -> None:
    """Record a drop for a session whose on_flow or on_change faulted."""
    local = load64(node_of(X, node) + N_LOCAL)
    record = fcb + local
    unset = load16(record + L_MASK)
    turned = load8(record + L_MORE) & L_TURN
    zero(record, L_SIZE)
    if turned:
        note_turn(X, fcb)
    store16(record + L_DROP, FAULT_BIT | (line & 0x7FFF))
    store8(fcb + FLAGS, load8(fcb + FLAGS) | FL_CHANGED | FL_REKEY)
    store8(fcb + QUICK, 0)
    if unset:
        mark_readers(X, fcb, node, unset)


@native
def apply_tuple_field(P: int, error: int, field: int, hi: int, lo: int) -> int:
    """Set one field of the session tuple in a packet, or in all places where an ICMP error has it. Returns 0 if the
    address is of the other family."""
    if error:
        if field == 0:
            return err_set_src(P, hi, lo)
        if field == 1:
            return err_set_dst(P, hi, lo)
        if field == 2:
            return err_set_sport(P, lo) | 1
        return err_set_dport(P, lo) | 1
    if field == 0:
        return set_ip_src(P, hi, lo)
    if field == 1:
        return set_ip_dst(P, hi, lo)
    if field == 2:
        return set_sport(P, lo) | 1
    return set_dport(P, lo) | 1


@native
def apply_other_field(P: int, field: int, value: int) -> None:
    """Set a field outside the session tuple (TTL, DSCP, ECN, MAC addresses, VLAN tag)."""
    if field == 4:
        set_ip_ttl(P, value)
    elif field == 5:
        set_ip_dscp(P, value)
    elif field == 6:
        set_ip_ecn(P, value)
    elif field == 7:
        set_eth_src(P, value)
    elif field == 8:
        set_eth_dst(P, value)
    elif field == 9:
        set_vlan_vid(P, value)
    else:
        set_vlan_pcp(P, value)


@native
def push_header(X: int, P: int, at: int) -> int:
    """Push the IPIP header whose parameters lie at `at`."""
    if load64(X + PUSHED) == 0:
        read_packet(P, X + TUPLE_INNER)
    four = is_v4(load64(at), load64(at + 8))
    if four != is_v4(load64(at + 16), load64(at + 24)):
        return i64(1 + R_FAMILY)
    if push_ipip(P, load64(at), load64(at + 8), load64(at + 16), load64(at + 24), load8(at + 32), load8(at + 33)) == 0:
        return i64(1 + R_HEAD_ROOM if load16(P + ROOM) < (20 if four else 40) else 1 + R_TOO_LONG)
    store64(X + PUSHED, load64(X + PUSHED) + 1)
    return i64(0)


@native
def pop_header(X: int, P: int) -> int:
    """Remove the outermost header, if the chain pushed one on this packet."""
    depth = load64(X + PUSHED)
    if depth == 0:
        return i64(0)
    if pop_ipip(P):
        store64(X + PUSHED, depth - 1)
    return i64(0)


@native
def apply_record(X: int, P: int, fcb: int, ext: int, node: int, opening: int) -> int:
    """Apply a session's record of one NF to a packet at the NF's place.

    Returns 0, or 1 + the number of the chain's reason to drop the packet.
    """
    N = node_of(X, node)
    local = load64(N + N_LOCAL)
    if local == 0:
        return i64(0)
    record = fcb + local
    mask = load16(record + L_MASK)
    header = load8(record + L_MORE)
    error = load32(P + P_FLAGS) & F_ICMP_ERROR
    if opening:
        if header & L_WRONG:
            return i64(1 + R_FAMILY)
        while mask:
            field = ctz(mask)
            mask &= mask - 1
            value = value_lo(N, fcb, ext, field)
            if field < 4:
                if apply_tuple_field(P, error, field, value_hi(N, fcb, ext, field), value) == 0:
                    return i64(1 + R_FAMILY)
            else:
                apply_other_field(P, field, value)
        if header & L_DECAP:
            pop_header(X, P)
        if header & L_ENCAP:
            return push_header(X, P, fcb + load64(N + N_ENCAP))
        return i64(0)
    if header & L_ENCAP:
        pop_header(X, P)
    mask &= 15
    if mask:
        T = X + TUPLE_TEMP
        place(X, fcb, ext, node, T)
        while mask:
            field = ctz(mask)
            mask &= mask - 1
            if load64(N + N_OLD + 8 * field):
                load_old(N, fcb, ext, field, T)
            apply_tuple_field(P, error, field ^ 1, field_hi(T, field), field_lo(T, field))
    return i64(0)


@native
def load_old(N: int, fcb: int, ext: int, field: int, T: int) -> None:
    """Read a kept old value into tuple `T` (where another NF may change the field later, or a store disturbs it)."""
    if field < 2:
        if load8(fcb + FLAGS) & FL_V6:
            at = ext + load64(N + N_OLD6 + 8 * field)
            set_field(T, field, load64(at), load64(at + 8))
        else:
            set_field(T, field, 0, V4_PREFIX | load32(fcb + load64(N + N_OLD + 8 * field)))
    else:
        set_field(T, field, 0, load16(fcb + load64(N + N_OLD + 8 * field)))


@native
def armed(X: int, fcb: int, event: int) -> int:
    """Tell whether an event of a session is armed: 1 or 0."""
    return ~(load32(fcb + load64(X + COLD) + DISARMED) >> event) & 1


@native
def arm(X: int, fcb: int, event: int, on: int) -> None:
    """Arm or disarm an event of a session."""
    at = fcb + load64(X + COLD) + DISARMED
    bits = load32(at)
    if on:
        store32(at, bits & ~(i64(1) << event))
    else:
        store32(at, bits | (i64(1) << event))
