"""The names users build traffic classes from: ``tcp``, ``ip.src``, ``dport``, ``five_tuple``.

A header name is a class by itself (``tcp & ...``) and a namespace of its fields (``tcp.syn``). A field name makes a
class when it is compared, and is a part of a session key where it stands alone (``session = (ip.src,)``). The fields
come from the header tables of :mod:`nfuse.packet.fields`: a protocol added there is known here.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable
from typing import Any

from nfuse.flow.traffic import ranges, values
from nfuse.flow.traffic.nodes import (
    L4_HEADERS,
    And,
    Expr,
    Header,
    Ingress,
    Or,
    Within,
    as_class,
    everything,
    nothing,
)
from nfuse.flow.traffic.ranges import Ranges
from nfuse.packet.fields import HEADERS, PACKET, emit_read
from nfuse.packet.header import Field


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), 1, 0.4)
    return f"; did you mean {close[0]}?" if close else ""


class FieldName:
    """A field of a packet, by name.

    Attributes:
        header: The header's name; "" for what belongs to no single one (``sport``, ``dport``, ``len``).
        name: The field's name in that header.
        full_name: "header.name", or just the name.
        kind: "int", "address" or "mac".
        width: Bits.
        flow_constant: Whether it is the same in each packet of one direction of a flow.
        of_ports: Whether it is a generic port: TCP and UDP packets have it.
        needs_l4: Whether it belongs to an L4 header.
    """

    def __init__(self, header: str, name: str, declared: Field) -> None:
        self.header, self.name = header, name
        self.kind: str = declared.kind
        self.width = 128 if self.kind == "address" else declared.width
        self.flow_constant = declared.flow_constant
        self.of_ports = not header and name in ("sport", "dport")
        self.full_name = f"{header}.{name}" if header else name
        self.maximum = values.maximum_of(self.kind, self.width)
        self.needs_l4 = self.of_ports or header in L4_HEADERS

    # ---- values

    def value_of(self, view: Any) -> int | None:
        """Read the field from a packet view, as a non-negative int; None if the packet has no such field."""
        if not self.header:
            if self.of_ports and not (view.tcp or view.udp):
                return None
            return int(getattr(view, self.name))
        header = getattr(view, self.header)
        if not header:
            return None
        value = getattr(header, self.name)
        if self.kind == "address":
            return values.address_number(value)
        return values.mac_number(value, self.full_name) if self.kind == "mac" else int(value)

    def emit_value(self, P: str) -> str:
        """Return source that reads the field, unchecked: an i64, or a (hi, lo) pair for an address."""
        return emit_read(self.header or "pkt", self.name, P)

    def read(self, value: object) -> Ranges:
        """Turn what the user compares with into a set of values.

        Raises:
            TypeError: It is of another kind than the field.
            ValueError: The field can't hold it.
        """
        if isinstance(value, FieldName | EitherField):
            raise TypeError(f"{self.full_name} can't be compared with {value!r}: only with a value")
        if isinstance(value, range):
            if value.step != 1:
                raise ValueError(f"{self.full_name}: a range must have step 1")
            return self._between(value.start, value.stop - 1)
        if isinstance(value, list | tuple | set | frozenset):
            return ranges.normal(pair for item in value for pair in self.read(item))
        if self.kind == "address":
            return values.address_ranges(value, self.full_name)
        if self.kind == "mac":
            number = values.mac_number(value, self.full_name)
            return ((number, number),)
        low, high = getattr(value, "low", None), getattr(value, "high", None)  # nfuse.PortRange and its like
        if isinstance(low, int) and isinstance(high, int):
            return self._between(low, high)
        number = values.integer(value, self.full_name, self.maximum)
        return ((number, number),)

    def _between(self, low: object, high: object) -> Ranges:
        if self.kind != "int":
            bounds = self.read(low), self.read(high)
            if any(len(bound) != 1 or bound[0][0] != bound[0][1] for bound in bounds):
                raise TypeError(f"{self.full_name}: bounds are single addresses, not prefixes")
            first, last = bounds[0][0][0], bounds[1][0][0]
            if ranges.contains(((ranges.V4_LOW, ranges.V4_HIGH),), first) != ranges.contains(
                ((ranges.V4_LOW, ranges.V4_HIGH),), last
            ):
                raise TypeError(f"{self.full_name}: bounds are of one address family")
            return ranges.normal([(first, last)])
        return ranges.normal(
            [
                (
                    values.integer(low, self.full_name, self.maximum),
                    values.integer(high, self.full_name, self.maximum),
                )
            ]
        )

    def test(self, found: Ranges) -> Expr:
        """Return the class of packets whose field lies in a set."""
        return Within(self, found) if found else nothing

    def test_not(self, found: Ranges) -> Expr:
        """Return the class of packets that have the field, with a value outside the set."""
        return self.test(ranges.complement(found, self.maximum))

    def present(self) -> Expr:
        """Return the class of packets that have the field."""
        if not self.header:
            return Or((Header("tcp"), Header("udp"))) if self.of_ports else everything
        return Header(self.header)

    def as_class(self) -> Expr:
        """Return the class that the bare name of a flag means: it is there and set."""
        if self.width != 1:
            raise TypeError(f"{self.full_name} is no traffic class by itself: compare it with a value, in parentheses")
        return self.test_not(((0, 0),))

    # ---- operators

    def __eq__(self, other: object) -> Any:
        if isinstance(other, FieldName):
            return self is other
        return self.test(self.read(other))

    def __ne__(self, other: object) -> Any:
        if isinstance(other, FieldName):
            return self is not other
        return self.test_not(self.read(other))

    def _bound(self, value: object) -> int:
        if self.kind != "int":
            raise TypeError(f"{self.full_name} has no order: use ==, !=, .between() or a prefix")
        return values.integer(value, self.full_name, self.maximum)

    def __lt__(self, other: object) -> Expr:
        return self.test(ranges.normal([(0, self._bound(other) - 1)]))

    def __le__(self, other: object) -> Expr:
        return self.test(((0, self._bound(other)),))

    def __gt__(self, other: object) -> Expr:
        return self.test(ranges.normal([(self._bound(other) + 1, self.maximum)]))

    def __ge__(self, other: object) -> Expr:
        return self.test(((self._bound(other), self.maximum),))

    def between(self, low: object, high: object) -> Expr:
        """Return the class of packets whose field lies in [low, high]."""
        return self.test(self._between(low, high))

    def within(self, *items: object) -> Expr:
        """Return the class of packets whose field is one of `items` (values, prefixes, ranges, lists of them)."""
        return self.test(self.read(items))

    def __and__(self, other: object) -> Expr:
        return self.as_class() & as_class(other, "&")

    def __or__(self, other: object) -> Expr:
        return self.as_class() | as_class(other, "|")

    __rand__ = __and__
    __ror__ = __or__

    def __invert__(self) -> Expr:
        return ~self.as_class()

    def __bool__(self) -> bool:
        raise TypeError(f"the field {self.full_name} has no value here: use & | ~ instead of and, or, not")

    def __hash__(self) -> int:
        return hash(("field", self.full_name))

    def __repr__(self) -> str:
        return self.full_name

    def __reduce__(self) -> tuple[Any, ...]:
        return field_named, (self.full_name,)


_GENERIC = ("sport", "dport", "len")
"""Fields of the packet itself that classes may speak of."""


class HeaderName(Header):
    """A header: a traffic class, and the namespace of its fields."""

    def __getattr__(self, name: str) -> FieldName:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return _field(self.header, name)
        except KeyError:
            table = HEADERS[self.header].fields
            raise AttributeError(
                f"the header {self.header} has no field {name!r}{_nearest(name, table)} (it has: {', '.join(table)})"
            ) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *HEADERS[self.header].fields]

    def __reduce__(self) -> tuple[Any, ...]:
        return header_named, (self.header,)


class EitherField:
    """A value that the source field or the destination field may have: ``port``, ``host``."""

    def __init__(self, name: str, parts: tuple[FieldName, ...]) -> None:
        self.name, self.parts = name, parts

    def __eq__(self, other: object) -> Any:
        if isinstance(other, EitherField):
            return self is other
        return Or.of(*(part == other for part in self.parts))

    def __ne__(self, other: object) -> Any:
        """Neither of the two has the value."""
        if isinstance(other, EitherField):
            return self is not other
        return And.of(*(part != other for part in self.parts))

    def between(self, low: object, high: object) -> Expr:
        """Return the class of packets of which one of the two fields lies in [low, high]."""
        return Or.of(*(part.between(low, high) for part in self.parts))

    def within(self, *items: object) -> Expr:
        """Return the class of packets of which one of the two fields is one of `items`."""
        return Or.of(*(part.within(*items) for part in self.parts))

    def _no_order(self, other: object) -> Expr:
        raise TypeError(f"{self.name} stands for two fields and has no order: use .between()")

    __lt__ = __le__ = __gt__ = __ge__ = _no_order

    def __bool__(self) -> bool:
        raise TypeError(f"{self.name} has no value here: compare it, as in {self.name} == ...")

    def __hash__(self) -> int:
        return hash(("either", self.name))

    def __repr__(self) -> str:
        return self.name


class IngressName:
    """The input port by which a packet came: ``ingress == "lan"``."""

    def __eq__(self, other: object) -> Any:
        if isinstance(other, IngressName):
            return True
        if isinstance(other, bool) or not isinstance(other, str | int):
            raise TypeError(f"ingress is a port's name or index and can't be compared with {other!r}")
        return Ingress(other)

    def __ne__(self, other: object) -> Any:
        if isinstance(other, IngressName):
            return False
        return ~self.__eq__(other)

    def within(self, *ports: str | int) -> Expr:
        """Return the class of packets that came in by one of these ports."""
        return Or.of(*(Ingress(one) for one in ports))

    def __bool__(self) -> bool:
        raise TypeError('ingress has no value here: compare it, as in ingress == "lan"')

    def __hash__(self) -> int:
        return hash(("ingress",))

    def __repr__(self) -> str:
        return "ingress"


@functools.cache
def _field(header: str, name: str) -> FieldName:
    if not header:
        if name not in _GENERIC:
            raise KeyError(name)
        return FieldName("", name, PACKET.fields[name])
    return FieldName(header, name, HEADERS[header].fields[name])


@functools.cache
def header_named(header: str) -> HeaderName:
    """Return the one object for a header."""
    return HeaderName(header)


def field_named(full_name: str) -> FieldName:
    """Return the one object for a field: "tcp.syn", "ip.src", "sport", "len".

    Raises:
        KeyError: There is no such field; the message names the nearest.
    """
    header, _, name = full_name.rpartition(".")
    try:
        return _field(header, name)
    except KeyError:
        names = [f"{h}.{f}" for h, table in HEADERS.items() for f in table.fields]
        raise KeyError(f"no field {full_name!r}{_nearest(full_name, [*names, *_GENERIC])}") from None


eth = header_named("eth")
vlan = header_named("vlan")
arp = header_named("arp")
ip = header_named("ip")
ipv4 = header_named("ipv4")
ipv6 = header_named("ipv6")
tcp = header_named("tcp")
udp = header_named("udp")
icmp = header_named("icmp")
icmp6 = header_named("icmp6")

sport = field_named("sport")
"""The source port of TCP and UDP."""
dport = field_named("dport")
"""The destination port of TCP and UDP."""
port = EitherField("port", (sport, dport))
"""Either port: ``port == 53``; ``port != 53`` holds where neither is 53."""
host = EitherField("host", (ip.src, ip.dst))
"""Either address, with prefixes: ``host == "10.0.0.0/8"``."""
length = field_named("len")
"""Bytes of the frame on the wire."""
ingress = IngressName()
"""The input port: ``ingress == "lan"``."""

five_tuple: tuple[FieldName, ...] = (ip.src, ip.dst, sport, dport, ip.proto)
"""The session key of a flow."""
