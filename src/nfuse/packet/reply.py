"""Made packets: the answer to a packet (TCP reset, ICMP error, echo reply), built next to it in native code."""

from __future__ import annotations

from typing import Final

from nfuse.memory.jit import native
from nfuse.memory.raw import (
    copy,
    load8,
    load16,
    load16be,
    load32,
    load32be,
    load64,
    load64be,
    store8,
    store16be,
    store32,
    store32be,
    store64,
)
from nfuse.packet.checksum import M32, full_ipv4, full_l4, ip_end
from nfuse.packet.desc import (
    ADDR,
    F_ECHO_REQUEST,
    F_FRAG,
    F_ICMP_ERROR,
    F_IP,
    F_IP4,
    F_LATER,
    F_MADE,
    F_MALFORMED,
    F_TCP,
    FLAGS,
    FRAG,
    HASH,
    INPORT,
    L3,
    L4,
    LEN,
    LINK,
    LINK_ETHERNET,
    LINK_SLL,
    LINK_SLL2,
    PAY,
    SIDE,
    TS,
    USER,
    WIRE,
)
from nfuse.packet.parse import parse

RST: Final = 1
UNREACHABLE: Final = 2
REJECT: Final = 3
ECHO: Final = 4
TTL_EXCEEDED: Final = 5
PORT_UNREACHABLE: Final = 6

REPLY_SPACE: Final = 2048
"""Bytes that must be free where a reply is built; no reply is longer."""


@native
def is_group(P: int) -> int:
    """Tell whether P went to many, or comes from no single host (RFC 1812, 4.3.2.7; RFC 4443, 2.4 (e))."""
    addr = load64(P + ADDR)
    link = load8(P + LINK)
    if link == LINK_ETHERNET and load8(addr) & 1:
        return 1
    if link == LINK_SLL and 1 <= load16be(addr) <= 2:
        return 1
    if link == LINK_SLL2 and 1 <= load8(addr + 10) <= 2:
        return 1
    at = addr + load16(P + L3)
    if load32(P + FLAGS) & F_IP4:
        first = load8(at + 12)
        return 1 if load8(at + 16) >= 224 or load32be(at + 16) == 0 or first >= 224 or first == 0 else 0
    none = load64be(at + 8) == 0 and load64be(at + 16) == 0
    return 1 if load8(at + 24) == 0xFF or load8(at + 8) == 0xFF or none else 0


@native
def _put_link(P: int, Q: int, l3: int) -> int:
    """Copy the L2 header with its VLAN tags; swap Ethernet addresses."""
    source = load64(P + ADDR)
    target = load64(Q + ADDR)
    copy(target, source, l3)
    if load8(P + LINK) == LINK_ETHERNET:
        copy(target, source + 6, 6)
        copy(target + 6, source, 6)
    return 1


@native
def _put_ip(P: int, Q: int, l3: int, proto: int, size: int, tos: int) -> int:
    """Write an IP header from P's destination to its source for `size` bytes of `proto`; return its length."""
    source = load64(P + ADDR) + load16(P + L3)
    at = load64(Q + ADDR) + l3
    if load32(P + FLAGS) & F_IP4:
        store16be(at, 0x4500 | tos)
        store16be(at + 2, 20 + size)
        store32be(at + 4, 0x4000)  # identification 0, DF
        store16be(at + 8, 64 << 8 | proto)
        store32be(at + 12, load32be(source + 16))
        store32be(at + 16, load32be(source + 12))
        full_ipv4(at, 20)
        return 20
    store32be(at, 6 << 28 | tos << 20)
    store16be(at + 4, size)
    store16be(at + 6, proto << 8 | 64)
    copy(at + 8, source + 24, 16)
    copy(at + 24, source + 8, 16)
    return 40


@native
def _finish(P: int, Q: int, size: int) -> int:
    """Fill the descriptor of a reply of `size` bytes, parse it and compute its L4 checksum."""
    store64(Q + TS, load64(P + TS))
    store32(Q + LEN, size)
    store32(Q + WIRE, size)
    store8(Q + LINK, load8(P + LINK))
    store8(Q + SIDE, load8(P + SIDE))
    store8(Q + INPORT, load8(P + INPORT))
    store32(Q + HASH, 0)
    store32(Q + FRAG, 0)
    store64(Q + USER, 0)
    flags = parse(Q)
    full_l4(Q)
    store32(Q + FLAGS, flags | F_MADE)
    return 1


@native
def _make_rst(P: int, Q: int) -> int:
    """Build a reset (RFC 9293, 3.10.7.1): it acknowledges what P sent, or takes its sequence number from P's ACK."""
    l3 = load16(P + L3)
    tcp = load64(P + ADDR) + load16(P + L4)
    flags = load8(tcp + 13)
    _put_link(P, Q, l3)
    l4 = l3 + _put_ip(P, Q, l3, 6, 20, 0)
    at = load64(Q + ADDR) + l4
    store16be(at, load16be(tcp + 2))
    store16be(at + 2, load16be(tcp))
    if flags & 16:
        store32be(at + 4, load32be(tcp + 8))
        store32be(at + 8, 0)
        store16be(at + 12, 0x5004)
    else:
        length = ip_end(P) - load16(P + PAY) + ((flags >> 1) & 1) + (flags & 1)
        store32be(at + 4, 0)
        store32be(at + 8, (load32be(tcp + 4) + length) & M32)
        store16be(at + 12, 0x5014)
    store16be(at + 14, 0)
    store32be(at + 16, 0)
    return _finish(P, Q, l4 + 20)


@native
def _make_error(P: int, Q: int, kind4: int, kind6: int) -> int:
    """Build an ICMP error; `kind4`, `kind6` are type << 8 | code. It quotes as much as fits 576 or 1,280 bytes."""
    l3 = load16(P + L3)
    four = load32(P + FLAGS) & F_IP4
    size = min(ip_end(P), load32(P + LEN)) - l3
    size = min(size, 548 if four else 1232)
    _put_link(P, Q, l3)
    if four:
        l4 = l3 + _put_ip(P, Q, l3, 1, 8 + size, 0xC0)  # precedence 6: RFC 1812, 4.3.2.5
    else:
        l4 = l3 + _put_ip(P, Q, l3, 58, 8 + size, 0)
    at = load64(Q + ADDR) + l4
    store16be(at, kind4 if four else kind6)
    store16be(at + 2, 0)
    store32be(at + 4, 0)
    copy(at + 8, load64(P + ADDR) + l3, size)
    return _finish(P, Q, l4 + 8 + size)


@native
def _make_echo(P: int, Q: int) -> int:
    """Build an echo reply with the data of request P (RFC 792, RFC 4443 section 4.2)."""
    flags = load32(P + FLAGS)
    l3 = load16(P + L3)
    l4 = load16(P + L4)
    end = ip_end(P)
    source = load64(P + ADDR)
    size = end - l4
    if flags & F_FRAG or end > load32(P + LEN) or l3 + 40 + size > REPLY_SPACE:
        return 0
    _put_link(P, Q, l3)
    at = l3 + (
        _put_ip(P, Q, l3, 1, size, load8(source + l3 + 1))
        if flags & F_IP4
        else _put_ip(P, Q, l3, 58, size, (load16be(source + l3) >> 4) & 0xFF)
    )
    target = load64(Q + ADDR) + at
    copy(target, source + l4, size)
    store8(target, 0 if flags & F_IP4 else 129)
    return _finish(P, Q, at + size)


@native
def make_reply(P: int, Q: int, kind: int) -> int:
    """Build the answer to packet P in descriptor Q.

    Nothing answers an RST, an ICMP error, a later fragment, a made or malformed packet, multicast and broadcast. The
    reply has P's L2 header with the Ethernet addresses swapped and VLAN tags kept; its source is P's destination, its
    time stamp, link type, side and input port are P's. It is parsed and carries F_MADE.

    Args:
        P: Descriptor of a parsed packet.
        Q: Descriptor whose ADDR points to `REPLY_SPACE` free bytes; ROOM is left as it is.
        kind: 1 TCP reset, 2 unreachable (administratively prohibited), 3 reset for TCP, else unreachable, 4 echo reply,
            5 TTL exceeded, 6 port unreachable.

    Returns:
        1, or 0 where no answer is due (nothing of Q is then defined but ADDR and ROOM).
    """
    flags = load32(P + FLAGS)
    if not flags & F_IP or flags & (F_ICMP_ERROR | F_LATER | F_MADE | F_MALFORMED) or is_group(P):
        return 0
    if flags & F_TCP and load8(load64(P + ADDR) + load16(P + L4) + 13) & 4:
        return 0
    if kind == RST or (kind == REJECT and flags & F_TCP):
        return _make_rst(P, Q) if flags & F_TCP else 0
    if kind == ECHO:
        return _make_echo(P, Q) if flags & F_ECHO_REQUEST else 0
    if kind in (UNREACHABLE, REJECT):
        return _make_error(P, Q, 3 << 8 | 13, 1 << 8 | 1)
    if kind == TTL_EXCEEDED:
        return _make_error(P, Q, 11 << 8, 3 << 8)
    if kind == PORT_UNREACHABLE:
        return _make_error(P, Q, 3 << 8 | 3, 1 << 8 | 4)
    return 0
