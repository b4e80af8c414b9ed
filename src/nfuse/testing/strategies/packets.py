"""Single packets: every kind that the notation has words for, with every word; and packets that suffered."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

from nfuse.testing.notation.description import Description
from nfuse.testing.notation.words import ICMP, LAYERS, Word
from nfuse.testing.packet import Packet, build

TAGS = st.builds(lambda service, tag: (0x88A8 if service else 0x8100, tag), st.booleans(), st.integers(0, 65535))
LIES = ("ip-len", "udp-len", "data-offset", "checksum", "ip-checksum", "bad-checksum", "bad-ip-checksum", "no-checksum")
"""Words that make a packet lie about itself (a wrong length, a wrong checksum)."""
ODD = ("frag", "cut", "wire", "link", "quote", "mss")
"""Words that are drawn with thought, or not at all."""
OPTIONS = st.sampled_from([b"", b"\1\1\1\1", b"\1\1\1\1\4\2\1\1", b"\1" * 36])


def addresses(version: int) -> st.SearchStrategy[Any]:
    """Return a strategy of addresses: a few that come again and again, and any other (no v4-mapped ones)."""
    if version == 4:
        return st.sampled_from([IPv4Address("10.0.0.1"), IPv4Address("192.0.2.1")]) | st.ip_addresses(v=4)
    few = st.sampled_from([IPv6Address("2001:db8::1"), IPv6Address("2001:db8:1::1")])
    return few | st.ip_addresses(v=6).filter(_not_mapped)


def _not_mapped(address: Any) -> bool:
    return address.ipv4_mapped is None


@st.composite
def descriptions(draw: st.DrawFn, lies: bool = False, depth: int = 1) -> Description:
    """Draw an IP packet in words.

    Args:
        draw: Given by Hypothesis.
        lies: Whether lengths and checksums may be wrong.
        depth: How many packets may lie within one another (ICMP errors, tunnels).
    """
    version = draw(st.sampled_from([4, 6]))
    kind = draw(st.sampled_from(["tcp", "tcp", "udp", "udp", "icmp", "proto", *["error", "ipip"] * (depth > 0)]))
    found = Description(kind, draw(addresses(version)), draw(addresses(version)), data=draw(st.binary(max_size=40)))
    if kind in ("tcp", "udp"):
        found.sport, found.dport = draw(st.integers(0, 65535)), draw(st.integers(0, 65535))
    if kind == "tcp":
        found.values["flags"] = draw(st.integers(0, 255))
    elif kind == "icmp":
        echo = st.sampled_from(["echo-request", "echo-reply"]).map(lambda name: ICMP[version][name])
        found.values["icmp"] = draw(echo | st.just((13, 0) if version == 4 else (133, 0)))
    elif kind == "proto":
        found.values["number"] = draw(st.sampled_from([47, 50, 99, 253]))
    elif kind == "error":
        errors = [pair for name, pair in ICMP[version].items() if "echo" not in name]
        found.kind, found.values["icmp"], found.data = "icmp", draw(st.sampled_from(errors)), b""
        inner = descriptions(lies=False, depth=depth - 1)
        found.inner = draw(inner.filter(lambda quoted: quoted.version == version))
        if draw(st.booleans()):
            found.values["quote"] = draw(st.sampled_from([28, 40] if version == 4 else [48, 60]))
    elif kind == "ipip":
        found.inner, found.data = draw(descriptions(lies=lies, depth=depth - 1)), b""
    for layer in (found.l4, f"ipv{version}"):
        for word in LAYERS.get(layer, {}).values():
            if word.name not in ODD and (lies or word.name not in LIES) and draw(st.integers(0, 3)) == 0:
                found.values[word.name] = draw(_values(word))
    if found.values.get("no-checksum") or found.values.get("checksum") is not None:
        found.values.pop("bad-checksum", None)
    return found


def _values(word: Word) -> st.SearchStrategy[Any]:
    if word.kind == "switch":
        return st.just(True)
    if word.kind == "hex":
        return OPTIONS if word.name != "options" else OPTIONS.filter(lambda options: len(options) <= 36)
    return st.integers(0, (1 << word.bits) - 1)


@st.composite
def packets(draw: st.DrawFn, lies: bool = False) -> Packet:
    """Draw an Ethernet packet: IPv4 or IPv6; TCP, UDP, ICMP, tunnels, other protocols; up to two VLAN tags; ARP, LLDP.

    Args:
        draw: Given by Hypothesis.
        lies: Whether lengths and checksums may be wrong.
    """
    if draw(st.integers(0, 15)) == 0:
        found = draw(st.sampled_from([_ARP, _LLDP]))
    else:
        found = draw(descriptions(lies))
        if draw(st.integers(0, 3)) == 0:
            found.values["pad"] = draw(st.binary(max_size=8))
    found = replace(found, values=dict(found.values))
    found.values["vlan"] = tuple(draw(st.lists(TAGS, max_size=2))) if draw(st.integers(0, 3)) == 0 else ()
    return build(found, draw(st.integers(0, 10**10)), draw(st.integers(0, 1)))


_ARP = Description("arp", IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"), values={"op": 1})
_LLDP = Description("type", values={"number": 0x88CC}, data=bytes(46))


@st.composite
def damaged(draw: st.DrawFn, source: st.SearchStrategy[Packet] | None = None) -> Packet:
    """Draw a packet that suffered: cut by the capture, cut on the wire, with a bit inverted, or of arbitrary bytes.

    Args:
        draw: Given by Hypothesis.
        source: The packets before; None: :func:`packets`, lies included.
    """
    whole = draw(packets(lies=True) if source is None else source)
    size = draw(st.integers(0, len(whole.bytes)))
    match draw(st.sampled_from(["captured", "cut", "flipped", "bytes"])):
        case "captured":
            return replace(whole, bytes=whole.bytes[:size])
        case "cut":
            return replace(whole, bytes=whole.bytes[:size], wire=size)
        case "flipped":
            at = min(size, len(whole.bytes) - 1)
            flipped = whole.bytes[at] ^ 1 << draw(st.integers(0, 7))
            return replace(whole, bytes=whole.bytes[:at] + bytes([flipped]) + whole.bytes[at + 1 :])
    return Packet(draw(st.binary(max_size=100)), whole.time, whole.side)
