"""Nptv6 against RFC 6296 with sums of words, and its example."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import Nptv6

PEER = "2001:db8:ffff::1"
WORD = st.one_of(st.sampled_from([0, 1, 0xFFFE, 0xFFFF, 0xFFFF]), st.integers(0, 0xFFFF))


def words(value: int) -> list[int]:
    return [value >> shift & 0xFFFF for shift in range(112, -1, -16)]


def mapped(address: str, old: str, new: str) -> str | None:
    """Do what section 3 says, word by word; None where no word can be changed."""
    net, target = ipaddress.IPv6Network(old), ipaddress.IPv6Network(new)
    host = int(ipaddress.IPv6Address(address)) & int(net.hostmask)
    found = words(int(target.network_address) | host)
    places = [3] if net.prefixlen <= 48 else [4, 5, 6, 7]
    place = next((p for p in places if words(int(ipaddress.IPv6Address(address)))[p] != 0xFFFF), None)
    if place is None:
        return None
    total = found[place] + sum(words(int(net.network_address))) - sum(words(int(target.network_address)))
    while total < 0 or total > 0xFFFF:  # one's complement
        total = total + 0xFFFF if total < 0 else (total & 0xFFFF) + (total >> 16)
    found[place] = 0 if total == 0xFFFF else total
    return str(ipaddress.IPv6Address(sum(word << 16 * (7 - i) for i, word in enumerate(found))))


@pytest.mark.parametrize("engine", engines())
def test_the_example_of_section_3_6(engine: str) -> None:
    wire = Wire(Nptv6(inside="fd01:203:405::/48", outside="2001:db8:1::/48"), engine)
    packet = Packet("fd01:203:405:1::1234", PEER)
    out = packet.to(src="2001:db8:1:d550::1234")
    assert wire.send(packet) == out
    assert wire.send(out.back()) == packet.back()
    inward = Packet(PEER, "2001:db8:1:d550::1234", sport=9)
    assert wire.send(inward) == inward.to(dst="fd01:203:405:1::1234")
    assert wire.send(Packet("2001:db8:7::1", PEER)) == Packet("2001:db8:7::1", PEER)


@pytest.mark.parametrize("engine", engines())
@given(
    st.sampled_from([(32, 48), (48, 48), (48, 64), (56, 56), (60, 56), (64, 64)]),
    st.lists(WORD, min_size=8, max_size=8),
    st.lists(WORD, min_size=8, max_size=8),
    st.lists(st.lists(WORD, min_size=8, max_size=8), max_size=5),
    st.sampled_from(["tcp", "udp", "icmp6"]),
)
@few(30)
def test_addresses(
    engine: str, lengths: tuple[int, int], a: list[int], b: list[int], hosts: list[list[int]], proto: str
) -> None:
    length = lengths[0]
    whole = [
        sum(word << 16 * (7 - i) for i, word in enumerate([first, *found[1:]]))
        for first, found in ((0xFD00, a), (0x2A00, b))
    ]
    inside, outside = (ipaddress.IPv6Network((value, length), strict=False) for value in whole)
    wire = Wire(Nptv6(inside=str(inside), outside=str(outside)), engine)
    seen = set()
    for host in hosts:
        value = sum(word << 16 * (7 - i) for i, word in enumerate(host)) & int(inside.hostmask)
        address = str(inside.network_address + value)
        packet = Packet(address, PEER, proto, 5, 0 if proto == "icmp6" else 80, payload=b"data")
        if address in seen:
            continue
        seen.add(address)
        expected = mapped(address, str(inside), str(outside))
        frame = packet.frame()
        if expected is None:
            (error,) = wire.frames(frame)
            assert error[20] == 58
            assert error[54] == 1  # destination unreachable
            continue
        assert mapped(expected, str(outside), str(inside)) == address
        (out,) = wire.frames(frame)
        assert out == frame[:22] + ipaddress.IPv6Address(expected).packed + frame[38:], "all but the source stays"
        assert wire.send(packet.to(src=expected).back()) == packet.back()


@pytest.mark.parametrize("engine", engines())
def test_what_cannot_be_mapped(engine: str) -> None:
    wire = Wire(Nptv6(inside="fd01:203:405::/48", outside="2001:db8:1::/48"), engine, two_sided=True)
    assert wire.send(Packet("fd01:203:405:ffff::1", PEER, "udp")).proto == "icmp6"  # type: ignore[union-attr]
    assert wire.send(Packet("fd01:203:405:1::1", "2001:db8:1:2::1", "udp")) is None
    spoofed = Packet("fd01:203:405:1::1", PEER, "udp", sport=7)
    assert wire.send(spoofed, side=1) == spoofed  # an inside source from the outer side is none of ours
    assert wire.dropped() == {"address can't be mapped": 1, "hairpin": 1}


@pytest.mark.parametrize("engine", engines())
def test_new_prefixes_hold_for_live_flows(engine: str) -> None:
    wire = Wire(Nptv6(inside="fd01:203:405::/48", outside="2001:db8:1::/48"), engine)
    packet = Packet("fd01:203:405:1::1234", PEER)
    assert wire.send(packet)
    wire.set("nptv6", outside="2001:db8:2::/48")
    expected = mapped(packet.src, "fd01:203:405::/48", "2001:db8:2::/48")
    assert wire.send(packet) == packet.to(src=expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"inside": "10.0.0.0/8"}, "expected IPv6 prefixes"),
        ({"inside": "fd00::/56"}, "expected one length for both"),
        ({"inside": "fd00::/65", "outside": "2001:db8::/65"}, "up to /64"),
        ({"inside": "2001:db8::/48"}, "are the same"),
        ({"inside": "fd00"}, "inside: 'fd00' is not valid"),
    ],
)
def test_bad_parameters(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Wire(Nptv6(**({"inside": "fd00::/48", "outside": "2001:db8::/48"} | given)))
