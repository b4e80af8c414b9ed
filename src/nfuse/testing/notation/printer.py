"""From a description to its line."""

from __future__ import annotations

from typing import Any

from nfuse.packet.address import IPAddress
from nfuse.testing.notation.description import Description
from nfuse.testing.notation.words import FLAGS, LAYERS, MAC_A, MAC_B, icmp_name

ZEROS = 4
"""A payload that ends with so many zero bytes, or has no others, is written with ``len``."""


def line(packet: Description, side: int = 0) -> str:
    """Return the line of a description; side 1 turns the arrow around."""
    words = _head(packet, side)
    if packet.inner is not None:
        words.append(f"({line(packet.inner)})")
    if packet.l4:
        words += _said(packet, packet.l4)
    if packet.kind != "raw":
        words += payload(packet.data)
    for layer in packet.layers():
        if layer != packet.l4:
            words += _said(packet, layer)
    return " ".join(words)


def _head(packet: Description, side: int) -> list[str]:
    arrow = "<" if side else ">"
    back = ["<"] if side else []
    match packet.kind:
        case "raw":
            return [*back, "raw", packet.data.hex() or "-"]
        case "type":
            return [*back, "type", f"0x{packet.values['number']:04x}"]
        case "arp" if packet.values["op"] == 1:
            return [*back, "arp", "who-has", str(packet.dst), "tell", str(packet.src)]
        case "arp":
            return [*back, "arp", str(packet.src), "is-at", packet.values["is-at"], "to", str(packet.dst)]
    ends = [endpoint(packet.src, packet.sport), endpoint(packet.dst, packet.dport)]
    left, right = reversed(ends) if side else ends
    head = [left, arrow, right, packet.kind]
    if packet.kind == "proto":
        head.append(str(packet.values["number"]))
    elif packet.l4 == "tcp":
        head.append(flags(packet.values["flags"]))
    elif packet.l4 in ("icmp", "echo"):
        head.append(icmp_name(packet.version, *packet.values["icmp"]))
    return head


def endpoint(address: IPAddress | None, port: int | None) -> str:
    """Return an address with its port: ``10.0.0.1:80``, ``[2001:db8::1]:80``; without one as it is."""
    if port is None:
        return str(address)
    return f"{address}:{port}" if address is not None and address.version == 4 else f"[{address}]:{port}"


def flags(bits: int) -> str:
    """Return the letters of TCP flags; ``-`` if none is set."""
    return "".join(letter for bit, letter in enumerate(FLAGS) if bits >> bit & 1) or "-"


def payload(data: bytes) -> list[str]:
    """Return the words of a payload: text in quotes if it is printable, else hexadecimal digits; zeros as ``len``."""
    if not data:
        return []
    shown = data.rstrip(b"\0")
    if shown and len(data) - len(shown) < ZEROS:
        shown = data
    words = [] if not shown else [_quoted(shown)] if _printable(shown) else ["hex", shown.hex()]
    return words if len(shown) == len(data) else [*words, "len", str(len(data))]


def _printable(data: bytes) -> bool:
    return all(32 <= byte < 127 or byte in b"\r\n\t" for byte in data)


def _quoted(data: bytes) -> str:
    text = data.decode().replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t") + '"'


def _said(packet: Description, layer: str) -> list[str]:
    """Return the words of one layer that say something else than the default."""
    found: list[str] = []
    for name, word in LAYERS[layer].items():
        value = packet.values.get(name)
        if value is None or value == word.default:
            continue
        found += [name] if word.kind == "switch" else [name, _value(word.kind, name, value)]
    return found


def _value(kind: str, name: str, value: Any) -> str:
    match kind:
        case "hex":
            return str(value.hex())
        case "mac":
            return "swapped" if value == (MAC_B, MAC_A) else f"{value[0]}>{value[1]}"
        case "vlan":
            return ",".join(_tag(*tag) for tag in value)
        case "frag":
            return f"{value[0]}{'+' if value[1] else ''}"
    return f"0x{value:04x}" if "checksum" in name or name == "rest" else str(value)


def _tag(kind: int, tag: int) -> str:
    upper = tag >> 12
    return (
        ("s" if kind == 0x88A8 else "")
        + str(tag & 0xFFF)
        + (f"/{upper >> 1}" if upper >> 1 else "")
        + "d" * (upper & 1)
    )
