"""When control input is due: splitting bursts so that a change falls between the right two packets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nfuse.engine.api import Control


class Schedule:
    """Control input, in the order in which packets make it due.

    Args:
        changes: Any number of changes; those due at the same packet are applied in this order.
    """

    def __init__(self, changes: Sequence[Control] = ()) -> None:
        self._changes = list(changes)
        self._packets = 0
        self._clock = -(1 << 63)

    @property
    def empty(self) -> bool:
        """Whether no change is left."""
        return not self._changes

    def split(self, stamps: NDArray[np.int64]) -> Iterator[tuple[list[Control], int, int]]:
        """Split the next packets at the changes.

        Args:
            stamps: Their time stamps, ns, in the order in which they are processed. The clock is the largest so far.

        Yields:
            (changes due now, start, stop): apply the changes, then process the packets [start, stop).
        """
        count = len(stamps)
        if not self._changes:
            if count:
                self._packets += count
                self._clock = max(self._clock, int(stamps.max()))
                yield [], 0, count
            return
        clock = np.maximum(np.maximum.accumulate(stamps), self._clock) if count else stamps
        due: dict[int, list[Control]] = {}
        later: list[Control] = []
        for change in self._changes:
            if change.at_packet is not None:
                at = max(0, change.at_packet - self._packets)
            else:
                at = int(np.searchsorted(clock, np.int64(change.at_time or 0), side="left"))
            if at < count:
                due.setdefault(at, []).append(change)
            else:
                later.append(change)
        self._changes = later
        self._packets += count
        if count:
            self._clock = int(clock[-1])
        edges = sorted({0, *due}) if count else []
        for start, stop in zip(edges, [*edges[1:], count], strict=True):
            yield due.get(start, []), start, stop
