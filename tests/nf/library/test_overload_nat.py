"""OverloadNat against dictionaries: who has which public port towards whom, and whose reply goes where."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire, engines

from nfuse import NF, IPv4Address, tcp, udp
from nfuse.nf.library import OverloadNat

POOL = ["203.0.113.1", "203.0.113.2"]
LOW, HIGH = 5000, 5002
PORTS = len(POOL) * (HIGH - LOW + 1)
Flow = tuple[str, str, int, str, int]


def key_of(packet: Packet) -> Flow:
    return packet.proto, packet.src, packet.sport, packet.dst, packet.dport


class Oracle:
    """What a translator with port overloading must do; it learns each flow's port from its first packet."""

    def __init__(self) -> None:
        self.flows: dict[Flow, tuple[str, int]] = {}
        self.refused: set[Flow] = set()

    def towards(self, packet: Packet) -> list[tuple[Flow, tuple[str, int]]]:
        """The flows to a packet's destination."""
        return [
            (flow, p)
            for flow, p in self.flows.items()
            if flow[:1] + flow[3:] == key_of(packet)[:1] + key_of(packet)[3:]
        ]

    def check(self, packet: Packet, out: Packet | None) -> None:
        """Judge what came out for a packet from inside."""
        flow, others = key_of(packet), self.towards(packet)
        if flow in self.refused:
            assert out is None
            return
        if flow not in self.flows and len(others) == PORTS:
            assert out is None, "translated though no port is left towards the destination"
            self.refused.add(flow)
            return
        assert out is not None, "dropped though a port is left"
        public = out.src, out.sport
        assert out == packet.to(src=out.src, sport=out.sport)
        assert out.src in POOL
        assert LOW <= out.sport <= HIGH
        if flow not in self.flows:
            assert public not in [p for _, p in others], "two flows to one destination share a port"
            free = (out.src, packet.sport) not in [p for _, p in others]
            assert not LOW <= packet.sport <= HIGH or not free or out.sport == packet.sport, "its own port was free"
            mine = {p[0] for f, p in others if f[1] == packet.src}
            assert not mine or out.src in mine or len(others) >= PORTS // 2, (
                "another address though the host's had ports"
            )
            self.flows[flow] = public
        assert self.flows[flow] == public


STEP = st.one_of(
    st.tuples(
        st.just("out"),
        st.sampled_from(["10.0.0.1", "10.0.0.2", "10.1.2.3"]),
        st.one_of(st.integers(LOW, HIGH), st.integers(1, 4)),
        st.sampled_from(["tcp", "udp", "icmp"]),
        st.sampled_from([("198.18.0.1", 80), ("198.18.0.1", 81), ("198.18.0.2", 80)]),
    ),
    st.tuples(st.just("back"), st.integers(0, 1000)),
    st.tuples(
        st.just("stray"), st.sampled_from(POOL), st.integers(LOW, HIGH), st.sampled_from(["10.0.0.1", "192.0.2.77"])
    ),
    st.tuples(st.just("other")),
    st.tuples(st.just("expire")),
)


@pytest.mark.parametrize("engine", engines())
@given(st.lists(STEP, max_size=70))
@few(25)
def test_translation(engine: str, steps: list[tuple[Any, ...]]) -> None:
    wire, oracle = Wire(OverloadNat(public=POOL, inside="10.0.0.0/8", ports=(LOW, HIGH), flows=99), engine), Oracle()
    for step in steps:
        match step:
            case ("out", src, sport, proto, (dst, dport)):
                packet = Packet(src, dst, proto, sport, 0 if proto == "icmp" else dport)
                oracle.check(packet, wire.send(packet))
            case ("back", number) if oracle.flows:
                (proto, src, sport, dst, dport), public = list(oracle.flows.items())[number % len(oracle.flows)]
                packet = Packet(src, dst, proto, sport, dport)
                assert wire.send(packet.to(src=public[0], sport=public[1]).back()) == packet.back()
            case ("stray", dst, dport, src):
                assert wire.send(Packet(src, dst, "udp", 9, dport)) is None
            case ("other",):
                packet = Packet("192.0.2.5", "172.16.0.1", "udp", 9, 9)
                assert wire.send(packet) == packet
            case ("expire",):
                wire.wait(10_000)
                for _ in range(30):  # at most 8 sessions end at each packet
                    wire.send(Packet("192.0.2.5", "172.16.0.1", "udp", 9, 9))
                oracle.flows.clear()
                oracle.refused.clear()
    assert set(wire.dropped()) <= {"unsolicited", "no port left"}
    groups = {(f[0], f[3], f[4], public[0]) for f, public in oracle.flows.items()}
    assert len(wire.state("overloadnat")["taken"]) == 2 * len(groups)


@pytest.mark.parametrize("engine", engines())
def test_more_flows_than_ports(engine: str) -> None:
    wire = Wire(OverloadNat(public=POOL[0], ports=(2000, 2001)), engine)
    flows = [Packet(sport=n, dst=f"198.18.{n >> 1}.1", proto="udp") for n in range(2, 60)]
    out = [wire.send(packet) for packet in flows]
    assert None not in out
    assert {(p.src, p.sport) for p in out if p} == {(POOL[0], 2000), (POOL[0], 2001)}
    assert [wire.send(p.back()) for p in out if p] == [packet.back() for packet in flows]
    assert wire.send(Packet(sport=99, dst="198.18.3.1", proto="udp")) is None
    assert wire.dropped() == {"no port left": 1}


@pytest.mark.parametrize("engine", engines())
def test_large_ranges(engine: str) -> None:
    """Groups of 64 ports, the last one not whole; the search goes round."""
    wire = Wire(OverloadNat(public=POOL[0], ports=(1000, 1129)), engine)
    assert wire.send(Packet(sport=1129)) == Packet(POOL[0], sport=1129)
    first = wire.send(Packet("10.0.0.9", sport=1129))
    assert first == Packet(POOL[0], sport=1128)
    assert wire.send(Packet("10.0.0.8", sport=1129)) == Packet(POOL[0], sport=1000)
    found = [wire.send(Packet("10.0.0.7", sport=n)) for n in range(127)]
    assert len({p.sport for p in found if p}) == 127
    assert wire.send(Packet("10.0.0.6", sport=7)) is None


@pytest.mark.parametrize("engine", engines())
def test_as_many_flows_as_it_can_keep(engine: str) -> None:
    wire = Wire(OverloadNat(public=POOL[0], flows=2), engine)
    sent = [wire.send(Packet(sport=2000, dst=f"198.18.0.{n}")) for n in range(3)]
    assert [p is None for p in sent] == [False, False, True]
    assert wire.dropped() == {"no port left": 1}


class Switch(NF):
    """Sends flows to a server that control input may change."""

    traffic = tcp | udp
    server: IPv4Address = "198.18.9.1"

    def on_flow(self, pkt, flow):
        if pkt.dport == 80:
            flow.modify(ip_dst=self.server)

    def on_change(self, flow):
        if flow.dport == 80:
            flow.modify(ip_dst=self.server)


@pytest.mark.parametrize("engine", engines())
def test_a_flow_that_goes_elsewhere_gets_another_port(engine: str) -> None:
    wire = Wire(Switch() >> OverloadNat(public=POOL[0], ports=(2000, 2001)), engine)
    one, two = Packet(sport=2000), Packet("10.0.0.2", "198.18.9.2", sport=2000, dport=80)
    wire.set("switch", server="198.18.9.2")
    assert wire.send(two.to(dport=80)) == Packet(POOL[0], "198.18.9.2", sport=2000)
    wire.set("switch", server="198.18.9.1")
    assert wire.send(one) == Packet(POOL[0], "198.18.9.1", sport=2000)
    wire.set("switch", server="198.18.9.2")
    out = wire.send(one)
    assert out == Packet(POOL[0], "198.18.9.2", sport=2001)
    assert out is not None
    assert wire.send(out.back()) == one.back()
    assert len(wire.state("overloadnat")["taken"]) == 2


def test_what_can_not_change() -> None:
    wire = Wire(OverloadNat(public=POOL[0], ports=(2000, 2001)))
    assert wire.send(Packet(sport=7)) is not None
    for change in ({"public": POOL}, {"ports": "2000-2002"}, {"ports": "2001-2002"}, {"flows": 7}):
        with pytest.raises(ValueError, match=f"{next(iter(change))}: .*can't change while the chain runs"):
            wire.set("overloadnat", **change)
    wire.set("overloadnat", inside="10.0.0.0/31")
    assert wire.send(Packet("10.0.0.9")) == Packet("10.0.0.9")
    assert wire.send(Packet(sport=7)) is not None


def test_bad_parameters() -> None:
    with pytest.raises(ValueError, match="port 0"):
        Wire(OverloadNat(public=POOL, ports=(0, 10)))
    with pytest.raises(ValueError, match="item 1"):
        Wire(OverloadNat(public="everywhere"))
    with pytest.raises(ValueError, match="public"):
        OverloadNat()
