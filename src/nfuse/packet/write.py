"""Stores to header fields of one packet; checksums follow (RFC 1624).

`P` is the descriptor of a parsed packet. A function whose field the packet does not have does nothing. All return 1, or
0 where an address is of the wrong family (and then nothing is stored). A checksum is updated also where the value does
not change. The L4 checksum of a later fragment is left alone: it lies in the first one, which is changed likewise.
"""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import (
    load8,
    load16,
    load16be,
    load32,
    load32be,
    load64,
    load64be,
    store8,
    store16,
    store16be,
    store32be,
    store64be,
)
from nfuse.packet.checksum import M16, apply_checksum, apply_checksum_udp, delta16, delta32, delta128
from nfuse.packet.desc import (
    ADDR,
    DPORT,
    F_ECHO_REPLY,
    F_ECHO_REQUEST,
    F_ETH,
    F_ICMP,
    F_ICMP6,
    F_IP4,
    F_IP6,
    F_TCP,
    F_UDP,
    F_VLAN,
    FLAGS,
    L3,
    L4,
    SPORT,
    VLANS,
)

COVER_NONE = 0
COVER_IPV4 = 1
COVER_L4 = 2
"""Which checksum covers a field: none, the IPv4 header's, the L4 header's."""


@native
def l4_delta(P: int, delta: int, pseudo: int) -> int:
    """Update the L4 checksum of P by `delta`; `pseudo` says that the change is in the pseudo header."""
    flags = load32(P + FLAGS)
    at = load64(P + ADDR) + load16(P + L4)
    if flags & F_TCP:
        apply_checksum(at + 16, delta)
    elif flags & F_UDP:
        apply_checksum_udp(at + 6, delta)
    elif flags & F_ICMP6 or (flags & F_ICMP and not pseudo):
        apply_checksum(at + 2, delta)
    return 1


@native
def put16(P: int, at: int, shift: int, mask: int, value: int, cover: int) -> int:
    """Store (value & mask) << shift into the 16-bit word at offset `at`, an even distance into its header."""
    where = load64(P + ADDR) + at
    old = load16be(where)
    new = (old & ~(mask << shift)) | (value & mask) << shift
    store16be(where, new)
    if cover == COVER_IPV4:
        apply_checksum(load64(P + ADDR) + load16(P + L3) + 10, delta16(old, new))
    elif cover == COVER_L4:
        l4_delta(P, delta16(old, new), 0)
    return 1


@native
def put32(P: int, at: int, shift: int, mask: int, value: int, cover: int) -> int:
    """Store (value & mask) << shift into the 32-bit word at offset `at`, an even distance into its header."""
    where = load64(P + ADDR) + at
    old = load32be(where)
    new = (old & ~(mask << shift)) | (value & mask) << shift
    store32be(where, new)
    if cover == COVER_IPV4:
        apply_checksum(load64(P + ADDR) + load16(P + L3) + 10, delta32(old, new))
    elif cover == COVER_L4:
        l4_delta(P, delta32(old, new), 0)
    return 1


@native
def put_mac(P: int, at: int, mac: int) -> int:
    """Store a MAC address (48-bit integer) at offset `at`."""
    where = load64(P + ADDR) + at
    store16be(where, mac >> 32)
    store32be(where + 2, mac)
    return 1


@native
def put_v4(P: int, at: int, hi: int, lo: int) -> int:
    """Store an IPv4 address at offset `at` where no checksum covers it; 0 if the pair is not IPv4."""
    if hi != 0 or (lo >> 32) != M16:
        return 0
    store32be(load64(P + ADDR) + at, lo)
    return 1


@native
def _set_address(P: int, hi: int, lo: int, at4: int, at6: int) -> int:
    flags = load32(P + FLAGS)
    l3 = load64(P + ADDR) + load16(P + L3)
    if flags & F_IP4:
        if hi != 0 or (lo >> 32) != M16:
            return 0
        delta = delta32(load32be(l3 + at4), lo)
        store32be(l3 + at4, lo)
        apply_checksum(l3 + 10, delta)
    elif flags & F_IP6:
        if hi == 0 and (lo >> 32) == M16:
            return 0
        at = l3 + at6
        delta = delta128(load64be(at), load64be(at + 8), hi, lo)  # its old address may be a mapped one
        store64be(at, hi)
        store64be(at + 8, lo)
    else:
        return 1
    if flags & (F_TCP | F_UDP | F_ICMP6):
        l4_delta(P, delta, 1)
    return 1


@native
def set_ip_src(P: int, hi: int, lo: int) -> int:
    """Store the source address (RFC 791, RFC 8200)."""
    return _set_address(P, hi, lo, 12, 8)


@native
def set_ip_dst(P: int, hi: int, lo: int) -> int:
    """Store the destination address."""
    return _set_address(P, hi, lo, 16, 24)


@native
def set_sport(P: int, value: int) -> int:
    """Store the source port of TCP or UDP, or the identifier of an echo request; the descriptor's tuple follows."""
    flags = load32(P + FLAGS)
    if flags & (F_TCP | F_UDP):
        put16(P, load16(P + L4), 0, M16, value, COVER_L4)
        store16(P + SPORT, value)
    elif flags & F_ECHO_REQUEST:
        put16(P, load16(P + L4) + 4, 0, M16, value, COVER_L4)
        store16(P + SPORT, value)
    return 1


@native
def set_dport(P: int, value: int) -> int:
    """Store the destination port of TCP or UDP, or the identifier of an echo reply; the descriptor's tuple follows."""
    flags = load32(P + FLAGS)
    if flags & (F_TCP | F_UDP):
        put16(P, load16(P + L4) + 2, 0, M16, value, COVER_L4)
        store16(P + DPORT, value)
    elif flags & F_ECHO_REPLY:
        put16(P, load16(P + L4) + 4, 0, M16, value, COVER_L4)
        store16(P + DPORT, value)
    return 1


@native
def set_icmp_id(P: int, value: int) -> int:
    """Store the identifier of an ICMP or ICMPv6 message; an echo's session tuple follows."""
    flags = load32(P + FLAGS)
    if flags & (F_ICMP | F_ICMP6):
        put16(P, load16(P + L4) + 4, 0, M16, value, COVER_L4)
        if flags & F_ECHO_REQUEST:
            store16(P + SPORT, value)
        elif flags & F_ECHO_REPLY:
            store16(P + DPORT, value)
    return 1


@native
def set_ip_ttl(P: int, value: int) -> int:
    """Store the time to live or hop limit (8 bits)."""
    flags = load32(P + FLAGS)
    if flags & F_IP4:
        put16(P, load16(P + L3) + 8, 8, 0xFF, value, COVER_IPV4)
    elif flags & F_IP6:
        store8(load64(P + ADDR) + load16(P + L3) + 7, value)
    return 1


@native
def set_ip_dscp(P: int, value: int) -> int:
    """Store the differentiated services code point (6 bits, RFC 2474)."""
    flags = load32(P + FLAGS)
    if flags & F_IP4:
        put16(P, load16(P + L3), 2, 0x3F, value, COVER_IPV4)
    elif flags & F_IP6:
        put16(P, load16(P + L3), 6, 0x3F, value, COVER_NONE)
    return 1


@native
def set_ip_ecn(P: int, value: int) -> int:
    """Store the explicit congestion notification bits (2 bits, RFC 3168)."""
    flags = load32(P + FLAGS)
    if flags & F_IP4:
        put16(P, load16(P + L3), 0, 3, value, COVER_IPV4)
    elif flags & F_IP6:
        put16(P, load16(P + L3), 4, 3, value, COVER_NONE)
    return 1


@native
def set_eth_src(P: int, mac: int) -> int:
    """Store the source MAC address (a 48-bit integer)."""
    return put_mac(P, 6, mac) if load32(P + FLAGS) & F_ETH else 1


@native
def set_eth_dst(P: int, mac: int) -> int:
    """Store the destination MAC address (a 48-bit integer)."""
    return put_mac(P, 0, mac) if load32(P + FLAGS) & F_ETH else 1


@native
def set_vlan_vid(P: int, value: int) -> int:
    """Store the VLAN identifier of the outermost tag (12 bits, IEEE 802.1Q)."""
    if load32(P + FLAGS) & F_VLAN:
        put16(P, load16(P + L3) - 4 * load8(P + VLANS), 0, 0xFFF, value, COVER_NONE)
    return 1


@native
def set_vlan_pcp(P: int, value: int) -> int:
    """Store the priority of the outermost VLAN tag (3 bits, IEEE 802.1Q)."""
    if load32(P + FLAGS) & F_VLAN:
        put16(P, load16(P + L3) - 4 * load8(P + VLANS), 13, 7, value, COVER_NONE)
    return 1
