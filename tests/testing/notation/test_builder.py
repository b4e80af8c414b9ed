"""What is built is what scapy builds and reads: fields, lengths, checksums."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from scapy.all import ARP, GRE, ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, Ether, IPv6, Raw
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    IPv6ExtHdrFragment,
)
from tests.packet.frames import renewed

from nfuse.testing import Packet, packet
from nfuse.testing.strategies import packets

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
FOUR, SIX = IP(src="10.0.0.1", dst="192.0.2.1", id=0), IPv6(src="2001:db8::1", dst="2001:db8::2")
SYN = TCP(sport=1234, dport=80, seq=7, window=65535)

SAME = {
    "10.0.0.1:1234 > 192.0.2.1:80 tcp S seq 7": FOUR / SYN,
    "192.0.2.1:80 < 10.0.0.1:1234 tcp S seq 7": FOUR / SYN,
    "10.0.0.1:1234 > 192.0.2.1:80 tcp S seq 7 mss 1460": FOUR
    / TCP(sport=1234, dport=80, seq=7, window=65535, options=[("MSS", 1460)]),
    '10.0.0.1:1 > 192.0.2.1:2 tcp PAUEWFSR "x" ack 9 win 3 urg 4': FOUR
    / TCP(sport=1, dport=2, flags=255, ack=9, window=3, urgptr=4)
    / b"x",
    "10.0.0.1:1 > 192.0.2.1:2 tcp - options 0402": FOUR
    / TCP(sport=1, dport=2, flags=0, window=65535, options=[("SAckOK", b""), ("EOL", None)]),
    "[2001:db8::1]:1 > [2001:db8::2]:2 udp hex 0102 len 5 ttl 9 label 77": IPv6(
        src="2001:db8::1", dst="2001:db8::2", hlim=9, fl=77
    )
    / UDP(sport=1, dport=2)
    / b"\1\2\0\0\0",
    "10.0.0.1:1 > 192.0.2.1:2 udp ttl 3 dscp 46 ecn 1 ip-id 9 df no-checksum": IP(
        src="10.0.0.1", dst="192.0.2.1", ttl=3, tos=46 << 2 | 1, id=9, flags="DF"
    )
    / UDP(sport=1, dport=2, chksum=0),
    '10.0.0.1 > 192.0.2.1 icmp echo-request id 7 seq 1 "ping"': FOUR / ICMP(type=8, id=7, seq=1) / b"ping",
    '2001:db8::1 > 2001:db8::2 icmp echo-request id 7 seq 1 "ping"': SIX / ICMPv6EchoRequest(id=7, seq=1, data=b"ping"),
    "10.0.0.1 > 192.0.2.1 icmp port-unreachable (192.0.2.1:1 > 10.0.0.1:2 udp)": FOUR
    / ICMP(type=3, code=3)
    / IP(src="192.0.2.1", dst="10.0.0.1", id=0)
    / UDP(sport=1, dport=2),
    "2001:db8::1 > 2001:db8::2 icmp port-unreachable ([2001:db8::2]:1 > [2001:db8::1]:2 udp)": SIX
    / ICMPv6DestUnreach(code=4)
    / IPv6(src="2001:db8::2", dst="2001:db8::1")
    / UDP(sport=1, dport=2),
    "2001:db8::1 > 2001:db8::2 icmp too-big ([2001:db8::2]:1 > [2001:db8::1]:2 udp) mtu 1280": SIX
    / ICMPv6PacketTooBig(mtu=1280)
    / IPv6(src="2001:db8::2", dst="2001:db8::1")
    / UDP(sport=1, dport=2),
    "10.0.0.1 > 192.0.2.1 ipip ([2001:db8::1]:1 > [2001:db8::2]:2 udp)": FOUR / SIX / UDP(sport=1, dport=2),
    "2001:db8::1 > 2001:db8::2 ipip (10.0.0.1:1 > 192.0.2.1:2 udp)": SIX / FOUR / UDP(sport=1, dport=2),
    "10.0.0.1 > 192.0.2.1 proto 47 hex 00000800": FOUR / GRE(proto=0x0800),
    "10.0.0.1 > 192.0.2.1 udp frag 24+ ip-id 9 hex 0102": IP(
        src="10.0.0.1", dst="192.0.2.1", id=9, flags="MF", frag=3, proto=17
    )
    / Raw(b"\1\2"),
    "2001:db8::1 > 2001:db8::2 udp frag 24 ip-id 99999 hex 0102": SIX
    / IPv6ExtHdrFragment(nh=17, offset=3, id=99999)
    / Raw(b"\1\2"),
}


@pytest.mark.parametrize("line", SAME)
def test_as_scapy_builds_it(line: str) -> None:
    assert packet(line).bytes == bytes(Ether(src=A, dst=B) / SAME[line])


def test_ethernet() -> None:
    udp = FOUR / UDP(sport=1, dport=2)
    line = "10.0.0.1:1 > 192.0.2.1:2 udp"
    tags = Dot1AD(vlan=100) / Dot1Q(vlan=7, prio=3)
    assert packet(f"{line} vlan s100,7/3").bytes == bytes(Ether(src=A, dst=B) / tags / udp)
    assert packet(f"{line} mac swapped pad 0102").bytes == bytes(Ether(src=B, dst=A) / udp) + b"\1\2"
    other = Ether(src="02:00:00:00:00:0a", dst="ff:ff:ff:ff:ff:ff")
    assert packet(f"{line} mac 02:00:00:00:00:0a>ff:ff:ff:ff:ff:ff").bytes == bytes(other / udp)
    assert packet(f"{line} link raw").bytes == bytes(udp)
    arp = ARP(hwsrc=A, psrc="10.0.0.1", hwdst="00:00:00:00:00:00", pdst="10.0.0.2")
    assert packet("arp who-has 10.0.0.2 tell 10.0.0.1").bytes == bytes(Ether(src=A, dst=B) / arp)
    arp = ARP(op=2, hwsrc=A, psrc="10.0.0.1", hwdst=B, pdst="10.0.0.2")
    assert packet(f"arp 10.0.0.1 is-at {A} to 10.0.0.2").bytes == bytes(Ether(src=A, dst=B) / arp)
    assert packet("type 0x88cc hex 0102").bytes == bytes(Ether(src=A, dst=B, type=0x88CC) / Raw(b"\1\2"))


def test_lies() -> None:
    """What is wrong on request is wrong, and nothing else is."""
    whole = packet('10.0.0.1:1 > 192.0.2.1:2 udp "data"')
    right = IP(whole.bytes[14:])

    def lying(words: str) -> IP:
        return IP(packet(f'10.0.0.1:1 > 192.0.2.1:2 udp "data" {words}').bytes[14:])

    assert lying("bad-checksum")[UDP].chksum == right[UDP].chksum + 1
    assert lying("checksum 0x1234")[UDP].chksum == 0x1234
    assert (lying("udp-len 99")[UDP].len, lying("udp-len 99")[UDP].chksum) == (99, right[UDP].chksum)
    assert lying("bad-ip-checksum").chksum == right.chksum + 1
    assert lying("ip-len 99").len == 99
    assert lying("ip-len 99").chksum == IP(bytes(IP(bytes(right), len=99))).chksum - (99 - right.len)
    cut = packet("10.0.0.1:1 > 192.0.2.1:2 udp len 100 cut 60")
    assert (len(cut), cut.wire) == (60, 142)


@given(packets())
@settings(max_examples=40)
def test_scapy_finds_all_checksums_right(one: Packet) -> None:
    assume(not {"quote", "proto"} & set(one.text.split()))  # checksums over what scapy sees in part, or takes for GRE
    again = renewed(one.bytes)
    assert again == one.bytes, f"{one.text}\n{Packet(again).text}"
