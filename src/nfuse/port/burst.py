"""A burst: the frames and descriptors that travel through the data path together.

Frames lie one after the other in the buffer, each at an address that is a multiple of 64, with :data:`HEADROOM` bytes
before it for headers that a chain pushes. The descriptors are an array of :data:`~nfuse.packet.desc.DESC_DTYPE`: the
first `n` are the packets received, those from `n` to `capacity` are free for packets that the chain makes, which take
buffer space from `used` on.

Native code reads and writes a burst through its record (five i64 at :attr:`Burst.address`): ``DESCS`` address of the
descriptors, ``COUNT`` packets, ``LIMIT`` packets that an input may deliver, ``CURSOR`` address of the first free byte
of the buffer, ``END`` address up to which an input may fill it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import Arena, read_bytes, write_bytes
from nfuse.memory.jit import native
from nfuse.memory.raw import copy, i64, load8, load32, load64, store64
from nfuse.packet.desc import ADDR, DESC_DTYPE, DESC_SIZE, INPORT, LEN, LINK, LINK_ETHERNET, SIDE, TS, WIRE
from nfuse.port.frames import MAX_FRAME as MAX_FRAME
from nfuse.port.frames import Frame

HEADROOM = 128
"""Bytes before each frame, for headers that are pushed."""
MADE_ROOM = 2_048 + HEADROOM + 64
"""Buffer bytes kept for each packet that the chain may make."""

DESCS = 0
COUNT = 8
LIMIT = 16
CURSOR = 24
END = 32
BURST_SIZE = 64
"""Bytes of a burst's record."""


@native
def frame_at(cursor: int) -> int:
    """Return the address of the next frame, given the first free byte: head room before it, a multiple of 64."""
    return (cursor + 128 + 63) & ~63


@native
def put_desc(d: int, address: int, ts: int, length: int, wire: int, where: int) -> None:
    """Fill the descriptor at `d` for a frame at `address` that nobody has parsed.

    Args:
        d: Address of the descriptor.
        address: Address of the frame; :data:`HEADROOM` bytes before it are free.
        ts: Time stamp, ns.
        length: Bytes in memory.
        wire: Bytes on the wire.
        where: link type | side << 8 | input port << 16.
    """
    store64(d, address)
    store64(d + 8, ts)
    store64(d + 16, i64(length | (wire << 32)))
    store64(d + 24, 0)
    store64(d + 32, (where & 0xFFFF) << 40)  # LINK and SIDE
    store64(d + 40, 0)
    store64(d + 48, 128 | (where & 0xFF0000))  # ROOM and INPORT
    store64(d + 56, 0)


@native
def take(B: int, ts: int, length: int, wire: int, where: int) -> int:
    """Take room in the burst for a frame of `length` bytes and fill its descriptor.

    Returns:
        The address for the frame's bytes, or 0 if the burst is full.
    """
    count = load64(B + COUNT)
    address = frame_at(load64(B + CURSOR))
    if count >= load64(B + LIMIT) or address + length > load64(B + END):
        return 0
    put_desc(load64(B + DESCS) + count * DESC_SIZE, address, ts, length, wire, where)
    store64(B + CURSOR, address + length)
    store64(B + COUNT, count + 1)
    return address


@native
def append_all(B: int, descs: int, count: int) -> int:
    """Copy the frames of `count` descriptors into the burst, as many as fit; returns how many did."""
    for i in range(count):
        d = descs + i * DESC_SIZE
        length = load32(d + LEN)
        where = load8(d + LINK) | load8(d + SIDE) << 8 | load8(d + INPORT) << 16
        at = take(B, load64(d + TS), length, load32(d + WIRE), where)
        if at == 0:
            return i
        copy(at, load64(d + ADDR), length)
    return count


class Burst:
    """Room for packets in flight.

    Args:
        packets: How many packets an input may deliver at once.
        bytes: Buffer bytes that an input may fill (at least one frame of the largest size).

    Attributes:
        address: Address of the record for native code (see the module's documentation).
        limit: `packets`.
        capacity: Descriptors in all: as many again are free for made packets.
        desc: The descriptors, a structured array.
        desc_address: Address of the first descriptor.
        buffer: The arena in which the frames lie.
        tick: Nanoseconds of the finest step of the time stamps: 1000 if the input's are microseconds.
    """

    def __init__(self, packets: int = 4096, bytes: int = 4 << 20) -> None:
        packets = max(1, packets)
        bytes = max(bytes, MAX_FRAME + 2 * HEADROOM)
        self.limit = packets
        self.capacity = 2 * packets
        self.tick = 1
        self._head = Arena(BURST_SIZE + self.capacity * DESC_SIZE, "burst descriptors")
        self.address = self._head.address
        self.desc = self._head.array(DESC_DTYPE, self.capacity, BURST_SIZE)
        self.desc_address = self.address + BURST_SIZE
        self.buffer = Arena(bytes + packets * MADE_ROOM, "burst frames")
        self._record: NDArray[np.int64] = self._head.array(np.int64, BURST_SIZE // 8)  # type: ignore[assignment]
        self._record[:5] = (self.desc_address, 0, packets, self.buffer.address, self.buffer.address + bytes)

    @property
    def n(self) -> int:
        """Packets received."""
        return int(self._record[1])

    @n.setter
    def n(self, value: int) -> None:
        self._record[1] = value

    @property
    def used(self) -> int:
        """Bytes of the buffer that are in use, from its start."""
        return int(self._record[3]) - self.buffer.address

    @used.setter
    def used(self, value: int) -> None:
        self._record[3] = self.buffer.address + value

    def reset(self) -> None:
        """Forget all packets."""
        self._record[1] = 0
        self._record[3] = self.buffer.address

    def append(
        self,
        frame: bytes,
        ts: int = 0,
        link: int = LINK_ETHERNET,
        wire: int | None = None,
        side: int = 0,
        inport: int = 0,
    ) -> bool:
        """Add one packet (not for fast paths).

        Args:
            frame: The captured bytes, at most :data:`MAX_FRAME`.
            ts: Time stamp, ns.
            link: Link type, one of the ``LINK_*``.
            wire: Original length; default: that of `frame`.
            side: 0 forward input, 1 reverse input.
            inport: Index of the input port.

        Returns:
            Whether there was room.
        """
        if len(frame) > MAX_FRAME:
            raise ValueError(f"a frame of {len(frame)} bytes; the largest has {MAX_FRAME}")
        address = take(
            self.address, ts, len(frame), len(frame) if wire is None else wire, link | side << 8 | inport << 16
        )
        if address:
            write_bytes(address, frame)
        return bool(address)

    def frame(self, index: int) -> bytes:
        """Return a copy of the bytes of packet `index`."""
        record = self.desc[index]
        return read_bytes(int(record["addr"]), int(record["len"]))

    def packet(self, index: int) -> Frame:
        """Return a copy of packet `index`, with its time stamp, side, length on the wire and link type."""
        record = self.desc[index]
        ts, side, wire, link = (int(record[name]) for name in ("ts", "side", "wire", "link"))
        return Frame(self.frame(index), ts, side, wire, link)
