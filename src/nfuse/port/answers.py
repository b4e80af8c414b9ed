"""``answers:URI``: the answers of far ends to the packets of another input, such as the capture that a chain wrote.

With it a chain between two networks gets replies to what it sends, so that translations are tried in both directions::

    nfuse run CHAIN -i lan.pcap -o wan.pcap
    nfuse run CHAIN -i lan.pcap --reverse-in answers:wan.pcap -o wan2.pcap --reverse-out lan2.pcap

What an answer is, :mod:`nfuse.packet.answer` says. Options stand before a ``!``: ``answers:delay=0.02!wan.pcap``.
"""

from __future__ import annotations

import re

import numpy as np

from nfuse.memory.arena import Arena
from nfuse.memory.jit import compile_now, native
from nfuse.memory.raw import copy, load8, load32, load64, store64
from nfuse.packet.answer import answer
from nfuse.packet.desc import ADDR, DESC_SIZE, LEN, LINK, TS, WIRE
from nfuse.packet.parse import parse
from nfuse.port.base import Around, Input
from nfuse.port.burst import COUNT, CURSOR, DESCS, Burst, take
from nfuse.port.errors import UriError
from nfuse.port.registry import convert, input_port, open_input, parse_options

# The record, i64 each, before a descriptor to work with.
DELAY = 0
"""Nanoseconds from a packet to its answer."""
WHERE = 8
"""Side << 8 | input port << 16."""
SILENT = 16
"""Count: packets without an answer."""
WORK = 64
RECORD_SIZE = WORK + DESC_SIZE


@native
def answer_all(R: int, B: int, descs: int, start: int, count: int) -> int:
    """Put the answers to packets into the burst, while it has room.

    Args:
        R: The record.
        B: The burst's record.
        descs: Address of the packets' descriptors; the packets stay as they are.
        start: How many of them have been dealt with.
        count: How many there are.

    Returns:
        How many have been dealt with now.
    """
    for i in range(start, count):
        d = descs + i * DESC_SIZE
        length, cursor, number = load32(d + LEN), load64(B + CURSOR), load64(B + COUNT)
        where = load8(d + LINK) | load64(R + WHERE)
        at = take(B, load64(d + TS) + load64(R + DELAY), length, load32(d + WIRE), where)
        if at == 0:
            return i
        copy(at, load64(d + ADDR), length)
        P = load64(B + DESCS) + number * DESC_SIZE
        parse(P)
        if not answer(P, R + WORK):
            store64(B + COUNT, number)
            store64(B + CURSOR, cursor)
            store64(R + SILENT, load64(R + SILENT) + 1)
    return count


class Answers(Around):
    """The answers of far ends to the packets of another input, such as a capture that a chain has written.

    Args:
        inner: The input.
        delay: Seconds from a packet to its answer.
        side: 0 forward input, 1 reverse input.
        inport: Index of the input port.

    Example:
        answers:wan.pcap

    Raises:
        UriError: `delay` is not from 0 to 1,000,000.
    """

    def __init__(self, inner: Input, *, delay: float = 0.001, side: int = 0, inport: int = 0) -> None:
        super().__init__(f"answers:{inner.name}", inner, side, inport)
        if not 0 <= delay <= 1e6:
            raise UriError(f"answers: delay={delay}: expected seconds, 0 to 1000000")
        self._work = Arena(RECORD_SIZE, "answers")
        self._record = self._work.array(np.int64, WORK // 8)
        self._record[DELAY // 8] = round(delay * 1e9)
        self._record[WHERE // 8] = side << 8 | inport << 16
        self._received = Burst()
        self._dealt = 0
        self._told = False

    @property
    def silent(self) -> int:
        """Packets so far that have no answer."""
        return int(self._record[SILENT // 8])

    def prepare(self) -> None:
        """See :meth:`Port.prepare`."""
        super().prepare()
        compile_now(answer_all)

    def receive(self, burst: Burst) -> int:
        """See :meth:`Input.receive`."""
        burst.reset()
        inner = self._received
        while not burst.n:
            if self._dealt == inner.n:
                self._dealt = 0
                if not self.inner.receive(inner):
                    self._account()
                    break
            burst.tick = inner.tick if self._record[DELAY // 8] % inner.tick == 0 else 1
            args = self._work.address, burst.address, inner.desc_address
            self._dealt = int(answer_all(*args, self._dealt, inner.n))
        return burst.n

    def _account(self) -> None:
        """Tell once of the packets that nobody answers, and of what the inner input has to report."""
        if self._told:
            return
        self._told = True
        self.truncated, self.skipped = self.inner.truncated, self.inner.skipped
        self.warnings += self.inner.warnings
        if count := self.silent:
            packets = "1 packet has" if count == 1 else f"{count:,} packets have"
            self.warnings.append(
                f"{self.name}: {packets} no answer: not IP, malformed, broadcast or multicast, an RST, or ICMP other "
                "than an echo request"
            )

    def close(self) -> None:
        """Close the inner input."""
        super().close()
        self._account()


@input_port("answers", whole=True, options=Answers)
def answers(rest: str, side: int = 0, inport: int = 0) -> Answers:
    """Open the input of an ``answers:`` URI.

    Raises:
        UriError: It names no port, or an option is wrong.
    """
    found = re.match(r"((?:\w+=[^!]*)?)!", rest)
    text, inner = (found[1], rest[found.end() :]) if found else ("", rest)
    if not inner:
        raise UriError(f"answers:{rest}: names no port: expected answers:FILE or answers:delay=0.001!FILE")
    options = convert("answers", Answers, parse_options(text, ",", f"answers:{rest}"))
    return Answers(open_input(inner), **options, side=side, inport=inport)
