"""The two faces of a port: inputs and outputs."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import Arena
from nfuse.port.burst import Burst


class Port:
    """What inputs and outputs share: a name for messages, warnings, and an end.

    Attributes:
        name: What messages call the port (its URI, as a rule).
        warnings: What the user should hear of: one sentence each.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.warnings: list[str] = []

    def prepare(self) -> None:
        """Compile what moves packets, or load it from the cache, so that the first burst takes no longer."""

    def close(self) -> None:
        """Release what the port holds. Closing twice does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Input(Port):
    """Where packets come from.

    Attributes:
        side: Written to each descriptor: 0 for a chain's forward input, 1 for its reverse input.
        inport: Written to each descriptor: the index of this input among the chain's inputs.
        truncated: The source broke off; all whole records before the break were delivered.
        skipped: Records that were passed over (each reason has a warning).
    """

    def __init__(self, name: str, side: int = 0, inport: int = 0) -> None:
        super().__init__(name)
        self.side = side
        self.inport = inport
        self.truncated = False
        self.skipped = 0

    def receive(self, burst: Burst) -> int:
        """Reset `burst`, fill its descriptors 0..n-1, and return n; 0 means that the input has ended."""
        raise NotImplementedError

    @property
    def position(self) -> int:
        """How much has been read, in the unit of :attr:`size`."""
        return 0

    @property
    def size(self) -> int:
        """How much there is to read (bytes of a file, packets of a generator); 0 if unknown."""
        return 0


class Around(Input):
    """An input laid around another one, whose position and size it has, and which it closes.

    Args:
        name: What messages call the port.
        inner: The other input.
        side: See :class:`Input`.
        inport: See :class:`Input`.
    """

    def __init__(self, name: str, inner: Input, side: int = 0, inport: int = 0) -> None:
        super().__init__(name, side, inport)
        self.inner = inner

    def prepare(self) -> None:
        """Prepare the inner input."""
        self.inner.prepare()

    @property
    def position(self) -> int:
        """Position of the inner input."""
        return self.inner.position

    @property
    def size(self) -> int:
        """Size of the inner input."""
        return self.inner.size

    def close(self) -> None:
        """Close the inner input."""
        self.inner.close()


class Order:
    """Descriptor indexes where native code can read them: an arena that grows as needed."""

    def __init__(self) -> None:
        self._arena = Arena(1 << 14, "order")

    def put(self, order: NDArray[np.int32]) -> int:
        """Copy `order` and return the address of the copy (valid until the next call)."""
        size = 4 * len(order)
        if size > self._arena.size:
            self._arena = Arena(2 * size, "order")
        self._arena.array(np.int32, len(order))[:] = order
        return self._arena.address


class Output(Port):
    """Where packets go."""

    @property
    def packets(self) -> int:
        """Packets sent so far."""
        raise NotImplementedError

    @property
    def bytes(self) -> int:
        """Bytes sent so far: the sum of the packets' lengths on the wire."""
        raise NotImplementedError

    def send(self, burst: Burst, order: NDArray[np.int32]) -> None:
        """Send the packets whose descriptors have the indexes `order` (int32), in that order."""
        raise NotImplementedError
