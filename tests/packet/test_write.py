"""Stores to header fields: afterwards scapy reads the value back and agrees on every checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.all import ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw, RawPcapReader, fragment
from tests.packet.frames import Frame, ether, renewed
from tests.packet.traffic import frames, v4_hosts, v6_hosts

from nfuse.packet.action import (
    set_dport,
    set_eth_dst,
    set_eth_src,
    set_ip_dscp,
    set_ip_dst,
    set_ip_ecn,
    set_ip_src,
    set_ip_ttl,
    set_sport,
    set_vlan_pcp,
    set_vlan_vid,
)
from nfuse.packet.address import pack, pack_mac
from nfuse.packet.read import get_ip_dst, get_ip_src, get_ip_tos, get_ip_ttl, payload_captured, payload_set

words = st.one_of(st.integers(0, 65535), st.sampled_from([0, 65535]))


@st.composite
def writes(draw: st.DrawFn) -> list[tuple[Any, tuple[Any, ...]]]:
    return draw(
        st.lists(
            st.one_of(
                st.tuples(st.sampled_from([set_ip_src, set_ip_dst]), st.tuples(st.one_of(v4_hosts, v6_hosts))),
                st.tuples(st.sampled_from([set_sport, set_dport]), st.tuples(words)),
                st.tuples(st.sampled_from([set_ip_ttl]), st.tuples(st.integers(0, 255))),
                st.tuples(st.sampled_from([set_ip_dscp]), st.tuples(st.integers(0, 63))),
                st.tuples(st.sampled_from([set_ip_ecn]), st.tuples(st.integers(0, 3))),
            ),
            min_size=1,
            max_size=5,
        )
    )


@given(frames(), writes())
def test_checksums_stay_right(data: bytes, todo: list[tuple[Any, tuple[Any, ...]]]) -> None:
    frame = Frame(data)
    assert renewed(data) == data
    for function, (value,) in todo:
        before = frame.data
        arguments = pack(value) if isinstance(value, str) else (value,)
        done = function(frame.P, *arguments)
        if isinstance(value, str) and (":" in value) == ("IP4" in frame.flags):
            assert done == 0
            assert frame.data == before
        else:
            assert done == 1
        assert zeros_alike(frame.data, renewed(frame.data), frame)
        assert frame.facts() == Frame(frame.data).facts()


def zeros_alike(ours: bytes, theirs: bytes, frame: Frame) -> bool:
    """Compare frames; in one's complement a TCP or ICMP checksum of 0x0000 may stand for 0xffff and the reverse."""
    if ours == theirs:
        return True
    at = {"TCP": 16, "ICMP": 2, "ICMP6": 2}
    for name, offset in at.items():
        if name in frame.flags:
            where = frame["l4"] + offset
            pair = {ours[where : where + 2], theirs[where : where + 2]}
            rest = ours[:where] + ours[where + 2 :], theirs[:where] + theirs[where + 2 :]
            return pair == {b"\0\0", b"\xff\xff"} and rest[0] == rest[1]
    return False


@pytest.mark.parametrize("ip", [IP(src="10.0.0.1", dst="10.0.0.2"), IPv6(src="2001:db8::1", dst="2001:db8::2")])
def test_values_arrive(ip: Any) -> None:
    frame = Frame(ether() / Dot1Q(vlan=7, prio=1, id=1) / Dot1Q(vlan=8) / ip / TCP(sport=1, dport=2) / Raw(b"x"))
    source, destination = ("192.0.2.9", "192.0.2.8") if ip.version == 4 else ("2001:db8::9", "2001:db8::8")
    set_ip_src(frame.P, *pack(source))
    set_ip_dst(frame.P, *pack(destination))
    set_sport(frame.P, 65536 + 1000)
    set_dport(frame.P, 2000)
    set_ip_ttl(frame.P, 256 + 9)
    set_ip_dscp(frame.P, 64 + 46)
    set_ip_ecn(frame.P, 3)
    set_vlan_vid(frame.P, 4096 + 99)
    set_vlan_pcp(frame.P, 5)
    set_eth_src(frame.P, pack_mac("02:00:00:00:00:99"))
    set_eth_dst(frame.P, pack_mac("02:00:00:00:00:98"))
    packet = Ether(frame.data)
    found = packet[type(ip)]
    assert (found.src, found.dst, packet[TCP].sport, packet[TCP].dport) == (source, destination, 1000, 2000)
    assert (found.ttl if ip.version == 4 else found.hlim) == 9 == get_ip_ttl(frame.P)
    assert (found.tos if ip.version == 4 else found.tc) == 46 << 2 | 3 == get_ip_tos(frame.P)
    assert (packet[Dot1Q].vlan, packet[Dot1Q].prio, packet[Dot1Q].id, packet[Dot1Q].payload.vlan) == (99, 5, 1, 8)
    assert (packet.src, packet.dst) == ("02:00:00:00:00:99", "02:00:00:00:00:98")
    assert (get_ip_src(frame.P), get_ip_dst(frame.P)) == (pack(source), pack(destination))
    assert (frame["sport"], frame["dport"]) == (1000, 2000)
    assert renewed(frame.data) == frame.data


def test_echo_identifier() -> None:
    for kind, function, name in ((8, set_sport, "sport"), (0, set_dport, "dport")):
        frame = Frame(ether() / IP() / ICMP(type=kind, id=5, seq=6))
        (set_dport if function is set_sport else set_sport)(frame.P, 77)
        assert Ether(frame.data)[ICMP].id == 5
        function(frame.P, 99)
        assert Ether(frame.data)[ICMP].id == 99 == frame[name]
        assert renewed(frame.data) == frame.data


def test_absent_fields_stay_absent() -> None:
    frame = Frame(bytes(ether())[:12] + b"\x22\xf0" + b"\x01" * 60)
    before = frame.data
    assert set_ip_src(frame.P, *pack("1.2.3.4")) == 1
    for function in (set_sport, set_dport, set_ip_ttl, set_ip_dscp, set_ip_ecn, set_vlan_vid, set_vlan_pcp):
        assert function(frame.P, 1) == 1
    assert frame.data == before
    raw = Frame(IP() / UDP(), link=2)
    before = raw.data
    set_eth_src(raw.P, 1)
    set_eth_dst(raw.P, 1)
    assert raw.data == before


def test_l4_sum_of_fragments_is_changed_in_the_first_one_only() -> None:
    whole = IP(src="10.0.0.1", dst="10.0.0.2", id=9) / UDP(sport=5, dport=6) / Raw(b"y" * 900)
    parts = [Frame(ether() / part) for part in fragment(whole, fragsize=400)]
    for part in parts:
        assert set_ip_src(part.P, *pack("10.0.0.99")) == 1
        set_sport(part.P, 4000)
    joined = b"".join(part.data[34:] for part in parts)
    again = IP(src="10.0.0.99", dst="10.0.0.2", id=9) / UDP(sport=4000, dport=6) / Raw(b"y" * 900)
    assert joined == bytes(again)[20:]


def test_udp_without_checksum() -> None:
    frame = Frame(ether() / IP() / UDP(chksum=0))
    set_ip_src(frame.P, *pack("10.9.8.7"))
    set_sport(frame.P, 1)
    assert Ether(frame.data)[UDP].chksum == 0


def test_udp_sum_that_becomes_zero() -> None:
    """RFC 768: an all-zero sum is sent as 0xffff."""
    frame = Frame(ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=0, dport=0))
    rest = Ether(frame.data)[UDP].chksum  # a port equal to the checksum makes the sum zero
    set_sport(frame.P, rest)
    assert Ether(frame.data)[UDP].chksum == 0xFFFF
    set_sport(frame.P, rest)
    assert Ether(frame.data)[UDP].chksum == 0xFFFF
    set_sport(frame.P, 0)
    assert Ether(frame.data)[UDP].chksum == rest


def test_mapped_address_in_ipv6() -> None:
    """An IPv6 packet's address may be v4-mapped; it is still 128 bits to the checksum. It can't be stored."""
    frame = Frame(ether() / IPv6(src="::ffff:1.2.3.4", dst="2001:db8::2") / UDP())
    assert set_ip_src(frame.P, *pack("::ffff:1.2.3.4")) == 0
    assert set_ip_src(frame.P, *pack("2001:db8::5")) == 1
    assert renewed(frame.data) == frame.data


@given(frames(), st.integers(0, 100), st.integers(0, 255))
def test_payload_bytes(data: bytes, index: int, value: int) -> None:
    frame = Frame(data)
    if index < payload_captured(frame.P):
        payload_set(frame.P, index, value)
        assert frame.data[frame["pay"] + index] == value
        assert zeros_alike(frame.data, renewed(frame.data), frame)


def test_captures(captures: Path) -> None:
    """Packets whose checksums scapy calls right before are right afterwards."""
    judged = 0
    for path in sorted(captures.glob("*.pcap")):
        for index, (data, meta) in enumerate(RawPcapReader(str(path))):
            frame = Frame(data, wire=meta.wirelen)
            if index % 25 or frame.flags & {"MALFORMED", "FRAG"} or len(data) < meta.wirelen or renewed(data) != data:
                continue
            address = "192.0.2.77" if "IP4" in frame.flags else "2001:db8::77"
            set_ip_src(frame.P, *pack(address))
            set_ip_dst(frame.P, *pack(address))
            set_sport(frame.P, 1234)
            set_dport(frame.P, 4321)
            set_ip_ttl(frame.P, 1)
            assert zeros_alike(frame.data, renewed(frame.data), frame), (path.name, index)
            judged += "L4" in frame.flags
    assert judged > 50
