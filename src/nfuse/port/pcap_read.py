"""Native readers of captures: records to frames and descriptors.

Formats: pcap (https://ietf-wg-opsawg.github.io/draft-ietf-opsawg-pcap/) and pcapng (draft-ietf-opsawg-pcapng). A reader
works on a window of bytes and returns why it stopped; it is called again when the reason has been dealt with. State is
kept in a record of i64 (the constants below are its offsets).
"""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import (
    copy,
    i64,
    load16,
    load16be,
    load32,
    load32be,
    load64,
    lsr,
    mulhi,
    store64,
)
from nfuse.packet.desc import DESC_SIZE
from nfuse.port.burst import COUNT, CURSOR, DESCS, END, LIMIT, frame_at, put_desc, take

# The reader's record.
POSITION = 0
"""Address of the next record or block."""
STOP = 8
"""Address of the end of the window."""
SWAP = 16
"""1: the file's numbers are big endian."""
UNIT = 24
"""pcap: nanoseconds of a unit of the stamps' fraction."""
WHERE = 32
"""Link type | side << 8 | input port << 16."""
LARGEST = 40
"""The largest record length that is believed; a larger one means that the file is corrupt."""
NEED = 48
"""Bytes from POSITION that must be in the window to go on."""
OVERSIZE = 56
"""Count: packets larger than the largest frame, passed over."""
UNDECLARED = 64
"""Count: packets of interfaces that were not declared."""
UNKNOWN = 72
"""Count: packets of interfaces whose link type is not known."""
LAST = 80
"""The last time stamp, ns."""
INTERFACES = 88
"""pcapng: address of the table of interfaces."""
DECLARED = 96
"""pcapng: interfaces of this section."""
BY_FLAGS = 104
"""pcapng: 1: the direction in a packet's flags gives its side."""
READER_SIZE = 128

# An interface of pcapng.
I_LINK = 0
"""Link type of descriptors, 0: not known."""
I_KIND = 8
"""How stamps become ns: 0 multiply by I_VALUE, 1 divide by I_VALUE, 2 units of 2**-I_VALUE seconds."""
I_VALUE = 16
I_OFFSET = 24
"""ns to add."""
I_SNAP = 32
"""Snap length, 0: none."""
I_SIDE = 40
INTERFACE_SIZE = 64

# Why a reader stopped.
FULL = 0
"""The burst is full."""
MORE = 1
"""NEED bytes are needed; at the end of the input: whatever is left is no whole record."""
HEADER = 2
"""At POSITION is a section header or an interface description, for Python."""
BROKEN = 3
"""What is at POSITION can't be a record."""
SKIP = 4
"""At POSITION are NEED bytes of no interest, more than a window holds."""

LATEST = 1 << 62
"""ns: no packet is later (year 2116)."""

SECTION_BLOCK = 0x0A0D0D0A
INTERFACE_BLOCK = 1
PACKET_BLOCK = 2
SIMPLE_BLOCK = 3
ENHANCED_BLOCK = 6


@native
def read_pcap(R: int, B: int) -> int:
    """Read records of a pcap file into the burst until something stops it.

    Args:
        R: The reader's record.
        B: The burst's record.

    Returns:
        FULL, MORE or BROKEN.
    """
    position, stop, swap = load64(R + POSITION), load64(R + STOP), load64(R + SWAP)
    unit, where, last = load64(R + UNIT), load64(R + WHERE), load64(R + LAST)
    count, limit, cursor, end = load64(B + COUNT), load64(B + LIMIT), load64(B + CURSOR), load64(B + END)
    d = load64(B + DESCS) + count * DESC_SIZE
    reason = FULL
    while count < limit:
        if stop - position < 16:
            store64(R + NEED, 16)
            reason = MORE
            break
        if swap:
            seconds, fraction = load32be(position), load32be(position + 4)
            length, wire = load32be(position + 8), load32be(position + 12)
        else:
            seconds, fraction = load32(position), load32(position + 4)
            length, wire = load32(position + 8), load32(position + 12)
        if length > 65_549:
            if length > load64(R + LARGEST):
                reason = BROKEN
                break
        if stop - position - 16 < length:
            store64(R + NEED, 16 + length)
            reason = MORE
            break
        if length > 65_549:
            store64(R + OVERSIZE, load64(R + OVERSIZE) + 1)
            position += 16 + length
            continue
        address = frame_at(cursor)
        if address + length > end:
            break
        copy(address, position + 16, length)
        last = i64(seconds * 1_000_000_000 + fraction * unit)
        put_desc(d, address, last, length, wire, where)
        d += DESC_SIZE
        count += 1
        cursor = address + length
        position += 16 + length
    store64(R + POSITION, position)
    store64(R + LAST, last)
    store64(B + COUNT, count)
    store64(B + CURSOR, cursor)
    return reason


@native
def nanoseconds(ticks: int, I: int) -> int:  # noqa: E741
    """Convert the 64-bit time stamp (unsigned) of a packet of the interface at `I` to ns, at most LATEST."""
    kind, value = load64(I + I_KIND), load64(I + I_VALUE)
    if kind == 0:
        if value > 0 and lsr(ticks, 1) >= LATEST // value // 2:
            return LATEST
        ns = ticks * value
    elif kind == 1:  # value is a power of ten: halve both, so that the division is of positive numbers
        ns = lsr(ticks, 1) // (value // 2)
    else:
        whole = lsr(ticks, value)
        if whole >= LATEST // 1_000_000_000 or whole < 0:
            return LATEST
        ns = whole * 1_000_000_000
        if value > 0:  # the fraction, as a share of 2**64, times 10**9
            ns += mulhi(i64(ticks << (64 - value)), 1_000_000_000)
    return min(LATEST, ns + load64(I + I_OFFSET))


@native
def word(address: int, swap: int) -> int:
    """Load a u32 in the file's byte order."""
    if swap:
        return load32be(address)
    return load32(address)


@native
def half(address: int, swap: int) -> int:
    """Load a u16 in the file's byte order."""
    if swap:
        return load16be(address)
    return load16(address)


@native
def outbound(at: int, stop: int, swap: int) -> int:
    """Return 1 if the options between `at` and `stop` hold packet flags (code 2) that say outbound, else 0."""
    while stop - at >= 4:
        code, length = half(at, swap), half(at + 2, swap)
        if code == 0:
            break
        if code == 2 and length == 4 and stop - at >= 8:
            return i64(word(at + 4, swap) & 3 == 2)
        at += 4 + ((length + 3) & ~3)
    return 0


@native
def read_pcapng(R: int, B: int) -> int:
    """Read blocks of a pcapng file into the burst until something stops it.

    A simple packet block has no time stamp: its packet gets the last one before it.

    Args:
        R: The reader's record.
        B: The burst's record.

    Returns:
        FULL, MORE, HEADER, BROKEN or SKIP.
    """
    stop, swap = load64(R + STOP), load64(R + SWAP)
    while True:
        position = load64(R + POSITION)
        left = stop - position
        store64(R + NEED, 12)
        if left < 12:
            return MORE
        kind, total = word(position, swap), word(position + 4, swap)
        if kind == SECTION_BLOCK:
            return HEADER
        if total < 12 or total & 3 != 0:
            return BROKEN
        packet = kind in (ENHANCED_BLOCK, SIMPLE_BLOCK, PACKET_BLOCK)
        store64(R + NEED, total)
        if total > load64(R + LARGEST):
            if packet or kind == INTERFACE_BLOCK:
                return BROKEN
            return SKIP
        if total > left:
            return MORE
        if word(position + total - 4, swap) != total:
            return BROKEN
        if kind == INTERFACE_BLOCK:
            return HEADER
        if packet:
            data, number, ticks = position + 28, 0, 0
            if kind == SIMPLE_BLOCK:
                data = position + 12
                if total < 16:
                    return BROKEN
                wire = word(position + 8, swap)
                length = min(wire, total - 16)
            else:
                if total < 32:
                    return BROKEN
                number = half(position + 8, swap) if kind == PACKET_BLOCK else word(position + 8, swap)
                ticks = i64((word(position + 12, swap) << 32) | word(position + 16, swap))
                length, wire = word(position + 20, swap), word(position + 24, swap)
            options = data + ((length + 3) & ~3)
            if options + 4 > position + total:
                return BROKEN
            interface = load64(R + INTERFACES) + number * INTERFACE_SIZE
            if number >= load64(R + DECLARED):
                store64(R + UNDECLARED, load64(R + UNDECLARED) + 1)
            elif load64(interface + I_LINK) == 0:
                store64(R + UNKNOWN, load64(R + UNKNOWN) + 1)
            else:
                if kind == SIMPLE_BLOCK:
                    snap = load64(interface + I_SNAP)
                    if snap > 0:
                        length = min(length, snap)
                    ts = load64(R + LAST)
                else:
                    ts = nanoseconds(ticks, interface)
                if length > 65_549:
                    store64(R + OVERSIZE, load64(R + OVERSIZE) + 1)
                else:
                    side = load64(interface + I_SIDE)
                    if load64(R + BY_FLAGS) and kind == ENHANCED_BLOCK:
                        side = outbound(options, position + total - 4, swap)
                    where = load64(R + WHERE) | load64(interface + I_LINK) | (side << 8)
                    address = take(B, ts, length, wire, where)
                    if address == 0:
                        return FULL
                    copy(address, data, length)
                    store64(R + LAST, ts)
        store64(R + POSITION, position + total)
