"""Packets in words, and how two versions of a packet differ, field by field as the header tables have them."""

from __future__ import annotations

from typing import Any, NamedTuple

from nfuse.engine.reference.packet import address
from nfuse.engine.reference.rewrite import Headers, quoted_in
from nfuse.engine.trace.record import Change, Value
from nfuse.flow.traffic.syntax import PROTOCOL_NUMBERS
from nfuse.packet import desc as d
from nfuse.packet.address import unpack_mac
from nfuse.packet.fields import HEADERS
from nfuse.packet.view import PacketView

FLAGS = "FSRPAUEW"
"""Letters of the TCP flags, FIN first (RFC 9293 section 3.1, RFC 3168)."""
MOST_BYTES = 4
"""Payload bytes that are shown one by one; where more differ, their number is."""
_PROTOCOLS = {number: name for name, number in PROTOCOL_NUMBERS.items()} | {4: "ipip", 41: "ipip", 47: "gre"}
_INNERMOST = 4
_ECHO = {("icmp", 8): "echo request", ("icmp", 0): "echo reply"} | {
    ("icmp6", 128): "echo request",
    ("icmp6", 129): "echo reply",
}


class Version(NamedTuple):
    """A packet at one place of its way: its bytes, link type, and length on the wire."""

    frame: bytes
    link: int
    wire: int

    def view(self) -> PacketView:
        """Return the packet, parsed."""
        return PacketView(bytearray(self.frame), 0, self.link, self.wire)


def host(address: object, port: int | None = None) -> str:
    """Return an address, and a port where there is one: ``10.0.0.1:80``, ``[2001:db8::1]:80``."""
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def endpoints(src: object, sport: int, dst: object, dport: int, proto: int) -> tuple[str, str, str]:
    """Return protocol, source and destination of a tuple in words; an echo's identifier stands behind its address."""
    name = _PROTOCOLS.get(proto, f"protocol {proto}")
    if proto in (6, 17):
        return name, host(src, sport), host(dst, dport)
    return name, f"{src} id {sport}" if sport else str(src), f"{dst} id {dport}" if dport else str(dst)


def flow_words(src: object, sport: int, dst: object, dport: int, proto: int) -> str:
    """Return a tuple in words: ``tcp 10.0.0.1:40112 > 203.0.113.80:80``."""
    name, source, destination = endpoints(src, sport, dst, dport, proto)
    return f"{name} {source} > {destination}"


def words(version: Version) -> str:
    """Return a packet in words: ``tcp 10.0.0.1:40112 > 203.0.113.80:80 [S]``; of a tunnel all headers, outer first."""
    view: Any = version.view()
    parts = []
    if view.vlan:
        parts.append(f"vlan {view.vlan.vid}")
    for _ in range(_INNERMOST):
        parts.append(_layer(view))
        if not view.flags & d.F_IPIP or view.malformed:
            break
        view = _inside(view)
    return " | ".join(parts)


def _inside(view: PacketView) -> PacketView:
    """Return the packet in an IP-in-IP packet."""
    return PacketView(bytearray(view.data[view.l4 :]), 0, d.LINK_RAW, max(0, view.len - view.l4))


def _layer(view: Any) -> str:
    if view.malformed:
        return f"malformed: {view.malformed}"
    if view.arp:
        kind = {1: "request", 2: "reply"}.get(view.arp.op, f"operation {view.arp.op}")
        return f"arp {kind}: {view.arp.spa} to {view.arp.tpa}"
    if not view.ip:
        return f"EtherType 0x{view.etype:04x}" if view.etype else "no IP"
    src, dst, proto = view.ip.src, view.ip.dst, view.ip.proto
    if view.later_fragment:
        return f"{_PROTOCOLS.get(proto, f'protocol {proto}')} {src} > {dst}, later fragment"
    text = flow_words(src, view.sport, dst, view.dport, proto)
    icmp = view.icmp or view.icmp6
    if view.tcp:
        letters = "".join(letter for bit, letter in enumerate(FLAGS) if view.tcp.flags >> bit & 1)
        text += f" [{letters or '-'}]"
    elif icmp:
        name = "icmp" if view.icmp else "icmp6"
        text += f", {_ECHO.get((name, icmp.type), f'type {icmp.type} code {icmp.code}')}"
    return text + (", first fragment" if view.flags & d.F_FRAG else "")


# --------------------------------------------------------------------------------------------------------- fields


def fields(view: PacketView) -> dict[str, Value]:
    """Return all header fields of a packet by full name; the eight TCP flags are one field, as letters."""
    found: dict[str, Value] = {}
    for name, header in HEADERS.items():
        part: Any = getattr(view, name)
        if not part:
            continue
        for one in header:
            if name == "tcp" and one.width == 1:
                continue
            value = getattr(part, one.name)
            found[f"{name}.{one.name}"] = (
                unpack_mac(value) if one.kind == "mac" else str(value) if one.kind == "address" else int(value)
            )
    tcp: Any = view.tcp
    if tcp:
        found["tcp.flags"] = "".join(letter for bit, letter in enumerate(FLAGS) if tcp.flags >> bit & 1)
    if view.flags & d.F_ICMP_ERROR:
        found |= _quoted(view)
    return found


def _quoted(view: PacketView) -> dict[str, Value]:
    """Return the fields of the packet that an ICMP error quotes."""
    four = bool(view.ipv4)
    outer = Headers(bytearray(view.data), 4 if four else 6, view.l3, view.l4, view.proto, len(view.data))
    inner = quoted_in(outer)
    found: dict[str, Value] = {f"quoted.ip.{name}": str(address(inner, f"ip_{name}")) for name in ("src", "dst")}
    if four:
        found["quoted.ipv4.checksum"] = int.from_bytes(inner.data[inner.l3 + 10 : inner.l3 + 12], "big")
    return found | {f"quoted.{name}": inner.port(name) for name in ("sport", "dport")}


class Difference(NamedTuple):
    """How a packet has changed: fields, and the header that was put on or taken off, in words."""

    changes: list[Change]
    pushed: str
    popped: str


def difference(before: Version, after: Version) -> Difference:
    """Compare two versions of a packet. Where a header was pushed or removed, what is below it is compared."""
    if before.frame == after.frame:
        return Difference([], "", "")
    one, other = before.view(), after.view()
    grown = (len(after.frame) - other.l3) - (len(before.frame) - one.l3)
    if not grown or not one.ip or not other.ip:
        return Difference(_changed(fields(one), fields(other)) + _payload(one, other), "", "")
    link = {name: value for name, value in fields(one).items() if name.startswith(("eth.", "vlan."))}
    link_after = {name: value for name, value in fields(other).items() if name.startswith(("eth.", "vlan."))}
    top = f"{abs(grown)} bytes: {_layer(other if grown > 0 else one)}"
    inner_one, inner_other = _below(before, one, max(0, -grown)), _below(after, other, max(0, grown))
    changes = _changed(link, link_after) + _changed(fields(inner_one), fields(inner_other))
    return Difference(changes, top if grown > 0 else "", top if grown < 0 else "")


def _below(version: Version, view: PacketView, skip: int) -> PacketView:
    start = view.l3 + skip
    return PacketView(bytearray(version.frame[start:]), 0, d.LINK_RAW, max(0, version.wire - start))


def _changed(before: dict[str, Value], after: dict[str, Value]) -> list[Change]:
    return [
        Change(name, before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _payload(before: PacketView, after: PacketView) -> list[Change]:
    """Return the payload bytes that differ, one by one where they are few."""
    if (before.flags | after.flags) & d.F_ICMP_ERROR:
        return []  # its payload is the quoted packet
    one, other = bytes(before.payload), bytes(after.payload)
    where = [n for n, (x, y) in enumerate(zip(one, other, strict=False)) if x != y]
    changes = [Change(f"payload[{n}]", one[n], other[n]) for n in where[:MOST_BYTES]]
    if len(where) > MOST_BYTES:
        changes.append(Change("payload", "", f"{len(where) - MOST_BYTES} more bytes differ"))
    if len(one) != len(other):
        changes.append(Change("len(payload)", len(one), len(other)))
    return changes
