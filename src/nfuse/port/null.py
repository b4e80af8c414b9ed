"""``null:`` counts and drops; as an input it is empty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.jit import compile_now, native
from nfuse.memory.raw import load32, load32i
from nfuse.packet.desc import DESC_SIZE, WIRE
from nfuse.port.base import Input, Order, Output
from nfuse.port.burst import Burst
from nfuse.port.registry import input_port, output_port


@native
def wire_bytes(descs: int, order: int, count: int) -> int:
    """Sum the lengths on the wire of the packets with the `count` indexes (i32) at `order`."""
    total = 0
    for i in range(count):
        total += load32(descs + load32i(order + 4 * i) * DESC_SIZE + WIRE)
    return total


@output_port("null")
class NullOutput(Output):
    """Packets go nowhere; they are counted."""

    def __init__(self) -> None:
        super().__init__("null:")
        self._order = Order()
        self._packets = 0
        self._bytes = 0

    @property
    def packets(self) -> int:
        """Packets sent so far."""
        return self._packets

    @property
    def bytes(self) -> int:
        """Sum of their lengths on the wire."""
        return self._bytes

    def prepare(self) -> None:
        """See :meth:`Port.prepare`."""
        compile_now(wire_bytes)

    def send(self, burst: Burst, order: NDArray[np.int32]) -> None:
        """See :meth:`Output.send`."""
        self._bytes += int(wire_bytes(burst.desc_address, self._order.put(order), len(order)))
        self._packets += len(order)


@input_port("null")
class NullInput(Input):
    """No packets at all."""

    def __init__(self, *, side: int = 0, inport: int = 0) -> None:
        super().__init__("null:", side, inport)

    def receive(self, burst: Burst) -> int:
        """Return 0: there is nothing."""
        burst.reset()
        return 0
