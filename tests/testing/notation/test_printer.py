"""Text and bytes are the same thing: what is printed is read back to the same packet, whatever its bytes are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfuse.testing import Packet, packet, packets, text
from nfuse.testing.strategies import damaged, traffic
from nfuse.testing.strategies import packets as any_packet

NORMAL = [
    "10.0.0.1:1234 > 192.0.2.1:80 tcp S seq 7 mss 1460",
    '10.0.0.1:1234 < 192.0.2.1:80 tcp PA seq 8 ack 6 "GET / HTTP/1.0\\r\\n\\r\\n" ttl 3 dscp 46',
    "[2001:db8::1]:5 > [2001:db8::2]:53 udp hex 0102 len 100 label 7",
    "10.0.0.1:5 > 192.0.2.1:53 udp bad-checksum len 3 bad-ip-checksum",
    "10.0.0.1:5 > 192.0.2.1:53 udp no-checksum mac swapped",
    '10.0.0.1 > 192.0.2.1 icmp echo-request id 7 seq 1 "ping" vlan s100,7/3d',
    "192.0.2.1 > 10.0.0.1 icmp port-unreachable (10.0.0.1:1234 > 192.0.2.1:53 udp len 3)",
    "192.0.2.1 > 10.0.0.1 icmp too-big (10.0.0.1:1234 > 192.0.2.1:80 tcp - seq 9 len 1460) mtu 1400 quote 28",
    "192.0.2.1 > 10.0.0.1 icmp 3/5 (10.0.0.1 > 192.0.2.1 icmp echo-reply id 1) rest 0x0007",
    "2001:db8::1 > 2001:db8::2 icmp 135/0 len 16",
    "198.51.100.1 > 198.51.100.2 ipip (10.0.0.1:1234 > 192.0.2.1:80 tcp A) ttl 9",
    '10.0.0.1:1 > 192.0.2.1:53 udp udp-len 100 "x" ip-id 9 df frag 0+',
    '10.0.0.1 > 192.0.2.1 udp "rest" ip-id 9 frag 24',
    '2001:db8::1 > 2001:db8::2 tcp "rest" ip-id 9000000 frag 24+ pad 0001',
    "10.0.0.1 > 192.0.2.1 proto 47 len 2 ip-len 100",
    '10.0.0.1:1 > 192.0.2.1:53 udp "x" link raw',
    "10.0.0.1:1 > 192.0.2.1:53 udp len 100 cut 60",
    "arp who-has 10.0.0.2 tell 10.0.0.1 len 18",
    "< arp 10.0.0.2 is-at 02:00:00:00:00:09 to 10.0.0.1",
    "type 0x88cc hex 0102",
    "raw 0102  # truncated",
    "raw 0102 wire 60  # truncated",
    "raw - link sll  # runt frame",
]


@pytest.mark.parametrize("line", NORMAL)
def test_the_normal_form_stays(line: str) -> None:
    assert packet(line).text == line.replace("raw 0102  # truncated", "raw 0102  # runt frame")


def test_long_frames_and_times_before_the_epoch() -> None:
    one = Packet(bytes(60), -1_500_000_000, 0, 100_000)
    assert text([one]) == f"@-1.5 raw {'00' * 60} wire 100000"
    assert packets(text([one])) == [one]


def same(one: Packet) -> None:
    again = packet(one.text)
    assert again == Packet(one.bytes, 0, one.side, one.wire, one.link), one.text


@given(any_packet(lies=True))
@settings(max_examples=60)
def test_any_packet_has_words(one: Packet) -> None:
    assert not one.text.startswith(("raw", "< raw")), one.text
    same(one)


@given(damaged())
@settings(max_examples=60)
def test_damaged_packets(one: Packet) -> None:
    same(one)


@given(st.binary(max_size=80), st.integers(0, 100), st.integers(1, 5), st.integers(0, 1))
def test_arbitrary_bytes(data: bytes, more: int, link: int, side: int) -> None:
    same(Packet(data, 0, side, len(data) + more, link))


@given(traffic())
@settings(max_examples=10)
def test_lists_with_their_times(source: list[Packet]) -> None:
    assert packets(text(source)) == source


@pytest.mark.parametrize("outer", ["10.0.0.1 > 10.0.0.2", "2001:db8::1 > 2001:db8::2"])
@pytest.mark.parametrize("inner", ["10.0.0.1:1 > 10.0.0.2:2 udp", "[2001:db8::1]:1 > [2001:db8::2]:2 tcp S"])
def test_what_icmp_errors_quote(outer: str, inner: str) -> None:
    """Also of the wrong IP version, and cut anywhere."""
    quoted = packet(inner).bytes[14:]
    for size in range(len(quoted) + 1):
        same(packet(f"{outer} icmp port-unreachable hex {quoted[:size].hex() or '-'}"))


def test_deep_tunnels_end() -> None:
    """A packet in a packet in a packet ... is printed in some way, too."""
    inner = packet("10.0.0.1:1 > 10.0.0.2:2 udp", 0).bytes[14:]
    for _ in range(200):
        size = (20 + len(inner)).to_bytes(2, "big")
        inner = b"\x45\0" + size + bytes(5) + b"\4" + bytes(10) + inner
    same(Packet(packet("type 0x0800").bytes + inner))
