"""The header tables: every field that handlers, filters, ``flow.modify`` and the documentation know, declared once.

A new protocol is one more :func:`~nfuse.packet.header.header` in this file (or a call of :func:`declare` elsewhere).
"""

from __future__ import annotations

from typing import Final

from nfuse.packet import desc
from nfuse.packet.header import AT_L3, AT_L4, AT_VLAN, COVER_IPV4, COVER_L4, Field, Header, header

HEADERS: Final[dict[str, Header]] = {}
"""All headers by name, in the order of the layers."""


def declare(table: Header) -> Header:
    """Add a header to :data:`HEADERS`.

    Raises:
        ValueError: There is a header of that name already.
    """
    if table.name in HEADERS:
        raise ValueError(f"header {table.name} is declared twice")
    HEADERS[table.name] = table
    return table


def _pair(name: str, text: str, modify: str) -> Field:
    return Field(
        name,
        128,
        kind="address",
        writable=True,
        flow_constant=True,
        modify=modify,
        doc=text,
        reader=f"get_{modify}({{P}})",
        writer=f"set_{modify}({{P}}, {{v}}[0], {{v}}[1])",
    )


def _port(name: str, byte: int, text: str) -> Field:
    return Field(
        name,
        16,
        byte,
        writable=True,
        flow_constant=True,
        modify=name,
        doc=text,
        writer=f"set_{name}({{P}}, {{v}})",
    )


def _flag(name: str, shift: int, text: str) -> Field:
    return Field(name, 1, 13, shift, writable=True, doc=text)


declare(
    header(
        "eth",
        "Ethernet (IEEE 802.3).",
        Field("dst", 48, 0, kind="mac", writable=True, modify="eth_dst", doc="Destination address."),
        Field("src", 48, 6, kind="mac", writable=True, modify="eth_src", doc="Source address."),
        Field(
            "type",
            16,
            doc="EtherType after all VLAN tags; 0 for LLC frames.",
            reader=f"load16({{P}} + {desc.ETYPE})",
        ),
        flags=desc.F_ETH,
    )
)

declare(
    header(
        "vlan",
        "The outermost VLAN tag (IEEE 802.1Q; EtherTypes 0x8100, 0x88a8, 0x9100).",
        Field("pcp", 3, 0, 13, writable=True, modify="vlan_pcp", doc="Priority code point."),
        Field("dei", 1, 0, 12, writable=True, bits=16, doc="Drop eligible indicator."),
        Field("vid", 12, 0, writable=True, modify="vlan_vid", doc="VLAN identifier."),
        flags=desc.F_VLAN,
        base=AT_VLAN,
    )
)

declare(
    header(
        "arp",
        "ARP for Ethernet and IPv4 (RFC 826).",
        Field("op", 16, 6, writable=True, doc="Operation: 1 request, 2 reply."),
        Field("sha", 48, 8, kind="mac", writable=True, doc="Sender's hardware address."),
        Field("spa", 32, 14, kind="address", writable=True, doc="Sender's protocol address."),
        Field("tha", 48, 18, kind="mac", writable=True, doc="Target's hardware address."),
        Field("tpa", 32, 24, kind="address", writable=True, doc="Target's protocol address."),
        flags=desc.F_ARP,
        base=AT_L3,
    )
)

declare(
    header(
        "ip",
        "IP of either family: what IPv4 (RFC 791) and IPv6 (RFC 8200) have in common.",
        _pair("src", "Source address.", "ip_src"),
        _pair("dst", "Destination address.", "ip_dst"),
        Field(
            "ttl",
            8,
            writable=True,
            modify="ip_ttl",
            doc="Time to live, or hop limit.",
            reader="get_ip_ttl({P})",
            writer="set_ip_ttl({P}, {v})",
        ),
        Field(
            "dscp",
            6,
            writable=True,
            modify="ip_dscp",
            doc="Differentiated services code point (RFC 2474).",
            reader="get_ip_tos({P}) >> 2",
            writer="set_ip_dscp({P}, {v})",
        ),
        Field(
            "ecn",
            2,
            writable=True,
            modify="ip_ecn",
            doc="Explicit congestion notification (RFC 3168).",
            reader="get_ip_tos({P}) & 3",
            writer="set_ip_ecn({P}, {v})",
        ),
        Field(
            "proto",
            8,
            flow_constant=True,
            doc="L4 protocol number; in IPv6 that of the last header.",
            reader=f"load8({{P}} + {desc.PROTO})",
        ),
        Field(
            "version",
            4,
            flow_constant=True,
            doc="4 or 6.",
            reader=f"4 if load32({{P}} + {desc.FLAGS}) & {desc.F_IP4} else 6",
        ),
        flags=desc.F_IP,
        base=AT_L3,
    )
)

declare(
    header(
        "ipv4",
        "IPv4 (RFC 791).",
        Field("ihl", 4, 0, doc="Header length in words of 4 bytes."),
        Field("total_length", 16, 2, doc="Length of the packet in bytes, header included."),
        Field("id", 16, 4, writable=True, doc="Identification."),
        Field("df", 1, 6, 14, writable=True, bits=16, doc="Don't fragment."),
        Field("mf", 1, 6, 13, bits=16, doc="More fragments."),
        Field("frag_offset", 13, 6, doc="Fragment offset in units of 8 bytes."),
        Field("checksum", 16, 10, doc="Header checksum; follows stores by itself."),
        Field(
            "checksum_ok",
            1,
            doc="1 if the header checksum is right. Stores keep it so: what arrives wrong leaves wrong.",
            reader="ipv4_checksum_ok({P})",
        ),
        Field(
            "options_length",
            6,
            doc="Bytes of options.",
            reader=f"((load8(load64({{P}}) + {AT_L3}) & 15) - 5) * 4",
        ),
        flags=desc.F_IP4,
        proves=("ip",),
        base=AT_L3,
        cover=COVER_IPV4,
    )
)

declare(
    header(
        "ipv6",
        "IPv6 (RFC 8200).",
        Field("flow_label", 20, 0, writable=True, doc="Flow label (RFC 6437)."),
        Field("payload_length", 16, 4, doc="Bytes after the fixed header, extension headers included."),
        Field("next_header", 8, 6, doc="Protocol number of the first header after the fixed one."),
        flags=desc.F_IP6,
        proves=("ip",),
        base=AT_L3,
    )
)

declare(
    header(
        "tcp",
        "TCP (RFC 9293).",
        _port("sport", 0, "Source port."),
        _port("dport", 2, "Destination port."),
        Field("seq", 32, 4, writable=True, doc="Sequence number."),
        Field("ack_no", 32, 8, writable=True, doc="Acknowledgment number."),
        Field("data_offset", 4, 12, 4, doc="Header length in words of 4 bytes."),
        _flag("fin", 0, "No more data."),
        _flag("syn", 1, "Synchronize sequence numbers."),
        _flag("rst", 2, "Reset the connection."),
        _flag("psh", 3, "Push."),
        _flag("ack", 4, "The acknowledgment number counts."),
        _flag("urg", 5, "The urgent pointer counts."),
        _flag("ece", 6, "ECN echo (RFC 3168)."),
        _flag("cwr", 7, "Congestion window reduced (RFC 3168)."),
        Field("flags", 8, 13, writable=True, doc="All eight flags: FIN is bit 0, CWR bit 7."),
        Field("window", 16, 14, writable=True, doc="Window."),
        Field("checksum", 16, 16, doc="Checksum; follows stores by itself."),
        Field("urgent", 16, 18, writable=True, doc="Urgent pointer."),
        Field(
            "mss",
            16,
            writable=True,
            doc="Maximum segment size, of the option (RFC 6691); 0 if there is none, and a store then does nothing.",
            reader="get_tcp_mss({P})",
            writer="set_tcp_mss({P}, {v})",
        ),
        flags=desc.F_TCP,
        proves=("ip",),
        base=AT_L4,
        cover=COVER_L4,
    )
)

declare(
    header(
        "udp",
        "UDP (RFC 768).",
        _port("sport", 0, "Source port."),
        _port("dport", 2, "Destination port."),
        Field("length", 16, 4, doc="Bytes of header and payload."),
        Field("checksum", 16, 6, doc="Checksum, 0 none; follows stores by itself."),
        flags=desc.F_UDP,
        proves=("ip",),
        base=AT_L4,
        cover=COVER_L4,
    )
)


def _icmp(name: str, text: str, flags: int) -> Header:
    return header(
        name,
        text,
        Field("type", 8, 0, doc="Type."),
        Field("code", 8, 1, writable=True, doc="Code."),
        Field("checksum", 16, 2, doc="Checksum; follows stores by itself."),
        Field("id", 16, 4, writable=True, doc="Identifier of an echo.", writer="set_icmp_id({P}, {v})"),
        Field("seq", 16, 6, writable=True, doc="Sequence number of an echo."),
        flags=flags,
        proves=("ip",),
        base=AT_L4,
        cover=COVER_L4,
    )


declare(_icmp("icmp", "ICMP for IPv4 (RFC 792).", desc.F_ICMP))
declare(_icmp("icmp6", "ICMPv6 (RFC 4443).", desc.F_ICMP6))

PACKET: Final = header(
    "pkt",
    "What a packet has whatever its headers are.",
    Field(
        "sport",
        16,
        writable=True,
        flow_constant=True,
        modify="sport",
        doc="Source port of TCP or UDP, identifier of an echo request; else 0.",
        reader=f"load16({{P}} + {desc.SPORT})",
        writer="set_sport({P}, {v})",
    ),
    Field(
        "dport",
        16,
        writable=True,
        flow_constant=True,
        modify="dport",
        doc="Destination port of TCP or UDP, identifier of an echo reply; else 0.",
        reader=f"load16({{P}} + {desc.DPORT})",
        writer="set_dport({P}, {v})",
    ),
    Field("len", 32, doc="Bytes of the frame on the wire.", reader=f"load32({{P}} + {desc.WIRE})"),
    Field("payload_len", 32, doc="Bytes of L4 payload on the wire.", reader="payload_length({P})"),
    Field(
        "later_fragment",
        1,
        doc="1 in fragments that are not the first: they have no L4 header.",
        reader=f"(load32({{P}} + {desc.FLAGS}) >> {desc.F_LATER.bit_length() - 1}) & 1",
    ),
    present="1",
)
"""Fields of the packet itself: ``pkt.sport``, ``pkt.len``, ... It is not among :data:`HEADERS`."""

MODIFY_FIELDS: Final[tuple[str, ...]] = (
    "ip_src",
    "ip_dst",
    "sport",
    "dport",
    "ip_ttl",
    "ip_dscp",
    "ip_ecn",
    "eth_src",
    "eth_dst",
    "vlan_vid",
    "vlan_pcp",
)
"""Names that ``flow.modify`` takes; the position is the bit in a record's mask."""


def _table(name: str) -> Header:
    return PACKET if name in ("pkt", "") else HEADERS[name]


def field(header: str, name: str) -> Field:
    """Return a field, such as ``field("tcp", "syn")``; header ``"pkt"`` stands for the packet itself.

    Raises:
        KeyError: There is no such header or field.
    """
    return _table(header).fields[name]


def modify_field(name: str) -> Field:
    """Return the field that a name of :data:`MODIFY_FIELDS` stands for (ports: those of the packet itself)."""
    for table in (PACKET, *HEADERS.values()):
        for one in table:
            if one.modify == name:
                return one
    raise KeyError(name)


def emit_present(header: str, P: str = "P") -> str:
    """Return the source of an i64 expression that is not 0 if the header is there (and whole)."""
    return _table(header).emit_present(P)


def emit_read(header: str, field: str, P: str = "P") -> str:
    """Return the source of an expression that reads a field unchecked: an i64, or a (hi, lo) pair for an address."""
    return _table(header).emit_read(field, P)


def emit_write(header: str, field: str, value: str, P: str = "P") -> str:
    """Return the source of an expression that stores a field with its checksums; 1, or 0 for a wrong family.

    See :meth:`nfuse.packet.header.Header.emit_write`.
    """
    return _table(header).emit_write(field, value, P)


def reference() -> str:
    """Return the documentation of all fields as a Markdown table."""
    lines = ["| field | bits | store | what |", "|---|---|---|---|"]
    for table in (PACKET, *HEADERS.values()):
        title = "pkt" if table is PACKET else f"pkt.{table.name}"
        lines.append(f"| **`{title}`** | | | {table.doc} |")
        for one in table:
            name = f"pkt.{one.name}" if table is PACKET else f"pkt.{table.name}.{one.name}"
            more = f" `flow.modify({one.modify}=...)`" if one.modify else ""
            lines.append(f"| `{name}` | {one.width} | {'yes' if one.writable else ''} | {one.doc}{more} |")
    return "\n".join(lines) + "\n"
