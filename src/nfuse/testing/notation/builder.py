"""From a description to bytes, in network byte order; lengths and checksums are right unless a word says otherwise."""

from __future__ import annotations

import functools
import struct
from typing import Any

from nfuse.memory.arena import Arena, write_bytes
from nfuse.packet.address import pack_mac
from nfuse.packet.checksum import sum_bytes
from nfuse.testing.notation.description import Description
from nfuse.testing.notation.words import PROTOCOLS

FRAGMENT_HEADER = 44


@functools.cache
def _scratch() -> Arena:
    return Arena(1 << 17, "packet under construction")


def checksum(data: bytes) -> int:
    """Return the Internet checksum of at most 128 KiB (RFC 1071)."""
    if not data:
        return 0xFFFF
    arena = _scratch()
    write_bytes(arena.address, data)
    return ~int(sum_bytes(arena.address, len(data))) & 0xFFFF


def one_more(value: int) -> int:
    """Return the one's complement sum of a checksum and 1: a wrong checksum that incremental updates leave wrong."""
    return value + 1 if value < 0xFFFF else 1


def frame(packet: Description) -> bytes:
    """Build the frame that a description means.

    Returns:
        All its bytes, also where the capture is cut; an IP packet alone if the link type is raw.

    Raises:
        struct.error: A length does not fit its field.
    """
    if packet.kind == "raw":
        return packet.data
    body = ip(packet) if packet.version else _arp(packet) if packet.kind == "arp" else packet.data
    if packet.get("link") == "raw":
        return body
    source, target = (pack_mac(mac).to_bytes(6, "big") for mac in packet.get("mac"))
    tags = b"".join(struct.pack("!HH", kind, tag) for kind, tag in packet.get("vlan"))
    return target + source + tags + struct.pack("!H", _ethertype(packet)) + body + packet.get("pad")


def _ethertype(packet: Description) -> int:
    if packet.version:
        return 0x0800 if packet.version == 4 else 0x86DD
    return 0x0806 if packet.kind == "arp" else int(packet.values["number"])


def _arp(packet: Description) -> bytes:
    """Build ARP for Ethernet and IPv4 (RFC 826); hardware addresses are those of the frame."""
    assert packet.src is not None and packet.dst is not None
    source, target = (pack_mac(mac).to_bytes(6, "big") for mac in packet.get("mac"))
    if packet.values["op"] == 1:
        target = bytes(6)
    else:
        source = pack_mac(packet.values["is-at"]).to_bytes(6, "big")
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, packet.values["op"])
    return head + source + packet.src.packed + target + packet.dst.packed + packet.data


def ip(packet: Description) -> bytes:
    """Build the IP packet of a description."""
    proto = protocol(packet)
    body = packet.data if packet.later else _l4(packet, proto)
    tos = packet.get("dscp") << 2 | packet.get("ecn")
    return _ipv4(packet, proto, tos, body) if packet.version == 4 else _ipv6(packet, proto, tos, body)


def protocol(packet: Description) -> int:
    """Return the protocol number of an IP packet."""
    if packet.kind == "proto":
        return int(packet.values["number"])
    if packet.kind == "ipip":
        return 4 if packet.inner is None or packet.inner.version == 4 else 41
    return PROTOCOLS[packet.kind, packet.version]


def _ipv4(packet: Description, proto: int, tos: int, body: bytes) -> bytes:
    assert packet.src is not None and packet.dst is not None
    options = _padded(packet.get("ip-options"))
    words = 5 + len(options) // 4
    length = packet.get("ip-len")
    length = 4 * words + len(body) if length is None else length
    offset, more = packet.get("frag") or (0, False)
    place = bool(packet.get("df")) << 14 | more << 13 | offset >> 3
    head = struct.pack("!BBHHHBB", 4 << 4 | words, tos, length, packet.get("ip-id"), place, packet.get("ttl"), proto)
    ends = packet.src.packed + packet.dst.packed + options
    value = packet.get("ip-checksum")
    if value is None:
        value = checksum(head + ends)
        value = one_more(value) if packet.get("bad-ip-checksum") else value
    return head + struct.pack("!H", value) + ends + body


def _ipv6(packet: Description, proto: int, tos: int, body: bytes) -> bytes:
    assert packet.src is not None and packet.dst is not None
    if packet.get("frag") is not None:
        offset, more = packet.get("frag")
        body = struct.pack("!BBHI", proto, 0, offset | more, packet.get("ip-id")) + body
        proto = FRAGMENT_HEADER
    length = packet.get("ip-len")
    length = len(body) if length is None else length
    head = struct.pack("!IHBB", 6 << 28 | tos << 20 | packet.get("label"), length, proto, packet.get("ttl"))
    return head + packet.src.packed + packet.dst.packed + body


def _l4(packet: Description, proto: int) -> bytes:
    match packet.kind:
        case "tcp":
            return _summed(packet, _tcp(packet), 16, proto)
        case "udp":
            return _summed(packet, _udp(packet), 6, proto)
        case "icmp":
            return _summed(packet, _icmp(packet), 2, proto)
        case "ipip" if packet.inner is not None:
            return ip(packet.inner) + packet.data
    return packet.data


def _tcp(packet: Description) -> bytes:
    maximum = packet.get("mss")
    options = b"" if maximum is None else struct.pack("!BBH", 2, 4, maximum)
    options = _padded(options + packet.get("options"))
    words = packet.get("data-offset")
    words = 5 + len(options) // 4 if words is None else words
    head = struct.pack("!HHII", packet.sport, packet.dport, packet.get("seq"), packet.get("ack"))
    rest = struct.pack("!BBHHH", words << 4, packet.values["flags"], packet.get("win"), 0, packet.get("urg"))
    return head + rest + options + packet.data


def _udp(packet: Description) -> bytes:
    length = packet.get("udp-len")
    length = 8 + len(packet.data) if length is None else length
    return struct.pack("!HHHH", packet.sport, packet.dport, length, 0) + packet.data


def _icmp(packet: Description) -> bytes:
    kind, code = packet.values["icmp"]
    rest = packet.get("id") << 16 | packet.get("seq") if packet.echo else packet.get("rest") | packet.get("mtu")
    body = packet.data
    if packet.inner is not None:
        body = ip(packet.inner)[: packet.get("quote")] + body
    return struct.pack("!BBHI", kind, code, 0, rest) + body


def _summed(packet: Description, segment: bytes, at: int, proto: int) -> bytes:
    """Put the checksum of a segment at its place; it covers the pseudo header (but ICMP's of IPv4 does not)."""
    assert packet.src is not None and packet.dst is not None
    value = packet.get("checksum")
    if packet.get("no-checksum"):
        value = 0
    elif value is None:
        covered = segment
        if packet.kind == "udp":  # as long as the header says: the length is part of what is summed
            covered = segment[: at - 2] + struct.pack("!H", len(segment)) + segment[at:]
        if proto != 1:
            covered = packet.src.packed + packet.dst.packed + struct.pack("!II", len(segment), proto) + covered
        value = checksum(covered)
        value = 0xFFFF if packet.kind == "udp" and value == 0 else value
        value = one_more(value) if packet.get("bad-checksum") else value
    return segment[:at] + struct.pack("!H", value) + segment[at + 2 :]


def _padded(options: Any) -> bytes:
    return bytes(options) + bytes(-len(options) % 4)
