"""Verification finds what differs and explains it."""

from __future__ import annotations

import pytest
from tests.engine import frames as f
from tests.engine.nfs import Hops, Meter, Snat

from nfuse import NF, Chain, event, u32, udp
from nfuse.engine import driver, start
from nfuse.engine.reference import ReferenceEngine
from nfuse.engine.verify import verify
from nfuse.port.memory import ListInput

A, V = "10.0.0.1", "203.0.113.5"
PACKETS = [f.udp(A, 1, V, 53, bytes([n])) for n in range(6)]


class Broken(ReferenceEngine):
    """An engine with a mistake."""

    mistake = ""
    seen = 0

    def process(self, burst, start, stop):
        order = super().process(burst, start, stop)
        Broken.seen += stop - start
        if Broken.seen < 4:
            return order
        if self.mistake == "ttl":
            burst.buffer.bytes[int(burst.desc["addr"][order[-1]]) - burst.buffer.address + 22] ^= 1
        elif self.mistake == "order":
            order = order[:-1]
        return order

    @property
    def drops(self):
        return {("chain", "made up"): 1} if self.mistake == "drops" else super().drops

    def state(self, name):
        return {"given": 7} if self.mistake == "state" and name == "snat" else super().state(name)


@pytest.fixture
def broken(monkeypatch):
    monkeypatch.setitem(driver.ENGINES, "broken", f"{__name__}:Broken")
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or __import__(__name__))
    Broken.seen = 0

    def run(mistake, packets=1):
        monkeypatch.setattr(Broken, "mistake", mistake)
        monkeypatch.setattr(start, "engine_class", lambda name: Broken if name == "broken" else ReferenceEngine)
        graph = Snat() >> Hops() >> Meter()
        return verify(Chain(graph), ListInput(PACKETS), ("reference", "broken"), packets=packets)

    return run


def test_identical(broken):
    result = broken("")
    assert result.identical
    assert str(result).startswith("identical\n6 packets, 1 sessions, 6 changed, 6 translated, 0 made, 0 unmatched")


@pytest.mark.parametrize("packets", [1, 4])
def test_frame(broken, packets):
    result = broken("ttl", packets)
    text = str(result)
    assert not result.identical
    assert result.difference.packet == 3
    assert "ip.ttl: reference 63, broken 62" in text
    assert "last changed by the reference's NF 'hops'" in text
    assert "^^" in text


def test_order(broken):
    text = str(broken("order"))
    assert "packet 3: order differ" in text
    assert "broken: nothing more leaves" in text


def test_drops(broken):
    assert "chain: made up: reference 0, broken 1" in str(broken("drops"))


def test_state(broken):
    result = broken("state")
    assert result.difference.what == "state"
    assert "given: reference 1, broken 7" in str(result)


class Alarm(NF):
    traffic = udp

    class Session:
        n: u32

    def on_packet(self, pkt, flow):
        flow.n += 1

    @event
    def two(self, flow):
        return flow.n == 2

    @two.then
    def tell(self, flow):
        self.alert("two", flow.n)


def test_logs():
    result = driver.run(Chain(Alarm()), ListInput(PACKETS), None, "reference")
    (record,) = result.logs
    assert (record["nf"], record["signature"], record["value"], record["proto"], record["family"]) == (0, 1, 2, 17, 4)
    assert (record["sport"], record["dport"], record["clock"]) == (1, 53, 1000)
    assert bytes(record["src"]) == bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 1])
