"""From bytes to a description. Every field is looked at; what has no word makes the layer that has it plain payload.

First all that the bytes say is noted, computed fields too (``ip-len``, ``checksum``, ...). Then the packet is built
anew without those, and only those that came out otherwise stay: so a packet in order has none of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from nfuse.packet.address import unpack_mac
from nfuse.testing.notation import builder
from nfuse.testing.notation.description import Description, Undescribable
from nfuse.testing.notation.words import CHECKSUMS, ICMP, LENGTHS, PROTOCOLS

_NAMES = {(number, version): kind for (kind, version), number in PROTOCOLS.items()}
_TAGS = (0x8100, 0x88A8)
DEPTH = 8
"""Packets that are described within one another, at most."""
_TCP_REST = struct.pack("!IBBHHH", 0, 5 << 4, 0, 65535, 0, 0)
"""A TCP header from the acknowledgment number on, as the builder makes it."""


def describe_frame(data: bytes, wire: int) -> Description:
    """Describe an Ethernet frame.

    Args:
        data: The bytes captured.
        wire: Its length on the wire; what was not captured is taken as zeros.

    Raises:
        Undescribable: There are no words for it.
    """
    found = _simplified(_frame(data + bytes(max(0, wire - len(data)))), data, builder.frame, _shallow_frame)
    if wire != len(data):
        if wire != len(builder.frame(found)):
            raise Undescribable("the length on the wire is that of no such packet")
        found.values["cut"] = len(data)
    return found


def describe_ip(data: bytes, depth: int = DEPTH) -> Description:
    """Describe an IP packet.

    Args:
        data: Its bytes, and none behind them.
        depth: Packets within it that are described; those deeper inside are plain payload.

    Raises:
        Undescribable: There are no words for it.
    """
    return _simplified(_ip(data, depth), data, builder.ip, _shallow_ip)


def _simplified(
    found: Description, target: bytes, build: Callable[[Description], bytes], dissect: Callable[[bytes], Description]
) -> Description:
    """Leave out the computed fields that come out right by themselves."""
    words = found.words()
    given = {name: value for name, value in found.values.items() if name not in words or value != words[name].default}
    found.values = {name: value for name, value in given.items() if name not in (*LENGTHS, *CHECKSUMS)}
    try:
        made = build(found)
        for names in (LENGTHS, CHECKSUMS):  # a length that lies is covered by a checksum
            if made[: len(target)] == target:
                return found
            right = dissect(made).values
            for name in names:
                if name in given and given[name] != right.get(name):
                    found.values[name] = given[name]
                    _name_checksum(found, name, right.get(name))
            made = build(found)
    except struct.error as error:
        raise Undescribable(str(error)) from None
    if made[: len(target)] != target:
        raise Undescribable("it can't be built again")
    return found


def _name_checksum(found: Description, name: str, right: int | None) -> None:
    """Say ``bad-checksum`` or ``no-checksum`` instead of a number where that means the same."""
    value = found.values[name]
    if name in CHECKSUMS and right is not None and value == builder.one_more(right):
        del found.values[name]
        found.values[f"bad-{name}"] = True
    elif found.kind == "udp" and name == "checksum" and value == 0:
        del found.values[name]
        found.values["no-checksum"] = True


def _shallow_frame(data: bytes) -> Description:
    return _frame(data, 0)


def _shallow_ip(data: bytes) -> Description:
    return _ip(data, 0)


def _frame(data: bytes, depth: int = DEPTH) -> Description:
    if len(data) < 14:
        raise Undescribable("no Ethernet header")
    at, tags = 12, []
    kind = int.from_bytes(data[12:14], "big")
    while kind in _TAGS and len(data) >= at + 6:
        tags.append((kind, int.from_bytes(data[at + 2 : at + 4], "big")))
        at += 4
        kind = int.from_bytes(data[at : at + 2], "big")
    if kind < 1536:
        raise Undescribable("an IEEE 802.3 frame")
    body, mac = data[at + 2 :], (_mac(data[6:12]), _mac(data[:6]))
    found = Description("type", values={"number": kind}, data=body)
    if kind in (0x0800, 0x86DD):
        try:
            if body[:1] and body[0] >> 4 == (4 if kind == 0x0800 else 6):
                found = _ip(body, depth)
        except Undescribable:
            pass
    elif kind == 0x0806:
        found = _arp(body, mac) or found
    found.values["mac"], found.values["vlan"] = mac, tuple(tags)
    if found.version:
        found.values["pad"] = body[len(builder.ip(found)) :]
    return found


def _mac(data: bytes) -> str:
    return unpack_mac(int.from_bytes(data, "big"))


def _arp(body: bytes, mac: tuple[str, str]) -> Description | None:
    """Describe ARP for Ethernet and IPv4 whose hardware addresses are those of the frame; None: it is another."""
    if len(body) < 28 or body[:7] != bytes.fromhex("00010800060400"):
        return None
    op, sender, target = body[7], _mac(body[8:14]), _mac(body[18:24])
    source, asked = IPv4Address(body[14:18]), IPv4Address(body[24:28])
    if op == 1 and (sender, target) == (mac[0], _mac(bytes(6))):
        return Description("arp", source, asked, values={"op": 1}, data=body[28:])
    if op == 2 and target == mac[1]:
        return Description("arp", source, asked, values={"op": 2, "is-at": sender}, data=body[28:])
    return None


def _ip(data: bytes, depth: int) -> Description:
    """Note all that an IP packet says; bytes behind its length are left out."""
    version = data[0] >> 4 if data else 0
    if version == 4:
        return _ipv4(data, depth)
    if version == 6:
        return _ipv6(data, depth)
    raise Undescribable("no IP packet")


def _ipv4(data: bytes, depth: int) -> Description:
    size = (data[0] & 15) * 4
    if size < 20 or len(data) < size:
        raise Undescribable("no whole IPv4 header")
    tos, length, ident, place, ttl, proto, value = struct.unpack("!xBHHHBBH", data[:12])
    if place & 0x8000:
        raise Undescribable("the reserved bit is set")
    values: dict[str, object] = {
        "ttl": ttl,
        "dscp": tos >> 2,
        "ecn": tos & 3,
        "ip-id": ident,
        "df": bool(place & 0x4000),
    }
    values |= {"ip-options": data[20:size], "ip-len": length, "ip-checksum": value}
    if place & 0x3FFF:
        values["frag"] = ((place & 0x1FFF) * 8, bool(place & 0x2000))
    if not values["df"]:
        del values["df"]
    body = data[size:length] if size <= length <= len(data) else data[size:]
    return _body(Description("", IPv4Address(data[12:16]), IPv4Address(data[16:20]), values=values), proto, body, depth)


def _ipv6(data: bytes, depth: int) -> Description:
    if len(data) < 40:
        raise Undescribable("no whole IPv6 header")
    first, length, proto, ttl = struct.unpack("!IHBB", data[:8])
    values: dict[str, object] = {"ttl": ttl, "dscp": first >> 22 & 63, "ecn": first >> 20 & 3, "label": first & 0xFFFFF}
    values["ip-len"] = length
    body = data[40 : 40 + length] if 40 + length <= len(data) else data[40:]
    if proto == builder.FRAGMENT_HEADER and len(body) >= 8 and not body[1] and not body[3] & 6:
        offset = int.from_bytes(body[2:4], "big")
        values |= {"frag": (offset & 0xFFF8, bool(offset & 1)), "ip-id": int.from_bytes(body[4:8], "big")}
        proto, body = body[0], body[8:]
    return _body(Description("", IPv6Address(data[8:24]), IPv6Address(data[24:40]), values=values), proto, body, depth)


def _body(found: Description, proto: int, body: bytes, depth: int) -> Description:
    """Note the L4 header, or make it payload of the protocol's number."""
    kind = _NAMES.get((proto, found.version), "proto")
    values = dict(found.values)
    try:
        if found.later:
            found.kind, found.data = kind, body
        elif kind == "tcp":
            _tcp(found, body)
        elif kind == "udp":
            _udp(found, body)
        elif kind == "icmp":
            _icmp(found, body, depth)
        elif proto in (4, 41) and depth and body[:1] and body[0] >> 4 == (4 if proto == 4 else 6):
            found.inner = describe_ip(body, depth - 1)
            found.kind = "ipip"
        else:
            kind = "proto"
            found.kind = "proto"
    except Undescribable:
        found = Description("proto", found.src, found.dst, values=values)
    if found.kind == "proto":
        found.values["number"], found.data = proto, body
    return found


def _tcp(found: Description, body: bytes) -> None:
    if len(body) < 20:
        raise Undescribable("no whole TCP header")
    sport, dport, seq, ack, first, flags, window, value, urgent = struct.unpack("!HHIIBBHHH", body[:20])
    size = (first >> 4) * 4
    if first & 15 or not 20 <= size <= len(body):
        raise Undescribable("the data offset lies")
    options = body[20:size]
    found.kind, found.sport, found.dport, found.data = "tcp", sport, dport, body[size:]
    found.values |= {"flags": flags, "seq": seq, "ack": ack, "win": window, "urg": urgent, "checksum": value}
    if options[:2] == b"\2\4":
        found.values["mss"], options = int.from_bytes(options[2:4], "big"), options[4:]
    found.values["options"] = options


def _udp(found: Description, body: bytes) -> None:
    if len(body) < 8:
        raise Undescribable("no whole UDP header")
    found.kind, found.data = "udp", body[8:]
    found.sport, found.dport, length, value = struct.unpack("!HHHH", body[:8])
    found.values |= {"udp-len": length, "checksum": value}


def _icmp(found: Description, body: bytes, depth: int) -> None:
    if len(body) < 8:
        raise Undescribable("no whole ICMP header")
    kind, code, value, rest = struct.unpack("!BBHI", body[:8])
    found.kind = "icmp"
    found.values |= {"icmp": (kind, code), "checksum": value}
    found.data = body[8:]
    if found.echo:
        found.values |= {"id": rest >> 16, "seq": rest & 0xFFFF}
        return
    too_big = ICMP[found.version]["too-big"] == (kind, code) and rest < 1 << 16
    found.values["mtu" if too_big else "rest"] = rest
    if depth and (kind in (3, 4, 5, 11, 12) if found.version == 4 else 1 <= kind <= 4):
        try:
            found.inner, quoted = _quoted(found.data, found.version, depth - 1)
        except Undescribable:
            return
        found.data = b""
        if quoted is not None:
            found.values["quote"] = quoted


def _quoted(data: bytes, version: int, depth: int) -> tuple[Description, int | None]:
    """Describe the packet that an ICMP error quotes, of which the end may be missing.

    Returns:
        Its description, and how many bytes are quoted; None: all.
    """
    six = version == 6
    if len(data) < (40 if six else 20) or data[0] >> 4 != version:
        raise Undescribable("no quoted IP header")
    length = int.from_bytes(data[4:6], "big") + 40 if six else int.from_bytes(data[2:4], "big")
    if length == len(data):
        return describe_ip(data, depth), None
    if length < len(data):
        raise Undescribable("more is quoted than there was")
    filled = data
    if (data[6] if six else data[9]) == 6:
        head = 40 if six else (data[0] & 15) * 4
        filled += _TCP_REST[max(0, len(data) - head - 8) :]
    filled = filled[:length] + bytes(max(0, length - len(filled)))
    found = _simplified(_ip(filled, depth), data, builder.ip, _shallow_ip)
    if len(builder.ip(found)) <= len(data):
        raise Undescribable("the quoted packet lies about its length")
    return found, len(data)
