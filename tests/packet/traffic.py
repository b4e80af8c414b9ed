"""Hypothesis strategies of well-formed packets, built by scapy."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from scapy.all import ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, IPv6, Raw
from scapy.layers.inet import IPerror, IPOption_NOP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6TimeExceeded,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
)
from scapy.layers.ipsec import AH
from tests.packet.frames import ether

ports = st.integers(0, 65535)
payloads = st.binary(max_size=40)
v4_hosts = st.ip_addresses(v=4).map(str)
v6_hosts = st.ip_addresses(v=6).filter(lambda a: a.ipv4_mapped is None).map(str)


@st.composite
def tcp(draw: st.DrawFn) -> Any:
    options = [("NOP", None)] * draw(st.integers(0, 3)) + draw(st.sampled_from([[], [("MSS", 1460)]]))
    flags = draw(st.integers(0, 255))
    return TCP(
        sport=draw(ports), dport=draw(ports), flags=flags, seq=draw(st.integers(0, 2**32 - 1)), options=options
    ) / Raw(draw(payloads))


udp = st.builds(lambda s, d, data: UDP(sport=s, dport=d) / Raw(data), ports, ports, payloads)
udp_bare = st.builds(lambda s, d, data: UDP(sport=s, dport=d, chksum=0) / Raw(data), ports, ports, payloads)
other = st.builds(lambda data: Raw(data), payloads)
echo4 = st.builds(lambda t, i, s: ICMP(type=t, id=i, seq=s) / Raw(b"ping!"), st.sampled_from([0, 8]), ports, ports)
echo6 = st.builds(
    lambda kind, i, s: kind(id=i, seq=s, data=b"ping!"),
    st.sampled_from([ICMPv6EchoRequest, ICMPv6EchoReply]),
    ports,
    ports,
)


@st.composite
def ip4(draw: st.DrawFn, inner: st.SearchStrategy[Any] | None = None) -> Any:
    body = draw(inner if inner is not None else st.one_of(tcp(), udp, udp_bare, echo4, other))
    head = IP(
        src=draw(v4_hosts),
        dst=draw(v4_hosts),
        tos=draw(st.integers(0, 255)),
        ttl=draw(st.integers(0, 255)),
        id=draw(ports),
        flags=draw(st.sampled_from(["", "DF"])),
        options=[IPOption_NOP()] * draw(st.sampled_from([0, 0, 0, 4, 8, 40])),
    )
    if isinstance(body, Raw):
        head.proto = draw(st.sampled_from([50, 99, 253]))
    return head / body


@st.composite
def ip6(draw: st.DrawFn, inner: st.SearchStrategy[Any] | None = None) -> Any:
    body = draw(inner if inner is not None else st.one_of(tcp(), udp, echo6, other))
    packet = IPv6(
        src=draw(v6_hosts),
        dst=draw(v6_hosts),
        tc=draw(st.integers(0, 255)),
        fl=draw(st.integers(0, (1 << 20) - 1)),
        hlim=draw(st.integers(0, 255)),
    )
    extensions: list[Any] = [
        IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)]),
        IPv6ExtHdrFragment(offset=0, m=0),
        IPv6ExtHdrDestOpt(),
    ]
    if draw(st.booleans()):
        packet /= IPv6ExtHdrHopByHop()
    for extension in draw(st.lists(st.sampled_from(extensions), max_size=3)):
        packet /= extension.copy()
    if isinstance(body, Raw):
        if draw(st.booleans()):
            packet /= AH(payloadlen=4, icv=b"x" * 12)
        last = packet.lastlayer()
        last.nh = draw(st.sampled_from([50, 59, 99, 253]))
    return packet / body


@st.composite
def error4(draw: st.DrawFn) -> Any:
    quoted = IPerror(bytes(draw(ip4(st.one_of(tcp(), udp, udp_bare, echo4)))))
    whole = bytes(quoted)
    body = Raw(whole[: draw(st.sampled_from([quoted.ihl * 4 + 8, quoted.ihl * 4 + 20, len(whole)]))])
    kind, code = draw(st.sampled_from([(3, 1), (3, 3), (4, 0), (5, 1), (11, 0), (12, 0)]))
    source = draw(st.sampled_from([quoted.dst, "192.0.2.1"]))
    return IP(src=source, dst=quoted.src) / ICMP(type=kind, code=code) / body


@st.composite
def error6(draw: st.DrawFn) -> Any:
    quoted = draw(ip6(st.one_of(tcp(), udp, echo6)))
    source = draw(st.sampled_from([quoted.dst, "2001:db8::1"]))
    kind = draw(st.sampled_from([ICMPv6DestUnreach, ICMPv6TimeExceeded]))
    return IPv6(src=source, dst=quoted.src) / kind() / Raw(bytes(quoted))


@st.composite
def frames(draw: st.DrawFn, ip: st.SearchStrategy[Any] | None = None) -> bytes:
    """Ethernet frames with up to three VLAN tags."""
    head = ether()
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
        head /= draw(st.sampled_from([Dot1Q, Dot1AD]))(vlan=draw(st.integers(0, 4095)), prio=draw(st.integers(0, 7)))
    return bytes(head / draw(ip if ip is not None else st.one_of(ip4(), ip6())))


__all__ = ["error4", "error6", "frames", "ip4", "ip6", "tcp", "udp"]
