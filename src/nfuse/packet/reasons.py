"""Why a packet is malformed: reason codes and their texts."""

from __future__ import annotations

from typing import Final

MALFORMED: Final[tuple[str, ...]] = (
    "",
    "runt frame",
    "truncated",
    "VLAN tags",
    "ARP length",
    "IP version",
    "IHL",
    "total length",
    "payload length",
    "extension headers",
    "fragment length",
    "fragmented header",
    "data offset",
    "UDP length",
    "TCP length",
    "ICMP length",
    "ICMP error",
)
"""Texts of the reason codes in a descriptor's BAD field."""

BAD_RUNT: Final = 1
"""The frame is shorter than its L2 header, or holds less than the fixed part of its IP header."""
BAD_TRUNCATED: Final = 2
"""The capture cut the packet inside a header."""
BAD_VLANS: Final = 3
"""More than eight VLAN tags."""
BAD_ARP: Final = 4
BAD_VERSION: Final = 5
"""The version in the IP header contradicts the EtherType."""
BAD_IHL: Final = 6
"""IHL below 5, or beyond the total length."""
BAD_TOTAL: Final = 7
"""The IPv4 total length is less than the header or more than the frame had on the wire."""
BAD_PAYLOAD: Final = 8
"""The IPv6 payload length is more than the frame had on the wire."""
BAD_EXTENSIONS: Final = 9
"""IPv6 extension headers run beyond the packet, are more than 16, or are out of place."""
BAD_FRAGMENT: Final = 10
"""A fragment reaches beyond 65,535 bytes."""
BAD_FRAGMENTED_HEADER: Final = 11
"""The first fragment does not hold all headers (RFC 7112)."""
BAD_OFFSET: Final = 12
"""The TCP data offset is below 5 or beyond the IP length."""
BAD_UDP: Final = 13
"""The UDP length is below 8 or beyond the IP length."""
BAD_TCP: Final = 14
"""The IP payload is shorter than a TCP header."""
BAD_ICMP: Final = 15
"""The IP payload is shorter than an ICMP header of 8 bytes."""
BAD_ICMP_ERROR: Final = 16
"""An ICMP error does not quote an IP header and what identifies the flow."""
