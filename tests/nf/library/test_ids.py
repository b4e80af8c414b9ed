"""Ids against a search for each content in each packet, and the three kinds of rules of SpeedyBox section VII-C."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import NUMBERS, Packet
from tests.nf.library.wire import Wire, engines

from nfuse import Chain
from nfuse.control.eve import AlertFile
from nfuse.nf.compile import analyse
from nfuse.nf.library import Ids, Monitor
from nfuse.nf.library.ids_rules import ACTIONS, IdsRule, load_ids_rules

ALERT = 'alert tcp any any -> any 80 (msg:"passwd"; content:"/etc/passwd"; nocase; sid:11; rev:2;)'
DROP = 'drop tcp any any -> any any (msg:"worm"; content:"Worm"; content:"|00 01|"; sid:12;)'
PASS = 'pass tcp 10.0.0.9 any -> any any (msg:"scanner"; content:"trust me"; sid:13;)'
LOG = 'log udp any any <> any [53,80:90] (msg:"odd"; content:"odd"; sid:14;)'
WORDS = [b"/etc/passwd", b"/ETC/passWD", b"Worm", b"worm", b"\x00\x01", b"trust me", b"odd", b"x", b"o", b"/etc/pass"]


def inside(edges: tuple[int, ...], value: int) -> bool:
    return sum(edge <= value for edge in edges) % 2 == 1


def flat(text: str) -> int:
    address = ipaddress.ip_address(text)
    return int(address) + (0xFFFF << 32 if address.version == 4 else 0)


def matches(rule: IdsRule, packet: Packet) -> bool:
    header, number = rule.header, NUMBERS[packet.proto]
    ways = [packet, packet.back()] if header.either else [packet]
    return (
        header.proto in (0, number, {58: 1}.get(number))
        and any(
            inside(header.src, flat(way.src))
            and inside(header.dst, flat(way.dst))
            and inside(header.sport, way.sport)
            and inside(header.dport, way.dport)
            for way in ways
        )
        and all(
            one.text.lower() in packet.payload.lower() if one.nocase else one.text in packet.payload
            for one in rule.contents
        )
    )


class Oracle:
    """What rules do to flows, one packet at a time."""

    def __init__(self, rules: list[IdsRule], prevent: bool) -> None:
        self.rules, self.prevent = rules, prevent
        self.skipped: set[object] = set()
        self.cut: set[object] = set()
        self.logged: dict[object, int] = {}
        self.alerts: list[tuple[str, int]] = []
        self.hits = dict.fromkeys((rule.sid for rule in rules), 0)

    def passes(self, packet: Packet, key: object) -> bool:
        if key in self.cut:
            return False
        if key in self.skipped:
            return True
        if key in self.logged:
            self.alerts.append(("logged packet", self.logged[key]))
        found = [rule for rule in self.rules if matches(rule, packet)]
        trusted = [rule for rule in found if rule.action == ACTIONS["pass"]]
        if trusted:
            self.hits[trusted[0].sid] += 1
            self.skipped.add(key)
            return True
        for rule in found:
            self.hits[rule.sid] += 1
            name = {number: name for name, number in ACTIONS.items()}[rule.action]
            self.alerts.append((name, rule.sid))
            if name == "log":
                self.logged[key] = rule.sid
            if name == "drop" and self.prevent:
                self.cut.add(key)
        return key not in self.cut


def alerts(wire: Wire) -> list[tuple[str, int]]:
    signatures = analyse(Ids).signatures
    return [(signatures[int(record["signature"]) - 1], int(record["value"])) for record in wire.engine.logs()]


STEP = st.tuples(
    st.sampled_from(["10.0.0.1", "10.0.0.9"]),
    st.integers(1, 3),
    st.sampled_from(["tcp", "udp"]),
    st.sampled_from([80, 53, 7]),
    st.booleans(),
    st.lists(st.sampled_from(WORDS), max_size=4).map(b"".join),
)


@pytest.mark.parametrize("engine", engines())
@given(st.lists(STEP, max_size=25), st.booleans())
@few(25)
def test_rules(engine: str, steps: list[tuple[Any, ...]], prevent: bool) -> None:
    lines = [ALERT, DROP, PASS, LOG, 'alert ip any any -> any any (content:"o"; sid:15;)']
    nf = Ids(rules=lines, prevent=prevent)
    wire = Wire(nf, engine)
    oracle = Oracle(load_ids_rules(lines, {}), prevent)
    answered: set[object] = set()
    for src, sport, proto, dport, back, payload in steps:
        packet = Packet(
            src, proto=proto, sport=sport, dport=dport, flags="A" if proto == "tcp" else "", payload=payload
        )
        key = (src, sport, proto, dport)
        sent = packet.back() if back and key in answered else packet
        out = wire.send(sent)
        assert (out is not None) == oracle.passes(sent, key)
        if out is not None:
            assert out == sent
            answered.add(key)
    assert sorted(alerts(wire)) == sorted(oracle.alerts)
    rows = nf.report(wire.state("ids"))
    assert {row["sid"]: row["packets"] for row in rows} == {sid: hits for sid, hits in oracle.hits.items() if hits}


@pytest.mark.parametrize("engine", engines())
def test_three_kinds_of_rules(engine: str) -> None:
    """Pass, alert and log (SpeedyBox VII-C), and drop: what a match does to the rest of the flow."""
    wire = Wire(Ids(rules=[ALERT, DROP, PASS, LOG]) >> Monitor(), engine)
    evil = b"Worm \x00\x01"
    web = Packet(flags="A", payload=b"GET /ETC/PASSWD")
    assert wire.send(web) == web
    assert wire.send(web.to(payload=evil)) is None
    assert wire.send(web.to(payload=evil)) is None  # one alert a flow
    assert wire.send(web.back(payload=b"")) is None
    trusted = Packet("10.0.0.9", flags="A", payload=b"trust me")
    for payload in (b"trust me", evil, b"/etc/passwd"):
        assert wire.send(trusted.to(payload=payload)) is not None
    odd = Packet(proto="udp", sport=7, dport=53, payload=b"odd")
    for payload in (b"odd", b"", b"plain"):
        assert wire.send(odd.to(payload=payload)) is not None
    assert wire.dropped() == {"intrusion": 3}
    assert alerts(wire) == [("alert", 11), ("drop", 12), ("log", 14), ("logged packet", 14), ("logged packet", 14)]
    assert sorted(row["packets"] for row in Monitor.table(wire.flows())) == [1, 3, 3]


@pytest.mark.parametrize("engine", engines())
def test_new_rules_hold_for_live_flows(engine: str) -> None:
    wire = Wire(Ids(rules=[PASS, DROP]), engine)
    evil = Packet(flags="A", payload=b"Worm \x00\x01")
    trusted, cut = evil.to(src="10.0.0.9", payload=b"trust me"), evil.to(sport=5)
    assert wire.send(evil.to(payload=b"harmless"))
    assert wire.send(trusted)
    assert wire.send(cut) is None
    wire.set("ids", rules=[DROP.replace("drop", "alert")])
    assert wire.send(evil) == evil
    wire.set("ids", rules=[DROP])
    assert wire.send(evil) is None
    assert wire.send(cut.to(payload=b"harmless")) is None  # what was decided stays
    assert wire.send(trusted.to(payload=evil.payload))
    with pytest.raises(ValueError, match="rule:1:1: unknown action 'dorp': did you mean 'drop'"):
        wire.set("ids", rules=[DROP.replace("drop", "dorp")])
    wire.set("ids", prevent=False)
    assert wire.send(evil) == evil
    wire.set("ids", rules=[])
    assert wire.send(evil.to(sport=6))
    assert [kind for kind, _ in alerts(wire)] == ["drop", "alert", "drop", "drop"]


@pytest.mark.parametrize("engine", engines())
def test_a_text_across_two_packets_is_not_found(engine: str) -> None:
    wire = Wire(Ids(rules=[ALERT]), engine)
    for payload in (b"/etc/", b"passwd", b"", b"/etc/passw", b"/etc/passwd"):
        assert wire.send(Packet(flags="A", payload=payload))
    assert alerts(wire) == [("alert", 11)]


@pytest.mark.parametrize("engine", engines())
def test_a_long_packet_full_of_matches(engine: str) -> None:
    """Each rule matches once a packet."""
    rules = [f'alert ip any any -> any any (content:"{"a" * n}"; nocase; sid:{n};)' for n in (1, 2, 3)]
    wire = Wire(Ids(rules=rules), engine)
    assert wire.send(Packet(proto="udp", payload=b"aA" * 700))
    assert sorted(alerts(wire)) == [("alert", 1), ("alert", 2), ("alert", 3)]
    assert wire.engine.counters["faults"] == 0


@pytest.mark.parametrize("engine", engines())
def test_both_families(engine: str) -> None:
    wire = Wire(Ids(rules=['drop icmp !2001:db8:5::/48 any -> any any (content:"ping"; sid:1;)']), engine)
    echo = Packet("2001:db8::1", "2001:db8::2", "icmp6", 5, 0, payload=b"a ping")
    assert wire.send(echo) is None
    assert wire.send(echo.to(src="2001:db8:5::1"))
    assert wire.send(Packet(proto="icmp", dport=0, payload=b"ping")) is None
    assert wire.send(Packet(proto="udp", payload=b"ping"))


def test_eve(tmp_path: Path) -> None:
    chain = Chain(Ids(rules=[ALERT, DROP, LOG]), name="edge")
    wire = Wire(chain)
    for packet in (
        Packet(payload=b"/etc/passwd"),
        Packet(payload=b"Worm \x00\x01"),
        Packet(proto="udp", dport=53, payload=b"odd"),
        Packet(proto="udp", dport=53),
    ):
        wire.send(packet)
    file = AlertFile(str(tmp_path / "eve.json"), chain)
    file.write(wire.engine.logs())
    file.close()
    events = [json.loads(line) for line in (tmp_path / "eve.json").read_text().splitlines()]
    said = [event["alert"] for event in events]
    assert said[0] == {"action": "allowed", "gid": 1, "signature_id": 11, "rev": 2, "signature": "passwd"}
    assert said[1] == {"action": "blocked", "gid": 1, "signature_id": 12, "rev": 0, "signature": "worm"}
    assert [one["signature"] for one in said[2:]] == ["odd", "odd (logged packet)"]
    assert events[0]["src_ip"] == "10.0.0.1"
    assert events[0]["nfuse"]["value"] == 11


def test_files_and_variables(tmp_path: Path) -> None:
    path = tmp_path / "ids.rules"
    path.write_text('drop tcp $HOME any -> any any (content:"x"; sid:1;)\n')
    wire = Wire(Ids(rules=path, variables={"HOME": "[10.0.0.0/24,!10.0.0.9]"}))
    assert wire.send(Packet(payload=b"x")) is None
    assert wire.send(Packet("10.0.0.9", payload=b"x"))
    with pytest.raises(ValueError, match=r"ids\.rules:1:10: \$HOME has no value: give it in the parameter variables"):
        Wire(Ids(rules=path))
    with pytest.raises(ValueError, match="rules"):
        Ids()
