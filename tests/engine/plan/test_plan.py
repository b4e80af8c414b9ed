"""The facts of a plan: words, points, what was removed, slots, pairs; the same as the engine's own."""

from __future__ import annotations

import json
import re

import pytest
from tests.engine.plan import chains
from tests.engine.plan.chains import ALL, plan

from nfuse.engine.plan.savings import longest_way
from nfuse.engine.plan.words import access_words, listed, modify_words
from nfuse.nf.effects import FLAG_NAMES


@pytest.mark.parametrize(
    ("accesses", "words"),
    [
        ({"tcp.sport", "udp.sport", "icmp.id", "icmp6.id"}, ["source port"]),
        ({"icmp.id", "icmp6.id"}, ["ICMP identifier"]),
        ({"tcp.sport"}, ["TCP source port"]),
        ({"ip.proto", "ipv6.next_header", "ip.src"}, ["source address", "protocol"]),
        ({"tcp.syn", "tcp.ack"}, ["TCP SYN ACK"]),
        ({"tcp.syn", "tcp.flags"}, ["TCP SYN"]),
        ({f"tcp.{f}" for f in (*FLAG_NAMES, "flags")}, ["TCP flags"]),
        ({"ip.ttl", "ipv4.checksum"}, ["TTL"]),
        ({"tcp.window", "pkt.len"}, ["frame length", "tcp.window"]),
        (set(), []),
    ],
)
def test_words(accesses: set[str], words: list[str]) -> None:
    assert access_words(accesses) == words


def test_words_of_modifies_are_in_header_order() -> None:
    assert modify_words({"dport", "ip_src", "eth_dst", "ip_dst", "sport"}) == [
        "source address", "source port", "destination address", "destination port", "destination MAC address",
    ]  # fmt: skip
    assert listed(["a", "b", "c"]) == "a, b and c"


@pytest.mark.parametrize("name", ALL)
def test_the_plan_is_json(name: str) -> None:
    document = json.loads(json.dumps(plan(name).as_dict()))
    assert [nf["name"] for nf in document["nfs"]] == [node.name for node in ALL[name]().nodes]
    assert document["memory"]["families"][0]["bytes_per_flow"] > document["bytes"]["IPv4"]


def test_facts_of_an_nf() -> None:
    nat, _, monitor, acl = plan("chain1").nfs
    assert (nat.traffic, monitor.traffic) == ("ip and (tcp or udp or icmp)", "ip or ip6")
    assert sorted(nat.modifies) == ["dport", "ip_dst", "ip_src", "sport"]
    assert (nat.per_packet, monitor.per_packet) == ([], ["on_packet"])
    assert (nat.drops_flow, nat.drops_packet) == (True, False)
    assert acl.may_drop == ["rejected", "denied"]
    assert acl.answers
    assert [(block.name, block.key, block.bytes) for block in nat.blocks] == [
        ("endpoint", ["ip.src", "sport", "ip.proto"], 32)
    ]
    ttl = plan("nested").nfs[-1]
    assert ttl.stateless
    assert ttl.drops_packet
    assert re.search(r"tests/engine/plan/chains\.py:\d+$", ttl.source)
    assert plan("nested").nfs[3].ways == ["tcp and dst net 192.0.2.0/24", "dst port 443"]


def test_points() -> None:
    forward, reverse = plan("chain1").points
    assert (forward.before, forward.of) == (None, ["mazunat", "maglev"])
    assert forward.fields == ["dport", "ip_dst", "ip_src", "sport"]
    assert (reverse.inverse, reverse.of) == (True, ["maglev", "mazunat"])
    first, second, *_ = plan("split").points
    assert (first.before, first.of) == ("seesdestination", ["mazunat", "maglev"])
    assert (second.before, second.of) == (None, ["marker", "second"])


def texts(name: str, kind: str) -> str:
    return "\n".join(saving.text for saving in plan(name).savings if saving.kind == kind)


def test_repeated_classification() -> None:
    text = texts("chain1", "R1")
    assert "4 parses of a packet -> 1" in text
    assert "4 table look-ups -> 1" in text
    assert "protocol by mazunat, maglev, monitor and" in " ".join(text.split())
    assert "-> 1 (ttl: no session)" in texts("nested", "R1")
    assert "5 parses" in texts("nested", "R1")  # mazunat, dosguard, a monitor, ipfilter, ttl: the longest way


def test_late_drops() -> None:
    text = texts("chain1", "R2")
    assert "ipfilter drops a flow (rejected, denied)" in text
    assert "before mazunat and maglev would rewrite them; monitor still sees them; those that get an answer" in text
    assert "ttl drops single packets: decided for each" in texts("nested", "R2")
    assert "go NF by NF up to it" in texts("stores", "R2")
    assert "ipfilter drops a flow (rejected, denied): its later packets are dropped unasked; those" in texts(
        "branches", "R2"
    )  # dosguard and web stand in another way


def test_overwrites() -> None:
    assert "2 rewrites (mazunat and maglev; 6 fields) -> 1 rewrite at the end" in texts("chain1", "R3")
    assert "9 checksum updates -> 2" in texts("chain1", "R3")
    assert "rewrites stay where they are" in texts("stores", "R3")
    assert not plan("stores").consolidated
    split = texts("split", "R3")
    assert "4 rewrites" in split
    assert "2 rewrites before seesdestination and at the end" in split
    assert "destination address is written 2 times: seesdestination must see it in between" in split
    assert "ipipencap pushes a header that ipipdecap removes" in texts("tunnel", "R3")
    assert texts("one", "R3") == ""


def test_two_writers_of_a_field_at_one_point() -> None:
    from nfuse import Chain
    from nfuse.engine.plan import plan_of

    found = plan_of(Chain(chains.balancer() >> chains.balancer("192.168.7.0/24").named("second")))
    assert found.points[0].overwritten == {"dport": ["maglev", "second"], "ip_dst": ["maglev", "second"]}
    assert any("only the last value is written" in saving.text for saving in found.savings)


def test_hand_overs() -> None:
    assert "3 hand-overs" in texts("chain1", "R4")
    assert "4 NFs entered by a packet -> 1 (monitor)" in texts("chain1", "R4")
    assert "hand-over" not in texts("one", "R4")


def test_the_longest_way() -> None:
    from nfuse.engine.fused.layout import plan_chain

    names = [node.node.name for node in longest_way(plan_chain(chains.branches()).nodes)]
    assert names == ["dosguard", "web", "all"]


@pytest.mark.parametrize("name", ALL)
def test_slots_cover_the_session(name: str) -> None:
    """No gap, no overlap, and no padding that alignment does not explain: so no slot is forgotten."""
    found = plan(name)
    for part, size in (("FCB", found.bytes["IPv4"]), ("IPv6", found.bytes["IPv6"] - found.bytes["IPv4"])):
        slots = [slot for slot in found.layout if slot.part == part]
        at = 0
        for slot in slots:
            assert slot.offset == at, slot
            assert slot.size > 0
            at += slot.size
        assert at == size
        assert all(slot.size < 8 for slot in slots[:-1] if slot.field == "padding"), slots
        names = [(slot.owner, slot.field) for slot in slots if slot.field != "padding"]
        assert len(set(names)) == len(names)
    owners = {slot.owner for slot in found.layout} - {"", "chain"}
    keeps = {nf.name for nf in found.nfs if nf.scratchpad or nf.modifies or nf.drops_flow or nf.encaps or nf.decaps}
    assert owners == keeps


def test_slots_are_where_the_engine_has_them() -> None:
    """The scratchpad of Monitor, read at the planned offset from a running engine's memory."""
    import numpy as np

    from nfuse import run
    from nfuse.engine.fused import FusedEngine

    seen = []
    original = FusedEngine.finish

    def finish(self: FusedEngine) -> None:
        seen.append(self)
        original(self)

    FusedEngine.finish = finish  # type: ignore[method-assign]
    try:
        result = run(chains.chain1(), "gen:?flows=3&packets=30&seed=1&inside=10.0.0.0/16", states=False)
    finally:
        FusedEngine.finish = original  # type: ignore[method-assign]
    engine = seen[-1]
    slots = {(slot.owner, slot.field): slot for slot in plan("chain1").layout if slot.part == "FCB"}
    at = slots["monitor", "packets: u32"].offset
    size = engine.plan.size
    pool = engine._pool.bytes
    counted = [int(np.frombuffer(pool[n * size + at :][:4].tobytes(), "<u4")[0]) for n in range(1, 4)]
    assert sorted(counted) == sorted(int(row["monitor.packets"]) for row in result.flows)
    assert sum(counted) == 30


def test_pairs() -> None:
    found = {(pair.first, pair.second): pair for pair in plan("payloads").pairs}
    assert found["inspects", "rewrites"].verdict == "copy"
    assert found["rewrites", "after"].verdict == "no"
    assert "writes the payload" in found["rewrites", "after"].reason
    assert found["inspects", "after"].verdict == "yes"
    others = {(pair.first, pair.second): pair for pair in plan("branches").pairs}
    assert others["web", "ipfilter"].verdict == "apart"
    assert others["ipfilter", "all"].verdict == "idle"
    assert others["dosguard", "all"].verdict == "no"
    assert others["web", "all"].verdict == "yes"


def test_reasons_of_pairs_speak_of_fields() -> None:
    from nfuse import Chain
    from nfuse.engine.plan import plan_of

    found = plan_of(Chain(chains.PortStore() >> chains.SeesDestination())).pairs[0]
    assert found.verdict == "no"
    assert "stores UDP destination port, which seesdestination touches" in found.reason
