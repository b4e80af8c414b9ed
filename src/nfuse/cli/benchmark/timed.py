"""An input that knows how long it took: so that the cost of making packets can be told from that of processing them."""

from __future__ import annotations

import time

from nfuse.port.base import Around, Input
from nfuse.port.burst import Burst


class TimedInput(Around):
    """Passes another input on, and adds up the time spent in it.

    Attributes:
        seconds: Time spent in ``receive`` so far.
    """

    def __init__(self, inner: Input) -> None:
        super().__init__(inner.name, inner, inner.side, inner.inport)
        self.seconds = 0.0

    def receive(self, burst: Burst) -> int:
        """See :meth:`Input.receive`."""
        begin = time.perf_counter()
        count = self.inner.receive(burst)
        self.seconds += time.perf_counter() - begin
        return count

    def close(self) -> None:
        """Close the inner input and take over its warnings."""
        super().close()
        self.warnings = self.inner.warnings
        self.truncated = self.inner.truncated
