"""Sets of packets as unions of boxes: for asking whether any packet of a traffic class can be in a place.

A box gives a set of values to some fields; fields that it does not name may have any value. Beside the fields of the
headers, ``ip.version`` has the value 0 where there is no IP header, ``ingress`` is the index of the input port,
``has.vlan`` is 1 where there is such a header, and ``has.l4`` where the header of TCP, UDP or ICMP is there and whole
(of fragments, the first has it). Ports of TCP and UDP are one field.

All answers err on one side: a set may hold packets that can't be there, but never lacks one that can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nfuse.flow.traffic import ranges
from nfuse.flow.traffic.names import field_named
from nfuse.flow.traffic.nodes import And, Constant, Expr, Header, Ingress, Not, Or, Relation, Within
from nfuse.flow.traffic.ranges import ADDRESS_MAX, V4_HIGH, V4_LOW, Ranges
from nfuse.packet.fields import HEADERS

Box = Mapping[str, Ranges]
Boxes = tuple[Box, ...]

EVERYTHING: Boxes = ({},)
"""All packets."""

MOST = 128
"""Boxes of a set at most; what would take more is taken for more than it is."""

_V4: Ranges = ((V4_LOW, V4_HIGH),)
_VERSION, _SRC, _DST, _PROTO, _L4 = "ip.version", "ip.src", "ip.dst", "ip.proto", "has.l4"
_MAXIMA = {_VERSION: 6, "ingress": 255}
_IP: Ranges = ((4, 4), (6, 6))

_HEADER_MEANS: dict[str, Box] = {
    "ip": {_VERSION: _IP},
    "ipv4": {_VERSION: ((4, 4),)},
    "ipv6": {_VERSION: ((6, 6),)},
    "arp": {_VERSION: ((0, 0),), "has.arp": ((1, 1),)},
    "tcp": {_VERSION: _IP, _PROTO: ((6, 6),), _L4: ((1, 1),)},
    "udp": {_VERSION: _IP, _PROTO: ((17, 17),), _L4: ((1, 1),)},
    "icmp": {_VERSION: ((4, 4),), _PROTO: ((1, 1),), _L4: ((1, 1),)},
    "icmp6": {_VERSION: ((6, 6),), _PROTO: ((58, 58),), _L4: ((1, 1),)},
}

FIRST_PACKETS: Boxes = (
    {_L4: ((1, 1),)},
    {_PROTO: ranges.complement(((1, 1), (6, 6), (17, 17), (58, 58)), 255)},
    {_VERSION: ((0, 0),)},
)
"""Packets that may open a session: those of TCP, UDP and ICMP have their header."""


def restrict(boxes: Iterable[Box], when: Expr, truth: bool = True) -> Boxes:
    """Return the packets of a set that are of a class (`truth` False: that are not)."""
    return _bounded([kept for box in boxes for kept in _restrict(box, when, truth)])


def replace(boxes: Iterable[Box], values: Mapping[str, Ranges | None]) -> Boxes:
    """Return a set whose packets have got new values: by field name (``ip.src``, ``sport``); None: any value."""
    changed = []
    for box in boxes:
        kept = {name: found for name, found in box.items() if name not in values}
        changed.append({**kept, **{name: found for name, found in values.items() if found is not None}})
    return _bounded(changed)


def _bounded(boxes: Sequence[Box]) -> Boxes:
    different: list[Box] = []
    for box in boxes:
        if box not in different:
            different.append(box)
    return tuple(different) if len(different) <= MOST else EVERYTHING


def _restrict(box: Box, when: Expr, truth: bool) -> list[Box]:
    match when:
        case Constant():
            return [box] if when.value == truth else []
        case Not():
            return _restrict(box, when.part, not truth)
        case And() | Or():
            if isinstance(when, And) == truth:
                boxes = [box]
                for part in when.parts:
                    boxes = list(_bounded([kept for one in boxes for kept in _restrict(one, part, truth)]))
                return boxes
            return [kept for part in when.parts for kept in _restrict(box, part, truth)]
        case Relation():
            means: Box = _joined([_header(name) for name in when.headers])
            return _all(box, means) if truth else [box]
        case Ingress() if isinstance(when.port, int):
            return _atom(box, {"ingress": ((when.port, when.port),)}, truth)
        case Header():
            return _atom(box, _header(when.header), truth)
        case Within():
            return _atom(box, _within(when), truth)
    return [box]


def _atom(box: Box, means: Box, truth: bool) -> list[Box]:
    if truth:
        return _all(box, means)
    return [
        kept for name, found in means.items() for kept in _all(box, {name: ranges.complement(found, maximum(name))})
    ]


def _all(box: Box, means: Box) -> list[Box]:
    """Restrict a box in several fields; none is left if it gets empty."""
    kept = dict(box)
    for name, found in means.items():
        kept[name] = ranges.intersection(kept[name], found) if name in kept else found
    _agree(kept)
    return [] if any(not found for found in kept.values()) else [kept]


def _agree(box: dict[str, Ranges]) -> None:
    """Let the IP version follow from the addresses, and the addresses from the version."""
    version = box.get(_VERSION)
    for name in (_SRC, _DST):
        if name not in box:
            continue
        four = ranges.intersection(box[name], _V4)
        six = ranges.intersection(box[name], ranges.complement(_V4, ADDRESS_MAX))
        able: Ranges = ranges.normal([(0, 0)] + [(4, 4)] * bool(four) + [(6, 6)] * bool(six))
        version = able if version is None else ranges.intersection(version, able)
    if version is None:
        return
    box[_VERSION] = version
    for name in (_SRC, _DST):
        if name in box and version in (((4, 4),), ((6, 6),)):
            side = _V4 if version == ((4, 4),) else ranges.complement(_V4, ADDRESS_MAX)
            box[name] = ranges.intersection(box[name], side)


def _header(name: str) -> Box:
    if name in _HEADER_MEANS:
        return _HEADER_MEANS[name]
    below = [_header(proved) for proved in HEADERS[name].proves if proved != name] if name in HEADERS else []
    return {**_joined(below), f"has.{name}": ((1, 1),)}


def _joined(boxes: Iterable[Box]) -> Box:
    joined: dict[str, Ranges] = {}
    for box in boxes:
        for name, found in box.items():
            joined[name] = ranges.intersection(joined[name], found) if name in joined else found
    return joined


def _within(test: Within) -> Box:
    field = test.field
    key = box_name(field.full_name)
    if field.of_ports:
        means: Box = {_VERSION: _IP, _PROTO: ((6, 6), (17, 17)), _L4: ((1, 1),)}
    else:
        means = _header(field.header) if field.header else {}
    joined = dict(means)
    joined[key] = ranges.intersection(joined[key], test.ranges) if key in joined else test.ranges
    return joined


def box_name(field: str) -> str:
    """Return the name under which boxes know a field: the ports of TCP and UDP are one."""
    header, _, name = field.rpartition(".")
    return name if header in ("tcp", "udp") and name in ("sport", "dport") else field


def maximum(name: str) -> int:
    """Return the largest value of a box's field."""
    if name.startswith("has."):
        return 1
    return _MAXIMA[name] if name in _MAXIMA else field_named(name).maximum
