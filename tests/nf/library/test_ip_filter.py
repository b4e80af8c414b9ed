"""IPFilter against a linear scan of its rules, packet by packet."""

from __future__ import annotations

import ipaddress
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import FLAGS, NUMBERS, Packet, read
from tests.nf.library.rule_sets import make, rule_set
from tests.nf.library.test_bit_vectors import linear
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import IPFilter, Maglev
from nfuse.nf.library.acl import ALLOW, DROP, REJECT, Rule, parse_rules


def action_of(rules: list[Rule], packet: Packet, default: int = ALLOW) -> int:
    src, dst = ipaddress.ip_address(packet.src), ipaddress.ip_address(packet.dst)
    flags = sum(1 << FLAGS.index(letter) for letter in packet.flags)
    judged = (src.version, NUMBERS[packet.proto], int(src), int(dst), packet.sport, packet.dport, flags)
    number = linear(rules, judged)
    return rules[number].action if number < len(rules) else default


@pytest.mark.parametrize("engine", engines())
@given(st.integers(0, 2**32), st.sampled_from([1, 5, 70]), st.sampled_from(["allow", "drop", "reject"]))
@few(15)
def test_sessions_are_judged_as_by_a_linear_scan(engine: str, seed: int, count: int, default: str) -> None:
    rng = random.Random(seed)
    lines = rule_set(rng, count)
    rules = parse_rules(lines)
    wire = Wire(IPFilter(rules=lines, default=default), engine)
    fallback = {"allow": ALLOW, "drop": DROP, "reject": REJECT}[default]
    decided: dict[tuple[object, ...], int] = {}
    for _ in range(25):
        packet = make(rng, rules)
        key = (packet.proto, packet.src, packet.sport, packet.dst, packet.dport)
        mirror = (packet.proto, packet.dst, packet.dport, packet.src, packet.sport)
        if mirror in decided or mirror == key:
            continue  # would be an answer, or find its own reverse key in use
        action = decided.get(key)
        if action is not None and packet.proto == "tcp":
            packet = packet.to(flags="A")  # no SYN: it could open the session anew
        if action is None:
            action = decided[key] = action_of(rules, packet, fallback)
        frame = packet.frame()
        out = wire.frames(frame)
        assert (frame in out) == (action == ALLOW)
        assert len(out) <= 1
        if out and action != REJECT:
            assert out == [frame]
    assert sum(wire.state("ipfilter")["hits"]) == len(decided)


@pytest.mark.parametrize("engine", engines())
def test_reject_answers(engine: str) -> None:
    wire = Wire(IPFilter(rules=["reject any any -> 192.0.2.0/24", "reject any any -> 2001:db8::/32"]), engine)
    syn = Packet(dst="192.0.2.1", flags="S")
    for _ in range(2):
        answer = wire.send(syn)
        assert answer == syn.back(flags="RA", ttl=answer.ttl if answer else 0)
    (error,) = wire.frames(Packet(dst="192.0.2.1", proto="udp", payload=b"hello").frame())
    assert error[23] == 1
    assert error[34:36] == b"\x03\x0d"  # communication administratively prohibited
    (error,) = wire.frames(Packet("2001:db8:1::1", "2001:db8::1", "udp").frame())
    assert error[20] == 58
    assert error[54:56] == b"\x01\x01"
    assert wire.dropped() == {"rejected": 4}
    assert wire.engine.counters["made"] == 4


@pytest.mark.parametrize("engine", engines())
def test_flags_are_those_of_the_first_packet(engine: str) -> None:
    wire = Wire(IPFilter(rules=["drop tcp any -> any 80 flags /S"]), engine)  # no session without a SYN
    flow = Packet(flags="S")
    assert wire.send(flow) == flow
    assert wire.send(flow.to(flags="A")) == flow.to(flags="A")
    assert wire.send(flow.to(sport=5, flags="A")) is None
    assert wire.send(flow.to(sport=5, flags="S")) is None
    assert wire.dropped() == {"denied": 2}


@pytest.mark.parametrize("engine", engines())
def test_new_rules_hold_for_live_sessions(engine: str) -> None:
    wire = Wire(IPFilter(rules=["drop tcp any -> any 22"]), engine)
    web, shell = Packet(flags="A"), Packet(dport=22, flags="A")
    assert (wire.send(web), wire.send(shell)) == (web, None)
    wire.set("ipfilter", rules=["drop tcp any -> any 80 flags A/A"])
    assert (wire.send(web.to(flags="PA")), wire.send(web.back()), wire.send(shell)) == (None, None, shell)
    wire.set("ipfilter", rules=[], default="drop")
    assert wire.send(shell) is None
    assert wire.send(Packet(dport=23)) is None
    wire.set("ipfilter", default="allow")
    assert wire.send(shell) == shell


@pytest.mark.parametrize("engine", engines())
def test_a_refused_change_leaves_the_old_rules(engine: str) -> None:
    wire = Wire(IPFilter(rules=["drop tcp any -> any 22"]), engine)
    with pytest.raises(ValueError, match=r"rule:1:1: unknown action 'block'"):
        wire.set("ipfilter", rules=["block tcp any -> any"])
    assert wire.send(Packet(dport=22)) is None
    assert wire.send(Packet(dport=23)) is not None


@pytest.mark.parametrize("engine", engines())
def test_a_flow_that_an_earlier_nf_moves_is_judged_again(engine: str) -> None:
    balancer = Maglev(
        vip="198.18.0.1", backends=["192.168.0.1:80", "192.168.0.2:80"], down=["192.168.0.2:80"], size=251
    )
    wire = Wire(balancer >> IPFilter(rules=["drop any any -> 192.168.0.2"]), engine)
    flow = Packet(flags="A")
    assert wire.send(flow) == flow.to(dst="192.168.0.1")
    wire.set("maglev", down=["192.168.0.1:80"])
    assert wire.send(flow) is None
    wire.set("maglev", down=["192.168.0.2:80"])
    assert wire.send(flow) == flow.to(dst="192.168.0.1")


def test_rules_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "acl.txt"
    path.write_text("# nothing to 22\ndrop tcp any -> any 22\n")
    wire = Wire(IPFilter(rules=path))
    assert wire.send(Packet(dport=22)) is None
    path.write_text("\ndrop tcp any -> any 70000\n")
    with pytest.raises(ValueError, match=r"acl\.txt:2:21: '70000' is not a port"):
        Wire(IPFilter(rules=str(path)))
    with pytest.raises(ValueError, match=r"missing\.txt: the rule file can't be read"):
        Wire(IPFilter(rules=tmp_path / "missing.txt"))


def test_a_wrong_default() -> None:
    with pytest.raises(ValueError, match="default"):
        Wire(IPFilter(default="deny"))


@pytest.mark.parametrize("engine", engines())
def test_an_error_for_a_rejected_packet_is_not_answered(engine: str) -> None:
    wire = Wire(IPFilter(rules=["reject any any -> any"]), engine)
    assert wire.send(Packet(flags="R")) is None
    out = wire.frames(Packet(proto="udp", dst="255.255.255.255").frame())
    assert out == []
    assert [read(f).flags for f in wire.frames(Packet(flags="S", sport=7).frame())] == ["RA"]
