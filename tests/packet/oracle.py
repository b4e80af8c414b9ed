"""What a parser should find, from scapy's dissection: no header table and no line of the parser is used."""

from __future__ import annotations

from typing import Any

from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, Ether, IPv6, IPv6ExtHdrFragment
from scapy.layers.inet6 import (
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    _ICMPv6,
)
from scapy.layers.ipsec import AH

V6_SIZED = (IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)


def expected(frame: bytes) -> dict[str, Any]:
    """Dissect a well-formed Ethernet frame: offsets, numbers and names of flags."""
    layer: Any = Ether(frame)
    flags = {"ETH"}
    at, vlans = 14, 0
    kind = layer.type if isinstance(layer, Ether) else 0
    layer = layer.payload
    while isinstance(layer, Dot1Q | Dot1AD):
        vlans += 1
        at += 4
        kind = layer.type
        layer = layer.payload
        flags.add("VLAN" if vlans == 1 else "QINQ")
    found: dict[str, Any] = {"l3": at, "etype": kind if kind >= 1536 else 0, "vlans": vlans, "sport": 0, "dport": 0}
    found |= {"flags": flags, "proto": 0, "l4": at, "pay": at}
    if isinstance(layer, ARP):
        flags.add("ARP")
        found |= {"l4": at + 28, "pay": at + 28}
    elif isinstance(layer, IP):
        flags.add("IP4")
        at += 4 * layer.ihl
        found["proto"] = layer.proto
        if layer.frag or layer.flags.MF:
            flags.add("FRAG")
        _l4(found, flags, layer.payload, at, later=layer.frag > 0)
    elif isinstance(layer, IPv6):
        flags.add("IP6")
        at, later, proto = at + 40, False, layer.nh
        layer = layer.payload
        while isinstance(layer, (*V6_SIZED, IPv6ExtHdrFragment, AH)) and not later:
            proto = layer.nh
            if isinstance(layer, IPv6ExtHdrFragment):
                at += 8
                later = layer.offset > 0
                if later or layer.m:
                    flags.add("FRAG")
            elif isinstance(layer, AH):
                at += 4 * (layer.payloadlen + 2)
            else:
                at += 8 * (layer.len + 1)
            layer = layer.payload
        found["proto"] = proto
        _l4(found, flags, layer, at, later)
    return found


def _l4(found: dict[str, Any], flags: set[str], layer: Any, at: int, later: bool) -> None:
    found |= {"l4": at, "pay": at}
    if later:
        flags.add("LATER")
        return
    if found["proto"] in (4, 41):
        flags.add("IPIP")
    elif found["proto"] == 6:
        flags |= {"TCP", "L4"}
        assert isinstance(layer, TCP)
        found |= {"sport": layer.sport, "dport": layer.dport, "pay": at + 4 * layer.dataofs}
    elif found["proto"] == 17:
        flags |= {"UDP", "L4"}
        assert isinstance(layer, UDP)
        found |= {"sport": layer.sport, "dport": layer.dport, "pay": at + 8}
    elif found["proto"] == 1 and "IP4" in flags:
        flags |= {"ICMP", "L4"}
        assert isinstance(layer, ICMP)
        found["pay"] = at + 8
        if layer.type == 8:
            flags.add("ECHO_REQUEST")
            found["sport"] = layer.id
        elif layer.type == 0:
            flags.add("ECHO_REPLY")
            found["dport"] = layer.id
        elif layer.type in (3, 4, 5, 11, 12):
            flags.add("ICMP_ERROR")
    elif found["proto"] == 58 and "IP6" in flags:
        flags |= {"ICMP6", "L4"}
        found["pay"] = at + 8
        assert isinstance(layer, _ICMPv6)
        if layer.type == 128:
            flags.add("ECHO_REQUEST")
            found["sport"] = layer.id
        elif layer.type == 129:
            flags.add("ECHO_REPLY")
            found["dport"] = layer.id
        elif layer.type in (1, 2, 3, 4):
            flags.add("ICMP_ERROR")
