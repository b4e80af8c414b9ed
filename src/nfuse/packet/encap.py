"""IP in IP: pushing and popping an outer header (RFC 2003 for IPv4, RFC 2473 for IPv6)."""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import (
    copy,
    load8,
    load16,
    load16be,
    load32,
    load64,
    store8,
    store16,
    store16be,
    store32,
    store32be,
    store64,
    store64be,
)
from nfuse.packet.checksum import M16, full_ipv4, ip_end
from nfuse.packet.desc import (
    ADDR,
    F_FRAG,
    F_IP,
    F_IP4,
    F_IPIP,
    F_MADE,
    F_MALFORMED,
    FLAGS,
    L3,
    L4,
    LEN,
    LINK,
    LINK_NULL,
    LINK_RAW,
    LINK_SLL2,
    PROTO,
    ROOM,
    VLANS,
    WIRE,
)
from nfuse.packet.parse import parse


@native
def _set_family(P: int, l3: int, six: int) -> int:
    """Make the L2 header in front of offset l3 announce IPv6 (`six`) or IPv4."""
    at = load64(P + ADDR)
    link = load8(P + LINK)
    if link == LINK_NULL:  # keep the byte order of the machine that captured
        family = 24 if six else 2
        store32(at, family if load32(at) < 0x10000 else family << 24)
    elif link != LINK_RAW:
        where = 0 if link == LINK_SLL2 and load8(P + VLANS) == 0 else l3 - 2
        store16be(at + where, 0x86DD if six else 0x0800)
    return 1


@native
def _shift(P: int, by: int) -> int:
    """Move the start of the frame and its L2 header by `by` bytes (up: positive)."""
    addr = load64(P + ADDR)
    copy(addr + by, addr, load16(P + L3))
    store64(P + ADDR, addr + by)
    store32(P + LEN, load32(P + LEN) - by)
    store32(P + WIRE, load32(P + WIRE) - by)
    store16(P + ROOM, load16(P + ROOM) + by)
    return 1


@native
def push_ipip(P: int, srchi: int, srclo: int, dsthi: int, dstlo: int, ttl: int, tos: int) -> int:
    """Put an outer IP header before the IP header of P; the L2 header moves down into the head room.

    The addresses decide the outer family; all four combinations work. The outer IPv4 header has no options, the inner
    packet's DF bit and identification (DF and 0 over IPv6). P is parsed anew and keeps F_MADE. A packet that is not IP
    is left alone.

    Args:
        P: Descriptor of a parsed packet.
        srchi, srclo: Outer source address.
        dsthi, dstlo: Outer destination address.
        ttl: Outer TTL or hop limit.
        tos: Outer type of service or traffic class byte.

    Returns:
        1, or 0 with nothing changed: no head room, the outer packet would be too long, or mixed families.
    """
    flags = load32(P + FLAGS)
    if not flags & F_IP:
        return 1
    four = srchi == 0 and (srclo >> 32) == M16
    if four != (dsthi == 0 and (dstlo >> 32) == M16):
        return 0
    size = 20 if four else 40
    l3 = load16(P + L3)
    inner = ip_end(P) - l3
    if load16(P + ROOM) < size or inner + (20 if four else 0) > 65535:
        return 0
    _shift(P, -size)
    at = load64(P + ADDR) + l3
    proto = 4 if flags & F_IP4 else 41
    if four:
        store16be(at, 0x4500 | (tos & 0xFF))
        store16be(at + 2, inner + 20)
        identity = 0
        place = 0x4000
        if flags & F_IP4:
            place = load16be(at + size + 6) & 0x4000
            if not place:
                identity = load16be(at + size + 4)
        store16be(at + 4, identity)
        store16be(at + 6, place)
        store16be(at + 8, (ttl & 0xFF) << 8 | proto)
        store32be(at + 12, srclo)
        store32be(at + 16, dstlo)
        full_ipv4(at, 20)
    else:
        store32be(at, 6 << 28 | (tos & 0xFF) << 20)
        store16be(at + 4, inner)
        store16be(at + 6, proto << 8 | (ttl & 0xFF))
        store64be(at + 8, srchi)
        store64be(at + 16, srclo)
        store64be(at + 24, dsthi)
        store64be(at + 32, dstlo)
    _set_family(P, l3, 0 if four else 1)
    return _parse_again(P)


@native
def _parse_again(P: int) -> int:
    made = load32(P + FLAGS) & F_MADE
    parse(P)
    store32(P + FLAGS, load32(P + FLAGS) | made)
    return 1


@native
def _inner_is_sound(P: int, l4: int, six: int) -> int:
    """Parse what lies behind the outer header as a frame of its own and restore P, but for what `parse` fills."""
    addr = load64(P + ADDR)
    have = load32(P + LEN)
    wire = load32(P + WIRE)
    link = load8(P + LINK)
    end = ip_end(P)
    sound = 0
    if l4 < have and l4 < wire and load8(addr + l4) >> 4 == (6 if six else 4):
        store64(P + ADDR, addr + l4)
        store32(P + LEN, have - l4)
        store32(P + WIRE, min(wire, end) - l4)
        store8(P + LINK, LINK_RAW)
        sound = 0 if parse(P) & F_MALFORMED else 1
    store64(P + ADDR, addr)
    store32(P + LEN, have)
    store32(P + WIRE, wire)
    store8(P + LINK, link)
    return sound


@native
def pop_ipip(P: int) -> int:
    """Remove the outermost IP header, with its options or extension headers, of a packet that carries IP.

    The L2 header moves up. P is parsed anew and keeps F_MADE.

    Returns:
        1, or 0 with nothing changed: the packet carries no IP, is a fragment, or the inner packet is malformed.
    """
    flags = load32(P + FLAGS)
    if not flags & F_IPIP or flags & F_FRAG:
        return 0
    l3 = load16(P + L3)
    l4 = load16(P + L4)
    six = 1 if load8(P + PROTO) == 41 else 0
    vlans = load8(P + VLANS)
    sound = _inner_is_sound(P, l4, six)
    store16(P + L3, l3)
    store8(P + VLANS, vlans)
    store32(P + FLAGS, flags)
    if not sound:
        return _parse_again(P) - 1
    _shift(P, l4 - l3)
    _set_family(P, l3, six)
    return _parse_again(P)
