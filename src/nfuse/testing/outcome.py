"""Running a chain in a test, and what came of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.chain.spec import Chain
from nfuse.control.eve import events
from nfuse.engine import driver
from nfuse.engine.api import Control, RunResult
from nfuse.engine.shown import as_text
from nfuse.port.memory import ListInput
from nfuse.testing.packet import Packet, as_packet, given, text

Packets = str | Iterable[Any]
"""Packets for a chain: text (see :func:`nfuse.testing.packets`), or a list of whatever :func:`nfuse.run` takes."""


@dataclass(frozen=True)
class Alert:
    """What an NF has told with ``self.alert``.

    Attributes:
        nf: Name of the NF in the chain.
        signature: The text.
        value: The integer beside it.
        time: The chain's clock, ns.
        flow: The opening tuple at the chain's entry: ``10.0.0.1:1234 > 192.0.2.1:80 tcp``.
    """

    nf: str
    signature: str
    value: int
    time: int
    flow: str


class Outcome:
    """What came of a run.

    Attributes:
        chain: The chain.
        result: The run's result (:class:`nfuse.engine.api.RunResult`).
        out: The packets that left, in order.
        drops: Packets dropped, by ``"nf: reason"`` (``"chain: ..."`` are the chain's own).
        counters: The chain's counters (:data:`nfuse.engine.api.COUNTERS`).
        alerts: What the NFs told.
    """

    def __init__(self, chain: Chain, result: RunResult) -> None:
        self.chain = chain
        self.result = result
        self.out: list[Packet] = [as_packet(frame) for frame in result.sent or ()]
        self.drops = {f"{nf}: {reason}": count for (nf, reason), count in result.drops.items() if count}
        self.counters = dict(result.counters)
        self.alerts = [_alert(event) for event in events(chain, result.logs)]

    @property
    def text(self) -> str:
        """The packets that left as text, without times."""
        return text(self.out, times=False)

    @property
    def flows(self) -> NDArray[np.void]:
        """The live sessions at the end: columns :data:`nfuse.engine.api.FLOW_COLUMNS`, then ``nf.field``."""
        return self.result.flows

    def state(self, nf: str) -> dict[str, Any]:
        """Return the State values of an NF at the end.

        Raises:
            ChainError: The chain has no NF of that name; the message names the nearest.
        """
        return self.result.states[self.chain.node(nf).name]

    def assert_out(self, expected: Packets) -> None:
        """Assert that exactly these packets left, in this order, byte for byte.

        Times are not compared; sides only if the chain lies between two networks.

        Raises:
            AssertionError: They did not; the message shows both as text, and why packets were dropped.
        """
        assert_packets(self.out, expected, sides=self.chain.two_sided, note=self._dropped())

    def _dropped(self) -> str:
        return "".join(f"\ndropped by {cause}: {count}" for cause, count in self.drops.items())

    def __repr__(self) -> str:
        return as_text(self.result, "Outcome")


def run(
    chain: Any, packets: Packets, *, engine: str = "fused", control: Sequence[Control] = (), **settings: Any
) -> Outcome:
    """Run a chain over packets with one engine.

    Args:
        chain: A chain, a graph (``A() >> B()``) or one network function.
        packets: Text, or a list. Packets of the reverse side (``<``) come in by the reverse input of a chain between
            two networks.
        engine: ``"fused"``, ``"reference"`` or ``"original"``.
        control: Changes of parameters on the way.
        settings: Settings of the chain: ``capacity=2``, ``two_sided=True``, ...

    Raises:
        AssertionError: Packets in + made are not packets out + dropped.
    """
    chain = as_chain(chain, settings)
    result = driver.run(chain, ListInput(given(packets)), None, engine, control, keep=True)
    assert result.conserved, f"packets in + made = out + dropped does not hold: {result.counters}, {result.drops}"
    return Outcome(chain, result)


def as_chain(chain: Any, settings: dict[str, Any]) -> Chain:
    """Return a chain, graph or network function as a chain with some settings changed."""
    if not isinstance(chain, Chain):
        return Chain(chain, **settings)
    return chain.with_settings(**settings) if settings else chain


def assert_packets(found: Packets, expected: Packets, *, sides: bool = True, note: str = "") -> None:
    """Assert that two lists of packets are the same, byte for byte; times are not compared.

    Args:
        found: Packets.
        expected: What they should be.
        sides: Whether sides are compared.
        note: Is added to the message.

    Raises:
        AssertionError: They differ; the message shows the difference as text.
    """
    mine, theirs = ([_bare(packet, sides) for packet in given(packets)] for packets in (found, expected))
    if mine == theirs:
        return
    before, after = (text(one, times=False).splitlines() for one in (theirs, mine))
    lines = "\n".join(line for line in difflib.ndiff(before, after) if not line.startswith("?"))
    raise AssertionError(f"other packets than expected (- missing, + unexpected)\n{lines}{note}")


def _bare(packet: Packet, sides: bool) -> Packet:
    return Packet(packet.bytes, 0, packet.side if sides else 0, packet.wire, packet.link)


def _alert(event: dict[str, Any]) -> Alert:
    six = ":" in event["src_ip"]
    ends = (f"[{ip}]:{port}" if six else f"{ip}:{port}" for ip, port in _ends(event))
    own = event["nfuse"]
    flow = f"{' > '.join(ends)} {event['proto'].lower()}"
    return Alert(own["nf"], event["alert"]["signature"], own["value"], own["ns"], flow)


def _ends(event: dict[str, Any]) -> tuple[tuple[str, int], tuple[str, int]]:
    return (event["src_ip"], event["src_port"]), (event["dest_ip"], event["dest_port"])
