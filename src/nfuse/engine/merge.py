"""Two inputs as one: the forward and the reverse input of a chain between two networks, merged by time stamp."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.packet.desc import DESC_DTYPE
from nfuse.port.base import Input
from nfuse.port.burst import Burst


class _Feed:
    """One input, its burst, and how far it has been handed on."""

    def __init__(self, port: Input, side: int, packets: int, size: int) -> None:
        self.port = port
        self.side = side
        self.burst = Burst(packets, size)
        self.next = 0
        self.ended = False
        self._clock = -(1 << 63)
        self.keys: NDArray[np.int64] = np.empty(0, np.int64)

    def refill(self) -> None:
        """Receive once all packets have been handed on."""
        if self.ended or self.next < self.burst.n:
            return
        count = self.port.receive(self.burst)
        self.next = 0
        self.ended = count == 0
        if count:
            desc: Any = self.burst.desc[:count]
            desc["side"] = self.side
            desc["inport"] = self.side
            self.keys = np.maximum(np.maximum.accumulate(desc["ts"]), self._clock)
            self._clock = int(self.keys[-1])

    @property
    def waiting(self) -> int:
        """Packets received and not handed on."""
        return 0 if self.ended else self.burst.n - self.next


class Merged(Input):
    """The packets of two inputs in the order of their time stamps (forward first where they are equal).

    Where stamps run backwards within an input, the largest so far counts: the order within an input stays.

    Args:
        forward: Its packets get side 0.
        reverse: Its packets get side 1.
        packets: Packets per burst.
        size: Buffer bytes per burst.
    """

    def __init__(self, forward: Input, reverse: Input, packets: int = 4096, size: int = 4 << 20) -> None:
        super().__init__(f"{forward.name} + {reverse.name}")
        self._feeds = (
            _Feed(forward, 0, max(1, packets // 2), size),
            _Feed(reverse, 1, max(1, packets // 2), size),
        )

    def prepare(self) -> None:
        """See :meth:`Port.prepare`."""
        for feed in self._feeds:
            feed.port.prepare()

    def receive(self, burst: Burst) -> int:
        """See :meth:`Input.receive`. The frames stay in the two inner bursts until the next call."""
        burst.reset()
        for feed in self._feeds:
            feed.refill()
        a, b = self._feeds
        burst.tick = min(a.burst.tick, b.burst.tick)
        takes = [feed.waiting for feed in self._feeds]
        if a.waiting and b.waiting:  # up to the end of the one that ends first: the other may have to wait
            if a.keys[-1] <= b.keys[-1]:
                takes[1] = int(np.searchsorted(b.keys[b.next :], a.keys[-1], side="left"))
            else:
                takes[0] = int(np.searchsorted(a.keys[a.next :], b.keys[-1], side="right"))
        room = burst.limit
        keys = np.concatenate([f.keys[f.next : f.next + take] for f, take in zip(self._feeds, takes, strict=True)])
        desc = np.empty(len(keys), DESC_DTYPE)
        at = 0
        for feed, take in zip(self._feeds, takes, strict=True):
            desc[at : at + take] = feed.burst.desc[feed.next : feed.next + take]
            at += take
        order = np.argsort(keys, kind="stable")[:room]
        count = len(order)
        burst.desc[:count] = desc[order]
        burst.n = count
        taken = int((order < takes[0]).sum())
        a.next += taken
        b.next += count - taken
        return count

    @property
    def position(self) -> int:
        """Sum of both inputs' positions."""
        return sum(feed.port.position for feed in self._feeds)

    @property
    def size(self) -> int:
        """Sum of both inputs' sizes."""
        return sum(feed.port.size for feed in self._feeds)

    def close(self) -> None:
        """Close both inputs."""
        for feed in self._feeds:
            feed.port.close()
            self.warnings += [w for w in feed.port.warnings if w not in self.warnings]
            self.truncated = self.truncated or feed.port.truncated
