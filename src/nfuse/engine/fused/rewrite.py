"""Applying consolidated actions on the fast path: a few stores and two prepared checksum sums."""

from __future__ import annotations

from nfuse.engine.fused.consolidate import P_IP, P_L4, P_MASK
from nfuse.engine.fused.context import E_KEY_O, E_KEY_R, KEY_O, KEY_R
from nfuse.engine.fused.records import apply_other_field
from nfuse.memory.jit import inlined, native
from nfuse.memory.raw import (
    ctz,
    i64,
    load8,
    load16,
    load16be,
    load32,
    load64,
    lsr,
    store16,
    store16be,
    store32be,
    store64,
    store64be,
)
from nfuse.packet.desc import (
    ADDR,
    DPORT,
    F_ECHO_REPLY,
    F_ECHO_REQUEST,
    F_ICMP6,
    F_IP4,
    F_TCP,
    F_UDP,
    FLAGS,
    L3,
    L4,
    SPORT,
)


@inlined
def add_to_checksum(at: int, delta: int) -> None:
    """Add a prepared sum (folded; 0 only if all its terms are 0) to the checksum at `at` (RFC 1624, eq. 3)."""
    total = (load16be(at) ^ 0xFFFF) + delta
    total = (total & 0xFFFF) + (total >> 16)
    store16be(at, total ^ 0xFFFF)


@inlined
def add_to_checksum_udp(at: int, delta: int) -> None:
    """As :func:`add_to_checksum`; 0 means no checksum and stays, a result of 0 is sent as 0xffff (RFC 768)."""
    before = load16be(at)
    if before:
        total = (before ^ 0xFFFF) + delta
        total = (total & 0xFFFF) + (total >> 16)
        result = total ^ 0xFFFF
        store16be(at, result if result else 0xFFFF)


@native
def add_l4_sum(flags: int, l4: int, delta: int) -> None:
    """Add a prepared sum to the checksum of whatever L4 header there is."""
    if flags & F_TCP:
        add_to_checksum(l4 + 16, delta)
    elif flags & F_UDP:
        add_to_checksum_udp(l4 + 6, delta)
    elif flags & (F_ECHO_REQUEST | F_ECHO_REPLY | F_ICMP6):
        add_to_checksum(l4 + 2, delta)


@native
def store_ports(flags: int, l4: int, sport: int, dport: int, mask: int) -> None:
    """Store the ports, or the echo identifier, that `mask` names (4 sport, 8 dport)."""
    if flags & (F_TCP | F_UDP):
        if mask & 4:
            store16be(l4, sport)
        if mask & 8:
            store16be(l4 + 2, dport)
    elif flags & F_ECHO_REQUEST:
        if mask & 4:
            store16be(l4 + 4, sport)
    elif flags & F_ECHO_REPLY:
        if mask & 8:
            store16be(l4 + 4, dport)


@native  # not inlined: see docs/decisions/fused-engine.md, Open
def rewrite_last(P: int, fcb: int, ext: int, point: int, opening: int) -> None:
    """Apply the last point's tuple fields: the packet leaves with the tuple that the other key mirrors."""
    mask = load16(fcb + point + P_MASK) & 15
    if mask == 0:
        return
    flags = load32(P + FLAGS)
    frame = load64(P + ADDR)
    ip = frame + load16(P + L3)
    l4 = frame + load16(P + L4)
    if flags & F_IP4:
        key = fcb + (KEY_R if opening else KEY_O)
        ports = load32(key + 8)
        if mask & 3:
            both = load64(key)
            store64(ip + 12, lsr(both, 32) | i64(both << 32))
            add_to_checksum(ip + 10, load16(fcb + point + P_IP))
    else:
        key = ext + (E_KEY_R if opening else E_KEY_O)
        ports = load32(key + 32)
        if mask & 3:
            store64(ip + 8, load64(key + 16))
            store64(ip + 16, load64(key + 24))
            store64(ip + 24, load64(key))
            store64(ip + 32, load64(key + 8))
    delta = load16(fcb + point + P_L4)
    if flags & F_TCP:
        if mask & 12:
            store32be(l4, ports)
        add_to_checksum(l4 + 16, delta)
    elif flags & F_UDP:
        if mask & 12:
            store32be(l4, ports)
        add_to_checksum_udp(l4 + 6, delta)
    else:
        store_ports(flags, l4, ports >> 16, ports & 0xFFFF, mask)
        if delta:
            add_l4_sum(flags, l4, delta)


@native
def rewrite_here(P: int, fcb: int, ext: int, point: int, values: int, values6: int) -> None:
    """Apply the tuple fields of a point on the way; `values` and `values6` say where their values lie."""
    mask = load16(fcb + point + P_MASK) & 15
    if mask == 0:
        return
    flags = load32(P + FLAGS)
    frame = load64(P + ADDR)
    ip = frame + load16(P + L3)
    l4 = frame + load16(P + L4)
    at = fcb + values
    for field in range(2):
        if mask >> field & 1:
            if flags & F_IP4:
                store32be(ip + 12 + 4 * field, load32(at + 4 * field))
            else:
                store64be(ip + 8 + 16 * field, load64(ext + values6 + 16 * field))
                store64be(ip + 16 + 16 * field, load64(ext + values6 + 16 * field + 8))
    if mask & 3 and flags & F_IP4:
        add_to_checksum(ip + 10, load16(fcb + point + P_IP))
    sport = load16(at + 8)
    dport = load16(at + 10)
    store_ports(flags, l4, sport, dport, mask)
    if mask & 4:
        store16(P + SPORT, sport)
    if mask & 8:
        store16(P + DPORT, dport)
    delta = load16(fcb + point + P_L4)
    if delta:
        add_l4_sum(flags, l4, delta)


@native
def rewrite_others(P: int, fcb: int, point: int, values: int) -> None:
    """Apply a point's fields outside the tuple; `values` says where their values lie."""
    mask = load16(fcb + point + P_MASK) & 0x7F0
    at = fcb + values
    while mask:
        field = ctz(mask)
        mask &= mask - 1
        if field == 7:
            value = load64(at)
        elif field == 8:
            value = load64(at + 8)
        elif field == 9:
            value = load16(at + 16)
        else:
            value = load8(at + 18 + (field - 4 if field < 7 else 3))
        apply_other_field(P, field, value)
