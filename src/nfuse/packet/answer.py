"""The answer of a far end to a packet: the same packet with its direction swapped, made in place.

What is swapped: Ethernet and IP addresses, ports; below IP in IP tunnels too. An ICMP echo request becomes the reply
(RFC 792, RFC 4443). A TCP segment gets the sequence number that it acknowledged and acknowledges what it carried (RFC
9293, section 3.4); a SYN is answered by SYN and ACK, a SYN with ACK by an ACK, FIN and PSH stay. The payload stays: the
far end echoes. Checksums follow by RFC 1624, so a wrong one stays wrong; a swap alone does not change them.
"""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import (
    copy,
    i64,
    load8,
    load16,
    load16be,
    load32,
    load32be,
    load64,
    store8,
    store16,
    store16be,
    store32,
    store32be,
    store64,
)
from nfuse.packet.checksum import M32, delta16, delta32, fold, ip_end
from nfuse.packet.desc import (
    ADDR,
    F_ECHO_REQUEST,
    F_FRAG,
    F_ICMP,
    F_ICMP6,
    F_IP,
    F_IP4,
    F_IPIP,
    F_MALFORMED,
    F_TCP,
    F_UDP,
    FLAGS,
    L3,
    L4,
    LEN,
    LINK,
    LINK_ETHERNET,
    LINK_RAW,
    PAY,
    WIRE,
)
from nfuse.packet.parse import parse
from nfuse.packet.reply import is_group
from nfuse.packet.write import l4_delta

MAX_TUNNELS = 4
"""Headers of IP in IP that are looked through; what lies deeper is payload."""

_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16


@native
def answer(P: int, Q: int) -> int:
    """Turn the packet of P into what the host that it is for could send back.

    Nothing answers what is malformed, not IP, to or from a group (broadcast, multicast), an RST, and ICMP other than
    echo requests. Of a fragmented datagram each fragment is turned.

    Args:
        P: Descriptor of a parsed packet. The frame is changed in place, its length stays; the packet must be parsed
            again.
        Q: A descriptor to use for what lies in tunnels.

    Returns:
        1, or 0 where there is no answer (the frame may then be changed in part).
    """
    flags = load32(P + FLAGS)
    if not flags & F_IP or flags & F_MALFORMED or is_group(P):
        return 0
    addr = load64(P + ADDR)
    if load8(P + LINK) == LINK_ETHERNET:
        _swap_mac(addr)
    if not _turn(P):
        return 0
    for _ in range(MAX_TUNNELS):
        if not flags & F_IPIP or flags & F_FRAG:
            break
        at, length, wire = load16(P + L4), load32(P + LEN), load32(P + WIRE)
        if at >= length:
            return 0
        store64(Q + ADDR, load64(P + ADDR) + at)
        store32(Q + LEN, length - at)
        store32(Q + WIRE, wire - at)
        store8(Q + LINK, LINK_RAW)
        flags = parse(Q)
        if flags & F_MALFORMED or is_group(Q) or not _turn(Q):
            return 0
        P = Q
    return 1


@native
def _swap_mac(at: int) -> int:
    high, low = load32(at), load16(at + 4)
    copy(at, at + 6, 6)
    store32(at + 6, high)
    store16(at + 10, low)
    return 1


@native
def _turn(P: int) -> int:
    """Swap the addresses of the IP header, then what L4 header follows; 0 if nothing answers that."""
    flags = load32(P + FLAGS)
    ip = load64(P + ADDR) + load16(P + L3)
    if flags & F_IP4:
        source = load32(ip + 12)
        store32(ip + 12, load32(ip + 16))
        store32(ip + 16, source)
    else:
        high, low = load64(ip + 8), load64(ip + 16)
        copy(ip + 8, ip + 24, 16)
        store64(ip + 24, high)
        store64(ip + 32, low)
    at = load64(P + ADDR) + load16(P + L4)
    if flags & (F_TCP | F_UDP):
        port = load16(at)
        store16(at, load16(at + 2))
        store16(at + 2, port)
    if flags & F_TCP:
        return _answer_tcp(P, at)
    if flags & (F_ICMP | F_ICMP6):
        if not flags & F_ECHO_REQUEST:
            return 0
        old = load16be(at)
        new = i64(0) if flags & F_ICMP else i64(129 << 8)
        store16be(at, new)
        l4_delta(P, delta16(old, new), 0)
    return 1


@native
def _answer_tcp(P: int, at: int) -> int:
    """Number the segment at `at` from the other side; 0 for a reset."""
    old, seq, acked = load16be(at + 12), load32be(at + 4), load32be(at + 8)
    if old & _RST:
        return 0
    length = ip_end(P) - load16(P + PAY) + ((old >> 1) & 1) + (old & _FIN)
    new = (old & 0xFF00) | (old & (_FIN | _PSH)) | _ACK
    first = acked
    if not old & _ACK:
        first = i64(0)
        new |= old & _SYN
    number = (seq + length) & M32
    store32be(at + 4, first)
    store32be(at + 8, number)
    store16be(at + 12, new)
    return l4_delta(P, fold(delta32(seq, first) + delta32(acked, number) + delta16(old, new)), 0)
