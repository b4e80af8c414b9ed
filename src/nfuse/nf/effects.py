"""What a handler touches: inferred from its code, through all helpers and over all branches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

PAYLOAD = ("IGNORE", "READ", "WRITE")
"""Payload access (SpeedyBox, Table I), the weakest first."""

FLAG_NAMES = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")


@dataclass(frozen=True)
class Effects:
    """The effects of a handler.

    Attributes:
        reads, writes: Header fields read and directly stored, as ``"tcp.syn"``; also ``"pkt.len"``,
            ``"pkt.payload_len"``, ``"pkt.reverse"``, ``"pkt.later_fragment"``.
        payload: ``IGNORE``, ``READ`` or ``WRITE``.
        drops: May call ``pkt.drop``.
        flow_drops: May record a drop.
        records: May make any recording call.
        modifies: Names of fields that ``flow.modify`` may record.
        encaps, decaps: Kinds of headers.
        runs: State functions that may be chosen.
        turns: May record ``flow.turn_back``.
        replies: May ask for a reply (``pkt.reply`` or ``flow.drop(reply=)``).
        state_reads, state_writes: State fields; containers count as one field each.
        parameters: Parameters read.
        session_reads, session_writes: Session fields (``"syns"``, ``"source.syns"``).
        place: Reads the opening tuple at the NF's place (``flow.ip_src``, ...).
        initiator: Reads ``flow.initiator``.
        logs: May write log records.
        time: Reads ``pkt.time``.
        opaque: Ordinary Python: taken to touch everything.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    payload: str = "IGNORE"
    drops: bool = False
    flow_drops: bool = False
    records: bool = False
    modifies: frozenset[str] = frozenset()
    encaps: frozenset[str] = frozenset()
    decaps: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()
    turns: bool = False
    replies: bool = False
    state_reads: frozenset[str] = frozenset()
    state_writes: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    session_reads: frozenset[str] = frozenset()
    session_writes: frozenset[str] = frozenset()
    place: bool = False
    initiator: bool = False
    logs: bool = False
    time: bool = False
    opaque: bool = False

    def __or__(self, other: Effects) -> Effects:
        joined = {}
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            joined[item.name] = max(mine, theirs, key=PAYLOAD.index) if item.name == "payload" else mine | theirs
        return Effects(**joined)


@dataclass
class EffectsBuilder:
    """Collects effects while a handler is translated."""

    sets: dict[str, set[str]] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    payload: str = "IGNORE"

    def add(self, name: str, *items: str) -> None:
        """Add items to a set-valued effect."""
        self.sets.setdefault(name, set()).update(items)

    def set(self, name: str) -> None:
        """Set a truth-valued effect."""
        self.flags.add(name)

    def touch_payload(self, access: str) -> None:
        """Raise the payload access to at least `access`."""
        self.payload = max(self.payload, access, key=PAYLOAD.index)

    def join(self, other: Effects) -> None:
        """Add all effects of a helper."""
        for item in fields(other):
            value = getattr(other, item.name)
            if isinstance(value, frozenset):
                self.add(item.name, *value)
            elif item.name == "payload":
                self.touch_payload(value)
            elif value:
                self.set(item.name)

    def done(self) -> Effects:
        """Return what was collected."""
        sets = {name: frozenset(items) for name, items in self.sets.items()}
        return Effects(payload=self.payload, **sets, **dict.fromkeys(self.flags, True))  # type: ignore[arg-type]


def field_reads(header: str, name: str) -> Iterable[str]:
    """Return the names under which reading a field counts: a view of several fields counts as all of them."""
    if (header, name) == ("tcp", "flags"):
        return ["tcp.flags", *(f"tcp.{flag}" for flag in FLAG_NAMES)]
    if (header, name) in (("ip", "proto"), ("ipv6", "next_header")):
        return ["ip.proto", "ipv6.next_header"]
    return [f"{header}.{name}"]


def field_writes(header: str, name: str) -> Iterable[str]:
    """Return the names under which storing a field counts: overlapping fields and the checksums that follow."""
    names = list(field_reads(header, name))
    if header == "tcp" and name in FLAG_NAMES:
        names.append("tcp.flags")
    if header in ("ip", "ipv4"):
        names.append("ipv4.checksum")
    if header in ("tcp", "udp", "icmp", "icmp6"):
        names.append(f"{header}.checksum")
    if header == "ip" and name in ("src", "dst"):
        names += ["tcp.checksum", "udp.checksum", "icmp6.checksum"]
    return names
