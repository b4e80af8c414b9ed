"""A chain between the hands of a test: frames go in one by one, and the test looks at what comes out."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from tests.nf.library.frames import Packet, read

from nfuse import Chain
from nfuse.engine.api import Control
from nfuse.engine.driver import ENGINES, engine_class
from nfuse.packet.desc import LINK_ETHERNET
from nfuse.packet.parse import parse_burst
from nfuse.port.burst import Burst

START = 1_700_000_000_000_000_000


def engines() -> list[Any]:
    """Return the names of all engines, for ``parametrize``; those that aren't there are skipped."""
    found = []
    for name, home in ENGINES.items():
        module = home.partition(":")[0]
        there = importlib.util.find_spec(module) is not None and hasattr(
            importlib.import_module(module), home.partition(":")[2]
        )
        found.append(pytest.param(name, marks=() if there else pytest.mark.skip(reason="no such engine")))
    return found


class Wire:
    """One chain in one engine.

    Attributes:
        now: Time stamp of the next packet, ns since the epoch; it advances by a microsecond a packet.
        sides: Outputs by which the packets of the last call left.
    """

    def __init__(self, graph: object, engine: str = "reference", **settings: Any) -> None:
        self.chain = graph if isinstance(graph, Chain) else Chain(graph, **settings)
        self.engine = engine_class(engine)(self.chain)
        self.burst = Burst(64)
        self.now = START
        self.sides: list[int] = []

    def frames(self, *frames: bytes, side: int = 0) -> list[bytes]:
        """Send frames through; return the frames that leave."""
        self.burst.reset()
        for frame in frames:
            assert self.burst.append(frame, self.now, LINK_ETHERNET, len(frame), side, 0)
            self.now += 1_000
        parse_burst(self.burst.desc_address, 0, self.burst.n)
        order = self.engine.process(self.burst, 0, self.burst.n).tolist()
        self.sides = [int(self.burst.desc[i]["side"]) for i in order]
        return [self.burst.frame(i) for i in order]

    def send(self, packet: Packet, side: int = 0) -> Packet | None:
        """Send one packet; return what leaves (checksums checked), None if it is dropped."""
        out = self.frames(packet.frame(), side=side)
        assert len(out) <= 1
        return read(out[0]) if out else None

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * 1e9)

    def set(self, nf: str, **values: Any) -> None:
        """Change parameters (control input)."""
        self.engine.control(Control(nf, values, at_packet=0))

    def dropped(self) -> dict[str, int]:
        """Return drops by reason, over all NFs and the chain."""
        found: dict[str, int] = {}
        for (_, reason), count in self.engine.drops.items():
            if count:
                found[reason] = found.get(reason, 0) + count
        return found

    def state(self, nf: str) -> dict[str, Any]:
        """Return an NF's State."""
        return self.engine.state(nf)

    def flows(self) -> Any:
        """Return the live sessions."""
        return self.engine.flows()
