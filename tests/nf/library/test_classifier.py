"""Classifier against a linear scan of its rules, and sums by class."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet
from tests.nf.library.rule_sets import make, rule_set
from tests.nf.library.test_ip_filter import action_of
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import Classifier, Maglev
from nfuse.nf.library.acl import parse_rules

NAMES = {"allow": "bulk", "drop": "voice", "reject": "web"}
MARKS = {"voice": "EF", "bulk": 0}


@pytest.mark.parametrize("engine", engines())
@given(st.integers(0, 2**32), st.sampled_from([1, 5, 70]))
@few(15)
def test_classes_are_those_of_a_linear_scan(engine: str, seed: int, count: int) -> None:
    rng = random.Random(seed)
    lines = rule_set(rng, count)
    rules = parse_rules(lines)
    named = [re.sub(r"^\w+", lambda match: NAMES[match[0]], line) for line in lines]
    used = {line.split()[0] for line in named}
    nf = Classifier(rules=named, default="bulk", dscp={name: MARKS[name] for name in MARKS if name in {*used, "bulk"}})
    wire = Wire(nf, engine)
    decided: dict[tuple[object, ...], str] = {}
    sums = {name: [0, 0, 0] for name in (*used, "bulk")}
    for _ in range(25):
        packet = make(rng, rules)
        key = (packet.proto, packet.src, packet.sport, packet.dst, packet.dport)
        mirror = (packet.proto, packet.dst, packet.dport, packet.src, packet.sport)
        if mirror in decided or mirror == key:
            continue
        if key in decided and packet.proto == "tcp":
            packet = packet.to(flags="A")  # no SYN: it could open the session anew
        if key not in decided:
            decided[key] = list(NAMES.values())[action_of(rules, packet)]
            sums[decided[key]][0] += 1
        frame = packet.frame()
        (out,) = wire.frames(frame)
        tos = out[15] >> 2 if out[14] >> 4 == 4 else int.from_bytes(out[14:16]) >> 6 & 0x3F
        assert tos == (46 if decided[key] == "voice" else 0)
        sums[decided[key]][1] += 1
        sums[decided[key]][2] += len(frame)
    rows = nf.report(wire.state("classifier"))
    assert {row["class"]: [row["flows"], row["packets"], row["bytes"]] for row in rows} == sums
    assert sum(row["share"] for row in rows) == pytest.approx(1)


@pytest.mark.parametrize("engine", engines())
def test_export_and_marks(engine: str) -> None:
    nf = Classifier(rules=["web tcp any -> any 80", "dns udp any -> any 53"], dscp={"web": "AF21"})
    wire = Wire(nf, engine)
    packets = [Packet(), Packet(proto="udp", dport=53), Packet(dport=81)]
    for packet in packets:
        (out,) = wire.frames(packet.frame())
        assert out[15] == (18 << 2 if packet == packets[0] else 0)
    (answer,) = wire.frames(packets[0].back().frame())
    assert answer[15] == 0  # marks are for the direction that opened the session
    flows = wire.flows()
    assert dict(zip(flows["dport"].tolist(), flows["classifier.label"].tolist(), strict=True)) == {80: 0, 53: 1, 81: 2}
    assert [row["class"] for row in nf.report(wire.state("classifier"))] == ["web", "dns", "other"]


@pytest.mark.parametrize("engine", engines())
def test_new_rules_hold_for_live_sessions(engine: str) -> None:
    wire = Wire(Classifier(rules=["a any any -> any"], dscp={"a": 1}), engine)
    assert wire.frames(Packet().frame())[0][15] == 4
    wire.set("classifier", rules=["a udp any -> any", "b any any -> any"], dscp={"b": 2})
    assert wire.frames(Packet().frame())[0][15] == 8
    assert wire.state("classifier")["packets"] == [0, 1, 0]
    with pytest.raises(ValueError, match="no rule has the class 'c'"):
        wire.set("classifier", dscp={"c": 1})
    assert wire.frames(Packet().frame())[0][15] == 8


@pytest.mark.parametrize("engine", engines())
def test_it_classifies_what_an_earlier_nf_makes_of_the_packet(engine: str) -> None:
    balancer = Maglev(vip="198.18.0.1", backends=["192.168.0.1:80"], size=7)
    wire = Wire(balancer >> Classifier(rules=["backend any any -> 192.168.0.0/16"], dscp={"backend": 5}), engine)
    (out,) = wire.frames(Packet().frame())
    assert out[15] == 20


@pytest.mark.parametrize(
    ("rules", "dscp", "message"),
    [
        (["web tcp any any 80"], {}, r"rule:1:17: expected '->'|rule:1:\d+: .*'->'"),
        (["2web tcp any -> any"], {}, r"rule:1:1: '2web' is no name of a class"),
        (["web tpc any -> any"], {}, r"rule:1:5: unknown protocol 'tpc': did you mean 'tcp'"),
        (["web tcp any -> any"], {"wbe": 1}, "dscp: no rule has the class 'wbe': expected web, other"),
        (["web tcp any -> any"], {"web": "fast"}, "dscp of web: 'fast' is not a DSCP"),
    ],
)
def test_bad_parameters(rules: list[str], dscp: dict[str, int | str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        Wire(Classifier(rules=rules, dscp=dscp))
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(rules))
    with pytest.raises(ValueError, match=message.replace("rule:1", r"classes\.txt:1")):
        Wire(Classifier(rules=path, dscp=dscp))
