"""Answers: read by scapy, with right checksums; what nobody answers has none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw, fragment
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NS
from tests.packet.frames import A, B, Frame, ether, renewed
from tests.packet.traffic import frames, ip4, ip6, udp, udp_bare

from nfuse.packet.answer import answer
from nfuse.packet.reply import is_group

V4 = IP(src="10.0.0.1", dst="192.0.2.9")
V6 = IPv6(src="2001:db8::1", dst="2001:db8:1::2")


def answered(data: Any, **more: Any) -> bytes | None:
    frame, work = Frame(data, **more), Frame()
    return frame.data if answer(frame.P, work.P) else None


def the_answer(packet: Any) -> Any:
    """The answer to a packet, dissected; all checksums are right."""
    data = answered(ether() / packet)
    assert data is not None
    assert renewed(data) == data
    found = Ether(data)
    assert (found.src, found.dst) == (B, A)
    assert (found.payload.src, found.payload.dst) == (packet.dst, packet.src)
    return found


@pytest.mark.parametrize("ip", [V4, V6])
@pytest.mark.parametrize(
    ("sent", "back"),
    [
        ({"flags": "S", "seq": 7}, ("SA", 0, 8)),
        ({"flags": "S", "seq": 2**32 - 1, "ack": 5}, ("SA", 0, 0)),  # without the flag ACK the number means nothing
        ({"flags": "SA", "seq": 7, "ack": 5}, ("A", 5, 8)),
        ({"flags": "A", "seq": 7, "ack": 5}, ("A", 5, 7)),
        ({"flags": "PAU", "seq": 7, "ack": 5, "data": b"four"}, ("PA", 5, 11)),
        ({"flags": "FAE", "seq": 7, "ack": 5, "data": b"four"}, ("FA", 5, 12)),
    ],
)
def test_tcp_is_numbered_from_the_other_side(ip: Any, sent: dict[str, Any], back: tuple[str, int, int]) -> None:
    data = sent.get("data", b"")
    fields = {name: value for name, value in sent.items() if name != "data"}
    tcp = the_answer(ip / TCP(sport=1111, dport=80, **fields) / Raw(data))[TCP]
    assert (str(tcp.flags), tcp.seq, tcp.ack) == back
    assert (tcp.sport, tcp.dport) == (80, 1111)
    assert bytes(tcp.payload) == data


@pytest.mark.parametrize("ip", [V4, V6])
def test_udp(ip: Any) -> None:
    found = the_answer(ip / UDP(sport=5353, dport=53) / Raw(b"query"))[UDP]
    assert (found.sport, found.dport, bytes(found.payload)) == (53, 5353, b"query")


def test_echo() -> None:
    found = the_answer(V4 / ICMP(type=8, id=7, seq=3) / Raw(b"ping"))[ICMP]
    assert (found.type, found.id, found.seq) == (0, 7, 3)
    found = the_answer(V6 / ICMPv6EchoRequest(id=7, seq=3, data=b"ping"))[ICMPv6EchoReply]
    assert (found.id, found.seq, found.data) == (7, 3, b"ping")


def test_tags_stay() -> None:
    data = answered(ether() / Dot1Q(vlan=12) / V4 / UDP())
    assert data is not None
    assert Ether(data)[Dot1Q].vlan == 12


def test_tunnels_are_turned_inside_too() -> None:
    found = the_answer(V4 / IP(src="10.1.0.1", dst="10.2.0.1") / V6 / TCP(flags="S", seq=4, sport=9, dport=10))
    assert (found[IP][1].src, found[IP][1].dst) == ("10.2.0.1", "10.1.0.1")
    assert (found[IPv6].src, found[IPv6].dst) == (V6.dst, V6.src)
    assert (found[TCP].sport, found[TCP].ack, str(found[TCP].flags)) == (10, 5, "SA")


def test_each_fragment_is_turned() -> None:
    whole = V4 / UDP(sport=1, dport=2) / Raw(bytes(range(200)) * 10)
    parts = [answered(ether() / part) for part in fragment(whole, fragsize=600)]
    datagram = b"".join(bytes(Ether(part)[IP].payload) for part in parts if part)
    expected = IP(bytes(IP(src=V4.dst, dst=V4.src) / UDP(sport=2, dport=1) / Raw(bytes(range(200)) * 10)))
    assert datagram == bytes(expected.payload)


def test_a_truncated_payload_does_no_harm() -> None:
    data = bytes(ether() / V4 / TCP(flags="PA", seq=1, ack=1) / Raw(b"x" * 100))
    found = answered(data[:60], wire=len(data))
    assert found is not None
    assert Ether(found)[TCP].ack == 101


@pytest.mark.parametrize(
    "packet",
    [
        V4 / TCP(flags="R"),
        V6 / TCP(flags="RA"),
        V4 / ICMP(type=0, id=1),
        V4 / ICMP(type=3, code=1) / IP(src="192.0.2.9", dst="10.0.0.1") / UDP(),
        V6 / ICMPv6EchoReply(id=1),
        V6 / ICMPv6ND_NS(tgt="2001:db8::9"),
        IP(src="10.0.0.1", dst="224.0.0.5") / UDP(),
        IP(src="10.0.0.1", dst="255.255.255.255") / UDP(),
        IPv6(src="2001:db8::1", dst="ff02::1") / UDP(),
        V4 / IP(src="10.1.0.1", dst="10.2.0.1") / TCP(flags="R"),
        V4 / IP(src="10.1.0.1", dst="239.2.0.1") / UDP(),
        IP(src="10.0.0.1", dst="192.0.2.9", proto=4) / Raw(b"\x45 too short"),
        ARP(),
        IP(src="10.0.0.1", dst="192.0.2.9", ihl=4) / UDP(),
    ],
)
def test_what_nobody_answers(packet: Any) -> None:
    assert answered(ether() / packet) is None


def test_a_frame_to_all_stations() -> None:
    assert answered(Ether(dst="ff:ff:ff:ff:ff:ff") / V4 / UDP()) is None


def test_without_an_ethernet_header() -> None:
    found = answered(bytes(V4 / UDP(sport=1, dport=2)), link=2)
    assert found is not None
    assert (IP(found).src, IP(found)[UDP].sport) == (V4.dst, 2)


@given(frames(st.one_of(ip4(st.one_of(udp, udp_bare)), ip6(udp))))
def test_the_answer_to_an_answer_is_the_packet(data: bytes) -> None:
    once = answered(data)
    assume(once is not None)
    assert renewed(once) == once
    if is_group(Frame(once).P):  # it was for ::, or for 0.0.0.0/8
        assert answered(once) is None
    else:
        assert answered(once) == data


@given(frames())
def test_any_packet(data: bytes) -> None:
    once = answered(data)
    if once is not None:
        assert len(once) == len(data)
        assert renewed(once) == once
        frame = Frame(once)
        assert frame.reason == ""
        assert (frame["sport"], frame["dport"]) == (Frame(data)["dport"], Frame(data)["sport"])


@given(st.binary(max_size=120), st.sampled_from([1, 2, 3, 4, 5]))
def test_any_bytes(data: bytes, link: int) -> None:
    found = answered(data, link=link)
    assert found is None or len(found) == len(data)
