"""Names of fields as people say them: ``tcp.sport, udp.sport, icmp.id`` are "source port"."""

from __future__ import annotations

from collections.abc import Iterable

from nfuse.nf.effects import FLAG_NAMES

_FLAGS = frozenset(f"tcp.{flag}" for flag in FLAG_NAMES)
_ECHO = frozenset({"icmp.id", "icmp6.id"})

_GROUPS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"ip.src"}), "source address"),
    (frozenset({"tcp.sport", "udp.sport"}), "source port"),
    (frozenset({"ip.dst"}), "destination address"),
    (frozenset({"tcp.dport", "udp.dport"}), "destination port"),
    (frozenset({"ip.proto", "ipv6.next_header"}), "protocol"),
    (frozenset({"ip.proto"}), "protocol"),
    (_ECHO, "ICMP identifier"),
    (_FLAGS | {"tcp.flags"}, "TCP flags"),
)
"""What belongs together, and its name; those that take more first."""

_NAMES = {
    "eth.src": "source MAC address",
    "eth.dst": "destination MAC address",
    "eth.type": "EtherType",
    "vlan.vid": "VLAN identifier",
    "vlan.pcp": "VLAN priority",
    "ip.ttl": "TTL",
    "ip.dscp": "DSCP",
    "ip.ecn": "ECN",
    "ip.version": "IP version",
    "tcp.sport": "TCP source port",
    "tcp.dport": "TCP destination port",
    "udp.sport": "UDP source port",
    "udp.dport": "UDP destination port",
    "icmp.type": "ICMP type",
    "icmp.code": "ICMP code",
    "icmp6.type": "ICMPv6 type",
    "icmp6.code": "ICMPv6 code",
    "icmp.id": "ICMP identifier",
    "icmp6.id": "ICMPv6 identifier",
    "pkt.len": "frame length",
    "pkt.payload_len": "payload length",
    "pkt.reverse": "direction",
    "pkt.later_fragment": "whether it is a later fragment",
    "sport": "source port",
    "dport": "destination port",
    "len": "frame length",
}

_MODIFIED = {
    "ip_src": "source address",
    "sport": "source port",
    "ip_dst": "destination address",
    "dport": "destination port",
    "ip_ttl": "TTL",
    "ip_dscp": "DSCP",
    "ip_ecn": "ECN",
    "eth_src": "source MAC address",
    "eth_dst": "destination MAC address",
    "vlan_vid": "VLAN identifier",
    "vlan_pcp": "VLAN priority",
}
"""Names of the fields of ``flow.modify``, in the order in which they are told."""


def access_words(accesses: Iterable[str]) -> list[str]:
    """Return what the compiler names ``tcp.sport``, ``udp.sport``, ``icmp.id`` in words: ``["source port"]``.

    A port that is read of any packet includes the identifier of an ICMP echo, which stands in its place. Checksums that
    follow a store by themselves are left out. Fields without a word of their own keep their name.
    """
    left = {name for name in accesses if not name.endswith(".checksum")}
    words: list[str] = []
    ported = False
    for group, word in _GROUPS:
        if group is _ECHO and ported:
            left -= _ECHO
        if group <= left:
            words.append(word)
            left -= group
            ported = ported or word.endswith(" port")
    flags = [flag for flag in FLAG_NAMES if f"tcp.{flag}" in left]
    if flags:
        words.append(f"TCP {' '.join(flag.upper() for flag in flags)}")
        left -= _FLAGS | {"tcp.flags"}
    return words + [_NAMES.get(name, name) for name in sorted(left)]


def modify_words(names: Iterable[str]) -> list[str]:
    """Return names of ``flow.modify`` (``ip_src``) in words, in the order of the header."""
    wanted = set(names)
    known = [name for name in _MODIFIED if name in wanted]
    return [_MODIFIED[name] for name in known] + sorted(wanted - set(known))


def listed(items: Iterable[str], none: str = "nothing") -> str:
    """Join words with commas and a last "and"."""
    words = list(items)
    if not words:
        return none
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: "1 parse", "4 parses"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
