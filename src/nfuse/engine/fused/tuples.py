"""Session tuples: read from packets, kept as keys, mirrored.

A tuple is 48 bytes (:mod:`nfuse.nf.abi`: addresses as hi, lo; ports and protocol as i32). A key is what a session keeps
of it: 14 bytes for IPv4 (src, dst in network order; sport, dport u16 in the processor's order; protocol; side) and 38
for IPv6.
"""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import (
    i64,
    load8,
    load16,
    load16be,
    load32,
    load32be,
    load64,
    load64be,
    store16,
    store32,
    store64,
    store64be,
)
from nfuse.nf.abi import TUPLE_DPORT, TUPLE_DST, TUPLE_PROTO, TUPLE_SPORT, TUPLE_SRC
from nfuse.packet.desc import (
    ADDR,
    DPORT,
    F_ECHO_REPLY,
    F_ECHO_REQUEST,
    F_IP4,
    F_LATER,
    F_TCP,
    F_UDP,
    FLAGS,
    L3,
    L4,
    PROTO,
    SPORT,
)

V4_PREFIX = 0x0000_FFFF_0000_0000


@native
def read_packet(P: int, T: int) -> None:
    """Read the tuple of packet `P`, as its headers are now, into `T`."""
    flags = load32(P + FLAGS)
    frame = load64(P + ADDR)
    ip = frame + load16(P + L3)
    if flags & F_IP4:
        store64(T + TUPLE_SRC, 0)
        store64(T + TUPLE_SRC + 8, V4_PREFIX | load32be(ip + 12))
        store64(T + TUPLE_DST, 0)
        store64(T + TUPLE_DST + 8, V4_PREFIX | load32be(ip + 16))
    else:
        store64(T + TUPLE_SRC, load64be(ip + 8))
        store64(T + TUPLE_SRC + 8, load64be(ip + 16))
        store64(T + TUPLE_DST, load64be(ip + 24))
        store64(T + TUPLE_DST + 8, load64be(ip + 32))
    sport = i64(0)
    dport = i64(0)
    l4 = frame + load16(P + L4)
    if flags & F_LATER:
        sport = load16(P + SPORT)
        dport = load16(P + DPORT)
    elif flags & (F_TCP | F_UDP):
        sport = load16be(l4)
        dport = load16be(l4 + 2)
    elif flags & F_ECHO_REQUEST:
        sport = load16be(l4 + 4)
    elif flags & F_ECHO_REPLY:
        dport = load16be(l4 + 4)
    store32(T + TUPLE_SPORT, sport)
    store32(T + TUPLE_DPORT, dport)
    store32(T + TUPLE_PROTO, load8(P + PROTO))


@native
def mirror(T: int, R: int) -> None:
    """Write the tuple of the answer to tuple `T` into `R` (not the same place)."""
    store64(R + TUPLE_SRC, load64(T + TUPLE_DST))
    store64(R + TUPLE_SRC + 8, load64(T + TUPLE_DST + 8))
    store64(R + TUPLE_DST, load64(T + TUPLE_SRC))
    store64(R + TUPLE_DST + 8, load64(T + TUPLE_SRC + 8))
    store32(R + TUPLE_SPORT, load32(T + TUPLE_DPORT))
    store32(R + TUPLE_DPORT, load32(T + TUPLE_SPORT))
    store32(R + TUPLE_PROTO, load32(T + TUPLE_PROTO))


@native
def key_from_tuple(T: int, side: int, v6: int, key: int) -> None:
    """Write the key of tuple `T` on `side`: 14 bytes, or 38 if `v6`."""
    if v6:
        store64be(key, load64(T + TUPLE_SRC))
        store64be(key + 8, load64(T + TUPLE_SRC + 8))
        store64be(key + 16, load64(T + TUPLE_DST))
        store64be(key + 24, load64(T + TUPLE_DST + 8))
        tail = key + 32
    else:
        # Whole words, as they are read for the hash: a wide load right after narrow stores would stall.
        source = load64(T + TUPLE_SRC + 8) & 0xFFFFFFFF
        store64be(key, i64(source << 32) | (load64(T + TUPLE_DST + 8) & 0xFFFFFFFF))
        tail = key + 8
    store32(tail, (load32(T + TUPLE_SPORT) & 0xFFFF) | i64(load32(T + TUPLE_DPORT) << 16))
    store16(tail + 4, (load32(T + TUPLE_PROTO) & 0xFF) | side << 8)


@native
def tuple_from_key(key: int, v6: int, T: int) -> int:
    """Read a key back into a tuple; returns its side."""
    if v6:
        store64(T + TUPLE_SRC, load64be(key))
        store64(T + TUPLE_SRC + 8, load64be(key + 8))
        store64(T + TUPLE_DST, load64be(key + 16))
        store64(T + TUPLE_DST + 8, load64be(key + 24))
        tail = key + 32
    else:
        store64(T + TUPLE_SRC, 0)
        store64(T + TUPLE_SRC + 8, V4_PREFIX | load32be(key))
        store64(T + TUPLE_DST, 0)
        store64(T + TUPLE_DST + 8, V4_PREFIX | load32be(key + 4))
        tail = key + 8
    store32(T + TUPLE_SPORT, load16(tail))
    store32(T + TUPLE_DPORT, load16(tail + 2))
    store32(T + TUPLE_PROTO, load8(tail + 4))
    return load8(tail + 5)


@native
def field_hi(T: int, field: int) -> int:
    """Return the high half of address field 0 (source) or 1 (destination) of a tuple."""
    return load64(T + 16 * field)


@native
def field_lo(T: int, field: int) -> int:
    """Return the low half of address field 0 or 1, or the value of port field 2 (source) or 3 (destination)."""
    if field < 2:
        return load64(T + 16 * field + 8)
    return load32(T + TUPLE_SPORT + 4 * (field - 2))


@native
def set_field(T: int, field: int, hi: int, lo: int) -> None:
    """Store a field of a tuple; fields are numbered as the first four of MODIFY_FIELDS."""
    if field < 2:
        store64(T + 16 * field, hi)
        store64(T + 16 * field + 8, lo)
    else:
        store32(T + TUPLE_SPORT + 4 * (field - 2), lo)
