"""Both directions of a session on the fast path, IPv4 and IPv6, with and without a port to rewrite."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from tests.engine import frames as f

from nfuse import NF, IPv4Address, boolean, ipv4, udp
from nfuse.chain.spec import Chain
from nfuse.engine.api import Control
from nfuse.engine.driver import run
from nfuse.engine.fused import FusedEngine
from nfuse.engine.verify import verify
from nfuse.nf.library import Maglev, Monitor
from nfuse.port.memory import ListInput, ListOutput

CASES = {
    "IPv4": (IP, "203.0.113.80", ["10.1.0.1", "10.1.0.2"], "10.5.0.{}"),
    "IPv4 with ports": (IP, "203.0.113.80", ["10.1.0.1:8080", "10.1.0.2:8081"], "10.5.0.{}"),
    "IPv6": (IPv6, "2001:db8::80", ["2001:db8:2::1", "2001:db8:2::2"], "2001:db8:5::{}"),
    "IPv6 with ports": (IPv6, "2001:db8::80", ["[2001:db8:2::1]:8080", "[2001:db8:2::2]:8081"], "2001:db8:5::{}"),
}


def frame(ip: type, l4: type, src: str, dst: str, sport: int, dport: int, payload: bytes) -> bytes:
    more = {"flags": "A"} if l4 is TCP else {}
    ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    return bytes(ether / ip(src=src, dst=dst) / l4(sport=sport, dport=dport, **more) / payload)


def conversation(ip: type, vip: str, backends: list[str], client: str) -> tuple[Chain, list[bytes]]:
    """Three rounds of packets of 12 flows, each with the answers of the backend that the chain chose."""
    chain = Chain(Maglev(vip=vip, backends=backends) >> Monitor())
    there = [frame(ip, l4, client.format(n + 1), vip, 1000 + n, 53, b"x" * n) for n in range(6) for l4 in (UDP, TCP)]
    out = ListOutput()
    run(chain, ListInput(list(enumerate(there))), out)
    back = []
    for sent in map(Ether, out.frames):
        l4 = UDP if UDP in sent else TCP
        back.append(frame(ip, l4, sent[ip].dst, sent[ip].src, sent[l4].dport, sent[l4].sport, b"yes"))
    return chain, [*there, *back] * 3


@pytest.mark.parametrize("case", CASES)
def test_both_directions(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, frames = conversation(*CASES[case])
    result = verify(chain, lambda: ListInput(list(enumerate(frames))), ("reference", "fused"))
    assert result.identical, str(result)
    engines: list[FusedEngine] = []
    monkeypatch.setattr(FusedEngine, "close", lambda engine: engines.append(engine))
    run(chain, ListInput(list(enumerate(frames))), None)
    assert engines[0].work["fast"] == 48  # all but the first packet and the first answer of each flow


class Front(NF):
    """Changes the destination, until control input takes that back."""

    traffic = ipv4 & udp
    to: IPv4Address = "10.9.0.1"
    on: boolean = True

    def on_flow(self, pkt, flow):
        flow.modify(ip_dst=self.to)

    def on_change(self, flow):
        if self.on:
            flow.modify(ip_dst=self.to)
        else:
            flow.forward()


class Behind(NF):
    """Changes it again, for good."""

    traffic = ipv4 & udp
    to: IPv4Address = "10.9.0.2"

    def on_flow(self, pkt, flow):
        flow.modify(ip_dst=self.to, dport=99)


@pytest.mark.parametrize(("control", "fast"), [((), 7), ((Control("front", {"on": False}, at_packet=4),), 4)])
@pytest.mark.parametrize("engine", ["fused", "original"])
def test_two_that_change_one_field(
    control: tuple[Control, ...], fast: int, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers go NF by NF only once undoing both changes no longer leads back to where the session came in."""
    chain = Chain(Front() >> Behind() >> Monitor())
    there, back = f.udp("10.0.0.1", 1, "203.0.113.5", 53, b"?"), f.udp("10.9.0.2", 99, "10.0.0.1", 1, b"!")
    frames = list(enumerate([there, back] * 4))
    result = verify(chain, lambda: ListInput(frames), ("reference", engine), control, packets=1)
    assert result.identical, str(result)
    engines: list[FusedEngine] = []
    monkeypatch.setattr(FusedEngine, "close", lambda engine: engines.append(engine))
    out = ListOutput()
    run(chain, ListInput(frames), out, "fused", control, packets=1)
    assert engines[0].work["fast"] == fast
    assert f.text(out.frames[3]) == "udp 203.0.113.5:53 > 10.0.0.1:1"
    assert f.text(out.frames[7]) == f"udp {'10.9.0.1' if control else '203.0.113.5'}:53 > 10.0.0.1:1"
