"""Maglev: the table decides for new flows, nothing moves old ones but the end of their backend."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import NUMBERS, Packet
from tests.nf.library.wire import Wire, engines

from nfuse import event, u32
from nfuse.nf.library import Maglev
from nfuse.nf.library.maglev_table import build_table

BACKENDS = ["192.168.0.1:8001", "192.168.0.2:8002", "192.168.0.3:8003 weight=2"]
NAMES = [text.split()[0] for text in BACKENDS]
MASK = (1 << 64) - 1


def mix(word: int) -> int:
    """Mix as the NF does, over unsigned integers with an explicit sign."""

    def signed(x: int) -> int:
        return (x & MASK) - (1 << 64 if x >> 63 & 1 else 0)

    word = signed(word)
    word = signed((word ^ (word >> 29)) * 0x5851F42D4C957F2D)
    word = signed((word ^ (word >> 32)) * 0x2545F4914F6CDD1D)
    return word >> 33 & 0x7FFFFFFF


def number(packet: Packet) -> int:
    halves = []
    for text in (packet.src, packet.dst):
        address = ipaddress.ip_address(text)
        value = int(address) | (0xFFFF << 32 if address.version == 4 else 0)
        halves.append((value >> 64, value & MASK))
    (shi, slo), (dhi, dlo) = halves
    word = (slo ^ shi * 3 & MASK) * 0x2545F4914F6CDD1D + (dlo ^ dhi * 5 & MASK)
    return mix(mix(word) ^ (packet.sport << 48 | packet.dport << 32 | NUMBERS[packet.proto] << 24) ^ word)


class Oracle:
    """Flows and their backends."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.flows: dict[tuple[object, ...], str | None] = {}
        self.down: set[str] = set()
        self.draining: set[str] = set()

    def expect(self, packet: Packet) -> Packet | None:
        """Say what must come out."""
        if packet.dst != "198.18.0.1" or packet.dport not in (80, 81):
            return packet
        key = (packet.proto, packet.src, packet.sport, packet.dport)
        if self.flows.get(key) is None or self.flows[key] in self.down:
            members = [
                (name, 2 if "weight=2" in text else 1, i)
                for i, (name, text) in enumerate(zip(NAMES, BACKENDS, strict=True))
                if name not in self.down | self.draining
            ]
            table = build_table(members, self.size)
            self.flows[key] = NAMES[table[number(packet) % self.size]] if members else None
        chosen = self.flows[key]
        if chosen is None:
            return None
        address, port = chosen.split(":")
        return packet.to(dst=address, dport=int(port))


STEP = st.one_of(
    st.tuples(
        st.just("packet"),
        st.builds(
            Packet,
            src=st.sampled_from(["10.0.0.1", "10.9.9.9"]),
            dst=st.sampled_from(["198.18.0.1", "198.18.0.1", "198.18.0.2"]),
            proto=st.sampled_from(["tcp", "udp"]),
            sport=st.integers(1, 12),
            dport=st.integers(80, 82),
        ),
        st.booleans(),
    ),
    st.tuples(st.sampled_from(["down", "draining"]), st.sets(st.sampled_from(NAMES))),
)


@pytest.mark.parametrize("engine", engines())
@given(st.lists(STEP, max_size=40))
@few(25)
def test_affinity(engine: str, steps: list[tuple[Any, ...]]) -> None:
    oracle = Oracle(251)
    wire = Wire(Maglev(vip="198.18.0.1", ports=(80, 81), backends=BACKENDS, size=251), engine)
    for step in steps:
        match step:
            case ("packet", packet, answer):
                # one client port, one virtual port: else two flows could meet at a backend with one reverse key
                packet = packet.to(dport=80 + packet.sport % 3)
                expected = oracle.expect(packet)
                assert wire.send(packet) == expected
                if expected is not None and answer:
                    assert wire.send(expected.back()) == packet.back()
            case ("down" | "draining" as what, names):
                setattr(oracle, what, names)
                wire.set("maglev", **{what: sorted(names)})
    assert set(wire.dropped()) <= {"no backend"}


@pytest.mark.parametrize("engine", engines())
def test_ipv6_and_backends_without_a_port(engine: str) -> None:
    wire = Wire(Maglev(vip="2001:db8::1", backends=["2001:db8:1::5"], size=7), engine)
    packet = Packet("2001:db8:2::1", "2001:db8::1", "udp", 5, 53)
    out = packet.to(dst="2001:db8:1::5")
    assert wire.send(packet) == out
    assert wire.send(out.back()) == packet.back()
    assert wire.send(Packet()) == Packet()


@pytest.mark.parametrize("engine", engines())
def test_backends_come_and_go(engine: str) -> None:
    wire = Wire(Maglev(vip="198.18.0.1", backends=NAMES[:2], size=251), engine)
    flows = [Packet(sport=sport) for sport in range(40)]
    first = {flow: wire.send(flow) for flow in flows}
    wire.set("maglev", backends=NAMES)
    assert {flow: wire.send(flow) for flow in flows} == first
    wire.set("maglev", backends=NAMES[1:])
    for flow, before in first.items():
        after = wire.send(flow)
        assert before is not None
        assert after is not None
        assert after.dst != "192.168.0.1"
        if before.dst == "192.168.0.2":
            assert after == before
    wire.set("maglev", backends=[])
    assert wire.send(flows[0]) is None
    assert wire.dropped() == {"no backend": 1}
    assert len(wire.state("maglev")["address"]) == 4096


class Rerouting(Maglev):
    """A balancer that moves each flow to another backend at its sixth packet (SpeedyBox VII-C)."""

    class Session(Maglev.Session):
        packets: u32

    def on_packet(self, pkt, flow):  # type: ignore[no-untyped-def]
        if flow.initiator:
            flow.packets += 1

    @event
    def sixth(self, flow):  # type: ignore[no-untyped-def]
        return flow.packets >= 6 and flow.backend != 0

    @sixth.then
    def move(self, flow):  # type: ignore[no-untyped-def]
        slot = flow.backend % 2
        flow.backend = slot + 1
        flow.modify(ip_dst=self.address[slot], dport=self.port[slot])


@pytest.mark.parametrize("engine", engines())
def test_rerouted_at_the_sixth_packet(engine: str) -> None:
    wire = Wire(Rerouting(vip="198.18.0.1", backends=NAMES[:2], size=251), engine)
    out = [wire.send(Packet(payload=bytes([i]))) for i in range(10)]
    first, second = out[0], out[5]
    assert first is not None
    assert second is not None
    assert {first.dst, second.dst} == {"192.168.0.1", "192.168.0.2"}
    assert out[:5] == [first.to(payload=bytes([i])) for i in range(5)]
    assert out[5:] == [second.to(payload=bytes([i])) for i in range(5, 10)]
    for sent in (first, second):  # the old reverse key is kept
        assert wire.send(sent.back(payload=b"")) == Packet().back()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 65536}, "size: 65536 is not a prime"),
        ({"backends": ["192.168.0.1:http"]}, "backends, item 1: '192.168.0.1:http' is not a backend"),
        ({"backends": ["192.168.0.1", "192.168.0.1"]}, "item 2: 192.168.0.1 is already in the list"),
        ({"backends": ["2001:db8::1"]}, "must be of the family of vip, IPv4"),
        ({"down": ["192.168.0.9:8001"]}, "192.168.0.9:8001 is not one of the backends"),
        ({"draining": ["x"]}, "draining, item 1"),
        ({"vip": "web"}, "vip"),
    ],
)
def test_bad_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Wire(Maglev(**({"vip": "198.18.0.1", "backends": BACKENDS} | parameters)))


def test_a_refused_change_changes_nothing() -> None:
    wire = Wire(Maglev(vip="198.18.0.1", backends=NAMES[:1], size=251))
    before = wire.state("maglev")
    for values in ({"backends": [*NAMES, "nonsense"]}, {"size": 257}, {"down": NAMES[2:]}):
        with pytest.raises(ValueError, match=r"."):
            wire.set("maglev", **values)
    assert wire.state("maglev") == before
    assert wire.send(Packet()) == Packet(dst="192.168.0.1", dport=8001)
