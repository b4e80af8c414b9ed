"""Both directions of a session on the fast path, IPv4 and IPv6, with and without a port to rewrite."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from nfuse.chain.spec import Chain
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
