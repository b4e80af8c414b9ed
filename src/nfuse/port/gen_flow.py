"""The generator's flows, natively: a slot holds a flow's header template, its checksum base, and where it stands.

A packet is made from its slot: copy the template, patch what changes, complete the checksums (RFC 1071) from the base.
Headers: Ethernet, optionally 802.1Q (IEEE 802.1Q-2018), IPv4 (RFC 791) or IPv6 (RFC 8200), TCP (RFC 9293), UDP (RFC
768) or an ICMP echo (RFC 792, RFC 4443).
"""

from __future__ import annotations

import numpy as np

from nfuse.memory.jit import native
from nfuse.memory.raw import (
    copy,
    i64,
    load8,
    load16,
    load32,
    load64,
    lsr,
    store8,
    store16,
    store16be,
    store32,
    store32be,
    store64be,
    zero,
)

TUPLE_DTYPE = np.dtype(
    [
        ("src_hi", "<i8"),
        ("src_lo", "<i8"),
        ("dst_hi", "<i8"),
        ("dst_lo", "<i8"),
        ("sport", "<u2"),
        ("dport", "<u2"),
        ("proto", "<u4"),
    ]
)
"""A flow's 5-tuple: addresses of 128 bits as (hi, lo), IPv4 as ::ffff:a.b.c.d; `proto` 6, 17, or 1 for an echo of
either family, whose identifier is `sport`."""

# A slot.
L4_SUM = 80
"""u32: sum over the pseudo header and the constant part of the L4 header."""
IP_SUM = 84
"""u32: sum over the constant part of the IPv4 header."""
L2_SIZE = 88
"""u8: bytes before the IP header."""
KIND = 89
"""u8: 0 unused slot, else TCP, UDP, ECHO."""
FAMILY = 90
"""u8: 4 or 6."""
HEADERS = 91
"""u8: bytes of all headers."""
SENT = 96
"""u32: packets sent."""
LENGTH = 100
"""u32: packets in all; 0 endless."""
SEQ = 104
"""u32: next sequence number of the opening direction."""
ACK = 108
"""u32: next sequence number of the other direction."""
SLOT_SIZE = 128

TCP = 1
UDP = 2
ECHO = 3

FIN_BIT = 1
SYN_BIT = 2
PSH_BIT = 8
ACK_BIT = 16

SMALLEST = 60
"""Bytes of the smallest Ethernet frame, without its check sequence: packets without data are padded to it."""


@native
def multiply(x: int, high: int, low: int) -> int:
    """Multiply 64 bits by the constant high << 32 | low, both below 2**31, modulo 2**64.

    In parts, for the overflow of a signed multiplication is undefined in compiled code.
    """
    x0, x1 = x & 0xFFFFFFFF, lsr(x, 32)
    product = x0 * low
    upper = (product >> 32) + ((x1 * low) & 0xFFFFFFFF) + ((x0 * high) & 0xFFFFFFFF)
    return i64((upper << 32) | (product & 0xFFFFFFFF))


@native
def mix(x: int) -> int:
    """Scramble 64 bits (a bijection: multiplications by odd numbers, and shifts that are added without carry)."""
    x = multiply(x ^ lsr(x, 30), 0x3F58476D, 0x1CE4E5B9)
    x = multiply(x ^ lsr(x, 27), 0x14D049BB, 0x133111EB)
    return x ^ lsr(x, 31)


@native
def step(x: int) -> int:
    """Return the successor of a random state: xorshift64 (Marsaglia 2003). The state itself is the random number."""
    x ^= i64(x << 13)
    x ^= lsr(x, 7)
    return x ^ i64(x << 17)


@native
def words(x: int) -> int:
    """Sum the four 16-bit words of x."""
    return (x & 0xFFFF) + (lsr(x, 16) & 0xFFFF) + (lsr(x, 32) & 0xFFFF) + lsr(x, 48)


@native
def complement(total: int) -> int:
    """Fold a sum of 16-bit words and complement it: an Internet checksum."""
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@native
def open_slot(s: int, T: int, vlan: int, h: int) -> None:
    """Write the template of a new flow.

    Args:
        s: Address of the slot; its LENGTH is left to the caller.
        T: Address of the 5-tuple, a :data:`TUPLE_DTYPE`.
        vlan: VLAN identifier, 0 for no tag.
        h: 64 random bits for MAC addresses, flow label and sequence numbers.
    """
    zero(s, SLOT_SIZE)
    shi, slo, dhi, dlo = load64(T), load64(T + 8), load64(T + 16), load64(T + 24)
    sport, dport, proto = load16(T + 32), load16(T + 34), load32(T + 36)
    v4 = shi == 0 and lsr(slo, 32) == 0xFFFF
    store32be(s, 0x02FF0000)
    store16be(s + 4, 1)
    store16be(s + 6, 0x0200)
    store32be(s + 8, slo)
    ip = s + 14
    if vlan:
        store16be(s + 12, 0x8100)
        store16be(s + 14, vlan)
        ip = s + 18
    if v4:
        store16be(ip - 2, 0x0800)
        store16be(ip, 0x4500)
        store16be(ip + 6, 0x4000)
        store8(ip + 8, 64)
        store8(ip + 9, proto)
        store32be(ip + 12, slo)
        store32be(ip + 16, dlo)
        addresses = words(slo & 0xFFFFFFFF) + words(dlo & 0xFFFFFFFF)
        store32(s + IP_SUM, 0x4500 + 0x4000 + 0x4000 + proto + addresses)
        store8(s + FAMILY, 4)
        o = ip + 20
    else:
        if proto == 1:
            proto = 58
        store16be(ip - 2, 0x86DD)
        store32be(ip, 0x60000000 | (h & 0xFFFFF))
        store8(ip + 6, proto)
        store8(ip + 7, 64)
        store64be(ip + 8, shi)
        store64be(ip + 16, slo)
        store64be(ip + 24, dhi)
        store64be(ip + 32, dlo)
        addresses = words(shi) + words(slo) + words(dhi) + words(dlo)
        store8(s + FAMILY, 6)
        o = ip + 40
    total = addresses + proto + sport
    if proto == 6:
        store16be(o, sport)
        store16be(o + 2, dport)
        store16be(o + 14, 0xFFFF)
        store32(s + L4_SUM, total + dport + 0xFFFF)
        store8(s + KIND, TCP)
        o += 20
    elif proto == 17:
        store16be(o, sport)
        store16be(o + 2, dport)
        store32(s + L4_SUM, total + dport)
        store8(s + KIND, UDP)
        o += 8
    else:
        store16be(o + 4, sport)
        store32(s + L4_SUM, sport if v4 else total)
        store8(s + KIND, ECHO)
        o += 8
    store8(s + L2_SIZE, ip - s)
    store8(s + HEADERS, o - s)
    store32(s + SEQ, lsr(h, 20))
    store32(s + ACK, lsr(h, 9))


@native
def turn(s: int, at: int, l2: int, family: int, ports: int) -> None:
    """Exchange sources and destinations in the frame at `at`, a copy of the template at `s`."""
    store32(at, load32(s + 6))
    store16(at + 4, load16(s + 10))
    store32(at + 6, load32(s))
    store16(at + 10, load16(s + 4))
    if family == 4:
        store32(at + l2 + 12, load32(s + l2 + 16))
        store32(at + l2 + 16, load32(s + l2 + 12))
        o = l2 + 20
    else:
        copy(at + l2 + 8, s + l2 + 24, 16)
        copy(at + l2 + 24, s + l2 + 8, 16)
        o = l2 + 40
    if ports:
        store16(at + o, load16(s + o + 2))
        store16(at + o + 2, load16(s + o))


@native
def build(s: int, at: int, size: int, back: int, flags: int, text: int, sums: int) -> int:
    """Write the next packet of the flow in slot `s`.

    Args:
        s: Address of the slot.
        at: Address for the frame; 160 bytes must be writable also if the frame is shorter.
        size: Wanted bytes of the frame; 0: no data, padded to :data:`SMALLEST`. Headers are always whole.
        back: 1: against the opening direction.
        flags: TCP flags.
        text: Address of the payload, of which each packet carries the beginning.
        sums: Address of u32: the sum of 16-bit words of the first n bytes of the payload.

    Returns:
        Bytes of the frame.
    """
    kind, family, l2, headers = load8(s + KIND), load8(s + FAMILY), load8(s + L2_SIZE), load8(s + HEADERS)
    copy(at, s, 80)
    if back:
        turn(s, at, l2, family, i64(kind != ECHO))
    data = max(0, size - headers)
    length = headers + data
    sent = load32(s + SENT)
    store32(s + SENT, sent + 1)
    if data <= 64:
        copy(at + headers, text, 64)  # a constant size is a few instructions, and what is too much harms nothing
    else:
        copy(at + headers, text, data)
    if size == 0 and length < SMALLEST:
        zero(at + headers, SMALLEST - length)
        length = SMALLEST
    ip = at + l2
    body = headers + data - l2  # IP header and all after it
    if family == 4:
        store16be(ip + 2, body)
        store16be(ip + 4, sent)
        store16be(ip + 10, complement(load32(s + IP_SUM) + body + (sent & 0xFFFF)))
        o, body = ip + 20, body - 20
    else:
        o, body = ip + 40, body - 40
        store16be(ip + 4, body)
    total = load32(s + L4_SUM) + load32(sums + 4 * data)
    if kind == TCP:
        mine, other = SEQ, ACK
        if back:
            mine, other = ACK, SEQ
        seq, ack = load32(s + mine), 0
        if flags & ACK_BIT:
            ack = load32(s + other)
        store32be(o + 4, seq)
        store32be(o + 8, ack)
        store16be(o + 12, 0x5000 | flags)
        total += words(seq) + words(ack) + (0x5000 | flags) + body
        store16be(o + 16, complement(total))
        store32(s + mine, seq + data + (flags & FIN_BIT) + ((flags & SYN_BIT) >> 1))
    elif kind == UDP:
        store16be(o + 4, body)
        checksum = complement(total + body + body)
        store16be(o + 6, 0xFFFF if checksum == 0 else checksum)
    else:
        code = 0x0800
        if family == 6:
            code = 0x8000
            total += body
        if back:
            code = 0x0000 if family == 4 else 0x8100
        store16be(o, code)
        store16be(o + 6, sent)
        store16be(o + 2, complement(total + code + (sent & 0xFFFF)))
    return length
