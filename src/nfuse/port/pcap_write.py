"""Native writers of captures: frames and descriptors to records in a buffer.

State is kept in a record of i64 (the constants below are its offsets). A record counts only once it is whole: FILL is
stored last.
"""

from __future__ import annotations

import struct

from nfuse.memory.jit import native
from nfuse.memory.raw import copy, load8, load32, load32i, load64, store32, store64
from nfuse.packet.desc import ADDR, DESC_SIZE, LEN, LINK, TS, WIRE
from nfuse.port.links import TO_CAPTURE

# The writer's record.
BUFFER = 0
"""Address of the buffer."""
SIZE = 8
"""Bytes of the buffer."""
FILL = 16
"""Bytes of whole records in it."""
PACKETS = 24
BYTES = 32
"""Sum of the lengths on the wire."""
ONLY = 40
"""pcap: the link type of the file."""
UNIT = 48
"""pcap: nanoseconds of a unit of the stamps' fraction."""
NUMBERS = 64
"""pcapng: for each link type (8 bytes each) its interface number + 1; 0: not described yet."""
WRITER_SIZE = 128

SNAP = 262_144
"""Snap length that the headers of written files state."""


@native
def write_pcap(W: int, descs: int, order: int, start: int, count: int) -> int:
    """Write packets as pcap records until all are written, the buffer is full, or the link type is another.

    Args:
        W: The writer's record.
        descs: Address of the descriptors.
        order: Address of the indexes (i32) of the packets to write.
        start: How many of them are written already.
        count: How many there are.

    Returns:
        How many are written now.
    """
    base, size, fill = load64(W + BUFFER), load64(W + SIZE), load64(W + FILL)
    only, unit = load64(W + ONLY), load64(W + UNIT)
    total, i = 0, start
    while i < count:
        d = descs + load32i(order + 4 * i) * DESC_SIZE
        length, wire, ts = load32(d + LEN), load32(d + WIRE), load64(d + TS)
        if load8(d + LINK) != only or fill + 16 + length > size:
            break
        at = base + fill
        seconds = ts // 1_000_000_000
        store32(at, seconds)
        store32(at + 4, (ts - seconds * 1_000_000_000) // unit)
        store32(at + 8, length)
        store32(at + 12, wire)
        copy(at + 16, load64(d + ADDR), length)
        fill += 16 + length
        total += wire
        i += 1
    store64(W + PACKETS, load64(W + PACKETS) + i - start)
    store64(W + BYTES, load64(W + BYTES) + total)
    store64(W + FILL, fill)
    return i


@native
def write_pcapng(W: int, descs: int, order: int, start: int, count: int) -> int:
    """Write packets as enhanced packet blocks; arguments and result as for :func:`write_pcap`."""
    base, size, fill = load64(W + BUFFER), load64(W + SIZE), load64(W + FILL)
    total, i = 0, start
    while i < count:
        d = descs + load32i(order + 4 * i) * DESC_SIZE
        length, wire, ts = load32(d + LEN), load32(d + WIRE), load64(d + TS)
        number = load64(W + NUMBERS + 8 * load8(d + LINK))
        block = 32 + ((length + 3) & ~3)
        if number == 0 or fill + block > size:
            break
        at = base + fill
        store32(at + block - 8, 0)  # padding; without data it is the field of the length, written below
        store32(at, 6)
        store32(at + 4, block)
        store32(at + 8, number - 1)
        store32(at + 12, ts >> 32)
        store32(at + 16, ts)
        store32(at + 20, length)
        store32(at + 24, wire)
        copy(at + 28, load64(d + ADDR), length)
        store32(at + block - 4, block)
        fill += block
        total += wire
        i += 1
    store64(W + PACKETS, load64(W + PACKETS) + i - start)
    store64(W + BYTES, load64(W + BYTES) + total)
    store64(W + FILL, fill)
    return i


def pcap_header(link: int, unit: int) -> bytes:
    """Return the header of a pcap file (little endian).

    Args:
        link: Link type of descriptors.
        unit: 1: stamps in nanoseconds, 1000: in microseconds.
    """
    magic = 0xA1B23C4D if unit == 1 else 0xA1B2C3D4
    return struct.pack("<IHHiIII", magic, 2, 4, 0, 0, SNAP, TO_CAPTURE[link])


def section_header() -> bytes:
    """Return a section header block (little endian, section length unknown)."""
    return struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)


def interface_description(link: int) -> bytes:
    """Return an interface description block: stamps in nanoseconds, `link` as in descriptors."""
    body = struct.pack("<HHI", TO_CAPTURE[link], 0, SNAP) + struct.pack("<HHBxxxHH", 9, 1, 9, 0, 0)
    return struct.pack("<II", 1, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
