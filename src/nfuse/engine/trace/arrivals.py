"""Packets as they arrive: numbered, and chosen by a filter, before anything reorders or holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nfuse.engine.trace.headers import Version
from nfuse.flow.traffic.strict import LINK_NAMES, CaptureFilter
from nfuse.packet.desc import DESC_SIZE
from nfuse.port.base import Input
from nfuse.port.burst import Burst


@dataclass(frozen=True)
class Arrival:
    """A chosen packet as it arrived."""

    number: int
    time: int
    side: int
    version: Version


class Arrivals(Input):
    """An input that numbers the packets of another one, from 1, in the descriptors' USER field.

    Args:
        port: The other input.
        filter: Which packets are chosen; None: all.
        count: How many at most.
        limit: Packets to receive at most.

    Attributes:
        received: Packets received.
        started: Time stamp of the first packet, ns.
        chosen: The chosen packets that are still to come, by number.
        matched: How many were chosen.
    """

    def __init__(
        self, port: Input, filter: CaptureFilter | None = None, count: int | None = None, limit: int | None = None
    ) -> None:
        super().__init__(port.name)
        self._port = port
        self._filter = filter
        self._count = count
        self._limit = limit
        self.received = 0
        self.started = 0
        self.matched = 0
        self.chosen: dict[int, Arrival] = {}

    def prepare(self) -> None:
        """See :meth:`Port.prepare`."""
        self._port.prepare()

    @property
    def full(self) -> bool:
        """Whether as many packets were chosen as may be."""
        return self._count is not None and self.matched >= self._count

    @property
    def done(self) -> bool:
        """Whether all that may be chosen were, and have come out again."""
        return self.full and not self.chosen

    def receive(self, burst: Burst) -> int:
        """See :meth:`Input.receive`.

        Raises:
            FilterError: The filter asks for what a packet's link type does not have.
        """
        if self._limit is not None and self.received >= self._limit:
            burst.reset()
            return 0
        count = self._port.receive(burst)
        if self._limit is not None:
            count = min(count, self._limit - self.received)
            burst.n = count
        desc: Any = burst.desc
        desc["user"][:count] = np.arange(self.received + 1, self.received + count + 1)
        if count and not self.received:
            self.started = int(desc["ts"][0])
        for index in range(count):
            if self.full:
                break
            if self._matches(burst, index):
                self._choose(burst, index)
        self.received += count
        return count

    def _matches(self, burst: Burst, index: int) -> bool:
        if self._filter is None:
            return True
        desc: Any = burst.desc
        link = int(desc["link"][index])
        return link in LINK_NAMES and self._filter.judge(burst.desc_address + index * DESC_SIZE, link)

    def _choose(self, burst: Burst, index: int) -> None:
        row: Any = burst.desc[index]
        version = Version(burst.frame(index), int(row["link"]), int(row["wire"]))
        number = self.received + index + 1
        self.chosen[number] = Arrival(number, int(row["ts"]), int(row["side"]), version)
        self.matched += 1

    def close(self) -> None:
        """Close the other input and take over its warnings."""
        self._port.close()
        self.warnings = list(self._port.warnings)
        self.truncated = self._port.truncated

    @property
    def position(self) -> int:
        """See :attr:`Input.position`."""
        return self._port.position

    @property
    def size(self) -> int:
        """See :attr:`Input.size`."""
        return self._port.size
