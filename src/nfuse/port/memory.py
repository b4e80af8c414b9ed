"""Ports in memory, for tests and notebooks: packets from a list, packets to a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.packet.desc import LINK_ETHERNET
from nfuse.port.base import Input, Output
from nfuse.port.burst import Burst
from nfuse.port.frames import Frame, frames


class ListInput(Input):
    """Packets from a list.

    Args:
        packets: Whatever :func:`nfuse.port.frames.frames` takes: bytes, ``(time stamp in ns, bytes)``, ``(time stamp in
            ns, bytes, length on the wire)``, :class:`~nfuse.port.frames.Frame`, packets of scapy or dpkt.
        link: Link type of frames that bring none, one of the ``LINK_*``.
        step: Nanoseconds between frames that bring no time stamp of their own.
        side: Side of frames that bring none: 0 forward input, 1 reverse input.
        inport: Index of the input port.
        most: Packets delivered at once, at most; None: as many as the burst holds.

    Raises:
        PortError: An item is no packet.
    """

    def __init__(
        self,
        packets: Iterable[Any],
        link: int = LINK_ETHERNET,
        step: int = 1_000,
        side: int = 0,
        inport: int = 0,
        most: int | None = None,
    ) -> None:
        super().__init__("list", side, inport)
        self._packets = list(frames(packets, link, step, side))
        self._most = len(self._packets) if most is None else most
        self._next = 0

    def receive(self, burst: Burst) -> int:
        """See :meth:`Input.receive`."""
        burst.reset()
        burst.tick = 1
        for frame in self._packets[self._next : self._next + self._most]:
            if not burst.append(frame.bytes, frame.time, frame.link, frame.wire, frame.side, self.inport):
                break
            self._next += 1
        return burst.n

    @property
    def position(self) -> int:
        """Packets delivered."""
        return self._next

    @property
    def size(self) -> int:
        """Packets in the list."""
        return len(self._packets)


class ListOutput(Output):
    """Packets to a list.

    Attributes:
        sent: The packets in the order in which they left.
    """

    def __init__(self) -> None:
        super().__init__("list")
        self.sent: list[Frame] = []
        self._bytes = 0

    @property
    def packets(self) -> int:
        """Packets collected."""
        return len(self.sent)

    @property
    def bytes(self) -> int:
        """Sum of their lengths on the wire."""
        return self._bytes

    @property
    def records(self) -> list[tuple[int, bytes, int, int]]:  # type: ignore[valid-type]
        """``(time stamp in ns, bytes, link type, side)`` of each packet."""
        return [(frame.time, frame.bytes, frame.link, frame.side) for frame in self.sent]

    @property
    def frames(self) -> list[bytes]:  # type: ignore[valid-type]
        """The bytes alone."""
        return [frame.bytes for frame in self.sent]

    def send(self, burst: Burst, order: NDArray[np.int32]) -> None:
        """See :meth:`Output.send`."""
        for index in order.tolist():
            frame = burst.packet(index)
            self.sent.append(frame)
            self._bytes += frame.wire
