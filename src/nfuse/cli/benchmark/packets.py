"""Packets in memory for benchmarks: 64-byte frames of many flows, laid out once, handed to an engine without a copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import Arena
from nfuse.packet.desc import DESC_DTYPE, DESC_SIZE, LINK_ETHERNET

FRAME = 64
STRIDE = 192
"""Bytes from frame to frame: 128 bytes of head room before each, as in every burst."""
TCP, UDP = 6, 17
START = 1_600_000_000_000_000_000
"""Time stamp of the first packet, ns."""


def flow_tuples(count: int, vip: int, first: int = 0, proto: str = "udp") -> NDArray[Any]:
    """Return `count` different 5-tuples from 10.0.0.0/8 to ports 80 and 443 of the virtual address.

    Args:
        count: How many.
        vip: The destination address as an int.
        first: Number of the first one: other numbers give other tuples (up to 2**30 in all).
        proto: ``tcp``, ``udp``, or ``mixed``: they take turns.
    """
    number = np.arange(first, first + count, dtype=np.uint64)
    tuples = np.zeros(
        count, dtype=[("src", ">u4"), ("dst", ">u4"), ("sport", ">u2"), ("dport", ">u2"), ("proto", "u1")]
    )
    mixed = (number * np.uint64(0x9E3779B1)) & np.uint64((1 << 30) - 1)  # a permutation of 30 bits: no order in hosts
    tuples["src"] = (10 << 24) + 1 + (mixed & np.uint64(0xFFFF))
    tuples["sport"] = 1024 + (mixed >> np.uint64(16))
    tuples["dst"] = vip
    tuples["dport"] = np.where((number >> np.uint64(1)) & np.uint64(1), 443, 80)
    tuples["proto"] = {"tcp": TCP, "udp": UDP}.get(proto) or np.where(number & np.uint64(1), UDP, TCP)
    return tuples


def frames_of(tuples: NDArray[Any], syn: bool = False) -> NDArray[np.uint8]:
    """Return one Ethernet frame of 64 bytes for each tuple, with right checksums."""
    count = len(tuples)
    frames = np.zeros((count, FRAME), dtype=np.uint8)
    frames[:, 0:12] = np.frombuffer(bytes.fromhex("020000000002020000000001"), dtype=np.uint8)
    frames[:, 12:14] = (8, 0)
    frames[:, 14:24] = np.frombuffer(bytes.fromhex("45000032000040004006"), dtype=np.uint8)
    frames[:, 23] = tuples["proto"]
    frames[:, 26:38] = np.frombuffer(
        np.ascontiguousarray(tuples[["src", "dst", "sport", "dport"]])
        .astype([("src", ">u4"), ("dst", ">u4"), ("sport", ">u2"), ("dport", ">u2")])
        .tobytes(),
        dtype=np.uint8,
    ).reshape(count, 12)
    frames[:, 54:64] = np.arange(10, dtype=np.uint8)
    tcp = tuples["proto"] == TCP
    frames[tcp, 46] = 0x50
    frames[tcp, 47] = 0x02 if syn else 0x10
    frames[tcp, 48] = 0x20
    frames[~tcp, 39] = 30
    frames[:, 24:26] = _checksum(frames[:, 14:34], np.zeros(count, dtype=np.uint32))
    pseudo = tuples["proto"].astype(np.uint32) + 30 + _words(frames[:, 26:34])
    total = _checksum(frames[:, 34:64], pseudo)
    frames[tcp, 50:52] = total[tcp]
    frames[~tcp, 40:42] = total[~tcp]
    return frames


def _words(data: NDArray[np.uint8]) -> NDArray[np.uint32]:
    return (data[:, 0::2].astype(np.uint32) << 8 | data[:, 1::2]).sum(axis=1, dtype=np.uint32)


def _checksum(data: NDArray[np.uint8], start: NDArray[np.uint32]) -> NDArray[np.uint8]:
    total = _words(data) + start
    for _ in range(2):
        total = (total & 0xFFFF) + (total >> 16)
    value = (~total & 0xFFFF).astype(">u2")
    return np.frombuffer(value.tobytes(), dtype=np.uint8).reshape(len(data), 2)


class Window:
    """A part of the packets, in the form of a burst (the frames stay where they are)."""

    def __init__(self, desc: NDArray[Any], address: int, room: Arena) -> None:
        self.desc = desc
        self.desc_address = address
        self.n = len(desc)
        self.limit = self.n
        self.capacity = self.n
        self.buffer = room
        self.used = 0
        self.tick = 1


class Packets:
    """Frames and descriptors of packets in memory.

    Args:
        frames: One frame of 64 bytes for each flow.
        order: The flow of each packet, in order of arrival.
        gap: Nanoseconds from packet to packet.
        start: Time stamp of the first packet, ns.
        burst: Packets in a burst.
    """

    def __init__(
        self, frames: NDArray[np.uint8], order: NDArray[np.int64], gap: int = 100, start: int = START, burst: int = 4096
    ) -> None:
        self.count = len(order)
        self._originals, self._order, self._burst = frames, order, burst
        self._arena = Arena(self.count * STRIDE + 256, "benchmark frames")
        self._frames = np.lib.stride_tricks.as_strided(
            self._arena.bytes[128:], shape=(self.count, FRAME), strides=(STRIDE, 1)
        )
        self._head = Arena((self.count + burst) * DESC_SIZE, "benchmark descriptors")
        self.desc: NDArray[Any] = self._head.array(DESC_DTYPE, self.count)
        self.address = self._head.address
        self._room = Arena(1 << 20, "benchmark room")
        self.restore(start, gap)

    def refill(self, frames: NDArray[np.uint8], start: int, gap: int = 100) -> None:
        """Put other flows' frames in place of those there were."""
        self._originals = frames
        self.restore(start, gap)

    def restore(self, start: int = START, gap: int = 100) -> None:
        """Bring frames and descriptors back to how they arrived, at time `start`."""
        step = 1 << 18
        for at in range(0, self.count, step):
            self._frames[at : at + step] = self._originals[self._order[at : at + step]]
        desc = self.desc
        desc[:] = np.zeros(1, dtype=DESC_DTYPE)
        index = np.arange(self.count, dtype=np.int64)
        desc["addr"] = self._arena.address + 128 + STRIDE * index
        desc["ts"] = start + gap * index
        desc["len"] = desc["wire"] = FRAME
        desc["link"] = LINK_ETHERNET
        desc["room"] = 128

    def windows(self) -> Iterator[Window]:
        """Yield the packets burst by burst."""
        for at in range(0, self.count, self._burst):
            yield Window(self.desc[at : at + self._burst], self.address + at * DESC_SIZE, self._room)

    def frames(self) -> NDArray[np.uint8]:
        """Return a copy of all frames as they are now."""
        return np.ascontiguousarray(self._frames)
