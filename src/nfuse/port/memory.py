"""Ports in memory, for tests and notebooks: packets from a list, packets to a list."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nfuse.packet.desc import LINK_ETHERNET
from nfuse.port.base import Input, Output
from nfuse.port.burst import Burst

Packet = bytes | bytearray | memoryview | tuple[int, bytes] | tuple[int, bytes, int]


class ListInput(Input):
    """Packets from a list.

    Args:
        packets: Frames, as bytes, ``(time stamp in ns, bytes)``, or ``(time stamp in ns, bytes, length on the wire)``.
        link: Link type of all frames, one of the ``LINK_*``.
        step: Nanoseconds between frames that bring no time stamp of their own.
        side: 0 forward input, 1 reverse input.
        inport: Index of the input port.
    """

    def __init__(
        self,
        packets: Iterable[Packet],
        link: int = LINK_ETHERNET,
        step: int = 1_000,
        side: int = 0,
        inport: int = 0,
    ) -> None:
        super().__init__("list", side, inport)
        self.link = link
        self._packets: list[tuple[int, bytes, int]] = []
        for number, packet in enumerate(packets):
            if isinstance(packet, tuple):
                ts, data = int(packet[0]), bytes(packet[1])
                wire = int(packet[2]) if len(packet) == 3 else len(data)
            else:
                ts, data = number * step, bytes(packet)
                wire = len(data)
            self._packets.append((ts, data, wire))
        self._next = 0

    def receive(self, burst: Burst) -> int:
        """See :meth:`Input.receive`."""
        burst.reset()
        burst.tick = 1
        while self._next < len(self._packets):
            ts, data, wire = self._packets[self._next]
            if not burst.append(data, ts, self.link, wire, self.side, self.inport):
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
        records: ``(time stamp in ns, bytes, link type, side)`` of each packet, in the order in which they left.
    """

    def __init__(self) -> None:
        super().__init__("list")
        self.records: list[tuple[int, bytes, int, int]] = []
        self._bytes = 0

    @property
    def packets(self) -> int:
        """Packets collected."""
        return len(self.records)

    @property
    def bytes(self) -> int:
        """Sum of their lengths on the wire."""
        return self._bytes

    @property
    def frames(self) -> list[bytes]:  # type: ignore[valid-type]
        """The frames alone."""
        return [record[1] for record in self.records]

    def send(self, burst: Burst, order: NDArray[np.int32]) -> None:
        """See :meth:`Output.send`."""
        for index in order.tolist():
            desc = burst.desc[index]
            self.records.append((int(desc["ts"]), burst.frame(index), int(desc["link"]), int(desc["side"])))
            self._bytes += int(desc["wire"])
