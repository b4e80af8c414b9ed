"""Packets in words, and how they differ."""

from __future__ import annotations

import pytest
from tests.engine import frames as f

from nfuse.engine.trace.headers import Version, difference, words
from nfuse.packet.desc import LINK_ETHERNET

A, B = "10.0.0.1", "10.0.0.2"
A6, B6 = "2001:db8::1", "2001:db8::2"


def version(frame: bytes) -> Version:
    return Version(frame, LINK_ETHERNET, len(frame))


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (f.tcp(A, 1, B, 80, "SA"), f"tcp {A}:1 > {B}:80 [SA]"),
        (f.tcp(A, 1, B, 80, ""), f"tcp {A}:1 > {B}:80 [-]"),
        (f.udp(A6, 1, B6, 53), f"udp [{A6}]:1 > [{B6}]:53"),
        (f.echo(A, B, 9), f"icmp {A} id 9 > {B}, echo request"),
        (f.echo(A6, B6, 9, reply=True), f"icmp6 {A6} > {B6} id 9, echo reply"),
        (f.icmp_error(B, A, f.udp(A, 1, B, 2)[14:]), f"icmp {B} > {A}, type 3 code 1"),
        (f.fragments(f.udp(A, 1, B, 2, b"x" * 40))[0], f"udp {A}:1 > {B}:2, first fragment"),
        (f.fragments(f.udp(A, 1, B, 2, b"x" * 40))[1], f"udp {A} > {B}, later fragment"),
        (f.ether(f.ip(A, B, 99, b"data")), f"protocol 99 {A} > {B}"),
        (
            f.ether(f.ip("192.0.2.1", "192.0.2.2", 4, f.udp(A, 1, B, 2)[14:])),
            f"ipip 192.0.2.1 > 192.0.2.2 | udp {A}:1 > {B}:2",
        ),
        (f.ether(f.udp(A, 1, B, 2)[14:], vlan=7), f"vlan 7 | udp {A}:1 > {B}:2"),
        (f.ether(bytes(50), etype=0x88CC), "EtherType 0x88cc"),
        (f.ether(b"\x45"), "malformed: runt frame"),
    ],
)
def test_words(frame: bytes, expected: str) -> None:
    assert words(version(frame)) == expected


def test_only_what_has_changed() -> None:
    found = difference(version(f.tcp(A, 1, B, 80, "S")), version(f.tcp(A, 1, B, 81, "SA", ttl=63)))
    changes = {change.name: (change.before, change.after) for change in found.changes}
    assert set(changes) == {"ip.ttl", "ipv4.checksum", "tcp.dport", "tcp.flags", "tcp.checksum"}
    assert changes["tcp.flags"] == ("S", "SA")
    assert changes["ip.ttl"] == (64, 63)
    same = version(f.tcp(A, 1, B, 80, "S"))
    assert difference(same, same).changes == []


def test_a_pushed_header_hides_nothing_below_it() -> None:
    before = version(f.udp(A, 1, B, 2, b"data"))
    after = version(f.ether(f.ip("192.0.2.1", "192.0.2.2", 4, f.udp(A, 7, B, 2, b"data")[14:])))
    found = difference(before, after)
    assert found.pushed == "20 bytes: ipip 192.0.2.1 > 192.0.2.2"
    assert {change.name for change in found.changes} == {"udp.sport", "udp.checksum"}
    back = difference(after, before)
    assert back.popped == found.pushed
    assert not back.pushed


def test_another_family_outside_changes_the_ethertype() -> None:
    before = version(f.udp(A, 1, B, 2, b"data"))
    after = version(f.ether(f.ip(A6, B6, 4, f.udp(A, 1, B, 2, b"data")[14:])))
    found = difference(before, after)
    assert found.pushed == f"40 bytes: ipip {A6} > {B6}"
    assert [(change.name, change.before, change.after) for change in found.changes] == [("eth.type", 0x0800, 0x86DD)]


def test_payload_bytes() -> None:
    found = difference(version(f.udp(A, 1, B, 2, b"abcdefgh")), version(f.udp(A, 1, B, 2, b"aXcdefgh")))
    assert ("payload[1]", ord("b"), ord("X")) in [(c.name, c.before, c.after) for c in found.changes]
    found = difference(version(f.udp(A, 1, B, 2, b"abcdefgh")), version(f.udp(A, 1, B, 2, b"ABCDEFGH")))
    assert found.changes[-1].after == "4 more bytes differ"


def test_the_packet_that_an_error_quotes() -> None:
    before = f.icmp_error(B, A, f.udp(A, 1, B, 2)[14:])
    after = f.icmp_error(B, A, f.udp("10.0.0.9", 77, B, 2)[14:])
    changes = {c.name: (c.before, c.after) for c in difference(version(before), version(after)).changes}
    assert changes["quoted.ip.src"] == (A, "10.0.0.9")
    assert changes["quoted.sport"] == (1, 77)
    six = difference(
        version(f.icmp_error(B6, A6, f.udp(A6, 1, B6, 2)[14:], most=48)),
        version(f.icmp_error(B6, A6, f.udp(A6, 5, B6, 2)[14:], most=48)),
    )
    assert {c.name for c in six.changes} == {"quoted.sport"}  # the quoted UDP checksum makes up for it
