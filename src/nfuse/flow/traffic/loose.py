"""The pcap-filter language as traffic classes: what NFs and chains mean by ``tcp port 80``.

It differs from ``tcpdump`` where a chain wants something else (`nfuse.flow.traffic.strict` has tcpdump's own meaning):

- VLAN tags are looked through: ``tcp`` holds for tagged TCP too, and ``vlan 5`` speaks of the outermost tag wherever it
  stands in the filter.
- ``host``, ``net``, ``src``, ``dst`` speak of IP only; ``arp host`` of ARP.
- ``tcp``, ``udp``, ``icmp``, ``icmp6`` hold where the header is there, whole: never for later fragments, and behind any
  IPv6 extension headers. ``ip proto 6`` holds for later fragments too.
- ``tcp[...]`` and the like hold for both IP families.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from nfuse.flow.traffic import names, ranges
from nfuse.flow.traffic.arithmetic import OFFSETS, Bytes, Length, Number, Operation
from nfuse.flow.traffic.lexer import FilterError
from nfuse.flow.traffic.names import FieldName, field_named, header_named
from nfuse.flow.traffic.nodes import And, Constant, Expr, Ingress, Or, Relation
from nfuse.flow.traffic.ranges import Ranges
from nfuse.flow.traffic.syntax import (
    PROTOCOL_NUMBERS,
    All,
    Cast,
    Compare,
    Ether,
    Field,
    Negation,
    Net,
    Port,
    Ports,
    Proto,
    Protocol,
    Tree,
    Truth,
    Vlan,
)

_HEADERS = {"ip": "ipv4", "ip6": "ipv6"}
_IP4 = ((ranges.V4_LOW, ranges.V4_HIGH),)


def to_class(tree: Tree, text: str) -> Expr:
    """Give a syntax tree the meaning of a traffic class.

    Raises:
        FilterError: It speaks of something that traffic classes don't know (SCTP ports, the inner VLAN tag).
    """
    return _Loose(text).translate(tree)


class _Loose:
    def __init__(self, text: str) -> None:
        self.text = text

    def fail(self, column: int, problem: str) -> FilterError:
        return FilterError(self.text, column, problem)

    @functools.singledispatchmethod
    def translate(self, tree: Tree) -> Expr:
        raise NotImplementedError(type(tree).__name__)

    @translate.register
    def _(self, tree: Truth) -> Expr:
        return Constant(tree.value)

    @translate.register
    def _(self, tree: All) -> Expr:
        kind = And if tree.word == "and" else Or
        return kind.of(self.translate(tree.left), self.translate(tree.right))

    @translate.register
    def _(self, tree: Negation) -> Expr:
        return ~self.translate(tree.part)

    @translate.register
    def _(self, tree: Protocol) -> Expr:
        name = _HEADERS.get(tree.name, tree.name)
        if name == "rarp":
            return names.eth.type == 0x8035
        if name in PROTOCOL_NUMBERS and name not in ("tcp", "udp", "icmp", "icmp6"):
            return names.ip.proto == PROTOCOL_NUMBERS[name]
        return header_named(name)

    @translate.register
    def _(self, tree: Proto) -> Expr:
        if tree.layer == "ether":
            known = {0x0800: "ipv4", 0x86DD: "ipv6", 0x0806: "arp"}
            return header_named(known[tree.number]) if tree.number in known else names.eth.type == tree.number
        family = {"ip": names.ipv4, "ip6": names.ipv6}.get(tree.layer or "")
        test = names.ip.proto == tree.number
        return family & test if family is not None else test  # type: ignore[no-any-return]

    @translate.register
    def _(self, tree: Net) -> Expr:
        if tree.version == 6:
            found = ranges.v6_only(tree.address, tree.address | ~tree.mask & (1 << 128) - 1)
            if tree.mask == (1 << 128) - 1:
                found = ((tree.address, tree.address),)
        else:
            found = _masked(tree.address, tree.mask)
        if tree.protocol == "rarp":
            raise self.fail(tree.column, "`rarp` addresses can't be part of a traffic class")
        pair = ("arp.spa", "arp.tpa") if tree.protocol == "arp" else ("ip.src", "ip.dst")
        test = self.either(tree.direction, pair, lambda field: field.test(found))
        return names.ipv4 & test if tree.protocol == "ip" and not _inside(found) else test

    @translate.register
    def _(self, tree: Ether) -> Expr:
        pair = ("eth.src", "eth.dst")
        return self.either(tree.direction, pair, lambda field: field == tree.address)

    @translate.register
    def _(self, tree: Ports) -> Expr:
        test = self.either(tree.direction, ("sport", "dport"), lambda field: field.between(tree.low, tree.high))
        if tree.protocols == ("sctp",):
            raise self.fail(tree.column, "SCTP ports can't be part of a traffic class")
        return header_named(tree.protocols[0]) & test if len(tree.protocols) == 1 else test

    @translate.register
    def _(self, tree: Vlan) -> Expr:
        return names.vlan if tree.number is None else names.vlan.vid == tree.number

    @translate.register
    def _(self, tree: Cast) -> Expr:
        if tree.layer == "ip6":
            if tree.kind == "broadcast":
                raise self.fail(tree.column, "IPv6 has no broadcast")
            return names.ip.dst == "ff00::/8"
        if tree.layer == "ip":
            if tree.kind == "broadcast":
                return names.ip.dst.within("0.0.0.0", "255.255.255.255")
            return names.ip.dst.between("224.0.0.0", "255.255.255.255")
        everyone = names.eth.dst == (1 << 48) - 1
        if tree.kind == "broadcast":
            return everyone
        return names.eth & Relation("!=", *_group_bit())

    @translate.register
    def _(self, tree: Compare) -> Expr:
        if tree.left == Length() and isinstance(tree.right, Number):
            return _operations(names.length)[tree.operator](tree.right.number)
        made = Relation(tree.operator, tree.left, tree.right)
        for header in made.headers:
            if header not in OFFSETS:
                raise self.fail(tree.column, f"bytes of {header} can't be part of a traffic class")
        return made

    @translate.register
    def _(self, tree: Field) -> Expr:
        try:
            field = field_named(tree.name)
            if field.kind == "address" and isinstance(tree.value, int):
                raise TypeError(f"{field.full_name} is an address: expected an address or a prefix")
            return _operations(field)[tree.operator](tree.value)
        except (KeyError, TypeError, ValueError) as error:
            raise self.fail(tree.column, str(error.args[0])) from None

    @translate.register
    def _(self, tree: Port) -> Expr:
        return Ingress(tree.name)

    def either(self, direction: str, pair: tuple[str, str], make: Callable[[FieldName], Expr]) -> Expr:
        source, target = (make(field_named(name)) for name in pair)
        if direction in ("src", "dst"):
            return source if direction == "src" else target
        return And.of(source, target) if direction == "both" else Or.of(source, target)


def _operations(field: FieldName) -> dict[str, Callable[[object], Expr]]:
    return {
        "=": field.__eq__,
        "!=": field.__ne__,
        "<": field.__lt__,
        "<=": field.__le__,
        ">": field.__gt__,
        ">=": field.__ge__,
    }


def _inside(found: Ranges) -> bool:
    return ranges.intersection(found, _IP4) == found


def _masked(address: int, mask: int) -> Ranges:
    """Return the IPv4 addresses that equal `address` under a mask, which may have holes."""
    length = bin(mask).count("1")
    if mask == 0xFFFF_FFFF << 32 - length & 0xFFFF_FFFF:
        low = address + ranges.V4_LOW
        return ((low, low | ~mask & 0xFFFF_FFFF),)
    free = [bit for bit in range(32) if not mask >> bit & 1]
    tail = 0
    while tail in free:
        tail += 1
    holes = [bit for bit in free if bit >= tail]
    if len(holes) > 10:
        raise ValueError("a mask with more than 10 holes")
    found = []
    for choice in range(1 << len(holes)):
        low = address + ranges.V4_LOW + sum(1 << bit for k, bit in enumerate(holes) if choice >> k & 1)
        found.append((low, low + (1 << tail) - 1))
    return ranges.normal(found)


def _group_bit() -> tuple[Operation, Number]:
    """Return the terms of `ether[0] & 1` and 0: the group bit of a MAC address."""
    return Operation("&", Bytes("eth", Number(0), 1), Number(1)), Number(0)
