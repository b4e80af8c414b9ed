"""MazuNat against dictionaries: who has which public port, and whose reply goes where."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet, checksum, read
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import MazuNat
from nfuse.nf.library.address_pool import pool_addresses
from nfuse.testing import assert_equivalent

POOL = ["203.0.113.1", "203.0.113.2"]
Endpoint = tuple[str, str, int]


def echo(src: str = "10.0.0.1", identifier: int = 7, dst: str = "198.18.0.1") -> Packet:
    return Packet(src, dst, "icmp", identifier, 0)


class Oracle:
    """What a translator with endpoint-independent mapping must do; it learns each mapping from the first packet."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.mapping: dict[Endpoint, tuple[str, int]] = {}
        self.flows: dict[tuple[object, ...], Packet] = {}
        self.refused: set[tuple[object, ...]] = set()

    def forget(self) -> None:
        self.mapping.clear()
        self.flows.clear()
        self.refused.clear()

    @staticmethod
    def key(packet: Packet) -> tuple[object, ...]:
        return (packet.proto, packet.src, packet.sport, packet.dst, packet.dport)

    def left(self, proto: str) -> int:
        used = sum(endpoint[0] == proto for endpoint in self.mapping)
        return len(POOL) * (self.high - self.low + 1) - used

    def check(self, packet: Packet, out: Packet | None) -> None:
        """Judge what came out for a packet from inside."""
        key, endpoint = self.key(packet), (packet.proto, packet.src, packet.sport)
        if key in self.refused:
            assert out is None
            return
        if key not in self.flows and endpoint not in self.mapping and not self.left(packet.proto):
            assert out is None, "translated though no port is left"
            self.refused.add(key)
            return
        assert out is not None, "dropped though a port is left"
        assert out == packet.to(src=out.src, sport=out.sport)
        assert out.src in POOL
        assert self.low <= out.sport <= self.high
        public = (out.src, out.sport)
        if endpoint not in self.mapping:
            assert public not in [p for e, p in self.mapping.items() if e[0] == packet.proto], "one port for two"
            hosts = {p[0] for e, p in self.mapping.items() if e[:2] == endpoint[:2]}
            if self.left(packet.proto) > len(POOL) * (self.high - self.low + 1) // 2:
                assert hosts <= {out.src}, "two public addresses for one host though ports were left"
            self.mapping[endpoint] = public
        assert self.mapping[endpoint] == public, "the mapping depends on the destination"
        self.flows[key] = packet


STEP = st.one_of(
    st.tuples(
        st.just("out"),
        st.sampled_from(["10.0.0.1", "10.0.0.2", "10.1.2.3"]),
        st.integers(1, 5),
        st.sampled_from(["tcp", "udp", "icmp"]),
        st.sampled_from(["198.18.0.1", "198.18.0.2"]),
    ),
    st.tuples(st.just("back"), st.integers(0, 1000)),
    st.tuples(st.just("stray"), st.sampled_from(POOL), st.integers(1, 20)),
    st.tuples(st.just("other"), st.sampled_from(["172.16.0.1", "192.0.2.9"])),
    st.tuples(st.just("expire")),
)


@pytest.mark.parametrize("engine", engines())
@given(st.lists(STEP, max_size=60))
@few(25)
def test_translation(engine: str, steps: list[tuple[Any, ...]]) -> None:
    low, high = 5000, 5003
    wire = Wire(MazuNat(public=POOL, inside="10.0.0.0/8", ports=(low, high)), engine)
    oracle = Oracle(low, high)
    for step in steps:
        match step:
            case ("out", src, sport, proto, dst):
                packet = Packet(src, dst, proto, sport, 0 if proto == "icmp" else 80, "A" if proto == "tcp" else "")
                oracle.check(packet, wire.send(packet))
            case ("back", number) if oracle.flows:
                packet = list(oracle.flows.values())[number % len(oracle.flows)]
                src, sport = oracle.mapping[packet.proto, packet.src, packet.sport]
                answer = packet.to(src=src, sport=sport).back()
                assert wire.send(answer) == packet.back()
            case ("stray", dst, port):
                assert wire.send(Packet("192.0.2.77", dst, "udp", port, 5000)) is None
            case ("other", dst):
                packet = Packet("192.0.2.5", dst, "udp", 9, 9)
                assert wire.send(packet) == packet
            case ("expire",):
                wire.wait(10_000)
                for _ in range(20):  # at most 8 sessions end at each packet
                    wire.send(Packet("192.0.2.5", "172.16.0.1", "udp", 9, 9))
                oracle.forget()
    assert set(wire.dropped()) <= {"unsolicited", "no port left"}
    used = wire.state("mazunat")["used"]
    assert sum(used) == len(oracle.mapping)


@pytest.mark.parametrize("engine", engines())
def test_parity(engine: str) -> None:
    wire = Wire(MazuNat(public=POOL[0], ports=(2000, 2003)), engine)
    ports = [wire.send(Packet(sport=sport, proto="udp")) for sport in (10, 12, 14, 16)]
    assert [p.sport for p in ports if p] == [2000, 2002, 2001, 2003]
    assert wire.send(Packet(sport=11, proto="udp")) is None
    assert wire.send(Packet(sport=11)) == Packet(POOL[0], sport=2001)
    assert wire.dropped() == {"no port left": 1}


@pytest.mark.parametrize("engine", engines())
def test_a_port_is_free_after_its_last_flow(engine: str) -> None:
    wire = Wire(MazuNat(public=POOL[0], ports="3000"), engine)
    first = Packet(sport=4)
    assert wire.send(first) == first.to(src=POOL[0], sport=3000)
    wire.wait(200)
    assert wire.send(first.to(dst="198.18.0.9")) == first.to(src=POOL[0], sport=3000, dst="198.18.0.9")
    assert wire.send(Packet("10.0.0.9")) is None
    wire.wait(100)  # the first flow has ended, the second lives
    assert wire.send(Packet("10.0.0.9", sport=1001)) is None
    wire.wait(1000)
    assert wire.send(Packet("10.0.0.9", sport=1002)) == Packet(POOL[0], sport=3000)


@pytest.mark.parametrize("engine", engines())
def test_many_ports(engine: str) -> None:
    wire = Wire(MazuNat(public=POOL[0], ports=(1, 300)), engine)
    ports = set()
    for sport in range(1, 301):
        out = wire.send(Packet(sport=sport))
        assert out is not None
        assert out.sport % 2 == sport % 2
        ports.add(out.sport)
    assert ports == set(range(1, 301))
    assert wire.send(Packet(sport=301)) is None
    wire.wait(1000)
    for sport in (400, 402):
        assert wire.send(Packet(sport=sport)) is not None


@pytest.mark.parametrize("engine", engines())
def test_icmp_error_is_translated_with_what_it_embeds(engine: str) -> None:
    wire = Wire(MazuNat(public=POOL[0], ports=(4000, 4001)), engine)
    packet = Packet(proto="udp", sport=500, payload=b"hello world")
    sent = wire.frames(packet.frame())[0]
    body = struct.pack("!BBHI", 3, 1, 0, 0) + sent[14:]
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    router = Packet("198.51.100.1", POOL[0], "icmp")
    head = router.frame()[:34]
    ip = head[14:16] + struct.pack("!H", 20 + len(body)) + head[18:24] + b"\0\0" + head[26:34]
    error = head[:14] + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + body
    (out,) = wire.frames(error)
    assert out[30:34] == ipaddress.ip_address("10.0.0.1").packed
    assert out[26:30] == ipaddress.ip_address("198.51.100.1").packed
    assert read(out[:14] + out[42:]).to(ttl=64) == packet
    assert checksum(out[34:]) == 0


@pytest.mark.parametrize("engine", engines())
def test_queries_other_than_echo_pass(engine: str) -> None:
    wire = Wire(MazuNat(public=POOL[0]), engine)
    frame = bytearray(echo().frame())
    frame[34] = 13  # time stamp request, RFC 792
    frame[36:38] = b"\0\0"
    frame[36:38] = struct.pack("!H", checksum(bytes(frame[34:])))
    assert wire.frames(bytes(frame)) == [bytes(frame)]
    out = wire.send(echo())
    assert out is not None
    assert (out.src, out.dst, out.dport) == (POOL[0], "198.18.0.1", 0)


@pytest.mark.parametrize("engine", engines())
def test_between_two_networks(engine: str) -> None:
    wire = Wire(MazuNat(public=POOL[0]), engine, two_sided=True)
    inward = Packet("198.18.0.1", "192.0.2.1", sport=80, dport=81)
    assert wire.send(inward, side=1) == inward  # opened from the outer side, not to the pool
    assert wire.send(inward.to(dst=POOL[0]), side=1) is None
    out = wire.send(Packet())
    assert out is not None
    assert out.src == POOL[0]
    assert wire.send(out.back(), side=1) == Packet().back()
    assert wire.send(out.back()) is None  # a reply that comes from the wrong side is none


HOSTS = ["10.0.0.1", "10.0.0.2", "10.1.2.3"]
HAIRPIN_STEP = st.one_of(
    st.tuples(st.just("out"), st.sampled_from(HOSTS), st.integers(1, 3), st.sampled_from(["tcp", "udp"])),
    st.tuples(st.just("turn"), st.sampled_from(HOSTS), st.integers(1, 3), st.integers(0, 1000)),
    st.tuples(st.just("turn"), st.sampled_from(HOSTS), st.integers(1, 3), st.integers(0, 1000)),
    st.tuples(st.just("answer"), st.integers(0, 1000)),
    st.tuples(st.just("nobody"), st.sampled_from(HOSTS), st.sampled_from(["tcp", "udp", "icmp"])),
    st.tuples(st.just("intruder"), st.integers(0, 1000)),
    st.tuples(st.just("expire")),
)


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("two_sided", [True, False])
@given(st.lists(HAIRPIN_STEP, max_size=50))
@few(25)
def test_hairpinning(engine: str, two_sided: bool, steps: list[tuple[Any, ...]]) -> None:
    """Inside endpoints reach each other by their public addresses and ports, and see each other under these."""
    wire = Wire(MazuNat(public=POOL, inside="10.0.0.0/8", ports=(5000, 5003)), engine, two_sided=two_sided)
    inward = [1] if two_sided else [0]
    mapping: dict[Endpoint, tuple[str, int]] = {}
    turned: list[tuple[Packet, Packet]] = []
    for step in steps:
        match step:
            case ("out", src, sport, proto):
                out = wire.send(Packet(src, proto=proto, sport=sport))
                if out is not None:
                    assert wire.sides == [0]
                    assert mapping.setdefault((proto, src, sport), (out.src, out.sport)) == (out.src, out.sport)
            case ("turn", src, sport, number) if mapping:
                (proto, host, port), (public, public_port) = list(mapping.items())[number % len(mapping)]
                packet = Packet(src, public, proto, sport, public_port)
                out = wire.send(packet)
                if (src, sport) == (host, port):
                    assert out is None  # to itself: the answer would be the same flow
                elif out is not None:
                    mine = mapping.setdefault((proto, src, sport), (out.src, out.sport))
                    assert out == Packet(*mine[:1], host, proto, mine[1], port)
                    assert wire.sides == inward
                    turned.append((packet, out))
                else:
                    assert (proto, src, sport) not in mapping
            case ("answer", number) if turned:
                packet, out = turned[number % len(turned)]
                assert wire.send(out.back()) == packet.back()
                assert wire.sides == inward
            case ("nobody", src, proto):
                free = next(port for port in range(4999, 5005) if all(port != p for _, p in mapping.values()))
                dport = 0 if proto == "icmp" else free
                assert wire.send(Packet(src, POOL[0], proto, 77, dport)) is None
            case ("intruder", number) if mapping:
                (proto, _, _), (public, port) = list(mapping.items())[number % len(mapping)]
                assert wire.send(Packet("192.0.2.77", public, proto, 9, port), side=int(two_sided)) is None
            case ("expire",):
                wire.wait(10_000)
                for _ in range(20):
                    wire.send(Packet("192.0.2.5", "172.16.0.1", "udp", 9, 9))
                mapping.clear()
                turned.clear()
    assert set(wire.dropped()) <= {"unsolicited", "no port left", "reverse key in use"}
    owners = wire.state("mazunat")["owner"]
    expected = [int(ipaddress.ip_address(src)) << 16 | sport for _, src, sport in mapping]
    assert sorted(filter(None, owners)) == sorted(expected)


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("settings", [{"inside": "10.0.0.0/8", "hairpin": False}, {}])
def test_no_hairpinning(engine: str, settings: dict[str, Any]) -> None:
    """Switched off; or where anybody may be inside, so that it would let strangers in."""
    wire = Wire(MazuNat(public=POOL[0], ports=(5000, 5003), **settings), engine, two_sided=True)
    assert wire.send(Packet("10.0.0.1", sport=2)) == Packet(POOL[0], sport=5000)
    assert wire.send(Packet("10.0.0.2", POOL[0], sport=2, dport=5000)) is None
    assert wire.dropped() == {"unsolicited": 1}


@pytest.mark.parametrize("engine", engines())
def test_hairpinned_flows_when_the_pool_changes(engine: str) -> None:
    wire = Wire(MazuNat(public=POOL[0], inside="10.0.0.0/8", ports=(5000, 5003)), engine, two_sided=True)
    owner, guest = Packet("10.0.0.1", sport=2), Packet("10.0.0.2", POOL[0], sport=4, dport=5000)
    assert wire.send(owner) == owner.to(src=POOL[0], sport=5000)
    turned = Packet(POOL[0], "10.0.0.1", sport=5002, dport=2)
    assert wire.send(guest) == turned
    wire.set("mazunat", public=POOL)
    assert wire.send(guest) == turned
    assert wire.sides == [1]
    wire.set("mazunat", hairpin=False)
    assert wire.send(guest) is None
    wire.set("mazunat", hairpin=True)  # ports that were taken meanwhile are not known
    assert wire.send(guest) is None
    wire.set("mazunat", public=POOL[1:])
    assert wire.send(guest) is None
    assert wire.dropped() == {"unsolicited": 3}
    out = wire.send(owner)
    assert out is not None
    again = wire.send(Packet("10.0.0.2", POOL[1], sport=4, dport=out.sport))
    assert again is not None
    assert (again.dst, again.dport, wire.sides) == ("10.0.0.1", 2, [1])
    assert wire.send(again.back()) == Packet(POOL[1], "10.0.0.2", sport=out.sport, dport=4)


@pytest.mark.parametrize("engine", engines())
def test_the_pool_changes(engine: str) -> None:
    wire = Wire(MazuNat(public=POOL[0], ports=(6000, 6003)), engine)
    one, two = Packet(sport=2), Packet(sport=2, dst="198.18.0.2")
    assert wire.send(one) == one.to(src=POOL[0], sport=6000)
    assert wire.send(two) == two.to(src=POOL[0], sport=6000)
    wire.set("mazunat", public=POOL)
    assert wire.send(one) == one.to(src=POOL[0], sport=6000)
    wire.set("mazunat", public=POOL[1:])
    out = wire.send(two)
    assert out == two.to(src=POOL[1], sport=6000)
    assert wire.send(one) == one.to(src=POOL[1], sport=6000)
    assert out is not None
    assert wire.send(out.back()) == two.back()
    assert sum(wire.state("mazunat")["used"]) == 1
    wire.set("mazunat", public=POOL[:1])
    assert wire.send(Packet("10.0.0.9", sport=4)) == Packet(POOL[0], sport=6002)
    with pytest.raises(ValueError, match="range can't change"):
        wire.set("mazunat", ports="1-2")
    with pytest.raises(ValueError, match="item 1"):
        wire.set("mazunat", public="somewhere")
    assert wire.send(Packet("10.0.0.9", sport=4)) == Packet(POOL[0], sport=6002)


def test_pools() -> None:
    texts = ["203.0.113.0/30", "198.51.100.9", "192.0.2.1-192.0.2.3"]
    assert [str(a).split(".")[-1] for a in pool_addresses(texts)] == ["0", "1", "2", "3", "9", "1", "2", "3"]
    assert pool_addresses("192.0.2.1") == [ipaddress.IPv4Address("192.0.2.1")]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "expected 1 to 1024 addresses, got 0"),
        (["203.0.113.1", "pool"], "item 2: 'pool' is not"),
        (["203.0.113.1/24"], "item 1"),
        (["2001:db8::1"], "item 1"),
        (["10.0.0.0/8"], "at most 1024"),
        (["192.0.2.9-192.0.2.1"], "item 1"),
        (["192.0.2.0/30", "192.0.2.1"], "item 2: 192.0.2.1 is in the pool already"),
    ],
)
def test_bad_pools(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pool_addresses(texts)


def test_bad_parameters() -> None:
    with pytest.raises(ValueError, match="port 0"):
        Wire(MazuNat(public=POOL, ports=(0, 10)))
    with pytest.raises(ValueError, match="public"):
        MazuNat()


@pytest.mark.parametrize("ports", ["1", "65535", "65534-65535"])
def test_ranges_at_the_ends(ports: str) -> None:
    wire = Wire(MazuNat(public=POOL[0], ports=ports))
    low, _, high = ports.partition("-")
    expected = list(range(int(low), int(high or low) + 1))
    found = [wire.send(Packet(sport=sport)) for sport in (10, 11, 12)]
    assert sorted(packet.sport for packet in found if packet) == expected


def test_echo_with_identifier_0_lets_nobody_in() -> None:
    """Request and reply with it have one tuple: it is not translated, and a request from outside opens nothing."""
    nat = MazuNat(public="203.0.113.1", inside="10.0.0.0/8")
    lines = """
        10.0.0.1 > 192.0.2.1 icmp echo-request id 0 seq 1
        192.0.2.1 > 203.0.113.1 icmp echo-request id 0 seq 1
        10.0.0.1 > 192.0.2.1 icmp echo-request id 7 seq 1
    """
    result = assert_equivalent(nat, lines)
    assert result.drops == {"mazunat: identifier 0": 1, "mazunat: unsolicited": 1}
    assert len(result.out) == 1
