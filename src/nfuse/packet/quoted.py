"""The packet that an ICMP error quotes: reading its tuple, and rewriting the error as its session's actions say.

All functions need F_ICMP_ERROR on the parsed descriptor P. A direction is meant as that in which the error travels; the
quoted packet went the other way. So "the source of this direction" is the quoted packet's destination. Checksums of the
error, of the quoted IPv4 header and (where it was quoted) of the quoted L4 header follow (RFC 5508, section 7.2).
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
    store16be,
    store32be,
    store64be,
)
from nfuse.packet.address import V4_PREFIX
from nfuse.packet.checksum import M16, apply_checksum, apply_checksum_udp, delta16, delta32, delta128, ip_end
from nfuse.packet.desc import ADDR, F_IP6, FLAGS, L3, L4, LEN
from nfuse.packet.walk import walk_quoted
from nfuse.packet.write import l4_delta, set_ip_dst, set_ip_src


@native
def quoted_l4(P: int) -> tuple[int, int]:
    """Return (offset of the quoted L4 header or 0 if the quoted packet is a later fragment, its protocol)."""
    end = ip_end(P)
    six = 1 if load32(P + FLAGS) & F_IP6 else 0
    l4, proto, _ = walk_quoted(load64(P + ADDR), load16(P + L4) + 8, six, end, min(end, load32(P + LEN)))
    return l4, proto


@native
def _address(P: int, at4: int, at6: int) -> tuple[int, int]:
    at = load64(P + ADDR) + load16(P + L4) + 8
    if load32(P + FLAGS) & F_IP6:
        return load64be(at + at6), load64be(at + at6 + 8)
    return 0, V4_PREFIX | load32be(at + at4)


@native
def quoted_src(P: int) -> tuple[int, int]:
    """Return the source address of the quoted packet as a (hi, lo) pair."""
    return _address(P, 12, 8)


@native
def quoted_dst(P: int) -> tuple[int, int]:
    """Return the destination address of the quoted packet as a (hi, lo) pair."""
    return _address(P, 16, 24)


@native
def _port_places(P: int, l4: int, proto: int) -> tuple[int, int]:
    """Return the offsets of the quoted packet's session source and destination port; 0 where it has none."""
    if l4 == 0:
        return 0, 0
    if proto == 6 or proto == 17:
        return l4, l4 + 2
    six = load32(P + FLAGS) & F_IP6
    if (proto == 58) if six else (proto == 1):
        kind = load8(load64(P + ADDR) + l4)
        if kind == (128 if six else 8):
            return l4 + 4, 0
        if kind == (129 if six else 0):
            return 0, l4 + 4
    return 0, 0


@native
def quoted_tuple(P: int) -> tuple[int, int, int]:
    """Return (protocol, session source port, session destination port) of the quoted packet."""
    l4, proto = quoted_l4(P)
    source, destination = _port_places(P, l4, proto)
    addr = load64(P + ADDR)
    sport = load16be(addr + source) if source else 0
    dport = load16be(addr + destination) if destination else 0
    return proto, sport, dport


@native
def _quoted_checksum(P: int, l4: int, proto: int, delta: int, pseudo: int) -> int:
    """Update the quoted L4 checksum where it was quoted; return the change of its word."""
    if l4 == 0:
        return 0
    six = load32(P + FLAGS) & F_IP6
    if proto == 6:
        at = l4 + 16
    elif proto == 17:
        at = l4 + 6
    elif (proto == 58) if six else (proto == 1 and not pseudo):
        at = l4 + 2
    else:
        return 0
    if at + 2 > min(ip_end(P), load32(P + LEN)):
        return 0
    at += load64(P + ADDR)
    return apply_checksum_udp(at, delta) if proto == 17 else apply_checksum(at, delta)


@native
def _set_quoted_address(P: int, hi: int, lo: int, at4: int, at6: int) -> int:
    """Store a quoted address of the right family, with all checksums inside the error and the error's own."""
    l4, proto = quoted_l4(P)
    at = load64(P + ADDR) + load16(P + L4) + 8
    if load32(P + FLAGS) & F_IP6:
        delta = delta128(load64be(at + at6), load64be(at + at6 + 8), hi, lo)
        store64be(at + at6, hi)
        store64be(at + at6 + 8, lo)
        change = delta
    else:
        delta = delta32(load32be(at + at4), lo)
        store32be(at + at4, lo)
        change = delta + apply_checksum(at + 10, delta)
    change += _quoted_checksum(P, l4, proto, delta, 1)
    return l4_delta(P, change, 0)


@native
def _set_quoted_port(P: int, value: int, l4: int, proto: int, at: int) -> int:
    if at == 0:
        return 1
    where = load64(P + ADDR) + at
    delta = delta16(load16be(where), value)
    store16be(where, value)
    return l4_delta(P, delta + _quoted_checksum(P, l4, proto, delta, 0), 0)


@native
def err_set_src(P: int, hi: int, lo: int) -> int:
    """Set the source of this direction: the quoted destination, and the outer source if it is the same address.

    Returns:
        1, or 0 if the address is of the wrong family.
    """
    six = 1 if load32(P + FLAGS) & F_IP6 else 0
    if (1 if hi == 0 and (lo >> 32) == M16 else 0) == six:
        return 0
    oldhi, oldlo = quoted_dst(P)
    outerhi, outerlo = _outer_src(P)
    if outerhi == oldhi and outerlo == oldlo:
        set_ip_src(P, hi, lo)
    return _set_quoted_address(P, hi, lo, 16, 24)


@native
def _outer_src(P: int) -> tuple[int, int]:
    at = load64(P + ADDR) + load16(P + L3)
    if load32(P + FLAGS) & F_IP6:
        return load64be(at + 8), load64be(at + 16)
    return 0, V4_PREFIX | load32be(at + 12)


@native
def err_set_dst(P: int, hi: int, lo: int) -> int:
    """Set the destination of this direction: the outer destination and the quoted source.

    Returns:
        1, or 0 if the address is of the wrong family.
    """
    if not set_ip_dst(P, hi, lo):
        return 0
    return _set_quoted_address(P, hi, lo, 12, 8)


@native
def err_set_sport(P: int, value: int) -> int:
    """Set the source port of this direction: the quoted destination port, or a quoted echo reply's identifier."""
    l4, proto = quoted_l4(P)
    _, at = _port_places(P, l4, proto)
    return _set_quoted_port(P, value, l4, proto, at)


@native
def err_set_dport(P: int, value: int) -> int:
    """Set the destination port of this direction: the quoted source port, or a quoted echo request's identifier."""
    l4, proto = quoted_l4(P)
    at, _ = _port_places(P, l4, proto)
    return _set_quoted_port(P, value, l4, proto, at)
