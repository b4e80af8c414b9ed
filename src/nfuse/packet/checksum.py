"""Internet checksums: incremental updates (RFC 1624) and full sums (RFC 1071).

Sums are kept as folded 16-bit one's complement values that are not normalised: 0 stands only for a sum of nothing but
zeros, every other multiple of 65,535 is 0xffff. With that representation the order and the grouping of updates do not
matter: one update by ``fold(d1 + d2)`` gives the same checksum as one by d1 and then one by d2, also in the edge cases
0x0000 and 0xffff. All 16-bit words are read in network byte order.
"""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import i64, load8, load16be, load32, load32be, load64, store16be
from nfuse.packet.desc import ADDR, F_FRAG, F_ICMP, F_ICMP6, F_IP4, F_IP6, F_TCP, F_UDP, FLAGS, WIRE

M16 = 0xFFFF
M32 = 0xFFFFFFFF


@native
def fold(x: int) -> int:
    """Fold a sum (0 <= x < 2**63) to 16 bits with end-around carry; 0 only if x is 0."""
    x = (x & M32) + (x >> 32)
    x = (x & M16) + (x >> 16)
    x = (x & M16) + (x >> 16)
    return (x & M16) + (x >> 16)


@native
def delta16(old: int, new: int) -> int:
    """Return ~m + m' of RFC 1624, equation 3, for one 16-bit word."""
    x = (~old & M16) + (new & M16)
    return (x & M16) + (x >> 16)


@native
def delta32(old: int, new: int) -> int:
    """Return ~m + m' for a 32-bit value at an even offset."""
    return fold((~old & M32) + (new & M32))


@native
def delta128(oldhi: int, oldlo: int, newhi: int, newlo: int) -> int:
    """Return ~m + m' over the eight words of an IPv6 address."""
    x = (~oldlo & M32) + (newlo & M32) + (~(oldlo >> 32) & M32) + ((newlo >> 32) & M32)
    return fold(x + (~oldhi & M32) + (newhi & M32) + (~(oldhi >> 32) & M32) + ((newhi >> 32) & M32))


@native
def delta_address(oldhi: int, oldlo: int, newhi: int, newlo: int) -> int:
    """Return ~m + m' over the words of an address: 2 words if the old one is IPv4 (v4-mapped pair), else 8."""
    if oldhi == 0 and (oldlo >> 32) == M16:
        return delta32(oldlo, newlo)
    return delta128(oldhi, oldlo, newhi, newlo)


@native
def apply_checksum(addr: int, delta: int) -> int:
    """Update the checksum at `addr`: HC' = ~(~HC + delta) (RFC 1624, equation 3). IPv4, TCP, ICMP, ICMPv6.

    Returns:
        The change of the checksum word itself, ~HC + HC', for sums that cover it.
    """
    old = load16be(addr)
    new = ~fold((~old & M16) + delta) & M16
    store16be(addr, new)
    return delta16(old, new)


@native
def apply_checksum_udp(addr: int, delta: int) -> int:
    """Update a UDP checksum at `addr`: 0 (none, RFC 768) stays 0, a result of 0 becomes 0xffff.

    Returns:
        The change of the checksum word itself, as :func:`apply_checksum`; 0 if there was none.
    """
    old = load16be(addr)
    if old == 0:
        return 0
    new = ~fold((~old & M16) + delta) & M16
    if new == 0:
        new = M16
    store16be(addr, new)
    return delta16(old, new)


@native
def sum_bytes(addr: int, size: int) -> int:
    """Sum `size` bytes as 16-bit words (the last one padded with zero); folded."""
    total = 0
    at = 0
    while at + 4 <= size:
        total += load32be(addr + at)
        at += 4
    if at + 2 <= size:
        total += load16be(addr + at)
        at += 2
    if at < size:
        total += load8(addr + at) << 8
    return fold(total)


@native
def full_ipv4(addr: int, size: int) -> int:
    """Compute and store the header checksum of the IPv4 header of `size` bytes at `addr`; return it."""
    store16be(addr + 10, 0)
    value = ~sum_bytes(addr, size) & M16
    store16be(addr + 10, value)
    return value


@native
def ipv4_checksum_ok(P: int) -> int:
    """Return 1 if the header checksum of an IPv4 packet is right (RFC 791: all words of the header sum to 0xffff)."""
    at = load64(P + ADDR) + ((load64(P + FLAGS) >> 32) & M16)
    return 1 if sum_bytes(at, (load8(at) & 15) * 4) == M16 else 0


@native
def ip_end(P: int) -> int:
    """Return the offset where the IP packet ends; of a packet that is not IP, where the frame ends on the wire."""
    flags = load64(P + FLAGS)
    l3 = (flags >> 32) & M16
    if flags & F_IP4:
        total = load16be(load64(P + ADDR) + l3 + 2)
        return l3 + total if total else load32(P + WIRE)
    if flags & F_IP6:
        return l3 + 40 + load16be(load64(P + ADDR) + l3 + 4)
    return load32(P + WIRE)


@native
def pseudo_sum(P: int, proto: int, length: int) -> int:
    """Sum the pseudo header of packet P (RFC 9293, 3.1; RFC 8200, 8.1) for `length` bytes of `proto`; folded."""
    at = load64(P + ADDR) + ((load64(P + FLAGS) >> 32) & M16)
    if load64(P + FLAGS) & F_IP4:
        return fold(sum_bytes(at + 12, 8) + proto + length)
    return fold(sum_bytes(at + 8, 32) + proto + length)


@native
def full_l4(P: int) -> int:
    """Compute and store the L4 checksum of a parsed, unfragmented packet that is whole in memory.

    Returns:
        The checksum; -1 if the packet has none (or is a fragment), and then nothing is stored.
    """
    flags = load64(P + FLAGS)
    if flags & F_FRAG:
        return -1
    l4 = (flags >> 48) & M16
    at = load64(P + ADDR) + l4
    length = ip_end(P) - l4
    if flags & F_TCP:
        where = at + 16
        start = pseudo_sum(P, 6, length)
    elif flags & F_UDP:
        where = at + 6
        length = load16be(at + 4)
        start = pseudo_sum(P, 17, length)
    elif flags & F_ICMP:
        where = at + 2
        start = i64(0)
    elif flags & F_ICMP6:
        where = at + 2
        start = pseudo_sum(P, 58, length)
    else:
        return -1
    store16be(where, 0)
    value = ~fold(start + sum_bytes(at, length)) & M16
    if flags & F_UDP and value == 0:
        value = M16
    store16be(where, value)
    return value
