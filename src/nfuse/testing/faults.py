"""Packets that suffer on their way: lost, cut, changed, doubled, overtaken."""

from __future__ import annotations

from collections.abc import Iterator

from nfuse.port.base import Input
from nfuse.port.burst import Burst
from nfuse.port.fault import Faults, FaultyInput
from nfuse.port.memory import ListInput
from nfuse.testing.outcome import Packets
from nfuse.testing.packet import Packet, as_packet, given


def faulty(
    packets: Packets,
    *,
    loss: float = 0.0,
    duplicate: float = 0.0,
    reorder: float = 0.0,
    truncate: float = 0.0,
    flip: float = 0.0,
    depth: int = 8,
    seed: int = 1,
) -> list[Packet]:
    """Return packets with faults, as the port ``fault:`` makes them; the same seed makes the same ones.

    Args:
        packets: Text (see :func:`nfuse.testing.packets`), or a list.
        loss: Probability that a packet is lost.
        duplicate: That it comes twice.
        reorder: That it is held back while 1 to `depth` others pass it.
        truncate: That it is cut to a random length; its length on the wire stays.
        flip: That one bit of it is inverted.
        depth: See `reorder`.
        seed: Another seed, other faults.

    Raises:
        UriError: A probability is not between 0 and 1.
    """
    faults = Faults(
        loss=loss, duplicate=duplicate, reorder=reorder, truncate=truncate, flip=flip, depth=depth, seed=seed
    )
    return list(received(FaultyInput(ListInput(given(packets)), faults)))


def received(port: Input, packets: int = 256) -> Iterator[Packet]:
    """Yield all packets of an input port."""
    burst = Burst(packets)
    with port:
        while count := port.receive(burst):
            for index in range(count):
                yield as_packet(burst.packet(index))
