"""StaticNat against ``ipaddress``: host bits stay, prefixes change, both ways."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import StaticNat

PAIRS = {
    "10.0.0.5": "203.0.113.7",
    "10.0.0.8/29": "203.0.113.64/29",
    "10.1.0.0/16": "198.51.0.0/16",
    "fd00:1::/32": "2001:db8::/32",
    "fd00:0:0:7::/64": "2001:db9:0:9::/64",
}
HOSTS = st.sampled_from(
    [
        *(
            "10.0.0.4",
            "10.0.0.5",
            "10.0.0.6",
            "10.0.0.7",
            "10.0.0.8",
            "10.0.0.15",
            "10.0.0.16",
            "10.1.255.255",
            "10.2.0.0",
        ),
        *("fd00:1::1", "fd00:1:ffff::", "fd00:2::1", "fd00::7:ffff:0:0:1", "fd00:0:0:8::", "9.9.9.9", "::1"),
    ]
)
OUTER = st.sampled_from(
    [
        *("203.0.113.7", "203.0.113.8", "203.0.113.63", "203.0.113.64", "203.0.113.71", "203.0.113.72", "198.51.3.4"),
        *("2001:db8:5::1", "2001:db9:0:9::77", "2001:db9:0:a::", "8.8.8.8", "2001:dead::1"),
    ]
)


def turned(address: str, pairs: dict[str, str]) -> str | None:
    one = ipaddress.ip_address(address)
    for old, new in pairs.items():
        net, target = ipaddress.ip_network(old), ipaddress.ip_network(new)
        if one.version == net.version and one in net:
            return str(target.network_address + (int(one) - int(net.network_address)))
    return None


@pytest.mark.parametrize("engine", engines())
@given(st.lists(st.tuples(HOSTS, OUTER, st.booleans(), st.integers(1, 3)), max_size=30))
@few(25)
def test_translation(engine: str, steps: list[tuple[str, str, bool, int]]) -> None:
    wire = Wire(StaticNat(pairs=PAIRS), engine, two_sided=True)
    inverse = {outside: inside for inside, outside in PAIRS.items()}
    known: set[tuple[object, ...]] = set()
    for host, outer, from_outside, sport in steps:
        if ipaddress.ip_address(host).version != ipaddress.ip_address(outer).version:
            continue
        ends = frozenset({turned(host, PAIRS) or host, turned(outer, inverse) or outer, host, outer, str(sport)})
        if any(ends & other for other in known):  # a session of its own each
            continue
        known.add(ends)  # type: ignore[arg-type]
        peer = "7.7.7.7" if "." in host else "2001:dead::7"
        if from_outside:
            packet = Packet(peer, outer, "udp", sport)
            expected = packet.to(dst=turned(outer, inverse) or outer)
        else:
            packet = Packet(host, peer, "udp", sport)
            expected = packet.to(src=turned(host, PAIRS) or host)
        side = int(from_outside)
        assert wire.send(packet, side) == expected
        assert wire.send(expected.back(), 1 - side) == packet.back()
    assert wire.dropped() == {}


@pytest.mark.parametrize("engine", engines())
def test_sides(engine: str) -> None:
    wire = Wire(StaticNat(pairs=PAIRS), engine, two_sided=True)
    assert wire.send(Packet("10.0.0.5", "203.0.113.64")) is None
    spoofed = Packet("10.0.0.5", "9.9.9.9", sport=3)
    assert wire.send(spoofed, side=1) == spoofed
    both = Packet("10.0.0.6", "203.0.113.7", sport=4)  # from inside, not translated, to a public address
    assert wire.send(both) == both.to(dst="10.0.0.5")
    echo = Packet("10.1.2.3", "9.9.9.9", "icmp", 7, 0)
    assert wire.send(echo) == echo.to(src="198.51.2.3")
    assert wire.dropped() == {"hairpin": 1}


@pytest.mark.parametrize("engine", engines())
def test_new_pairs_hold_for_live_flows(engine: str) -> None:
    wire = Wire(StaticNat(pairs={"10.0.0.1": "203.0.113.1"}), engine)
    assert wire.send(Packet()) == Packet("203.0.113.1")
    wire.set("staticnat", pairs={"10.0.0.0/31": "203.0.113.8/31"})
    assert wire.send(Packet()) == Packet("203.0.113.9")
    wire.set("staticnat", pairs={})
    assert wire.send(Packet()) == Packet()


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({"10.0.0.0/24": "203.0.113.0/25"}, "10.0.0.0/24 and 203.0.113.0/25 are not of one family and length"),
        ({"10.0.0.1": "2001:db8::1"}, "not of one family"),
        ({"10.0.0.0/24": "203.0.113.0/24", "10.0.0.5": "203.0.114.5"}, "the inside prefixes overlap"),
        ({"10.0.0.1": "203.0.113.5", "10.0.0.2": "203.0.113.5"}, "the outside prefixes overlap"),
        ({"::/0": "::/0"}, "too large"),
        ({"inside": "outside"}, "pairs: 'inside' is not valid; expected a prefix"),
        (["10.0.0.1"], "pairs: .* expected a mapping"),
    ],
)
def test_bad_parameters(pairs: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Wire(StaticNat(pairs=pairs))
