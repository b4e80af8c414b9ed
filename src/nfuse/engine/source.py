"""From ports to parsed packets in processing order: what every engine's run starts with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from nfuse.chain.spec import Chain
from nfuse.engine.merge import Merged
from nfuse.flow.fragments import FragmentStage
from nfuse.flow.traffic.steer import steering
from nfuse.memory.jit import compile_now
from nfuse.packet.desc import F_FRAG
from nfuse.packet.parse import parse_burst
from nfuse.port.base import Input
from nfuse.port.burst import Burst
from nfuse.port.errors import PortError
from nfuse.port.frames import is_packet
from nfuse.port.memory import ListInput
from nfuse.port.registry import open_input

Source = Input | str | os.PathLike[str] | Iterable[Any]
"""What a chain runs on: a port, its URI, the path of a capture; packets (see :mod:`nfuse.port.frames`); or a pair of
these, (forward, reverse)."""
_ONE = (Input, str, os.PathLike)


def opened(source: Source, burst: Burst) -> Input:
    """Return one input for a port, a URI, a path, packets, or a pair of them (forward, reverse).

    Raises:
        PortError: A port can't be opened, or what should be a packet is none.
        ValueError: More than two inputs.
    """
    if isinstance(source, _ONE):
        return _port(source)
    if is_packet(source):
        raise PortError("one packet where a list of packets is expected: put it in brackets, [packet]")
    if not isinstance(source, Iterable):
        raise PortError(f"{source!r} is no input: expected a port, a URI, the path of a capture, or a list of packets")
    items = list(source)
    if not items or is_packet(items[0]) or not all(isinstance(item, (Iterable, *_ONE)) for item in items):
        return ListInput(items)
    ports = [_port(item) for item in items]
    if len(ports) == 1:
        return ports[0]
    if len(ports) != 2:
        raise ValueError(f"{len(ports)} inputs; a chain has one, or one for each direction")
    return Merged(ports[0], ports[1], burst.limit)


def _port(source: Source) -> Input:
    if isinstance(source, Input):
        return source
    if isinstance(source, str | os.PathLike):
        return open_input(os.fspath(source))
    return ListInput(source)


def in_memory(source: object) -> bool:
    """Whether a run's input is packets of the program itself, not ports or their names."""
    if isinstance(source, _ONE):
        return False
    return not isinstance(source, Sequence) or not any(isinstance(item, _ONE) for item in source)


class Stages:
    """Receive, parse, find the direction, put fragments behind their first: for each burst of an input.

    Args:
        chain: Says where the direction comes from.
        port: The input.
        burst: Where packets are received.
        limit: Packets to receive at most.

    Attributes:
        received: Packets received.
        received_bytes: Their bytes on the wire.
    """

    def __init__(self, chain: Chain, port: Input, burst: Burst, limit: int | None = None) -> None:
        self.port = port
        self.burst = burst
        self.received = 0
        self.received_bytes = 0
        self._limit = limit
        self._two_sided = chain.two_sided
        self._steer = None if chain.direction is None else steering(chain.direction.bind(chain.ports))
        self._fragments = FragmentStage(by_side=chain.direction is None)

    def prepare(self) -> None:
        """Compile what packets meet before the engine, or load it from the cache."""
        self.port.prepare()
        compile_now(parse_burst)
        if self._steer is not None:
            compile_now(self._steer)

    def __iter__(self) -> Iterator[Burst]:
        """Yield the burst, once for each filling; its descriptors 0..n-1 are parsed and in processing order."""
        for burst in self.received_bursts():
            self.settle()
            if burst.n:
                yield burst

    def received_bursts(self) -> Iterator[Burst]:
        """Yield the burst, once for each filling, as received: for engines that parse (else call :meth:`settle`)."""
        while True:
            count = self._receive()
            if not count and not self.pending:
                break
            self._sides(0, count)
            yield self.burst

    @property
    def pending(self) -> bool:
        """Whether fragments wait that did not fit into the last burst: they come before what is received."""
        return self._fragments.pending

    def settle(self, start: int = 0) -> None:
        """Parse the burst's packets from `start` on, find their direction, and put them in processing order."""
        burst, count = self.burst, self.burst.n
        flags = parse_burst(burst.desc_address, start, count)
        if self._steer is not None:
            self._steer(burst.desc_address, start, count)
            self._sides(start, count)
        if flags & F_FRAG or self._fragments.pending:
            order = self._fragments.process(burst, count)
            if order is not None:
                burst.desc[: len(order)] = burst.desc[order]
                burst.n = len(order)

    def _sides(self, start: int, count: int) -> None:
        """A chain with one side has all its packets on it; of two sides, each has an input of its own."""
        desc: Any = self.burst.desc[start:count]
        if self._two_sided:
            desc["inport"] = desc["side"]
        else:
            desc["side"] = 0

    def _receive(self) -> int:
        """Receive up to the limit; return the number of packets."""
        burst = self.burst
        if self._limit is not None and self.received >= self._limit:
            burst.reset()
            return 0
        count = self.port.receive(burst)
        if self._limit is not None:
            count = min(count, self._limit - self.received)
            burst.n = count
        self.received += count
        desc: Any = burst.desc
        self.received_bytes += int(desc["wire"][:count].sum(dtype=np.int64))
        return count

    def finish(self) -> dict[tuple[str, str], int]:
        """Drop what the fragment stage still holds; return its drops by ("chain", reason)."""
        self._fragments.finish()
        return {("chain", reason): count for reason, count in self._fragments.drops.items() if count}
