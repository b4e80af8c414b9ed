"""DestinationNat against a list of tuples, first match."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import DestinationNat
from nfuse.nf.library.acl import parse_rules
from nfuse.nf.library.forwards import ForwardLine

RULES = [
    "tcp 203.0.113.1:80           -> 10.0.0.5:8080      # the web",
    "tcp 203.0.113.1:8000-8010    -> 10.0.0.6:9000",
    "any 203.0.113.1:0-65535      -> 10.0.0.7           # ports stay",
    "any 203.0.113.1              -> 10.0.0.8",
    "icmp6 2001:db8::1            -> fd00::1",
    "udp [2001:db8::1]:53         -> [fd00::2]:5353",
    "any 2001:db8::1              -> fd00::3",
]
ORACLE = [
    ({"tcp"}, "203.0.113.1", range(80, 81), "10.0.0.5", 8080),
    ({"tcp"}, "203.0.113.1", range(8000, 8011), "10.0.0.6", 9000),
    ({"tcp", "udp"}, "203.0.113.1", range(65536), "10.0.0.7", None),
    ({"tcp", "udp", "icmp"}, "203.0.113.1", None, "10.0.0.8", None),
    ({"icmp6"}, "2001:db8::1", None, "fd00::1", None),
    ({"udp"}, "2001:db8::1", range(53, 54), "fd00::2", 5353),
    ({"tcp", "udp", "icmp6"}, "2001:db8::1", None, "fd00::3", None),
]


def expected(packet: Packet) -> Packet:
    for protos, public, ports, inside, first in ORACLE:
        if packet.proto in protos and packet.dst == public and (ports is None or packet.dport in ports):
            if first is not None and ports is not None:
                packet = packet.to(dport=first + packet.dport - ports.start)
            return packet.to(dst=inside)
    return packet


@pytest.mark.parametrize("engine", engines())
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["203.0.113.1", "203.0.113.2", "2001:db8::1", "2001:db8::2"]),
            st.sampled_from(["tcp", "udp", "icmp"]),
            st.sampled_from([53, 79, 80, 81, 7999, 8000, 8005, 8010, 8011, 0, 65535]),
        ),
        max_size=30,
        unique=True,
    )
)
@few(25)
def test_translation(engine: str, steps: list[tuple[str, str, int]]) -> None:
    wire = Wire(DestinationNat(rules=RULES), engine)
    for sport, (public, proto, dport) in enumerate(steps, 1):
        six = ipaddress.ip_address(public).version == 6
        if proto == "icmp":
            proto, dport = "icmp6" if six else "icmp", 0
        packet = Packet("2001:db8:9::9" if six else "192.0.2.9", public, proto, sport, dport)
        out = expected(packet)
        assert wire.send(packet) == out
        assert wire.send(out.back()) == packet.back()
    assert wire.dropped() == {}


@pytest.mark.parametrize("engine", engines())
def test_new_rules_hold_for_live_flows(engine: str) -> None:
    wire = Wire(DestinationNat(rules=RULES), engine)
    packet = Packet("192.0.2.9", "203.0.113.1")
    assert wire.send(packet) == packet.to(dst="10.0.0.5", dport=8080)
    wire.set("destinationnat", rules=["tcp 203.0.113.1:80 -> 10.0.0.9"])
    assert wire.send(packet) == packet.to(dst="10.0.0.9")
    wire.set("destinationnat", rules=[])
    assert wire.send(packet) == packet
    with pytest.raises(ValueError, match="rule:1:1: unknown protocol 'web'"):
        wire.set("destinationnat", rules=["web -> there"])
    assert wire.send(packet) == packet


@pytest.mark.parametrize("engine", engines())
def test_two_public_ports_of_one_server(engine: str) -> None:
    """Answers to one client port could not be told apart: the chain drops the second flow."""
    wire = Wire(
        DestinationNat(rules=["tcp 203.0.113.1:80 -> 10.0.0.5:80", "tcp 203.0.113.1:81 -> 10.0.0.5:80"]), engine
    )
    packet = Packet("192.0.2.9", "203.0.113.1")
    assert wire.send(packet) == packet.to(dst="10.0.0.5")
    assert wire.send(packet.to(dport=81)) is None
    assert wire.dropped() == {"reverse key in use": 1}


@pytest.mark.parametrize(
    ("rule", "column", "message"),
    [
        ("tpc 203.0.113.1 -> 10.0.0.1", 1, "unknown protocol 'tpc': did you mean 'tcp'"),
        ("tcp 203.0.113.0/24 -> 10.0.0.1", 5, r"'203.0.113.0/24' is not ADDRESS\[:PORT"),
        ("tcp 203.0.113.1:80", 19, "the rule ends too early: expected '->'"),
        ("tcp 203.0.113.1:80 10.0.0.1", 20, "expected '->' between public and inside address, got '10.0.0.1'"),
        ("tcp 203.0.113.1:80 -> 10.0.0.1:1-2", 23, "the inside port is one port"),
        ("tcp 203.0.113.1 -> 10.0.0.1:80", 20, "an inside port needs a public port"),
        ("tcp 203.0.113.1:1-100 -> 10.0.0.1:65500", 26, "does not fit from port 65500 on"),
        ("tcp 203.0.113.1:9-1 -> 10.0.0.1", 5, "the ports are not 0-65535, low-high"),
        ("tcp 203.0.113.1:99999 -> 10.0.0.1", 5, "the ports are not"),
        ("icmp 203.0.113.1:8 -> 10.0.0.1", 6, "only TCP and UDP have ports"),
        ("tcp 203.0.113.1:80 -> fd00::1", 23, "different families"),
        ("tcp 203.0.113.1 -> 10.0.0.1 fast", 29, "unexpected 'fast' after the rule"),
        ("tcp [2001:db8::1:80 -> fd00::1", 5, "is not ADDRESS"),
        ("tcp [10.0.0.1000]:80 -> 10.0.0.1", 5, "is not ADDRESS"),
    ],
)
def test_bad_rules(rule: str, column: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^rule:2:{column}: .*{message}"):
        parse_rules(["# forwards", rule], "rule", ForwardLine)
    path = tmp_path / "forwards.txt"
    path.write_text(f"\n{rule}\n")
    with pytest.raises(ValueError, match=rf"forwards\.txt:2:{column}: "):
        Wire(DestinationNat(rules=path))
