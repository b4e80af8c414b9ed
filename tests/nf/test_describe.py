"""Descriptions: what the compiler found, and examples that work."""

from __future__ import annotations

import pathlib
from pathlib import Path
from typing import Literal

import pytest

from nfuse import NF, Address, Chain, IPv6Address, Mac, PortRange, Prefix, boolean, ip, ipv4, tcp, u32
from nfuse.engine.start import check
from nfuse.nf.describe import describe
from nfuse.nf.example import example_parameters
from nfuse.nf.library import LIBRARY, DosGuard, IPFilter, Maglev


class Samples(NF):
    number: u32
    near: Address
    far: Address
    six: IPv6Address
    inside: Prefix
    ports: PortRange
    mac: Mac
    on: boolean
    mode: Literal["fast", "slow"]
    file: pathlib.Path | None
    names: list[str]
    optional: u32 = 7

    def on_flow(self, pkt, flow):
        flow.forward()


class Slow(NF):
    """Run in ordinary Python."""

    session = (ip.src,)
    traffic = ipv4 & tcp
    compiled = False
    tick = 2

    class Session:
        seen: u32

    def on_flow(self, pkt, flow):
        print(pkt)
        flow.drop("for a reason")

    def on_packet(self, pkt, flow):
        flow.seen += 1
        pkt.ip.ttl -= 1
        if len(pkt.payload) > 3:
            pkt.payload[0] = pkt.payload[1]

    def on_tick(self, elapsed):
        pass


class Stateless(NF):
    session = None

    def on_packet(self, pkt):
        if pkt.ip.ttl == 0:
            pkt.reply("ttl exceeded")
            pkt.drop("TTL")


def test_dos_guard() -> None:
    facts = describe(DosGuard)
    assert facts.summary.startswith("Drop a flow once")
    assert "Example" not in facts.text
    assert facts.file.endswith("dos_guard.py")
    assert Path(facts.file).read_text().splitlines()[facts.line - 1] == "class DosGuard(NF):"
    assert facts.traffic == "tcp"
    first = facts.parameters[0]
    assert (first.name, first.type, first.default) == ("threshold", "u32", 100)
    assert all(one.meaning and not one.required for one in facts.parameters)
    flow, source = facts.sessions
    assert (flow.key, flow.access, [one.name for one in flow.fields]) == ("five-tuple", "flow", ["syns"])
    assert (source.key, source.access, source.size) == ("(ip.src)", "flow.source", 16)
    assert facts.reads == ("tcp.ack", "tcp.syn")
    assert facts.handlers == ("on_packet", "event flood", "event source_flood")
    assert facts.drops == facts.alerts == ("SYN flood", "SYN flood from source")
    assert not facts.state


def test_maglev_and_ip_filter() -> None:
    facts = describe(Maglev)
    assert facts.modifies == ("dport", "ip_dst")
    assert [one.name for one in facts.parameters if one.required] == ["vip", "backends"]
    assert {"on_start", "on_update", "on_change", "on_flow"} == set(facts.handlers)
    assert "table" in {one.name for one in facts.state}
    assert not {one.name for one in facts.state} & {one.name for one in facts.parameters}
    assert describe(IPFilter).replies


def test_ordinary_python_hides_only_itself() -> None:
    facts = describe(Slow)
    assert facts.opaque == ("on_flow", "on_tick")
    assert {"ip.ttl", "ipv4.checksum", "tcp.checksum"} <= set(facts.stores)
    assert facts.reads == ("ip.ttl",)
    assert facts.payload == "WRITE"
    assert facts.drops == ("for a reason",)
    assert facts.sessions[0].access == "flow"
    assert facts.sessions[0].key == "(ip.src)"
    assert facts.tick == 2


def test_stateless() -> None:
    facts = describe(Stateless)
    assert facts.sessions == ()
    assert facts.summary == ""
    assert facts.drops == ("TTL",)
    assert facts.replies


def test_samples_fit_their_types() -> None:
    values = example_parameters(Samples)
    assert "optional" not in values
    assert Samples(**values).values()
    assert values["near"] != values["far"]


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_the_librarys_examples_start(name: str) -> None:
    check(Chain(LIBRARY[name](**example_parameters(LIBRARY[name]))))


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_the_library_says_what_everything_is(name: str) -> None:
    facts = describe(LIBRARY[name])
    assert facts.summary
    for one in facts.parameters:
        assert one.meaning, f"{name}.{one.name}: say what it is, in a comment at the end of its line"
