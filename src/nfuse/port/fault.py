"""``fault:loss=0.01,duplicate=0.01,seed=1!URI``: faults around any input or output.

What stands before the ``!`` are the faults, what follows is the port that they are laid around, with its own options:
``fault:loss=0.1,reorder=0.05!gen:?flows=10``. Each packet is lost, truncated, has a bit flipped, is duplicated, or is
held back while others pass, with the given probabilities, which are drawn independently for each packet, in this order.
The outcome depends on the seed and the packets alone, not on the size of bursts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import Arena
from nfuse.memory.jit import native
from nfuse.memory.raw import copy, load8, load32, load32i, load64, lsr, mulhi, store8, store64
from nfuse.packet.desc import ADDR, DESC_SIZE, INPORT, LEN, LINK, SIDE, TS, WIRE
from nfuse.port.base import Around, Input, Order, Output
from nfuse.port.burst import COUNT, CURSOR, END, LIMIT, MAX_FRAME, Burst, append_all, frame_at, take
from nfuse.port.errors import UriError
from nfuse.port.gen import random_state
from nfuse.port.gen_flow import step
from nfuse.port.registry import convert, input_port, open_input, open_output, output_port, parse_options

# The record, i64 each.
RANDOM = 0
LOSS = 8
"""Probabilities are of 2**32."""
TRUNCATE = 16
FLIP = 24
DUPLICATE = 32
REORDER = 40
LOST = 48
"""Counts of what was done."""
TRUNCATED = 56
FLIPPED = 64
DUPLICATED = 72
REORDERED = 80
HELD = 88
"""Packets to let pass before the one held back leaves; 0: none is held."""
DEPTH = 96
"""At most so many packets pass one that is held back."""
HELD_TS = 104
HELD_LENGTH = 112
HELD_WIRE = 120
HELD_WHERE = 128
HELD_FRAME = 136
"""Address of its frame."""
RECORD_SIZE = 192

COUNTS = {"lost": LOST, "truncated": TRUNCATED, "flipped": FLIPPED, "duplicated": DUPLICATED, "reordered": REORDERED}


@native
def dice(R: int) -> int:
    """Draw 64 random bits (xorshift64)."""
    state = step(load64(R + RANDOM))
    store64(R + RANDOM, state)
    return state


@native
def happens(R: int, what: int) -> int:
    """Draw whether a fault happens, and count it."""
    if load64(R + what) > lsr(dice(R), 32):
        at = R + what + (LOST - LOSS)
        store64(at, load64(at) + 1)
        return 1
    return 0


@native
def let_go(R: int, B: int) -> None:
    """Add the packet that is held back to the burst."""
    length = load64(R + HELD_LENGTH)
    at = take(B, load64(R + HELD_TS), length, load64(R + HELD_WIRE), load64(R + HELD_WHERE))
    copy(at, load64(R + HELD_FRAME), length)
    store64(R + HELD, 0)


@native
def passed(R: int, B: int) -> None:
    """A packet has passed the one that is held back, if there is one."""
    held = load64(R + HELD)
    if held > 1:
        store64(R + HELD, held - 1)
    elif held == 1:
        let_go(R, B)


@native
def spoil(R: int, B: int, descs: int, order: int, start: int, count: int) -> int:
    """Copy packets into the burst, with faults, while it has room for what one packet can become.

    Args:
        R: The record.
        B: The burst's record.
        descs: Address of the packets' descriptors.
        order: Address of the indexes (i32) of the packets.
        start: How many of them have been dealt with.
        count: How many there are.

    Returns:
        How many have been dealt with now.
    """
    for i in range(start, count):
        d = descs + load32i(order + 4 * i) * DESC_SIZE
        length, wire = load32(d + LEN), load32(d + WIRE)
        room = frame_at(frame_at(load64(B + CURSOR)) + length) + length
        if load64(R + HELD):
            room = frame_at(room) + load64(R + HELD_LENGTH)
        if load64(B + COUNT) + 3 > load64(B + LIMIT) or room > load64(B + END):
            return i
        if happens(R, LOSS):
            continue
        if happens(R, TRUNCATE):
            length = mulhi(dice(R), length)
        flip = -1
        if happens(R, FLIP):
            flip = mulhi(dice(R), length * 8)
        copies = 1 + happens(R, DUPLICATE)
        where = load8(d + LINK) | load8(d + SIDE) << 8 | load8(d + INPORT) << 16
        if happens(R, REORDER):
            if load64(R + HELD) == 0:
                at = load64(R + HELD_FRAME)
                copy(at, load64(d + ADDR), length)
                if flip >= 0:
                    store8(at + (flip >> 3), load8(at + (flip >> 3)) ^ (1 << (flip & 7)))
                store64(R + HELD_TS, load64(d + TS))
                store64(R + HELD_LENGTH, length)
                store64(R + HELD_WIRE, wire)
                store64(R + HELD_WHERE, where)
                store64(R + HELD, 1 + mulhi(dice(R), load64(R + DEPTH)))
                copies -= 1
                if copies == 0:
                    continue
            else:
                store64(R + REORDERED, load64(R + REORDERED) - 1)  # one at a time
        for _ in range(copies):
            at = take(B, load64(d + TS), length, wire, where)
            copy(at, load64(d + ADDR), length)
            if flip >= 0:
                store8(at + (flip >> 3), load8(at + (flip >> 3)) ^ (1 << (flip & 7)))
        passed(R, B)
    return count


class Faults:
    """Faults around another port: packets are lost, doubled, reordered, cut off or damaged.

    Args:
        loss: Probability that a packet is lost.
        duplicate: Probability that it comes twice.
        reorder: Probability that it is held back while 1 to `depth` others pass it (one at a time).
        truncate: Probability that it is cut to a random length (its length on the wire stays).
        flip: Probability that one bit of it is inverted.
        depth: See `reorder`.
        seed: Another seed, other faults.

    Example:
        fault:loss=0.01,reorder=0.05!trace.pcap

    Raises:
        UriError: A probability is not between 0 and 1.
    """

    def __init__(
        self,
        *,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        truncate: float = 0.0,
        flip: float = 0.0,
        depth: int = 8,
        seed: int = 1,
    ) -> None:
        self._arena = Arena(RECORD_SIZE + MAX_FRAME, "faults")
        self._record = self._arena.array(np.int64, RECORD_SIZE // 8)
        self.address = self._arena.address
        for name, value, offset in (
            ("loss", loss, LOSS),
            ("truncate", truncate, TRUNCATE),
            ("flip", flip, FLIP),
            ("duplicate", duplicate, DUPLICATE),
            ("reorder", reorder, REORDER),
        ):
            if not 0 <= value <= 1:
                raise UriError(f"fault: {name}={value}: expected a probability, 0 to 1")
            self._record[offset // 8] = round(value * (1 << 32))
        if not 1 <= depth <= 1 << 20:
            raise UriError(f"fault: depth={depth}: expected 1 to {1 << 20}")
        self._record[DEPTH // 8] = depth
        self._record[RANDOM // 8] = random_state(seed, 4)
        self._record[HELD_FRAME // 8] = self.address + RECORD_SIZE

    @property
    def counts(self) -> dict[str, int]:
        """How many packets were lost, truncated, flipped, duplicated, reordered."""
        return {name: int(self._record[offset // 8]) for name, offset in COUNTS.items()}

    @property
    def holding(self) -> bool:
        """Whether a packet is held back."""
        return bool(self._record[HELD // 8])


class FaultyInput(Around):
    """An input whose packets suffer faults.

    Args:
        inner: The input.
        faults: What happens to its packets.
    """

    def __init__(self, inner: Input, faults: Faults) -> None:
        super().__init__(f"fault:!{inner.name}", inner, inner.side, inner.inport)
        self.faults = faults
        self.warnings = inner.warnings
        self._received, self._spoiled = Burst(), Burst()
        self._dealt = self._delivered = 0
        self._every = Order()

    def receive(self, burst: Burst) -> int:
        """See :meth:`Input.receive`."""
        burst.reset()
        while self._delivered == self._spoiled.n:
            self._delivered = 0
            if not self._spoil():
                return 0
        burst.tick = self._received.tick
        descs = self._spoiled.desc_address + self._delivered * DESC_SIZE
        self._delivered += int(append_all(burst.address, descs, self._spoiled.n - self._delivered))
        return burst.n

    def _spoil(self) -> bool:
        """Get the next packets and apply the faults; returns whether there were any."""
        self._spoiled.reset()
        inner = self._received
        if self._dealt == inner.n:
            self._dealt = 0
            if not self.inner.receive(inner):
                self.truncated, self.skipped = self.inner.truncated, self.inner.skipped
                if self.faults.holding:
                    let_go(self.faults.address, self._spoiled.address)
                return self._spoiled.n > 0
        order = self._every.put(np.arange(inner.n, dtype=np.int32))
        args = (self.faults.address, self._spoiled.address, inner.desc_address, order)
        self._dealt = int(spoil(*args, self._dealt, inner.n))
        return True


class FaultyOutput(Output):
    """An output whose packets suffer faults on their way.

    Args:
        inner: The output.
        faults: What happens to the packets.
    """

    def __init__(self, inner: Output, faults: Faults) -> None:
        super().__init__(f"fault:!{inner.name}")
        self.inner, self.faults = inner, faults
        self.warnings = inner.warnings
        self._burst = Burst()
        self._order = Order()

    def prepare(self) -> None:
        """See :meth:`Port.prepare`."""
        self.inner.prepare()

    def send(self, burst: Burst, order: NDArray[np.int32]) -> None:
        """See :meth:`Output.send`."""
        done, count = 0, len(order)
        self._burst.tick = burst.tick
        while done < count:
            self._burst.reset()
            at = self._order.put(order)
            done = int(spoil(self.faults.address, self._burst.address, burst.desc_address, at, done, count))
            self.inner.send(self._burst, np.arange(self._burst.n, dtype=np.int32))

    @property
    def packets(self) -> int:
        """Packets that the inner output got."""
        return self.inner.packets

    @property
    def bytes(self) -> int:
        """Sum of their lengths on the wire."""
        return self.inner.bytes

    def close(self) -> None:
        """Send the packet that is held back, if any, and close the inner output."""
        if self.faults.holding:
            self._burst.reset()
            let_go(self.faults.address, self._burst.address)
            self.inner.send(self._burst, np.arange(self._burst.n, dtype=np.int32))
        self.inner.close()


def split(rest: str) -> tuple[Faults, str]:
    """Split ``loss=0.1,seed=2!URI`` into the faults and the URI of the inner port.

    Raises:
        UriError: There is no inner port, or a fault is wrong.
    """
    text, mark, inner = rest.partition("!")
    if not mark or not inner:
        raise UriError(f"fault:{rest}: names no port: expected fault:loss=0.01,seed=1!pcap:FILE")
    return Faults(**convert("fault", Faults, parse_options(text, ",", f"fault:{rest}"))), inner


@input_port("fault", whole=True, options=Faults)
def faulty_input(rest: str, side: int = 0, inport: int = 0) -> FaultyInput:
    """Open the input of a ``fault:`` URI."""
    faults, inner = split(rest)
    return FaultyInput(open_input(inner, side, inport), faults)


@output_port("fault", whole=True, options=Faults)
def faulty_output(rest: str) -> FaultyOutput:
    """Open the output of a ``fault:`` URI."""
    faults, inner = split(rest)
    return FaultyOutput(open_output(inner), faults)
