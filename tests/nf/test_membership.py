"""``x in ...`` with constants of the module, the class and closures: compiled and interpreted."""

from __future__ import annotations

import pytest
from scapy.all import IP, TCP, UDP, Ether, IPv6
from tests.nf.both import Both, nf_class

SOURCE = """
WEB = (80, 443, 8080)
NAMED = frozenset({53, 853})
HOSTS = (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1"))
HIGH = PortRange(1024, 2047)
NET = Prefix("198.51.100.0/24")
WIDE = ((1 << 64) - 1, 7)

class Tested(NF):
    traffic = tcp | udp
    OWN = (21, 22)

    class Session:
        bits: u32
        wide: u64

    def on_packet(self, pkt, flow):
        flow.bits = 0
        flow.wide = flow.wide - 1
        if pkt.dport in WEB:
            flow.bits |= 1
        if pkt.dport not in NAMED:
            flow.bits |= 2
        if pkt.ip.dst in HOSTS:
            flow.bits |= 4
        if pkt.dport in self.OWN or pkt.dport in Tested.OWN:
            flow.bits |= 8
        if pkt.sport in HIGH:
            flow.bits |= 16
        if pkt.ip.dst in NET:
            flow.bits |= 32
        if flow.wide in WIDE:
            flow.bits |= 64
        if pkt.dport in ():
            flow.bits |= 128
"""


@pytest.fixture(scope="module")
def both() -> Both:
    return Both(nf_class(SOURCE)())


@pytest.mark.parametrize(
    ("packet", "bits"),
    [
        (IP(dst="192.0.2.1") / TCP(sport=1024, dport=80), 1 | 2 | 4 | 16),
        (IP(dst="192.0.2.2") / UDP(sport=2048, dport=53), 0),
        (IP(dst="198.51.100.77") / TCP(sport=1, dport=22), 2 | 8 | 32),
        (IPv6(dst="2001:db8::1") / TCP(sport=2047, dport=8080), 1 | 2 | 4 | 16),
        (IPv6(dst="::ffff:c633:640a") / UDP(sport=5, dport=853), 32),
    ],
)
def test_constants(both: Both, packet: IP, bits: int) -> None:
    both.store(bits=0, wide=100)
    assert both.call("on_packet", bytes(Ether() / packet)).sessions["flow"]["bits"] == bits


def test_constants_wrap_like_fields(both: Both) -> None:
    both.store(bits=0, wide=0)
    frame = bytes(Ether() / IP() / TCP(sport=1, dport=1))
    assert both.call("on_packet", frame).sessions["flow"]["bits"] == 2 | 64
