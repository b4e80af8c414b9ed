"""IP in IP: what scapy sees after a push, and that a pop brings the packet back byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.all import ARP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw, fragment
from scapy.layers.inet6 import IPv6ExtHdrDestOpt
from tests.packet.frames import Frame, ether, renewed
from tests.packet.test_parse import LINKS, agrees
from tests.packet.traffic import error4, frames, ip4, ip6

from nfuse.packet.action import pop_ipip, push_ipip
from nfuse.packet.address import pack
from nfuse.packet.desc import F_MADE

OUTER = {4: ("198.51.100.1", "198.51.100.2"), 6: ("2001:db8:1::1", "2001:db8:1::2")}


def push(frame: Frame, version: int, ttl: int = 64, tos: int = 0) -> int:
    source, destination = OUTER[version]
    return int(push_ipip(frame.P, *pack(source), *pack(destination), ttl, tos))


@given(frames(st.one_of(ip4(), ip6(), error4())), st.sampled_from([4, 6]), st.integers(0, 255), st.integers(0, 255))
def test_round_trip(data: bytes, version: int, ttl: int, tos: int) -> None:
    frame = Frame(data)
    before = frame.facts()
    assert push(frame, version, ttl, tos) == 1
    size = 20 if version == 4 else 40
    assert frame["len"] == frame["wire"] == len(data) + size
    assert frame["room"] == 128 - size
    pushed = frame.data
    agrees(frame, pushed)
    assert "IPIP" in frame.flags
    layer: Any = Ether(pushed)[IP if version == 4 else IPv6]
    assert (layer.src, layer.dst) == OUTER[version]
    assert ((layer.ttl, layer.tos) if version == 4 else (layer.hlim, layer.tc)) == (ttl, tos)
    if version == 4:
        head = bytes(layer)[:20]
        assert renewed(head, IP)[:20] == head
    assert pushed[before["l3"] + size :] == data[before["l3"] :]
    assert pop_ipip(frame.P) == 1
    assert frame.data == data
    assert frame.facts() == before
    assert frame["room"] == 128


@pytest.mark.parametrize(("link", "head4", "head6"), LINKS)
def test_every_link_type(link: int, head4: bytes, head6: bytes) -> None:
    for head, body in ((head4, IP() / UDP(sport=7)), (head6, IPv6() / TCP(sport=7))):
        for version in (4, 6):
            frame = Frame(head + bytes(body), link)
            before, facts = frame.data, frame.facts()
            assert push(frame, version) == 1
            assert frame.reason == ""
            assert f"IP{version}" in frame.flags
            assert pop_ipip(frame.P) == 1
            assert frame.facts() == facts
            assert frame.data[len(head) :] == before[len(head) :]


def test_three_deep_behind_tags() -> None:
    data = bytes(ether() / Dot1Q(vlan=5) / Dot1Q(vlan=6) / IP(src="10.0.0.1", dst="10.0.0.2") / TCP() / Raw(b"abc"))
    frame = Frame(data)
    for version in (4, 6, 4):
        assert push(frame, version) == 1
    packet = Ether(frame.data)
    assert [packet.getlayer(Dot1Q, n).vlan for n in (1, 2)] == [5, 6]
    for _ in range(3):
        assert pop_ipip(frame.P) == 1
    assert frame.data == data
    assert pop_ipip(frame.P) == 0


@pytest.mark.parametrize(("flag", "identity"), [("DF", 0), ("", 77)])
def test_identification_follows_the_inner_packet(flag: str, identity: int) -> None:
    frame = Frame(ether() / IP(id=77, flags=flag) / UDP())
    push(frame, 4)
    outer = Ether(frame.data)[IP]
    assert (outer.id, str(outer.flags)) == (identity, flag)


def test_no_head_room() -> None:
    for room, done in ((19, 0), (20, 1)):
        frame = Frame(ether() / IP() / UDP(), room=room)
        before, facts = frame.data, frame.facts()
        assert push(frame, 4) == done
        assert push(frame, 4) == 0
        if not done:
            assert (frame.data, frame.facts()) == (before, facts)


def test_too_long() -> None:
    for size, done in ((65515, 1), (65516, 0)):
        frame = Frame(ether() / IP() / Raw(b"x" * (size - 20)))
        assert push(frame, 4) == done
        assert frame["len"] == 14 + size + 20 * done
    assert push(Frame(ether() / IP() / Raw(b"x" * 65515)), 6) == 1


def test_mixed_families() -> None:
    frame = Frame(ether() / IP() / UDP())
    assert push_ipip(frame.P, *pack("1.2.3.4"), *pack("::1"), 64, 0) == 0


def test_what_is_not_ip_stays() -> None:
    frame = Frame(ether() / ARP())
    before = frame.data
    assert push(frame, 4) == 1
    assert pop_ipip(frame.P) == 0
    assert frame.data == before


def test_padding_stays_behind() -> None:
    frame = Frame(bytes(ether() / IP() / IP() / UDP()) + b"\xee" * 9)
    assert pop_ipip(frame.P) == 1
    assert frame.data == bytes(ether() / IP() / UDP()) + b"\xee" * 9


@pytest.mark.parametrize(
    "packet",
    [
        IP(proto=4) / Raw(b"not IP"),
        IP(proto=4) / Raw(b""),
        IP(proto=4) / Raw(bytes(IP() / UDP())[:27]),
        IP(proto=4) / Raw(bytes(IPv6() / UDP())),
        IP(proto=41) / Raw(bytes(IP() / UDP())),
        IP(proto=50) / Raw(bytes(IP() / UDP())),
        fragment(IP() / IP() / UDP() / Raw(b"x" * 400), fragsize=200)[0],
    ],
)
def test_unsound_inner_packets_stay(packet: Any) -> None:
    frame = Frame(ether() / packet)
    before, facts = frame.data, frame.facts()
    assert pop_ipip(frame.P) == 0
    assert (frame.data, frame.facts(), frame["len"], frame["room"]) == (before, facts, len(before), 128)


def test_options_and_extension_headers_go_with_the_header() -> None:
    frame = Frame(ether() / IPv6() / IPv6ExtHdrDestOpt(nh=4) / IP() / UDP(sport=9))
    assert pop_ipip(frame.P) == 1
    assert frame.data == bytes(ether() / IP() / UDP(sport=9))


def test_made_packets_stay_made() -> None:
    frame = Frame(ether() / IP() / UDP())
    frame.desc["flags"] |= F_MADE
    push(frame, 6)
    assert "MADE" in frame.flags
    pop_ipip(frame.P)
    assert "MADE" in frame.flags
