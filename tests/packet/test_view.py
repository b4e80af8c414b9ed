"""The interpreted view of a packet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.all import ICMP, IP, TCP, UDP, Ether, IPv6, Raw, fragment
from tests.packet.frames import Frame, ether, renewed
from tests.packet.traffic import frames

from nfuse.packet.desc import F_IP4, F_TCP
from nfuse.packet.view import PacketView, WrongFamily


def view(packet: Any, **more: Any) -> PacketView:
    return PacketView(bytearray(bytes(packet)), **more)


PLAIN = ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1, dport=2, flags="S") / Raw(b"abc")


def test_reading() -> None:
    seen = view(PLAIN, ts=5, side=1)
    assert seen.tcp
    assert not seen.udp
    assert not seen.ipv6
    assert (seen.ip.src, seen.tcp.syn, seen.sport, seen.dport) == (IPv4Address("10.0.0.1"), 1, 1, 2)
    assert (seen.time, seen.ts, seen.side, seen.reverse, seen.len, seen.payload_len) == (5, 5, 1, True, 57, 3)
    assert seen.flags & (F_IP4 | F_TCP) == F_IP4 | F_TCP
    assert (bytes(seen.payload), seen.payload[2], len(seen.payload), list(seen.payload)) == (
        b"abc",
        99,
        3,
        [97, 98, 99],
    )
    assert seen.frame == bytes(PLAIN)
    assert "syn=1" in repr(seen)
    assert repr(seen.udp) == "<no udp>"


def test_storing_updates_the_bytearray_and_its_checksums() -> None:
    data = bytearray(bytes(PLAIN))
    seen = PacketView(data)
    seen.ip.src = "192.0.2.1"
    seen.ip.dst = IPv4Address("192.0.2.2")
    seen.ip.ttl -= 1
    seen.tcp.syn, seen.tcp.ack, seen.sport, seen.dport = 0, 1, 99, 98
    seen.payload[0] = 0x7A
    seen.eth.src = "02:00:00:00:00:77"
    packet = Ether(bytes(data))
    assert (packet[IP].src, packet[IP].dst, packet[IP].ttl) == ("192.0.2.1", "192.0.2.2", 63)
    assert (str(packet[TCP].flags), packet[TCP].sport, packet[TCP].dport) == ("A", 99, 98)
    assert (bytes(packet[Raw]), packet.src) == (b"zbc", "02:00:00:00:00:77")
    assert renewed(bytes(data)) == bytes(data)


def test_changes_from_outside_are_seen() -> None:
    data = bytearray(bytes(PLAIN))
    seen = PacketView(data)
    data[34:36] = b"\x11\x22"
    assert seen.sport == seen.tcp.sport == 0x1122
    data[23] = 17
    data[38:40] = b"\0\x17"
    seen.reparse()
    assert seen.udp
    assert not seen.tcp


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("seen.ip.src = '::1'", WrongFamily),
        ("seen.udp.sport", AttributeError),
        ("seen.udp.sport = 1", AttributeError),
        ("seen.tcp.checksum = 1", AttributeError),
        ("seen.tcp.sin", AttributeError),
        ("seen.tcp.sin = 1", AttributeError),
        ("seen.tpc", AttributeError),
        ("seen.payload[3]", IndexError),
        ("seen.payload[-1]", IndexError),
        ("seen.payload[3] = 0", IndexError),
    ],
)
def test_mistakes(statement: str, error: type[Exception]) -> None:
    seen = view(PLAIN)
    with pytest.raises(error):
        exec(statement)
    assert seen.frame == bytes(PLAIN)


def test_echo_and_fragments() -> None:
    seen = view(ether() / IP() / ICMP(type=8, id=77))
    assert (seen.sport, seen.dport, seen.icmp.id) == (77, 0, 77)
    seen.sport = 78
    assert seen.icmp.id == 78
    seen = view(ether() / IP() / ICMP(type=0, id=77))
    assert (seen.sport, seen.dport) == (0, 77)
    later = view(ether() / fragment(IP() / UDP() / Raw(b"x" * 99), fragsize=64)[1])
    assert (later.later_fragment, bool(later.udp), bool(later.ip), later.sport) == (1, False, True, 0)


def test_snapped_payload() -> None:
    seen = view(bytes(PLAIN)[:-2], wire=len(PLAIN))
    assert (seen.len, seen.payload_len, len(seen.payload)) == (57, 3, 1)


def test_malformed_and_empty() -> None:
    assert view(b"").malformed == "runt frame"
    seen = view(ether() / IP() / TCP(dataofs=3))
    assert seen.malformed == "data offset"
    assert not seen.tcp
    assert "malformed" in repr(seen)


def test_ipv6() -> None:
    seen = view(ether() / IPv6(src="2001:db8::1", dst="::2") / UDP())
    assert (seen.ip.version, seen.ip.src) == (6, IPv6Address("2001:db8::1"))
    with pytest.raises(WrongFamily):
        seen.ip.dst = "10.0.0.1"


@given(st.one_of(frames(), st.binary(max_size=100)))
def test_the_view_finds_what_the_parser_finds(data: bytes) -> None:
    frame, seen = Frame(data), PacketView(bytearray(data))
    for name in ("flags", "l3", "l4", "pay", "etype", "proto", "vlans", "bad", "sport", "dport"):
        assert getattr(seen, name) == frame[name], name
    repr(seen)
