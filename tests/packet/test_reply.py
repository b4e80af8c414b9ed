"""Made packets: scapy reads them, their checksums are right, and nothing answers what must not be answered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw, fragment
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6TimeExceeded, _ICMPv6
from tests.packet.frames import A, B, Frame, ether, renewed
from tests.packet.test_quoted import icmp_sum_is_right
from tests.packet.traffic import frames, ip4, ip6

from nfuse.packet.action import make_reply
from nfuse.packet.desc import F_MADE
from nfuse.packet.reply import ECHO, PORT_UNREACHABLE, REJECT, REPLY_SPACE, RST, TTL_EXCEEDED, UNREACHABLE

V4 = IP(src="10.0.0.1", dst="10.0.0.2")
V6 = IPv6(src="2001:db8::1", dst="2001:db8::2")
KINDS = [RST, UNREACHABLE, REJECT, ECHO, TTL_EXCEEDED, PORT_UNREACHABLE]


def reply(frame: Frame, kind: int) -> Frame | None:
    made = Frame(space=REPLY_SPACE)
    return made if make_reply(frame.P, made.P, kind) else None


def answer(packet: Any, kind: int) -> Any:
    """The reply to a packet, dissected; all checksums are right."""
    made = reply(Frame(ether() / packet), kind)
    assert made is not None
    assert "MADE" in made.flags
    assert made.reason == ""
    data = made.data
    assert renewed(data) == data
    found = Ether(data)
    assert (found.src, found.dst) == (B, A)
    return found


@pytest.mark.parametrize("ip", [V4, V6])
def test_reset_of_a_syn(ip: Any) -> None:
    """RFC 9293, 3.10.7.1: without ACK the reset has sequence number 0 and acknowledges the segment."""
    found = answer(ip / TCP(sport=1, dport=2, seq=2**32 - 3, flags="SF") / Raw(b"abcde"), RST)
    tcp = found[TCP]
    assert (found[type(ip)].src, found[type(ip)].dst) == (ip.dst, ip.src)
    assert (tcp.sport, tcp.dport, tcp.seq, tcp.ack, str(tcp.flags), tcp.window) == (2, 1, 0, 4, "RA", 0)


@pytest.mark.parametrize("kind", [RST, REJECT])
def test_reset_of_an_acknowledgment(kind: int) -> None:
    tcp = answer(V4 / TCP(seq=7, ack=99, flags="PA") / Raw(b"abc"), kind)[TCP]
    assert (tcp.seq, tcp.ack, str(tcp.flags)) == (99, 0, "R")


@pytest.mark.parametrize(
    ("kind", "code4", "code6"),
    [
        (UNREACHABLE, (3, 13), (1, 1)),
        (REJECT, (3, 13), (1, 1)),
        (TTL_EXCEEDED, (11, 0), (3, 0)),
        (PORT_UNREACHABLE, (3, 3), (1, 4)),
    ],
)
def test_errors(kind: int, code4: tuple[int, int], code6: tuple[int, int]) -> None:
    found = answer(V4 / UDP() / Raw(b"x"), kind)
    assert (found[ICMP].type, found[ICMP].code) == code4
    assert (found[IP].src, found[IP].dst, found[IP].tos) == ("10.0.0.2", "10.0.0.1", 0xC0)
    assert bytes(found[ICMP])[8:] == bytes(V4 / UDP() / Raw(b"x"))
    found = answer(V6 / UDP() / Raw(b"x"), kind)
    error = found[ICMPv6TimeExceeded if kind == TTL_EXCEEDED else ICMPv6DestUnreach]
    assert (error.type, error.code) == code6
    assert bytes(error)[8:] == bytes(V6 / UDP() / Raw(b"x"))


@pytest.mark.parametrize(("ip", "most"), [(V4, 576), (V6, 1280)])
def test_quotes_as_much_as_fits(ip: Any, most: int) -> None:
    for size in (most - 60, 1400):
        made = reply(Frame(ether() / ip / UDP() / Raw(b"x" * size)), UNREACHABLE)
        assert made is not None
        assert "ICMP_ERROR" in made.flags
        assert icmp_sum_is_right(made)
        assert made["len"] - 14 == most if size == 1400 else made["len"] - 14 <= most


def test_quotes_what_was_captured() -> None:
    data = bytes(ether() / V4 / UDP() / Raw(b"x" * 300))
    made = reply(Frame(data[:60], wire=len(data)), UNREACHABLE)
    assert made is not None
    assert made["len"] == 14 + 28 + 46


@pytest.mark.parametrize("ip", [V4 / ICMP(type=8, id=3, seq=4), V6 / ICMPv6EchoRequest(id=3, seq=4)])
def test_echo(ip: Any) -> None:
    found = answer(ip / Raw(b"ping" * 20), ECHO)
    layer = found[ICMP] if ip.version == 4 else found[ICMPv6EchoReply]
    assert (layer.type, layer.id, layer.seq) == (0 if ip.version == 4 else 129, 3, 4)
    assert bytes(layer)[8:] == b"ping" * 20


def test_echo_that_does_not_fit() -> None:
    assert reply(Frame(ether() / V4 / ICMP() / Raw(b"x" * 1900)), ECHO) is not None
    assert reply(Frame(ether() / V4 / ICMP() / Raw(b"x" * 2000)), ECHO) is None
    data = bytes(ether() / V4 / ICMP() / Raw(b"x" * 100))
    assert reply(Frame(data[:90], wire=len(data)), ECHO) is None


def test_the_descriptor_follows_the_cause() -> None:
    frame = Frame(ether() / Dot1Q(vlan=9) / V4 / TCP())
    frame.desc["ts"], frame.desc["side"], frame.desc["inport"] = 123456789, 1, 3
    made = reply(frame, RST)
    assert made is not None
    assert (made["ts"], made["side"], made["inport"], made["link"], made["room"]) == (123456789, 1, 3, 1, 128)
    assert Ether(made.data)[Dot1Q].vlan == 9


def test_raw_link() -> None:
    made = reply(Frame(V4 / TCP(), link=2), RST)
    assert made is not None
    assert TCP in IP(made.data)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "packet",
    [
        ether() / V4 / TCP(flags="R"),
        ether() / V4 / TCP(flags="RA"),
        ether() / V4 / ICMP(type=3, code=3) / Raw(bytes(V4 / UDP())),
        ether() / V6 / ICMPv6DestUnreach() / V6 / UDP(),
        ether() / fragment(V4 / UDP() / Raw(b"x" * 99), fragsize=64)[1],
        Ether(src=A, dst="ff:ff:ff:ff:ff:ff") / V4 / UDP(),
        Ether(src=A, dst="01:00:5e:00:00:01") / V4 / UDP(),
        ether() / IP(src="10.0.0.1", dst="224.0.0.5") / UDP(),
        ether() / IP(src="10.0.0.1", dst="255.255.255.255") / ICMP(),
        ether() / IP(src="0.0.0.0", dst="10.0.0.1") / ICMP(),
        ether() / IP(src="224.0.0.1", dst="10.0.0.1") / TCP(),
        ether() / IPv6(src="2001:db8::1", dst="ff02::1") / ICMPv6EchoRequest(),
        ether() / IPv6(src="::", dst="2001:db8::1") / TCP(),
        ether() / ARP(),
        ether() / V4 / TCP(dataofs=3),
    ],
)
def test_what_nothing_answers(packet: Any, kind: int) -> None:
    assert reply(Frame(packet), kind) is None


@pytest.mark.parametrize("kind", [0, 7, -1])
def test_unknown_kinds(kind: int) -> None:
    assert reply(Frame(ether() / V4 / TCP()), kind) is None


def test_made_packets_are_not_answered() -> None:
    frame = Frame(ether() / V4 / UDP())
    frame.desc["flags"] |= F_MADE
    assert reply(frame, UNREACHABLE) is None


def test_kinds_need_their_packet() -> None:
    assert reply(Frame(ether() / V4 / UDP()), RST) is None
    assert reply(Frame(ether() / V4 / UDP()), ECHO) is None
    assert reply(Frame(ether() / V4 / ICMP(type=0)), ECHO) is None


@given(frames(st.one_of(ip4(), ip6())), st.sampled_from(KINDS))
def test_any_reply_is_sound(data: bytes, kind: int) -> None:
    frame = Frame(data)
    made = reply(frame, kind)
    assert frame.data == data
    if made is not None:
        assert made.reason == ""
        assert made["len"] <= REPLY_SPACE
        if "ICMP_ERROR" in made.flags:
            assert icmp_sum_is_right(made)
        else:
            assert renewed(made.data) == made.data
        found = Ether(made.data)
        layer = found[IP] if IP in found else found[IPv6]
        assert isinstance(layer.payload, TCP | ICMP | _ICMPv6)
