"""The parser against scapy, over captures and generated packets, and against every way to cut or spoil a frame."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, IPv6, Raw, RawPcapReader, fragment, fragment6
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.layers.ipsec import AH
from tests.packet.frames import Frame, ether
from tests.packet.oracle import expected
from tests.packet.traffic import error4, error6, frames, ip4, ip6

from nfuse.memory.arena import View
from nfuse.packet.desc import (
    DESC_DTYPE,
    DESC_SIZE,
    FLAG_NAMES,
    LINK_NULL,
    LINK_RAW,
    LINK_SLL,
    LINK_SLL2,
)
from nfuse.packet.parse import parse, parse_burst
from nfuse.packet.read import (
    fragment_data,
    fragment_id,
    fragment_more,
    fragment_offset,
    payload_captured,
    payload_length,
)


def agrees(frame: Frame, data: bytes) -> None:
    want = expected(data)
    flags = want.pop("flags")
    assert frame.reason == ""
    assert frame.flags == flags
    assert {name: frame[name] for name in want} == want


@given(frames())
def test_generated_packets(data: bytes) -> None:
    agrees(Frame(data), data)


@given(frames(st.one_of(error4(), error6())))
def test_icmp_errors(data: bytes) -> None:
    agrees(Frame(data), data)


@given(frames(), st.integers(1, 30))
def test_padding_is_no_payload(data: bytes, more: int) -> None:
    padded, plain = Frame(data + b"\xff" * more), Frame(data)
    assert padded.facts() == plain.facts()
    assert payload_length(padded.P) == payload_length(plain.P) == payload_captured(padded.P)


@given(frames(st.one_of(ip4(), ip6(), error4(), error6())), st.data())
def test_truncated_at_every_byte(data: bytes, draw: st.DataObject) -> None:
    whole = Frame(data)
    for size in range(len(data)):
        cut = Frame(data[:size], wire=len(data))
        if "MALFORMED" in cut.flags:
            assert cut.reason == "truncated"
            assert cut["pay"] <= max(14, whole["pay"])
            assert not cut.flags & {"L4", "TCP", "UDP"}
        else:  # all headers are there, and found the same
            assert cut.facts() == whole.facts()
            assert size >= whole["l4"]
            assert payload_captured(cut.P) == max(0, min(size, len(data)) - whole["pay"])
        if size >= 14 and not whole.flags & {"ICMP_ERROR"} and size >= whole["pay"]:
            assert "MALFORMED" not in cut.flags
        lying = Frame(data[:size])  # shorter on the wire than its lengths say
        assert "MALFORMED" in lying.flags or "IP4" not in lying.flags


@given(frames(st.one_of(ip4(), ip6(), error4(), error6())), st.data())
def test_spoilt_bytes_never_read_outside(data: bytes, draw: st.DataObject) -> None:
    spoilt = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        spoilt[draw.draw(st.integers(12, len(data) - 1))] = draw.draw(st.integers(0, 255))
    size = draw.draw(st.integers(0, len(data)))
    frame = Frame(bytes(spoilt[:size]), wire=draw.draw(st.sampled_from([len(data), size])))
    assert ("MALFORMED" in frame.flags) == bool(frame.reason)
    assert frame["l3"] <= frame["l4"] <= frame["pay"] <= max(14, size)
    assert payload_captured(frame.P) <= size


@given(st.binary(max_size=120), st.sampled_from([1, 2, 3, 4, 5, 77]))
def test_noise(data: bytes, link: int) -> None:
    frame = Frame(data, link)
    assert ("MALFORMED" in frame.flags) == bool(frame.reason)


def test_captures(captures: Path) -> None:
    seen: set[str] = set()
    for path in sorted(captures.glob("*.pcap")):
        reader = RawPcapReader(str(path))
        for data, meta in reader:
            frame = Frame(data, wire=meta.wirelen)
            if "MALFORMED" not in frame.flags:
                agrees(frame, data)
            seen |= frame.flags
        reader.close()
    assert seen >= {"TCP", "UDP", "ICMP", "ICMP6", "ARP", "VLAN", "QINQ", "FRAG", "LATER", "IP4", "IP6", "MALFORMED"}


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("mix-4000.pcap", {"ICMP error": 12}),  # payloads were zeroed, quoted packets too
        ("tcp-reassembly.pcap", {"total length": 5}),
        ("tcp-truncated-header.pcap", {"truncated": 1}),
        ("http-get.pcap", {}),
    ],
)
def test_malformed_in_captures(captures: Path, name: str, reasons: dict[str, int]) -> None:
    found: dict[str, int] = {}
    for data, meta in RawPcapReader(str(captures / name)):
        reason = Frame(data, wire=meta.wirelen).reason
        if reason:
            found[reason] = found.get(reason, 0) + 1
    assert found == reasons


def spoil(packet: Any, at: int, value: bytes) -> bytes:
    data = bytearray(bytes(packet))
    data[at : at + len(value)] = value
    return bytes(data)


V4 = ether() / IP(src="192.0.2.1", dst="192.0.2.2")
V6 = ether() / IPv6(src="2001:db8::1", dst="2001:db8::2")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "runt frame"),
        (bytes(ether())[:13], "runt frame"),
        (bytes(ether() / Dot1Q(type=0x800))[:17], "runt frame"),
        (bytes(V4)[:33], "runt frame"),
        (bytes(V6)[:53], "runt frame"),
        (bytes(ether())[:12] + b"\x81\0\0\1" * 9 + b"\x08\0", "VLAN tags"),
        (bytes(ether() / ARP())[:41], "ARP length"),
        (bytes(ether() / ARP())[:20], "ARP length"),
        (spoil(V4 / UDP(), 14, b"\x65"), "IP version"),
        (spoil(V6 / UDP(), 14, b"\x45"), "IP version"),
        (spoil(V4 / UDP(), 14, b"\x44"), "IHL"),
        (spoil(V4 / UDP(), 14, b"\x4f"), "IHL"),
        (spoil(V4 / UDP(), 16, b"\0\x13"), "total length"),
        (spoil(V4 / UDP(), 16, b"\0\x1d"), "total length"),
        (spoil(V6 / UDP(), 18, b"\0\x09"), "payload length"),
        (V6 / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / UDP(), "extension headers"),
        (spoil(V6 / IPv6ExtHdrDestOpt() / UDP(), 55, b"\xff"), "extension headers"),
        (spoil(V6 / IPv6ExtHdrDestOpt(), 18, b"\0\0"), "extension headers"),
        (ether() / IP(frag=8191) / Raw(b"x" * 100), "fragment length"),
        (V6 / IPv6ExtHdrFragment(offset=8191, nh=17) / Raw(b"x" * 100), "fragment length"),
        (ether() / IP(flags="MF", proto=6) / Raw(b"x" * 8), "fragmented header"),
        (ether() / IP(flags="MF", proto=6) / Raw(bytes(TCP(options=[("MSS", 1)]))[:20]), "fragmented header"),
        (V6 / IPv6ExtHdrFragment(m=1, nh=17) / Raw(b"x" * 4), "fragmented header"),
        (V6 / IPv6ExtHdrFragment(m=1, nh=60) / Raw(b"\x11\1\0\0\0\0\0\0"), "fragmented header"),
        (V4 / TCP(dataofs=4), "data offset"),
        (V4 / TCP(dataofs=6), "data offset"),
        (V6 / TCP(dataofs=15) / Raw(b"x" * 39), "data offset"),
        (ether() / IP(proto=6) / Raw(b"x" * 19), "TCP length"),
        (V4 / UDP(len=7), "UDP length"),
        (V4 / UDP(len=9), "UDP length"),
        (V6 / UDP(len=0), "UDP length"),
        (ether() / IP(proto=17) / Raw(b"x" * 7), "UDP length"),
        (ether() / IP(proto=1) / Raw(b"\x08" * 7), "ICMP length"),
        (V4 / ICMP(type=3) / Raw(b""), "ICMP error"),
        (V4 / ICMP(type=3) / Raw(bytes(IP() / UDP())[:23]), "ICMP error"),
        (V4 / ICMP(type=3) / Raw(bytes(IPv6() / UDP())), "ICMP error"),
        (V4 / ICMP(type=11) / Raw(spoil(IP() / UDP(), 0, b"\x4f")), "ICMP error"),
    ],
)
def test_malformed(data: Any, reason: str) -> None:
    frame = Frame(data)
    assert frame.reason == reason
    assert "MALFORMED" in frame.flags
    assert "L4" not in frame.flags
    assert frame["sport"] == frame["dport"] == 0


def test_seventeen_extension_headers() -> None:
    packet = V6.copy()
    for _ in range(16):
        packet /= IPv6ExtHdrDestOpt()
    assert "UDP" in Frame(packet / UDP()).flags
    assert Frame(packet / IPv6ExtHdrDestOpt() / UDP()).reason == "extension headers"


def test_jumbo() -> None:
    frame = Frame(ether() / IP(flags="DF") / TCP() / Raw(b"x" * 65495))
    assert frame["len"] == 65549
    assert frame.reason == ""
    assert payload_length(frame.P) == 65495


def test_total_length_of_segmentation_offload() -> None:
    frame = Frame(ether() / IP(len=0) / TCP() / Raw(b"x" * 3000))
    assert frame.reason == ""
    assert "TCP" in frame.flags
    assert payload_length(frame.P) == 3000


@pytest.mark.parametrize("kind", [0x22F0, 0x88CC, 0x0600, 38, 0, 1535])
def test_what_is_not_ip(kind: int) -> None:
    frame = Frame(bytes(ether())[:12] + kind.to_bytes(2, "big") + b"\xaa\xaa\3" + b"\0" * 35)
    assert frame.flags == {"ETH"}
    assert frame["etype"] == (kind if kind >= 1536 else 0)
    assert frame["l3"] == frame["pay"] == 14


def test_old_tag_type() -> None:
    frame = Frame(bytes(ether())[:12] + b"\x91\0\0\5\x81\0\0\6\x08\0" + bytes(IP() / UDP()))
    assert frame.flags == {"ETH", "VLAN", "QINQ", "IP4", "UDP", "L4"}
    assert (frame["vlans"], frame["l3"]) == (2, 22)


def test_arp_of_other_hardware() -> None:
    assert Frame(ether() / ARP(hwtype=6)).flags == {"ETH"}
    assert Frame(ether() / ARP()).flags == {"ETH", "ARP"}


def sll(kind: int) -> bytes:
    return struct.pack(">HHH8sH", 0, 1, 6, b"", kind)


def sll2(kind: int) -> bytes:
    return struct.pack(">HHIHBB8s", kind, 0, 1, 1, 0, 6, b"")


LINKS = [
    (LINK_RAW, b"", b""),
    (LINK_NULL, b"\2\0\0\0", b"\x1e\0\0\0"),
    (LINK_NULL, b"\0\0\0\2", b"\0\0\0\x18"),
    (LINK_NULL, b"\2\0\0\0", b"\x0a\0\0\0"),
    (LINK_NULL, b"\2\0\0\0", b"\x1c\0\0\0"),
    (LINK_SLL, sll(0x0800), sll(0x86DD)),
    (LINK_SLL2, sll2(0x0800), sll2(0x86DD)),
]


@pytest.mark.parametrize(("link", "head4", "head6"), LINKS)
def test_link_types(link: int, head4: bytes, head6: bytes) -> None:
    for head, body in ((head4, IP() / UDP(sport=7)), (head6, IPv6() / TCP(sport=7))):
        frame = Frame(head + bytes(body), link)
        assert frame.reason == ""
        assert frame.flags & {"IP4", "IP6"} == {f"IP{body.version}"}
        assert "ETH" not in frame.flags
        assert frame["etype"] == (0x800 if body.version == 4 else 0x86DD)
        assert (frame["l3"], frame["sport"]) == (len(head), 7)
        for size in range(len(head)):
            assert Frame(head[:size], link).reason == "runt frame"


def test_tags_behind_a_cooked_header() -> None:
    tagged = Frame(sll(0x8100) + b"\0\7\x08\0" + bytes(IP() / UDP()), LINK_SLL)
    assert tagged.flags == {"VLAN", "IP4", "UDP", "L4"}
    assert tagged["l3"] == 20


def test_unknown_protocol_families() -> None:
    assert Frame(b"\7\0\0\0" + bytes(IP()), LINK_NULL).flags == set()
    assert Frame(b"\x25" + bytes(30), LINK_RAW).reason == "IP version"


@pytest.mark.parametrize("make", [fragment, None])
def test_fragments(make: Any) -> None:
    body = UDP(sport=53, dport=99) / Raw(bytes(range(256)) * 4)
    if make:
        parts = [ether() / part for part in fragment(IP(id=77, src="10.0.0.1", dst="10.0.0.2") / body, fragsize=400)]
    else:
        whole = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(id=77) / body
        parts = [ether() / part for part in fragment6(whole, 500)]
    assert len(parts) >= 3
    data, place = b"", 0
    for index, part in enumerate(parts):
        frame = Frame(part)
        agrees(frame, bytes(part))
        assert ("LATER" in frame.flags) == (index > 0)
        assert frame["sport"] == (53 if index == 0 else 0)
        assert fragment_id(frame.P) == 77
        assert fragment_offset(frame.P) == place
        assert fragment_more(frame.P) == (index < len(parts) - 1)
        data += frame.data[fragment_data(frame.P) :]
        place = len(data)
    assert data[8:] == bytes(body)[8:]


def test_authentication_header() -> None:
    frame = Frame(V6 / AH(nh=17, payloadlen=4, icv=b"x" * 12) / Raw(bytes(UDP(sport=5))))
    assert frame.reason == ""
    assert (frame["l4"], frame["sport"]) == (78, 5)


def test_atomic_fragments_are_whole() -> None:
    frame = Frame(V6 / IPv6ExtHdrFragment() / UDP(sport=5))
    assert not frame.flags & {"FRAG", "LATER"}
    assert frame["sport"] == 5


def test_record_that_lies_about_the_wire() -> None:
    data = bytes(V4 / UDP() / Raw(b"x" * 20))
    assert Frame(data, wire=20).reason == "runt frame"
    assert Frame(data, wire=45).reason == "total length"


def test_burst_gives_what_single_packets_give() -> None:
    packets = [
        V4 / TCP(),
        V4 / UDP(),
        V6 / UDP(),
        ether() / ARP(),
        V4 / TCP(dataofs=3),
        ether() / Dot1Q() / IP() / ICMP(),
    ]
    single = [Frame(packet) for packet in packets]
    table = np.zeros(len(packets) * DESC_SIZE, np.uint8)
    records = table.view(DESC_DTYPE)
    for index, frame in enumerate(single):
        for name in ("addr", "len", "wire", "link"):
            records[index][name] = frame.desc[name]
        records[index]["bad"], records[index]["sport"], records[index]["vlans"] = 9, 9, 9
    base = View(table)
    assert parse_burst(base.address, 0, 0) == 0
    found = parse_burst(base.address, 1, len(packets))
    assert int(records[0]["flags"]) == 0
    assert found == int(np.bitwise_or.reduce(records["flags"]))
    parse_burst(base.address, 0, 1)
    for name in ("flags", "l3", "l4", "pay", "etype", "proto", "bad", "sport", "dport", "vlans"):
        assert [int(v) for v in records[name]] == [frame[name] for frame in single], name


def test_parse_returns_the_flags() -> None:
    frame = Frame(V4 / UDP())
    assert parse(frame.P) == frame["flags"] == sum(FLAG_NAMES[n] for n in ("ETH", "IP4", "UDP", "L4"))
