"""The header tables: what one declaration of a field gives agrees with scapy, compiled and interpreted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, IPv6, Raw
from scapy.layers.inet6 import ICMPv6EchoRequest
from scapy.layers.sctp import SCTP
from tests.packet.frames import Frame, ether, renewed

from nfuse.memory import raw
from nfuse.memory.cache import load_generated
from nfuse.packet import native
from nfuse.packet.address import pack
from nfuse.packet.fields import (
    HEADERS,
    MODIFY_FIELDS,
    PACKET,
    declare,
    emit_present,
    emit_read,
    emit_write,
    field,
    modify_field,
    reference,
)
from nfuse.packet.header import AT_L4, AT_PAYLOAD, Field, header, over_ip, over_udp
from nfuse.packet.view import PacketView

NAMES = [f"{table.name}.{one.name}" for table in (PACKET, *HEADERS.values()) for one in table]
TAGGED = ether() / Dot1Q(vlan=77, prio=5, id=1)
PACKETS: dict[str, Any] = {
    "tcp4": TAGGED
    / IP(src="10.0.0.1", dst="10.0.0.2", tos=0xB9, ttl=9, id=3, flags="DF", options=[b"\1\1\1\1"])
    / TCP(sport=11, dport=22, seq=2**31, ack=2**32 - 1, flags="SAEU", window=99, urgptr=5)
    / Raw(b"hello"),
    "udp6": TAGGED / IPv6(src="2001:db8::1", dst="2001:db8::2", tc=0xB9, fl=0xABCDE, hlim=9) / UDP(sport=11, dport=22),
    "syn6": ether()
    / IPv6(src="2001:db8::1", dst="2001:db8::2")
    / TCP(flags="S", options=[("NOP", None), ("MSS", 1440), ("NOP", None), ("NOP", None), ("NOP", None)]),
    "icmp": ether() / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(id=7, seq=8),
    "icmp6": ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / ICMPv6EchoRequest(id=7, seq=8),
    "arp": ether() / ARP(op=2, psrc="10.0.0.1", pdst="10.0.0.2", hwsrc="02:00:00:00:00:07", hwdst="02:00:00:00:00:08"),
}
EXPECTED: dict[str, dict[str, Any]] = {
    "tcp4": {
        "eth.src": 0x020000000001,
        "eth.dst": 0x020000000002,
        "eth.type": 0x0800,
        "vlan.vid": 77,
        "vlan.pcp": 5,
        "vlan.dei": 1,
        "ip.src": pack("10.0.0.1"),
        "ip.dst": pack("10.0.0.2"),
        "ip.ttl": 9,
        "ip.dscp": 46,
        "ip.ecn": 1,
        "ip.proto": 6,
        "ip.version": 4,
        "ipv4.ihl": 6,
        "ipv4.options_length": 4,
        "ipv4.total_length": 49,
        "ipv4.id": 3,
        "ipv4.df": 1,
        "ipv4.mf": 0,
        "ipv4.frag_offset": 0,
        "ipv4.checksum_ok": 1,
        "tcp.sport": 11,
        "tcp.dport": 22,
        "tcp.seq": 2**31,
        "tcp.ack_no": 2**32 - 1,
        "tcp.data_offset": 5,
        "tcp.fin": 0,
        "tcp.syn": 1,
        "tcp.rst": 0,
        "tcp.psh": 0,
        "tcp.ack": 1,
        "tcp.urg": 1,
        "tcp.ece": 1,
        "tcp.cwr": 0,
        "tcp.flags": 0x72,
        "tcp.window": 99,
        "tcp.urgent": 5,
        "pkt.sport": 11,
        "pkt.dport": 22,
        "pkt.len": 67,
        "pkt.payload_len": 5,
        "pkt.later_fragment": 0,
    },
    "udp6": {
        "ip.src": pack("2001:db8::1"),
        "ip.dst": pack("2001:db8::2"),
        "ip.ttl": 9,
        "ip.dscp": 46,
        "ip.ecn": 1,
        "ip.proto": 17,
        "ip.version": 6,
        "ipv6.flow_label": 0xABCDE,
        "ipv6.payload_length": 8,
        "ipv6.next_header": 17,
        "udp.sport": 11,
        "udp.dport": 22,
        "udp.length": 8,
    },
    "syn6": {"tcp.syn": 1, "tcp.data_offset": 7, "tcp.mss": 1440},
    "icmp": {"icmp.type": 8, "icmp.code": 0, "icmp.id": 7, "icmp.seq": 8, "pkt.sport": 7, "pkt.dport": 0},
    "icmp6": {"icmp6.type": 128, "icmp6.code": 0, "icmp6.id": 7, "icmp6.seq": 8},
    "arp": {
        "arp.op": 2,
        "arp.spa": pack("10.0.0.1"),
        "arp.tpa": pack("10.0.0.2"),
        "arp.sha": 0x020000000007,
        "arp.tha": 0x020000000008,
    },
}
HEAD = """from nfuse.memory.jit import native
from nfuse.memory.raw import {raw}
from nfuse.packet.native import *
"""


def generated(body: str) -> Any:
    """Import a generated module: only names of raw and packet.native are there."""
    names = sorted(n for n in set(re.findall(r"\w+", body)) if re.fullmatch(r"(load|store)\d+(be|i)?|i64", n))
    return load_generated("test_fields", HEAD.format(raw=", ".join(["i64", *names])) + body)


def readers_and_writers() -> str:
    lines = []
    for name in NAMES:
        where, what = name.split(".")
        lines.append(f"@native\ndef read_{where}_{what}(P):\n    return {emit_read(where, what)}\n")
        if field(where, what).writable:
            lines.append(f"@native\ndef store_{where}_{what}(P, v):\n    return {emit_write(where, what, 'v')}\n")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def module() -> Any:
    return generated(readers_and_writers())


def test_reads(module: Any) -> None:
    for name, packet in PACKETS.items():
        frame = Frame(packet)
        for full, value in EXPECTED[name].items():
            assert getattr(module, "read_" + full.replace(".", "_"))(frame.P) == value, (name, full)


def other_value(one: Field, old: Any) -> Any:
    if one.kind == "address":
        return pack("192.0.2.99" if old[0] == 0 else "2001:db8::99")
    return old ^ (1 << one.width) - 1


def test_writes(module: Any) -> None:
    """A store changes its field, the checksums, and nothing else."""
    for name, packet in PACKETS.items():
        for full in EXPECTED[name]:
            one = field(*full.split("."))
            if not one.writable or (name, full) == ("icmp", "pkt.dport"):  # a request has no destination port
                continue
            frame, kept = Frame(packet), Frame(packet)
            stem = full.replace(".", "_")
            read, store = getattr(module, "read_" + stem), getattr(module, "store_" + stem)
            before = frame.data
            value = other_value(one, read(frame.P))
            assert store(frame.P, value) == 1
            assert read(frame.P) == value, full
            assert renewed(frame.data) == frame.data, full
            changed = sum((a ^ b).bit_count() > 0 for a, b in zip(before, frame.data, strict=True))
            assert changed <= one.width // 8 + 1 + 4, full
            store(frame.P, read(kept.P))
            assert frame.data == before, full


def test_a_wrong_header_checksum_stays_wrong(module: Any) -> None:
    """So it does not matter whether a store, or a consolidated change, comes before the look or after it."""
    for damage in range(1, 0x10000, 0x0FFF):
        view = PacketView(bytearray(bytes(PACKETS["tcp4"])))
        view.data[28] ^= damage >> 8  # IPv4 follows 18 bytes of Ethernet and VLAN
        view.data[29] ^= damage & 255
        for full, value in (("ip.ttl", 0), ("ip.src", pack("255.255.0.0")), ("ip.dscp", 63)):
            assert not view.ipv4.checksum_ok
            getattr(module, "store_" + full.replace(".", "_"))(view.P, value)
        assert not view.ipv4.checksum_ok


def test_wrong_family(module: Any) -> None:
    frame = Frame(PACKETS["arp"])
    before = frame.data
    assert module.store_arp_spa(frame.P, pack("::1")) == 0
    assert frame.data == before
    frame = Frame(PACKETS["tcp4"])
    assert module.store_ip_src(frame.P, pack("::1")) == 0


def test_view_agrees_with_generated_code(module: Any) -> None:
    for name, packet in PACKETS.items():
        view, frame = PacketView(bytearray(bytes(packet))), Frame(packet)
        for full in EXPECTED[name]:
            where, what = full.split(".")
            seen = getattr(view if where == "pkt" else getattr(view, where), what)
            value = getattr(module, f"read_{where}_{what}")(frame.P)
            assert (pack(seen) if isinstance(value, tuple) else seen) == value, full


def test_generated_names_exist() -> None:
    for name in NAMES:
        where, what = name.split(".")
        sources = [emit_read(where, what), emit_present(where)]
        if field(where, what).writable:
            sources.append(emit_write(where, what, "v"))
        for source in sources:
            for word in re.findall(r"[a-z_]\w*(?=\()", source):
                assert word in native.__all__ or hasattr(raw, word), (name, word)


def test_modify_fields() -> None:
    assert len(MODIFY_FIELDS) == 11
    for name in MODIFY_FIELDS:
        one = modify_field(name)
        assert one.modify == name
        assert one.writable
        assert f"set_{name}" in native.__all__
    with pytest.raises(KeyError):
        modify_field("tcp_syn")


def test_structure_is_not_writable() -> None:
    for name in ("ipv4.ihl", "ipv4.total_length", "ip.proto", "tcp.data_offset", "udp.length", "tcp.checksum"):
        with pytest.raises(ValueError, match="can't be stored to"):
            emit_write(*name.split("."), "v")


def test_unknown_names() -> None:
    with pytest.raises(KeyError):
        field("tcp", "sin")
    with pytest.raises(KeyError):
        field("tpc", "syn")


def test_what_a_header_proves() -> None:
    assert set(HEADERS["tcp"].proves) == {"ip", "tcp"}
    assert set(HEADERS["ipv4"].proves) == {"ip", "ipv4"}
    assert HEADERS["arp"].proves == ("arp",)


def test_reference_names_every_field() -> None:
    text = reference()
    for name in NAMES:
        assert f"`{name}`" in text if name.startswith("pkt.") else f"`pkt.{name}`" in text
    assert all(one.doc for table in HEADERS.values() for one in table)


@pytest.fixture
def sctp() -> Iterator[None]:
    declare(
        header(
            "sctp",
            "SCTP (RFC 9260).",
            Field("sport", 16, 0, doc="Source port."),
            Field("dport", 16, 2, doc="Destination port."),
            Field("tag", 32, 4, writable=True, doc="Verification tag."),
            proves=("ip",),
            base=AT_L4,
            present=over_ip(132, 12),
        )
    )
    declare(
        header(
            "vxlan",
            "VXLAN (RFC 7348).",
            Field("vni", 24, 4, 8, writable=True, doc="Network identifier."),
            Field("has_vni", 1, 0, 3, doc="The identifier counts."),
            proves=("ip", "udp"),
            base=AT_PAYLOAD,
            present=over_udp(4789, 8),
        )
    )
    yield
    del HEADERS["sctp"], HEADERS["vxlan"]


@pytest.mark.usefixtures("sctp")
def test_a_new_protocol_is_one_declaration() -> None:
    code = generated(
        f"@native\ndef tag(P):\n    return {emit_read('sctp', 'tag')} if {emit_present('sctp')} else -1\n\n"
        f"@native\ndef vni(P):\n    return {emit_read('vxlan', 'vni')} if {emit_present('vxlan')} else -1\n"
    )
    sctp = ether() / IP() / SCTP(sport=5, dport=6, tag=0xCAFE)
    vxlan = ether() / IPv6() / UDP(sport=9, dport=4789) / Raw(b"\x08\0\0\0\x12\x34\x56\0")
    for packet, found in ((sctp, (0xCAFE, -1)), (vxlan, (-1, 0x123456)), (ether() / IP() / UDP(), (-1, -1))):
        frame = Frame(packet)
        assert (code.tag(frame.P), code.vni(frame.P)) == found
    view = PacketView(bytearray(bytes(sctp)))
    assert (bool(view.sctp), bool(view.vxlan), view.sctp.sport) == (True, False, 5)
    view = PacketView(bytearray(bytes(vxlan)))
    view.vxlan.vni = 7
    assert (view.vxlan.vni, view.vxlan.has_vni) == (7, 1)
    with pytest.raises(ValueError, match="twice"):
        declare(HEADERS["sctp"])


def test_two_fields_with_one_name() -> None:
    with pytest.raises(ValueError, match="two fields"):
        header("x", "X.", Field("a", 8), Field("a", 8, 1))
