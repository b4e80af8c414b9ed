"""The words of a line, each declared once: what it means, which values it takes, where it may stand, its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

MAC_A: Final = "02:00:00:00:00:01"
MAC_B: Final = "02:00:00:00:00:02"
"""Ethernet addresses of packets that say nothing of them: from A to B. ``mac swapped`` is from B to A."""

FLAGS: Final = "FSRPAUEW"
"""Letters of the TCP flags, FIN first (RFC 9293, section 3.1); W is CWR."""


@dataclass(frozen=True)
class Word:
    """A word of the notation.

    Attributes:
        name: The word.
        kind: ``number`` (follows, of `bits` bits), ``switch`` (nothing follows), ``hex`` (bytes follow), or one of the
            forms of its own: ``mac``, ``vlan``, ``frag``, ``link``.
        doc: What it says, for the documentation.
        bits: Width of a number.
        default: What a packet has without it.
    """

    name: str
    kind: str
    doc: str
    bits: int = 0
    default: Any = None


def _table(*words: Word) -> dict[str, Word]:
    return {word.name: word for word in words}


def _number(name: str, bits: int, doc: str, default: int | None = 0) -> Word:
    return Word(name, "number", doc, bits, default)


def _switch(name: str, doc: str) -> Word:
    return Word(name, "switch", doc)


_CHECKSUM = (
    _number("checksum", 16, "L4 checksum", None),
    _switch("bad-checksum", "L4 checksum one too high (it stays so through NATs)"),
)

LAYERS: Final[dict[str, dict[str, Word]]] = {
    "tcp": _table(
        _number("seq", 32, "sequence number"),
        _number("ack", 32, "acknowledgment number"),
        _number("win", 16, "window", 65535),
        _number("urg", 16, "urgent pointer"),
        _number("mss", 16, "option: maximum segment size", None),
        Word("options", "hex", "further TCP options, padded to words of 4 bytes", default=b""),
        _number("data-offset", 4, "header length in words, true or not", None),
        *_CHECKSUM,
    ),
    "udp": _table(
        _number("udp-len", 16, "UDP length, true or not", None),
        *_CHECKSUM,
        _switch("no-checksum", "UDP checksum 0 (RFC 768)"),
    ),
    "echo": _table(_number("id", 16, "identifier"), _number("seq", 16, "sequence number"), *_CHECKSUM),
    "icmp": _table(
        _number("mtu", 16, "the MTU that too-big reports"),
        _number("rest", 32, "the second word of the header"),
        _number("quote", 16, "bytes of the packet in parentheses that are quoted", None),
        *_CHECKSUM,
    ),
    "ipv4": _table(
        _number("ttl", 8, "time to live, or hop limit", 64),
        _number("dscp", 6, "differentiated services code point"),
        _number("ecn", 2, "explicit congestion notification"),
        _number("ip-id", 16, "identification"),
        _switch("df", "don't fragment"),
        Word("frag", "frag", "offset of the fragment in bytes, + where more follow: `0+`, `24+`, `48`"),
        Word("ip-options", "hex", "IPv4 options, padded to words of 4 bytes", default=b""),
        _number("ip-len", 16, "total length, true or not", None),
        _number("ip-checksum", 16, "header checksum", None),
        _switch("bad-ip-checksum", "header checksum one too high"),
    ),
    "ipv6": _table(
        _number("ttl", 8, "time to live, or hop limit", 64),
        _number("dscp", 6, "differentiated services code point"),
        _number("ecn", 2, "explicit congestion notification"),
        _number("label", 20, "flow label"),
        _number("ip-id", 32, "identification, of a fragment"),
        Word("frag", "frag", "the same, in a fragment header"),
        _number("ip-len", 16, "payload length, true or not", None),
    ),
    "ethernet": _table(
        Word(
            "mac", "mac", "Ethernet addresses; `mac swapped` is the default the other way round", default=(MAC_A, MAC_B)
        ),
        Word(
            "vlan",
            "vlan",
            "tags, outermost first: `7`, `7/3` with a priority, `s100,7` with a service tag (0x88a8)",
            default=(),
        ),
        Word("pad", "hex", "bytes behind the IP packet", default=b""),
    ),
    "capture": _table(
        Word(
            "link",
            "link",
            "link type: `raw` (no Ethernet header); for raw frames also `null`, `sll`, `sll2`",
            default="ethernet",
        ),
        _number("cut", 32, "bytes captured; the length on the wire stays", None),
        _number("wire", 32, "length on the wire, of a raw frame", None),
    ),
}
"""All words by layer, in the order in which they are printed."""

LENGTHS: Final = ("ip-len", "udp-len", "data-offset")
CHECKSUMS: Final = ("checksum", "ip-checksum")
"""What is computed where a line does not say it."""

PAYLOAD: Final = ("len", "hex")
"""Words of the payload, beside a text in quotes."""

KINDS: Final = ("tcp", "udp", "icmp", "ipip", "proto")
"""What may follow the endpoints."""

PROTOCOLS: Final[dict[tuple[str, int], int]] = {
    ("tcp", 4): 6,
    ("tcp", 6): 6,
    ("udp", 4): 17,
    ("udp", 6): 17,
    ("icmp", 4): 1,
    ("icmp", 6): 58,
}
"""Protocol number by (kind, IP version)."""

ICMP: Final[dict[int, dict[str, tuple[int, int]]]] = {
    4: {
        "echo-request": (8, 0),
        "echo-reply": (0, 0),
        "net-unreachable": (3, 0),
        "host-unreachable": (3, 1),
        "proto-unreachable": (3, 2),
        "port-unreachable": (3, 3),
        "too-big": (3, 4),
        "prohibited": (3, 13),
        "ttl-exceeded": (11, 0),
    },
    6: {
        "echo-request": (128, 0),
        "echo-reply": (129, 0),
        "net-unreachable": (1, 0),
        "prohibited": (1, 1),
        "host-unreachable": (1, 3),
        "port-unreachable": (1, 4),
        "too-big": (2, 0),
        "ttl-exceeded": (3, 0),
    },
}
"""Names of (type, code) by IP version (RFC 792, RFC 1191, RFC 1812; RFC 4443). Others are written ``icmp 3/5``."""

LINKS: Final[dict[str, int]] = {"ethernet": 1, "raw": 2, "null": 3, "sll": 4, "sll2": 5}
"""Link types by name."""


def icmp_name(version: int, kind: int, code: int) -> str:
    """Return the name of an ICMP type and code, or ``type/code``."""
    for name, pair in ICMP[version].items():
        if pair == (kind, code):
            return name
    return f"{kind}/{code}"


def reference() -> str:
    """Return the documentation of all words as a Markdown table."""
    titles = {"tcp": "TCP", "udp": "UDP", "echo": "ICMP echo", "icmp": "other ICMP", "ipv4": "IPv4", "ipv6": "IPv6"}
    rows: dict[tuple[str, str, str], list[str]] = {}
    for layer, table in LAYERS.items():
        for word in table.values():
            rows.setdefault((word.name + _FORMS[word.kind], word.doc, _default(word)), []).append(
                titles.get(layer, layer)
            )
    lines = ["| word | of | what | without it |", "|---|---|---|---|"]
    lines += [f"| `{form}` | {', '.join(of)} | {doc} | {default} |" for (form, doc, default), of in rows.items()]
    return "\n".join(lines) + "\n"


_FORMS = {
    "number": " N",
    "switch": "",
    "hex": " HEX",
    "mac": " SOURCE>DESTINATION",
    "vlan": " TAG,...",
    "frag": " OFFSET[+]",
    "link": " TYPE",
}


def _default(word: Word) -> str:
    if word.name in (*LENGTHS, *CHECKSUMS):
        return "the right one"
    if (word.kind == "number" and word.default is not None) or word.kind == "link":
        return f"{word.default}"
    return f"`{MAC_A}>{MAC_B}`" if word.kind == "mac" else ""
