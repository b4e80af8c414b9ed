"""A ring of ready-made packets in memory, for benchmarks: receiving costs a copy of descriptors, no more."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import Arena, View
from nfuse.memory.jit import native
from nfuse.memory.raw import copy, load32, load32i, load64, store64
from nfuse.packet.desc import ADDR, DESC_SIZE, LEN
from nfuse.port.base import Input
from nfuse.port.burst import COUNT, DESCS, LIMIT, Burst, append_all, take
from nfuse.port.errors import PortError
from nfuse.port.gen import payload, random_state
from nfuse.port.gen_flow import ACK_BIT, PSH_BIT, SENT, SLOT_SIZE, SYN_BIT, TUPLE_DTYPE, build, mix, open_slot


@native
def point(B: int, descs: int, count: int) -> int:
    """Fill the burst's descriptors with `count` of those at `descs`, as many as it takes; returns how many."""
    count = min(count, load64(B + LIMIT))
    copy(load64(B + DESCS), descs, count * DESC_SIZE)
    store64(B + COUNT, count)
    return count


@native
def restore(descs: int, count: int, offset: int) -> None:
    """Copy the frames of `count` descriptors back from where they are kept, `offset` bytes after them."""
    for i in range(count):
        d = descs + i * DESC_SIZE
        copy(load64(d + ADDR), load64(d + ADDR) + offset, load32(d + LEN))


@native
def open_tuples(slots: int, tuples: int, flows: int, seed: int) -> None:
    """Open a slot for each of the 5-tuples (:data:`TUPLE_DTYPE`) at `tuples`."""
    for i in range(flows):
        open_slot(slots + i * SLOT_SIZE, tuples + i * 40, 0, mix(seed ^ i))


@native
def send_tuples(B: int, slots: int, order: int, count: int, size: int, text: int, sums: int) -> int:
    """Add a packet to the burst for each of the `count` flow numbers (i32) at `order`.

    A negative number ~n is a packet of flow n against its opening direction, whose side is the other one. The first
    packet of a TCP flow is a SYN.

    Returns:
        Packets added; fewer than `count` if the burst is full.
    """
    for i in range(count):
        number, back = load32i(order + 4 * i), 0
        if number < 0:
            number, back = ~number, 1
        s = slots + number * SLOT_SIZE
        at = take(B, i * 1_000, max(size, 160), max(size, 160), 1 | back << 8)
        if at == 0:
            return i
        flags = PSH_BIT | ACK_BIT
        if load32(s + SENT) == 0:
            flags = SYN_BIT
        length = build(s, at, size, back, flags, text, sums)
        d = load64(B + DESCS) + i * DESC_SIZE
        store64(d + LEN, length | length << 32)
    return count


class Ring(Input):
    """Packets that lie ready in one arena and are delivered again and again.

    A burst that receives from a ring points at the ring's frames: what a chain writes to them stays, unless they are
    restored.

    Args:
        source: Where the packets come from; read until `packets` are there, or to its end.
        packets: How many packets the ring holds at most.
        total: How many packets to deliver in all; default: the ring once; 0: no end.
        restore: Keep a copy of the frames, and write it back to each frame before it is delivered.
        room: Bytes of address space for each packet, on average: the ring ends early if they don't suffice.

    Attributes:
        packets: How many packets the ring holds.
        frames: The burst in which they lie: descriptors and frames.

    Raises:
        PortError: The source has no packets.
    """

    def __init__(
        self,
        source: Input,
        packets: int = 1 << 16,
        total: int | None = None,
        restore: bool = False,
        room: int = 2_048,
    ) -> None:
        super().__init__(f"ring of {source.name}")
        self.frames = Burst(packets, packets * room)
        small = Burst(1024)
        while self.frames.n < packets and (n := source.receive(small)):
            self.frames.tick = small.tick
            if append_all(self.frames.address, small.desc_address, min(n, packets - self.frames.n)) < n:
                break
        self._prepare(total, restore)

    @classmethod
    def from_tuples(
        cls,
        tuples: NDArray[np.void],
        order: NDArray[np.int32] | None = None,
        size: int = 64,
        total: int | None = None,
        restore: bool = False,
        seed: int = 1,
    ) -> Ring:
        """Build a ring from 5-tuples.

        Args:
            tuples: One :data:`~nfuse.port.gen_flow.TUPLE_DTYPE` a flow.
            order: The flow number of each packet; ~n is a packet of flow n against its opening direction, with the
                other side. Default: each flow once.
            size: Frame size in bytes; headers are always whole.
            total: As for the constructor.
            restore: As for the constructor.
            seed: For sequence numbers and MAC addresses.
        """
        flows = np.ascontiguousarray(tuples, dtype=TUPLE_DTYPE)
        numbers = np.arange(len(flows), dtype=np.int32) if order is None else np.array(order, dtype=np.int32)
        if len(numbers) and not (-len(flows) <= numbers.min() and numbers.max() < len(flows)):
            raise PortError("the order of a ring names a flow that there is not")
        self = cls.__new__(cls)
        Input.__init__(self, "ring")
        text = payload()
        slots = Arena(len(flows) * SLOT_SIZE, "ring flows")
        known, wanted = View(flows.view(np.uint8)), View(numbers)
        self.frames = Burst(len(numbers), len(numbers) * (max(size, 160) + 192))
        open_tuples(slots.address, known.address, len(flows), random_state(seed, 5))
        send_tuples(self.frames.address, slots.address, wanted.address, len(numbers), size, text.text, text.sums)
        self._prepare(total, restore)
        return self

    def _prepare(self, total: int | None, keep: bool) -> None:
        self.packets = self.frames.n
        if not self.packets:
            raise PortError(f"{self.name}: there are no packets")
        self._total = self.packets if total is None else total
        self._delivered = 0
        self._kept: Arena | None = None
        if keep:
            self._kept = Arena(self.frames.used, "ring, kept")
            ctypes.memmove(self._kept.address, self.frames.buffer.address, self.frames.used)

    def receive(self, burst: Burst) -> int:
        """See :meth:`Input.receive`."""
        burst.reset()
        burst.tick = self.frames.tick
        at = self._delivered % self.packets
        count = self.packets - at
        if self._total:
            count = min(count, self._total - self._delivered)
        if count <= 0:
            return 0
        descs = self.frames.desc_address + at * DESC_SIZE
        count = int(point(burst.address, descs, count))
        if self._kept is not None:
            restore(descs, count, self._kept.address - self.frames.buffer.address)
        self._delivered += count
        return count

    @property
    def position(self) -> int:
        """Packets delivered."""
        return self._delivered

    @property
    def size(self) -> int:
        """Packets to deliver in all; 0: no end."""
        return self._total
