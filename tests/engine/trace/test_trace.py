"""Stories of packets: told NF by NF by the reference engine, with what the fused engine did beside them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.engine import frames as f

from nfuse import Chain, load_chain, run
from nfuse.engine.trace import Trace, TracedPacket
from nfuse.engine.trace.record import Change, Step
from nfuse.flow.traffic import FilterError
from nfuse.nf.library import DosGuard, IPFilter, IpIpEncap, MazuNat
from nfuse.port.memory import ListInput

ROOT = Path(__file__).resolve().parents[3]
INSIDE, OUTSIDE, PUBLIC = "10.0.0.1", "203.0.113.9", "198.51.100.1"
RULES = ["reject tcp any -> any 23", "drop udp any -> any 53"]


def tunnel() -> Chain:
    return Chain(
        MazuNat(inside="10.0.0.0/8", public=PUBLIC)
        >> DosGuard(threshold=1)
        >> IPFilter(rules=RULES)
        >> IpIpEncap(src="192.0.2.1", dst="192.0.2.2"),
        name="tunnel",
    )


def trace(chain: Chain, *packets: bytes, **more: Any) -> list[TracedPacket]:
    return list(Trace(chain, ListInput(packets), **more))


def step(packet: TracedPacket, nf: str) -> Step:
    return next(step for step in packet.journey.steps if step.nf == nf)


def changed(changes: list[Change]) -> dict[str, tuple[Any, Any]]:
    return {change.name: (change.before, change.after) for change in changes}


def test_the_first_packet_of_a_flow() -> None:
    (packet,) = trace(tunnel(), f.tcp(INSIDE, 4000, OUTSIDE, 80, "S"))
    assert packet.packet == f"tcp {INSIDE}:4000 > {OUTSIDE}:80 [S]"
    assert packet.session is not None
    assert (packet.session.number, packet.session.opened, packet.session.state) == (1, True, "new")
    nat = step(packet, "mazunat")
    assert nat.place.startswith("MazuNat (nfuse/nf/library/mazu_nat.py:")
    assert nat.ran == ["on_flow"]
    header = changed(nat.header)
    assert header["ip.src"] == (INSIDE, PUBLIC)
    assert header["tcp.sport"] == (4000, 1024)
    assert set(header) == {"ip.src", "tcp.sport", "ipv4.checksum", "tcp.checksum"}
    assert changed(nat.session) == {
        "translated": (False, True),
        "endpoint.flows": (0, 1),
        "endpoint.port": (0, 1024),
    }
    assert changed(nat.state)["used[0]"] == (0, 1)
    assert nat.recorded == f"modify(ip_src={PUBLIC}, sport=1024)"
    assert nat.explained == f"{INSIDE}:4000 mapped to {PUBLIC}:1024; its flows: 1"
    assert step(packet, "ipfilter").explained == "no rule matches; default: allow"
    tunnelled = step(packet, "ipipencap")
    assert tunnelled.pushed == "20 bytes: ipip 192.0.2.1 > 192.0.2.2"
    assert not tunnelled.header
    assert packet.journey.leaves == f"ipip 192.0.2.1 > 192.0.2.2 | tcp {PUBLIC}:1024 > {OUTSIDE}:80 [S]"
    assert packet.journey.bytes == 74
    assert packet.fused is not None
    assert (packet.fused.path, packet.fused.why) == ("slow", "the first packet of its session")
    assert packet.fused.consolidated
    assert packet.fused.next == "fast path"
    assert packet.fused.identical


def test_a_later_packet_takes_the_fast_path() -> None:
    _, later = trace(tunnel(), f.tcp(INSIDE, 4000, OUTSIDE, 80, "S"), f.tcp(INSIDE, 4000, OUTSIDE, 80, "A"))
    assert later.session is not None
    assert not later.session.opened
    assert step(later, "mazunat").ran == []
    assert not step(later, "mazunat").session
    assert step(later, "dosguard").ran == ["on_packet"]
    assert later.fused is not None
    assert later.fused.path == "fast"
    (rewrite,) = later.fused.rewrites
    assert (rewrite.place, rewrite.fields, rewrite.nfs) == ("before ipipencap", ["ip_src", "sport"], ["mazunat"])
    assert later.fused.headers == ["ipipencap"]
    assert later.fused.identical


def test_an_event_a_drop_and_an_alert() -> None:
    syn = f.tcp(INSIDE, 4000, OUTSIDE, 80, "S")
    _, flood, after = trace(tunnel(), syn, syn, f.tcp(INSIDE, 4000, OUTSIDE, 80, "A"))
    guard = step(flood, "dosguard")
    assert guard.events == ["flood"]
    assert guard.alerts == ["SYN flood (2)"]
    assert changed(guard.session)["syns"] == (1, 2)
    assert guard.dropped is not None
    assert guard.dropped.where.startswith("nfuse/nf/library/dos_guard.py:")
    assert flood.journey.dropped == guard.dropped
    assert not flood.journey.leaves
    assert [one.nf for one in flood.journey.steps] == ["mazunat", "dosguard"]
    assert flood.fused is not None
    assert flood.fused.why == "a SYN may open its session anew"
    assert after.fused is not None
    assert (after.fused.path, after.fused.early_drop, after.fused.rewrites) == ("fast", "dosguard", [])


def test_a_reject_is_answered() -> None:
    (packet,) = trace(tunnel(), f.tcp(INSIDE, 4000, OUTSIDE, 23, "S"))
    assert step(packet, "ipfilter").explained == "rule:1: reject tcp any -> any 23"
    assert step(packet, "ipfilter").recorded == "drop(rejected), reply reject"
    assert packet.journey.dropped is not None
    assert packet.journey.dropped.reason == "rejected"
    (made,) = packet.made
    assert made.made_by == "ipfilter: reject"
    assert made.packet == f"tcp {OUTSIDE}:23 > {PUBLIC}:1024 [RA]"
    assert [one.nf for one in made.steps] == ["dosguard", "mazunat"]
    assert changed(made.steps[1].header)["ip.dst"] == (PUBLIC, INSIDE)
    assert made.leaves == f"tcp {OUTSIDE}:23 > {INSIDE}:4000 [RA]"
    assert packet.fused is not None
    assert packet.fused.identical
    assert packet.fused.next == "ipfilter answers each packet that it drops"


def test_fragments_malformed_packets_and_what_is_not_ip() -> None:
    whole = f.udp(INSIDE, 5000, OUTSIDE, 5001, b"x" * 24)
    first, second = f.fragments(whole, 16)
    (orphan,) = f.fragments(f.udp(INSIDE, 1, OUTSIDE, 2, b"y" * 24), 16, ident=9)[1:]
    runt, arp = f.ether(b"\x45" + bytes(10)), f.ether(bytes(28), etype=0x0806)
    stories = {packet.number: packet for packet in trace(tunnel(), second, first, orphan, runt, arp)}
    assert list(stories) == [2, 1, 4, 5, 3]
    assert stories[1].held == 2
    assert stories[2].held == 0
    assert stories[1].session is not None
    assert stories[1].session.number == 1
    assert stories[1].fused is not None
    assert stories[1].fused.why == "a later fragment has no ports of its own"
    assert stories[3].fused is None
    assert stories[3].journey.dropped is not None
    assert stories[3].journey.dropped.reason == "fragment: no first fragment"
    assert stories[4].packet == "malformed: runt frame"
    assert stories[4].journey.dropped is not None
    assert stories[4].journey.dropped.reason == "malformed: runt frame"
    assert stories[5].unmatched
    assert {passed.why for passed in stories[5].journey.passed} == {"no IP packet"}
    assert all(story.fused.identical for story in stories.values() if story.fused)


def test_what_the_filter_chooses_and_the_state_before_it() -> None:
    flows = [f.udp(INSIDE, port, OUTSIDE, 99) for port in range(2000, 2010)]
    packets = trace(tunnel(), *flows, *flows, filter="src port 2004", count=2)
    assert [packet.number for packet in packets] == [5, 15]
    assert packets[0].session is not None
    assert packets[0].session.number == 5
    assert packets[0].session.opened
    assert packets[1].fused is not None
    assert packets[1].fused.path == "fast"


def test_counts_of_a_trace() -> None:
    flows = [f.udp(INSIDE, port, OUTSIDE, 99) for port in range(2000, 2010)]
    told = Trace(tunnel(), ListInput(flows), "port 7")
    assert list(told) == []
    assert (told.matched, told.run) == (0, 10)
    told = Trace(tunnel(), ListInput(flows), "port 2003", count=1)
    assert [packet.number for packet in told] == [4]
    assert (told.matched, told.run) == (1, 4)
    assert [packet.number for packet in Trace(tunnel(), ListInput(flows), limit=3)] == [1, 2, 3]


def test_sessions_that_end() -> None:
    late = (200_000_000_000, f.udp(INSIDE, 3, OUTSIDE, 4))
    story = list(Trace(tunnel(), ListInput([(0, f.udp(INSIDE, 1, OUTSIDE, 2)), late])))[1]
    (ended,) = story.ended
    assert (ended.number, ended.cause, ended.flow) == (1, "expired", f"udp {INSIDE}:1 > {OUTSIDE}:2")


def test_branches_are_passed_by() -> None:
    (packet,) = trace(load_chain(ROOT / "examples" / "branches.yaml"), f.udp(INSIDE, 53, OUTSIDE, 53))
    assert [one.nf for one in packet.journey.steps] == ["all"]
    assert {passed.nf: passed.why for passed in packet.journey.passed} == dict.fromkeys(
        ("dosguard", "web", "ipfilter"), "not on this branch"
    )


def test_the_fast_path_is_left_where_an_event_fires() -> None:
    data = [f.tcp(INSIDE, 1, OUTSIDE, 80, "A")] * 12
    cap = load_chain(ROOT / "examples" / "first_nf.py").nodes[0].nf
    stories = trace(Chain(MazuNat(inside="10.0.0.0/8", public=PUBLIC) >> cap), *data)
    assert all(story.fused is not None and story.fused.identical for story in stories)
    assert [packet.fused.path for packet in stories if packet.fused] == [
        "slow",
        *["fast"] * 9,
        "fast, then slow",
        "fast",
    ]
    assert stories[10].fused is not None
    assert stories[10].fused.why == "packetcap's event over fired: from there on NF by NF"
    assert stories[10].fused.rewrites == []  # the NAT's action is applied at its place
    assert [one.nfs for one in stories[9].fused.rewrites] == [["mazunat"]]
    assert stories[11].fused.early_drop == "packetcap"
    assert stories[10].journey.dropped is not None
    assert stories[10].journey.dropped.where == "examples/first_nf.py:34"


GEN = "gen:?flows=30&packets=300&seed=3&proto=mixed&reply=yes&inside=10.0.0.0/16&outside=203.0.113.80/30"


def test_the_stories_of_all_packets_add_up_to_the_run() -> None:
    chain = load_chain(ROOT / "examples" / "chain1.yaml")
    result = run(chain, GEN)
    told = Trace(chain, GEN, packets=64)
    stories = list(told)
    assert [story.number for story in stories] == list(range(1, 301))
    journeys = [journey for story in stories for journey in (story.journey, *story.made)]
    drops = Counter((one.dropped.nf, one.dropped.reason) for one in journeys if one.dropped)
    assert drops == result.drops
    assert sum(one.dropped is None for one in journeys) == result.counters["packets_out"]
    assert sum(one.bytes for one in journeys) == result.counters["bytes_out"]
    assert sum(story.session.opened for story in stories if story.session) == result.counters["sessions_created"]
    assert all(story.fused is not None and story.fused.identical for story in stories)
    assert {story.fused.path for story in stories if story.fused} == {"fast", "slow"}


def test_a_difference_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from nfuse.engine.trace import run as module

    lane = module._Lane.__init__

    def wrong(self: Any, engine: Any, burst: Any, index: int) -> None:
        lane(self, engine, burst, index)
        if type(engine).__name__ == "FusedEngine":
            sent = self.sent[0]
            frame = sent.frame[:22] + bytes([sent.frame[22] ^ 1]) + sent.frame[23:]
            self.sent = [sent._replace(frame=frame)]

    monkeypatch.setattr(module._Lane, "__init__", wrong)
    chain = load_chain(ROOT / "examples" / "chain1.yaml")
    (packet,) = trace(chain, f.tcp(INSIDE, 4000, OUTSIDE, 80, "S"))
    assert packet.fused is not None
    assert not packet.fused.identical
    assert "ip.ttl: reference 64, fused 65" in packet.fused.difference


def test_a_filter_that_cannot_be_read() -> None:
    with pytest.raises(FilterError, match="column 5"):
        Trace(tunnel(), ListInput([]), "tcp prt 80")


def test_two_sides() -> None:
    chain = load_chain(ROOT / "examples" / "chain1.yaml").with_settings(direction="dst net 198.51.100.0/24")
    out = f.tcp(INSIDE, 4000, OUTSIDE, 80, "S")
    (first,) = trace(chain, out)
    public, port = first.journey.leaves.split()[1].split(":")
    _, reply = trace(chain, out, f.tcp(OUTSIDE, 80, public, int(port), "SA"))
    assert reply.session is not None
    assert not reply.session.opening
    assert [one.nf for one in reply.journey.steps] == ["ipfilter", "monitor", "maglev", "mazunat"]
    assert reply.journey.side == 1
    assert reply.journey.leaves == f"tcp {OUTSIDE}:80 > {INSIDE}:4000 [SA]"
    assert reply.fused is not None
    assert reply.fused.path == "fast"
    assert reply.fused.rewrites[0].fields == ["ip_dst", "dport"]


def test_an_explanation_that_fails_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def explain(self: Any, flow: Any) -> str:
        raise ZeroDivisionError("no")

    monkeypatch.setattr(MazuNat, "explain", explain)
    (packet,) = trace(tunnel(), f.udp(INSIDE, 1, OUTSIDE, 2))
    assert step(packet, "mazunat").explained.startswith("explain raised ZeroDivisionError: no (line ")
