"""Header actions on the bytes of a frame, one field at a time, checksums by RFC 1624.

Nothing here is shared with the data path: offsets are those of the RFCs, an update is ``HC' = ~(~HC + ~m + m')``
(eq. 3), done even where the value does not change. A UDP checksum of zero stays zero; one that becomes zero is 0xffff.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from nfuse.packet.address import IPAddress

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
_CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}
_ECHOES = {(4, 8): "sport", (4, 0): "dport", (6, 128): "sport", (6, 129): "dport"}  # (family, type)


def _words(data: bytes) -> Iterator[int]:
    for at in range(0, len(data), 2):
        yield int.from_bytes(data[at : at + 2], "big")


def updated(checksum: int, old: bytes, new: bytes, udp: bool = False) -> int:
    """Return the checksum after the words `old` were replaced by `new`."""
    if udp and not checksum:
        return 0
    total = (~checksum & 0xFFFF) + sum(~word & 0xFFFF for word in _words(old)) + sum(_words(new))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    result = ~total & 0xFFFF
    return 0xFFFF if udp and not result else result


@dataclass
class Headers:
    """Where the IP and L4 headers of a packet (or of one quoted in it) lie in a frame.

    Attributes:
        data: The frame.
        family: 4 or 6.
        l3: Offset of the IP header.
        l4: Offset of the L4 header; None if there is none (later fragments).
        proto: L4 protocol.
        end: Where the packet ends, by its IP length and by what was captured.
    """

    data: bytearray
    family: int
    l3: int
    l4: int | None
    proto: int
    end: int

    def __post_init__(self) -> None:
        self.changes: list[tuple[bytes, bytes]] = []

    def address_at(self, which: str) -> int:
        """Offset of the source or destination address ("ip_src", "ip_dst")."""
        source = which == "ip_src"
        if self.family == 4:
            return self.l3 + (12 if source else 16)
        return self.l3 + (8 if source else 24)

    def address(self, which: str) -> bytes:
        """The source or destination address, in network order."""
        at = self.address_at(which)
        return bytes(self.data[at : at + (4 if self.family == 4 else 16)])

    def port_at(self, which: str) -> int | None:
        """Offset of the port or echo identifier that is "sport" or "dport", or None."""
        if self.l4 is None:
            return None
        if self.proto in (TCP, UDP):
            return self.l4 + (0 if which == "sport" else 2)
        if self.proto == (ICMP if self.family == 4 else ICMP6) and self.end >= self.l4 + 6:
            if _ECHOES.get((self.family, self.data[self.l4])) == which:
                return self.l4 + 4
        return None

    def port(self, which: str) -> int:
        """The value of that port, 0 if the packet has none."""
        at = self.port_at(which)
        return 0 if at is None else int.from_bytes(self.data[at : at + 2], "big")

    def set_address(self, which: str, value: IPAddress) -> bool:
        """Store an address; False if it is of the wrong family."""
        if isinstance(value, IPv4Address) != (self.family == 4):
            return False
        at, old, new = self.address_at(which), self.address(which), value.packed
        self._put(at, new)
        if self.family == 4:
            self._amend(self.l3 + 10, old, new)
        if self.proto in (TCP, UDP) or (self.proto == ICMP6 and self.family == 6):
            self._amend_l4(old, new)
        return True

    def set_port(self, which: str, value: int) -> None:
        """Store a port or echo identifier, if the packet has it."""
        at = self.port_at(which)
        if at is not None:
            old, new = bytes(self.data[at : at + 2]), (value & 0xFFFF).to_bytes(2, "big")
            self._put(at, new)
            self._amend_l4(old, new)

    def set_ttl(self, value: int) -> None:
        """Store the TTL or hop limit."""
        if self.family == 6:
            self.data[self.l3 + 7] = value & 0xFF
        else:
            self._set_ipv4_word(8, bytes([value & 0xFF, self.data[self.l3 + 9]]))

    def set_traffic_class(self, value: int, mask: int) -> None:
        """Store those bits of the traffic class (TOS) byte that are in `mask`."""
        if self.family == 6:
            word = int.from_bytes(self.data[self.l3 : self.l3 + 2], "big")
            word = word & ~(mask << 4) | (value & mask) << 4
            self.data[self.l3 : self.l3 + 2] = word.to_bytes(2, "big")
        else:
            tos = self.data[self.l3 + 1] & ~mask | value & mask
            self._set_ipv4_word(0, bytes([self.data[self.l3], tos]))

    def _set_ipv4_word(self, offset: int, new: bytes) -> None:
        at = self.l3 + offset
        old = bytes(self.data[at : at + 2])
        self._put(at, new)
        self._amend(self.l3 + 10, old, new)

    def _put(self, at: int, new: bytes) -> None:
        self.changes.append((bytes(self.data[at : at + len(new)]), new))
        self.data[at : at + len(new)] = new

    def _amend(self, at: int, old: bytes, new: bytes, udp: bool = False) -> None:
        if at + 2 <= self.end:
            checksum = int.from_bytes(self.data[at : at + 2], "big")
            self._put(at, updated(checksum, old, new, udp).to_bytes(2, "big"))

    def _amend_l4(self, old: bytes, new: bytes) -> None:
        if self.l4 is not None and self.proto in _CHECKSUM_AT:
            self._amend(self.l4 + _CHECKSUM_AT[self.proto], old, new, self.proto == UDP)


def set_field(packet: Headers, field: str, value: Any) -> bool:
    """Set one IP or L4 field by its name in ``flow.modify``; False if an address is of the wrong family."""
    match field:
        case "ip_src" | "ip_dst":
            return packet.set_address(field, value)
        case "sport" | "dport":
            packet.set_port(field, value)
        case "ip_ttl":
            packet.set_ttl(value)
        case "ip_dscp":
            packet.set_traffic_class(value << 2, 0xFC)
        case "ip_ecn":
            packet.set_traffic_class(value, 0x03)
        case _:
            raise ValueError(f"no IP or L4 field {field!r}")
    return True


def set_error_field(outer: Headers, quoted: Headers, field: str, value: Any) -> bool:
    """Give an ICMP error the change that a normal packet of its direction would get (RFC 5508, section 4.2).

    The error quotes a packet of the other direction, so its source stands in the quoted destination. The outer
    source follows only if it equals the quoted destination.
    """
    if field not in ("ip_src", "ip_dst", "sport", "dport"):
        return set_field(outer, field, value)
    twin = {"ip_src": "ip_dst", "ip_dst": "ip_src", "sport": "dport", "dport": "sport"}[field]
    follows = field == "ip_dst" or (field == "ip_src" and outer.address("ip_src") == quoted.address("ip_dst"))
    quoted.changes = []
    if not set_field(quoted, twin, value):
        return False
    for old, new in quoted.changes:
        outer._amend_l4(old, new)
    return set_field(outer, field, value) if follows else True


_EXTENSIONS = (0, 43, 44, 51, 60)


def quoted_in(outer: Headers) -> Headers:
    """Return the headers of the packet that an ICMP error quotes; the parser has found them whole."""
    assert outer.l4 is not None
    data, l3 = outer.data, outer.l4 + 8
    if outer.family == 4:
        later = int.from_bytes(data[l3 + 6 : l3 + 8], "big") & 0x1FFF
        l4 = l3 + 4 * (data[l3] & 15)
        return Headers(data, 4, l3, None if later else l4, data[l3 + 9], outer.end)
    at, proto = l3 + 40, data[l3 + 6]
    while proto in _EXTENSIONS:
        here, proto = proto, data[at]
        if here == 44:
            if int.from_bytes(data[at + 2 : at + 4], "big") & 0xFFF8:
                return Headers(data, 6, l3, None, proto, outer.end)
            at += 8
        else:
            at += 4 * (data[at + 1] + 2) if here == 51 else 8 * (data[at + 1] + 1)
    return Headers(data, 6, l3, at, proto, outer.end)
