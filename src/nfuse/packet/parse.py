"""The parser: fills a packet descriptor from the bytes of the frame.

`parse` checks every header once. What it reports as present can then be read unchecked: the flags F_IP4, F_IP6 say that
the IP header is whole with all its options, F_L4 that the L4 header is. The result holds until somebody changes the
structure of the packet (encapsulation), who parses anew.

A fast path takes Ethernet, IPv4 without options, unfragmented, TCP or UDP. All else goes through `_parse_general`.
"""

from __future__ import annotations

from nfuse.memory.jit import inlined, native
from nfuse.memory.raw import (
    load8,
    load16,
    load16be,
    load32,
    load32be,
    load64,
    prefetch,
    store8,
    store16,
    store32,
    store64,
)
from nfuse.packet.desc import (
    ADDR,
    BAD,
    DESC_SIZE,
    DPORT,
    ETYPE,
    F_ARP,
    F_ECHO_REPLY,
    F_ECHO_REQUEST,
    F_ETH,
    F_FRAG,
    F_ICMP,
    F_ICMP6,
    F_ICMP_ERROR,
    F_IP4,
    F_IP6,
    F_IPIP,
    F_L4,
    F_LATER,
    F_MALFORMED,
    F_QINQ,
    F_TCP,
    F_UDP,
    F_VLAN,
    FLAGS,
    L3,
    L4,
    LEN,
    LINK,
    LINK_ETHERNET,
    LINK_NULL,
    LINK_RAW,
    LINK_SLL,
    LINK_SLL2,
    PAY,
    PROTO,
    SPORT,
    VLANS,
    WIRE,
)
from nfuse.packet.reasons import (
    BAD_ARP,
    BAD_FRAGMENT,
    BAD_FRAGMENTED_HEADER,
    BAD_ICMP,
    BAD_IHL,
    BAD_OFFSET,
    BAD_PAYLOAD,
    BAD_RUNT,
    BAD_TCP,
    BAD_TOTAL,
    BAD_TRUNCATED,
    BAD_UDP,
    BAD_VERSION,
    BAD_VLANS,
    MALFORMED,
)
from nfuse.packet.walk import walk_ipv6, walk_quoted

__all__ = ["MALFORMED", "parse", "parse_burst", "parse_common"]

MAX_VLANS = 8

_COMMON = F_ETH | F_IP4 | F_L4
_COMMON_OFFSETS = 14 << 32 | 34 << 48  # l3 and l4 beside the flags: one store


@inlined
def parse_common(P: int) -> int:
    """Parse Ethernet / IPv4 (IHL 5, no fragment) / TCP or UDP; return the flags, or 0 and leave P alone."""
    addr = load64(P + ADDR)
    have = load32(P + LEN)
    if have < 42 or load8(P + LINK) != LINK_ETHERNET:
        return 0
    # one compare for EtherType 0x0800 and version 4, IHL 5; one for MF and the fragment offset
    if load32(addr + 12) & 0x00FFFFFF != 0x00450008 or load16(addr + 20) & 0xFF3F:
        return 0
    total = load16be(addr + 16)
    if total < 28 or 14 + total > load32(P + WIRE):
        return 0
    proto = load8(addr + 23)
    if proto == 17:
        length = load16be(addr + 38)
        if length < 8 or length > total - 20:
            return 0
        pay = 42
        flags = _COMMON | F_UDP
    elif proto == 6:
        if have < 54:
            return 0
        size = (load8(addr + 46) >> 4) * 4
        pay = 34 + size
        if size < 20 or size > total - 20 or pay > have:
            return 0
        flags = _COMMON | F_TCP
    else:
        return 0
    store64(P + FLAGS, flags | _COMMON_OFFSETS)
    store32(P + PAY, pay | 0x0800 << 16)
    store8(P + PROTO, proto)
    store8(P + BAD, 0)
    ports = load32be(addr + 34)
    store32(P + SPORT, ports >> 16 | (ports & 0xFFFF) << 16)
    store8(P + VLANS, 0)
    return flags


@native
def _fail(P: int, flags: int, reason: int) -> int:
    """Declare the packet malformed; `flags` says what was found whole before."""
    flags |= F_MALFORMED
    l3 = load16(P + L3)
    if load16(P + L4) < l3:
        store16(P + L4, l3)
        store16(P + PAY, l3)
    store32(P + FLAGS, flags)
    store8(P + BAD, reason)
    return flags


@native
def _done(P: int, flags: int) -> int:
    store32(P + FLAGS, flags)
    return flags


@native
def _parse_l4(P: int, addr: int, flags: int, proto: int, l4: int, end: int, have: int) -> int:
    """Parse the L4 header of an unfragmented packet or first fragment; return the flags."""
    store16(P + L4, l4)
    store16(P + PAY, l4)
    store8(P + PROTO, proto)
    if proto == 6:
        least = 20
        short = BAD_TCP
    elif proto == 17:
        least = 8
        short = BAD_UDP
    elif (proto == 1 and flags & F_IP4) or (proto == 58 and flags & F_IP6):
        least = 8
        short = BAD_ICMP
    else:
        if proto == 4 or proto == 41:
            flags |= F_IPIP
        return _done(P, flags)
    if flags & F_FRAG:
        short = BAD_FRAGMENTED_HEADER
    if l4 + least > end:
        return _fail(P, flags, short)
    if l4 + least > have:
        return _fail(P, flags, BAD_TRUNCATED)
    if proto == 6:
        size = (load8(addr + l4 + 12) >> 4) * 4
        if size < 20:
            return _fail(P, flags, BAD_OFFSET)
        if l4 + size > end:
            return _fail(P, flags, BAD_FRAGMENTED_HEADER if flags & F_FRAG else BAD_OFFSET)
        if l4 + size > have:
            return _fail(P, flags, BAD_TRUNCATED)
        store16(P + PAY, l4 + size)
        store16(P + SPORT, load16be(addr + l4))
        store16(P + DPORT, load16be(addr + l4 + 2))
        return _done(P, flags | F_TCP | F_L4)
    if proto == 17:
        length = load16be(addr + l4 + 4)
        if length < 8 or (l4 + length > end and not flags & F_FRAG):
            return _fail(P, flags, BAD_UDP)
        store16(P + PAY, l4 + 8)
        store16(P + SPORT, load16be(addr + l4))
        store16(P + DPORT, load16be(addr + l4 + 2))
        return _done(P, flags | F_UDP | F_L4)
    return _parse_icmp(P, addr, flags, l4, end, have)


@native
def _parse_icmp(P: int, addr: int, flags: int, l4: int, end: int, have: int) -> int:
    """Parse an ICMP or ICMPv6 header of which 8 bytes are whole; return the flags."""
    kind = load8(addr + l4)
    six = 1 if flags & F_IP6 else 0
    more = (F_ICMP6 if six else F_ICMP) | F_L4
    if kind == (128 if six else 8):
        more |= F_ECHO_REQUEST
        store16(P + SPORT, load16be(addr + l4 + 4))
    elif kind == (129 if six else 0):
        more |= F_ECHO_REPLY
        store16(P + DPORT, load16be(addr + l4 + 4))
    elif (1 <= kind <= 4) if six else (3 <= kind <= 5 or kind == 11 or kind == 12):
        _, _, reason = walk_quoted(addr, l4 + 8, six, end, have)
        if reason:
            return _fail(P, flags, BAD_FRAGMENTED_HEADER if flags & F_FRAG and reason != BAD_TRUNCATED else reason)
        more |= F_ICMP_ERROR
    store16(P + PAY, l4 + 8)
    return _done(P, flags | more)


@native
def _parse_ipv4(P: int, addr: int, flags: int, l3: int, have: int, wire: int) -> int:
    """Parse from an IPv4 header on (RFC 791); return the flags."""
    store16(P + L4, l3)
    store16(P + PAY, l3)
    if l3 + 20 > wire:
        return _fail(P, flags, BAD_RUNT)
    if l3 + 20 > have:
        return _fail(P, flags, BAD_TRUNCATED)
    first = load8(addr + l3)
    if first >> 4 != 4:
        return _fail(P, flags, BAD_VERSION)
    size = (first & 15) * 4
    if size < 20:
        return _fail(P, flags, BAD_IHL)
    total = load16be(addr + l3 + 2)
    if total == 0:  # captured before segmentation offload filled it in
        total = wire - l3
    if l3 + total > wire or total < 20:
        return _fail(P, flags, BAD_TOTAL)
    if size > total:
        return _fail(P, flags, BAD_IHL)
    if l3 + size > have:
        return _fail(P, flags, BAD_TRUNCATED)
    flags |= F_IP4
    proto = load8(addr + l3 + 9)
    place = load16be(addr + l3 + 6)
    offset = (place & 0x1FFF) * 8
    if place & 0x3FFF:
        flags |= F_FRAG
        if offset + total - size > 65535:
            return _fail(P, flags, BAD_FRAGMENT)
    if offset:
        store16(P + L4, l3 + size)
        store16(P + PAY, l3 + size)
        store8(P + PROTO, proto)
        return _done(P, flags | F_LATER)
    return _parse_l4(P, addr, flags, proto, l3 + size, l3 + total, have)


@native
def _parse_ipv6(P: int, addr: int, flags: int, l3: int, have: int, wire: int) -> int:
    """Parse from an IPv6 header on (RFC 8200); return the flags."""
    store16(P + L4, l3)
    store16(P + PAY, l3)
    if l3 + 40 > wire:
        return _fail(P, flags, BAD_RUNT)
    if l3 + 40 > have:
        return _fail(P, flags, BAD_TRUNCATED)
    if load8(addr + l3) >> 4 != 6:
        return _fail(P, flags, BAD_VERSION)
    end = l3 + 40 + load16be(addr + l3 + 4)
    if end > wire:
        return _fail(P, flags, BAD_PAYLOAD)
    flags |= F_IP6
    l4, proto, more, reason = walk_ipv6(addr, l3 + 40, load8(addr + l3 + 6), end, have)
    flags |= more
    if reason:
        return _fail(P, flags, reason)
    if more & F_LATER:
        store16(P + L4, l4)
        store16(P + PAY, l4)
        store8(P + PROTO, proto)
        if (load16be(addr + l4 - 6) & 0xFFF8) + end - l4 > 65535:
            return _fail(P, flags, BAD_FRAGMENT)
        return _done(P, flags)
    return _parse_l4(P, addr, flags, proto, l4, end, have)


@native
def _parse_arp(P: int, addr: int, flags: int, l3: int, have: int, wire: int) -> int:
    """Parse ARP (RFC 826); only Ethernet and IPv4 get the flag."""
    store16(P + L4, l3)
    store16(P + PAY, l3)
    if l3 + 8 > wire:
        return _fail(P, flags, BAD_ARP)
    if l3 + 8 > have:
        return _fail(P, flags, BAD_TRUNCATED)
    if load64(addr + l3) & 0xFFFFFFFFFFFF != 0x040600080100:  # hardware 1, protocol 0x0800, sizes 6 and 4
        return _done(P, flags)
    if l3 + 28 > wire:
        return _fail(P, flags, BAD_ARP)
    if l3 + 28 > have:
        return _fail(P, flags, BAD_TRUNCATED)
    store16(P + L4, l3 + 28)
    store16(P + PAY, l3 + 28)
    return _done(P, flags | F_ARP)


@native
def _null_type(word: int) -> int:
    """EtherType of a BSD loopback header: an address family in either byte order."""
    family = word if word < 0x10000 else (word >> 24) | (word >> 8 & 0xFF00)
    if family == 2:
        return 0x0800
    if family == 10 or family == 24 or family == 28 or family == 30:  # Linux; NetBSD, OpenBSD; FreeBSD; Darwin
        return 0x86DD
    return 0


@native
def _parse_general(P: int) -> int:
    """Parse any packet; return the flags."""
    addr = load64(P + ADDR)
    wire = load32(P + WIRE)
    have = min(load32(P + LEN), wire)
    link = load8(P + LINK)
    store64(P + FLAGS, 0)
    store32(P + PAY, 0)
    store8(P + PROTO, 0)
    store8(P + BAD, 0)
    store32(P + SPORT, 0)
    store8(P + VLANS, 0)
    flags = 0
    etype = 0
    if link == LINK_ETHERNET:
        l3 = 14
        at = 12
    elif link == LINK_SLL:
        l3 = 16
        at = 14
    elif link == LINK_SLL2:
        l3 = 20
        at = 0
    elif link == LINK_NULL:
        l3 = 4
        at = 0
    elif link == LINK_RAW:
        l3 = 1  # the version
        at = 0
    else:
        return 0
    if l3 > wire:
        return _fail(P, 0, BAD_RUNT)
    if l3 > have:
        return _fail(P, 0, BAD_TRUNCATED)
    if link == LINK_RAW:
        l3 = 0
        version = load8(addr) >> 4
        if version == 4:
            etype = 0x0800
        elif version == 6:
            etype = 0x86DD
        else:
            return _fail(P, 0, BAD_VERSION)
    elif link == LINK_NULL:
        etype = _null_type(load32(addr))
    else:
        if link == LINK_ETHERNET:
            flags = F_ETH
        etype = load16be(addr + at)
        tags = 0
        while etype == 0x8100 or etype == 0x88A8 or etype == 0x9100:
            tags += 1
            store16(P + L3, l3)
            if tags > MAX_VLANS:
                return _fail(P, flags, BAD_VLANS)
            if l3 + 4 > wire:
                return _fail(P, flags, BAD_RUNT)
            if l3 + 4 > have:
                return _fail(P, flags, BAD_TRUNCATED)
            flags |= F_VLAN if tags == 1 else F_QINQ
            etype = load16be(addr + l3 + 2)
            l3 += 4
            store8(P + VLANS, tags)
        if etype < 1536:  # an IEEE 802.3 length: LLC follows
            etype = 0
    store16(P + L3, l3)
    store16(P + ETYPE, etype)
    if etype == 0x0800:
        return _parse_ipv4(P, addr, flags, l3, have, wire)
    if etype == 0x86DD:
        return _parse_ipv6(P, addr, flags, l3, have, wire)
    if etype == 0x0806:
        return _parse_arp(P, addr, flags, l3, have, wire)
    store16(P + L4, l3)
    store16(P + PAY, l3)
    return _done(P, flags)


@native
def parse(P: int) -> int:
    """Parse the packet of descriptor P.

    Reads ADDR, LEN, WIRE and LINK; fills FLAGS, L3, L4, PAY, ETYPE, PROTO, BAD, SPORT, DPORT and VLANS. Bytes are
    read only from the first LEN (and WIRE) bytes of the frame. Of a malformed packet the flags tell only what was
    found whole before the fault; offsets that were not reached equal the last one that was.

    Returns:
        The flags.
    """
    flags = parse_common(P)
    if flags:
        return flags
    return _parse_general(P)


AHEAD = 16
"""How many packets ahead a frame is prefetched."""


@native
def parse_burst(base: int, start: int, stop: int) -> int:
    """Parse the packets of descriptors start <= i < stop of the table at `base`.

    Returns:
        The OR of all flags.
    """
    found = 0
    ahead = stop - AHEAD
    for i in range(start, stop):
        P = base + i * DESC_SIZE
        if i < ahead:
            prefetch(load64(P + AHEAD * DESC_SIZE + ADDR))
        flags = parse_common(P)
        if not flags:
            flags = _parse_general(P)
        found |= flags
    return found
