"""Where consolidated header actions are applied (SpeedyBox section V-B; rule S7).

An NF's recorded modifies need not be applied at its place: they are held back to the latest point at which no state
function could tell. So one packet is rewritten once, at the end, unless a state function on the way touches a field
that an earlier NF may have modified: then what is held back is applied just before it.

:func:`apply_points` computes these points for one direction of travel, from what the compiler inferred of each NF.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TUPLE_FIELDS = ("ip_src", "ip_dst", "sport", "dport")
"""The fields of the session tuple; only these have an inverse for the other direction (rule S3)."""

MIRROR = {"ip_src": "ip_dst", "ip_dst": "ip_src", "sport": "dport", "dport": "sport"}
"""The field that a packet of the other direction has in place of a tuple field."""

_ADDRESSES = frozenset({"ip_src", "ip_dst"})
_PORTS = frozenset({"sport", "dport"})
_SUMMED_BY_IPV4 = _ADDRESSES | {"ip_ttl", "ip_dscp", "ip_ecn"}
_SUMMED_BY_L4 = _ADDRESSES | _PORTS

_ALIASES: dict[str, frozenset[str]] = {
    "ipv4.checksum": _SUMMED_BY_IPV4,
    "tcp.checksum": _SUMMED_BY_L4,
    "udp.checksum": _SUMMED_BY_L4,
    "icmp.checksum": _SUMMED_BY_L4,
    "icmp6.checksum": _SUMMED_BY_L4,
    "icmp.id": _PORTS,
    "icmp6.id": _PORTS,
    "*": _SUMMED_BY_IPV4 | _PORTS | {"eth_src", "eth_dst", "vlan_vid", "vlan_pcp"},
}


def modify_fields(accesses: Iterable[str]) -> frozenset[str]:
    """Translate accesses as the compiler names them (``tcp.sport``) to names of ``flow.modify`` (``sport``).

    A checksum counts as every field that it covers. Accesses that no modify can change translate to nothing.
    """
    found: set[str] = set()
    for access in accesses:
        if access in _ALIASES:
            found |= _ALIASES[access]
            continue
        header, _, name = access.rpartition(".")
        if name in _PORTS:
            found.add(name)
        elif header in ("ip", "eth", "vlan"):
            found.add(f"{header}_{name}")
    return frozenset(found)


def inverse_fields(fields: Iterable[str]) -> frozenset[str]:
    """Return the fields that the inverse action writes in the direction opposite to the one that opened the session."""
    return frozenset(MIRROR[f] for f in fields if f in MIRROR)


@dataclass(frozen=True)
class Stage:
    """What the pass needs to know of one NF, for one direction of travel.

    Attributes:
        modifies: Fields that its recorded action may write, for packets of this direction.
        touches: Fields that its per-packet code reads or stores.
        barrier: It pushes or removes a header, or may answer a packet: what is held back must be applied before it.
    """

    modifies: frozenset[str] = frozenset()
    touches: frozenset[str] = frozenset()
    barrier: bool = False


@dataclass(frozen=True)
class Point:
    """One place of application.

    Attributes:
        before: Position (in order of travel) whose state function runs right after it; the number of stages for the
            end of the chain.
        stages: Positions whose actions are consolidated here, in order of travel.
        fields: All fields that may be written here.
    """

    before: int
    stages: tuple[int, ...]
    fields: frozenset[str]


def apply_points(stages: Sequence[Stage]) -> tuple[Point, ...]:
    """Compute the points of application for stages in their order of travel.

    Each stage that modifies something appears in exactly one point, and the points are as late and as few as rule S7
    allows.
    """
    points: list[Point] = []
    held: list[int] = []
    fields: frozenset[str] = frozenset()
    for position, stage in enumerate(stages):
        if held and (stage.barrier or stage.touches & fields):
            points.append(Point(position, tuple(held), fields))
            held, fields = [], frozenset()
        if stage.modifies:
            held.append(position)
            fields |= stage.modifies
    if held:
        points.append(Point(len(stages), tuple(held), fields))
    return tuple(points)
