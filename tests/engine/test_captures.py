"""Real captures: every engine gives what the reference engine gives, and translation happens where it can."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.conversation import need
from tests.engine.nfs import Listener

from nfuse import Chain, Prefix, ipv4, pcap_filter, tcp, udp
from nfuse.engine.driver import ENGINES, run
from nfuse.engine.fused.engine import FusedEngine
from nfuse.engine.verify import verify
from nfuse.nf.library import IPFilter, Maglev, MazuNat, Monitor
from nfuse.packet.view import PacketView
from nfuse.port.memory import ListOutput


def chain_1() -> Chain:
    """NAT, load balancer, monitor, filter, so that each IPv4 flow is translated."""
    return Chain(
        MazuNat(public=["198.18.7.1", "198.18.7.2"], inside=Prefix("0.0.0.0/0"))
        >> Maglev(vip=Prefix("0.0.0.0/0"), backends=["10.9.9.1:80", "10.9.9.2:80"], ports="80-80", size=13)
        >> Monitor()
        >> IPFilter(rules=["drop udp any -> any 123"])
    )


def files(captures: Path) -> list[Path]:
    return sorted(path for path in captures.iterdir() if path.suffix in (".pcap", ".pcapng"))


def translatable(path: Path) -> bool:
    """Whether a capture holds unfragmented IPv4 TCP or UDP."""
    sink = ListOutput()
    run(Chain(Listener()), str(path), sink, "reference")
    return any(
        (ipv4 & (tcp | udp)).matches(view) and not view.flags & 1024 and view.malformed == ""
        for view in (PacketView(bytearray(data), ts, link) for ts, data, link, _ in sink.records)
    )


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "reference"])
def test_captures(captures: Path, engine: str) -> None:
    for path in files(captures):
        result = verify(chain_1(), str(path), ("reference", need(engine)))
        assert result.identical, f"{path.name}: {result}"
        assert result.translated or not translatable(path), path.name


@pytest.mark.parametrize("direction", [None, "dst net 10.0.0.0/8 or ip6"])
def test_parsing_in_the_loop_changes_nothing(captures: Path, monkeypatch: pytest.MonkeyPatch, direction: str | None):
    """The fused engine parses ahead of its turn, up to the first fragment; parsed by the stages before, it is equal."""
    chain = chain_1() if direction is None else chain_1().with_settings(direction=pcap_filter(direction))
    for path in files(captures):
        found = []
        for parses in (True, False):
            monkeypatch.setattr(FusedEngine, "parses", parses)
            sink = ListOutput()
            result = run(chain, str(path), sink, "fused")
            found.append((sink.records, result.counters, result.drops, result.flows.tobytes(), result.states))
        assert found[0] == found[1], path.name
