"""Reads of a parsed packet that are more than one load: both IP families, the payload, fragments."""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import load8, load16, load16be, load32, load32be, load64, load64be, store8
from nfuse.packet.address import V4_PREFIX
from nfuse.packet.checksum import delta16, ip_end
from nfuse.packet.desc import (
    ADDR,
    DPORT,
    F_FRAG,
    F_IP,
    F_IP4,
    F_IP6,
    F_L4,
    F_LATER,
    F_MALFORMED,
    F_UDP,
    FLAGS,
    L3,
    L4,
    LEN,
    PAY,
    PROTO,
    SPORT,
)
from nfuse.packet.write import l4_delta


@native
def get_ip_src(P: int) -> tuple[int, int]:
    """Return the source address as a (hi, lo) pair; (0, 0) if the packet is not IP."""
    at = load64(P + ADDR) + load16(P + L3)
    flags = load32(P + FLAGS)
    if flags & F_IP4:
        return 0, V4_PREFIX | load32be(at + 12)
    if flags & F_IP6:
        return load64be(at + 8), load64be(at + 16)
    return 0, 0


@native
def get_ip_dst(P: int) -> tuple[int, int]:
    """Return the destination address as a (hi, lo) pair; (0, 0) if the packet is not IP."""
    at = load64(P + ADDR) + load16(P + L3)
    flags = load32(P + FLAGS)
    if flags & F_IP4:
        return 0, V4_PREFIX | load32be(at + 16)
    if flags & F_IP6:
        return load64be(at + 24), load64be(at + 32)
    return 0, 0


@native
def get_ip_ttl(P: int) -> int:
    """Return the TTL or hop limit of an IP packet."""
    return load8(load64(P + ADDR) + load16(P + L3) + (8 if load32(P + FLAGS) & F_IP4 else 7))


@native
def get_ip_tos(P: int) -> int:
    """Return the type of service or traffic class byte of an IP packet: DSCP << 2 | ECN."""
    word = load16be(load64(P + ADDR) + load16(P + L3))
    return (word if load32(P + FLAGS) & F_IP4 else word >> 4) & 0xFF


@native
def payload_end(P: int) -> int:
    """Return the offset where the payload ends: by the UDP length, else by the IP length, else by the wire.

    Ethernet padding after the IP packet does not count. A first fragment's payload ends with the fragment.
    """
    flags = load32(P + FLAGS)
    if flags & F_UDP and not flags & F_FRAG:
        l4 = load16(P + L4)
        return l4 + load16be(load64(P + ADDR) + l4 + 4)
    return ip_end(P)


@native
def payload_length(P: int) -> int:
    """Return the bytes of payload on the wire, whether captured or not."""
    return max(0, payload_end(P) - load16(P + PAY))


@native
def payload_captured(P: int) -> int:
    """Return the bytes of payload in memory: what `payload_get` and `payload_set` may touch."""
    return max(0, min(payload_end(P), load32(P + LEN)) - load16(P + PAY))


@native
def payload_get(P: int, index: int) -> int:
    """Return a byte of payload. Unchecked: 0 <= index < payload_captured(P)."""
    return load8(load64(P + ADDR) + load16(P + PAY) + index)


@native
def payload_set(P: int, index: int, value: int) -> int:
    """Store a byte of payload; the L4 checksum follows. Unchecked: 0 <= index < payload_captured(P)."""
    at = load64(P + ADDR) + load16(P + PAY) + index
    old = load8(at)
    store8(at, value)
    if load32(P + FLAGS) & F_L4:
        shift = 0 if (load16(P + PAY) + index - load16(P + L4)) & 1 else 8
        l4_delta(P, delta16(old << shift, (value & 0xFF) << shift), 0)
    return 1


@native
def has_l4(P: int, proto: int, size: int) -> int:
    """Return 1 if an L4 header of `size` bytes with protocol number `proto` is whole (never in a later fragment)."""
    flags = load32(P + FLAGS)
    if not flags & F_IP or flags & (F_LATER | F_MALFORMED) or load8(P + PROTO) != proto:
        return 0
    return 1 if load16(P + L4) + size <= min(ip_end(P), load32(P + LEN)) else 0


@native
def has_udp(P: int, port: int, size: int) -> int:
    """Return 1 if P is UDP from or to `port` and `size` bytes of its payload are in memory."""
    if not load32(P + FLAGS) & F_UDP or (load16(P + SPORT) != port and load16(P + DPORT) != port):
        return 0
    return 1 if payload_captured(P) >= size else 0


@native
def fragment_header(P: int) -> int:
    """Return the offset of the IPv6 fragment header of a packet with F_IP6 and F_FRAG."""
    addr = load64(P + ADDR)
    at = load16(P + L3) + 40
    following = load8(addr + at - 34)
    while following != 44:
        size = (load8(addr + at + 1) + 2) * 4 if following == 51 else (load8(addr + at + 1) + 1) * 8
        following = load8(addr + at)
        at += size
    return at


@native
def fragment_id(P: int) -> int:
    """Return the identification of a fragment: 16 bits in IPv4, 32 in IPv6."""
    addr = load64(P + ADDR)
    if load32(P + FLAGS) & F_IP4:
        return load16be(addr + load16(P + L3) + 4)
    return load32be(addr + fragment_header(P) + 4)


@native
def fragment_offset(P: int) -> int:
    """Return the offset of a fragment's data in the datagram, in bytes."""
    addr = load64(P + ADDR)
    if load32(P + FLAGS) & F_IP4:
        return (load16be(addr + load16(P + L3) + 6) & 0x1FFF) * 8
    return load16be(addr + fragment_header(P) + 2) & 0xFFF8


@native
def fragment_more(P: int) -> int:
    """Return 1 if more fragments follow this one."""
    addr = load64(P + ADDR)
    if load32(P + FLAGS) & F_IP4:
        return (load16be(addr + load16(P + L3) + 6) >> 13) & 1
    return load16be(addr + fragment_header(P) + 2) & 1


@native
def fragment_data(P: int) -> int:
    """Return the offset in the frame where a fragment's data starts."""
    addr = load64(P + ADDR)
    if load32(P + FLAGS) & F_IP4:
        return load16(P + L3) + (load8(addr + load16(P + L3)) & 15) * 4
    return fragment_header(P) + 8
