"""Traffic classes: immutable expressions over what a packet's headers say.

A class is built from four kinds of atoms: `Header` (the packet has this header), `Within` (the packet has this field,
and its value lies in a set), `Relation` (arithmetic over raw bytes, ``tcp[13] & 2 != 0``) and `Ingress` (came in by
this port); and from `And`, `Or`, `Not`, `Constant`. An atom is false where the header it speaks of is absent, so
``dport != 80`` is false for a packet without ports, and ``~(dport == 80)`` is true for it.

Each node can be evaluated (`matches`), turned into source of the data path (`emit`), written as text that
`pcap_filter` reads back (`str`), and asked what it depends on.
"""

# ruff: noqa: D102 (the overriding methods are documented in Expr)
from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from nfuse.flow.traffic import ranges
from nfuse.flow.traffic.ranges import Ranges
from nfuse.packet import desc
from nfuse.packet.fields import HEADERS

if TYPE_CHECKING:
    from nfuse.flow.traffic.arithmetic import Node
    from nfuse.flow.traffic.names import FieldName

PORT_FLAGS = desc.F_TCP | desc.F_UDP
L4_HEADERS = frozenset({"tcp", "udp", "icmp", "icmp6"})

_PCAP_NAMES = {"ipv4": "ip", "ipv6": "ip6", "ip": "(ip or ip6)", "eth": "ether"}


_PARENTHESES = "put comparisons in parentheses, as in tcp & (dport == 80)"


class Site:
    """Where emitted source runs: the name of the descriptor, and the names of values already computed."""

    def __init__(self, P: str = "P", flags: str | None = None, known: dict[Expr, str] | None = None) -> None:
        self.P = P
        self.flags = flags or f"load32({P} + {desc.FLAGS})"
        self.known = known or {}

    def has(self, mask: int) -> str:
        """Return a truth value: any of the flag bits `mask` is set."""
        return f"({self.flags} & {mask}) != 0"

    def there(self, header: str) -> str:
        """Return a truth value: the header is there, and whole."""
        table = HEADERS[header]
        return self.has(table.flags) if table.flags else f"{table.emit_present(self.P)} != 0"


class Expr:
    """A traffic class. Combine with ``&``, ``|`` and ``~``; never with ``and``, ``or``, ``not``."""

    __slots__ = ("__dict__",)

    # ---- to be given by each kind of node

    def matches(self, view: Any) -> bool:
        """Evaluate on a packet view (see :mod:`nfuse.packet.view`)."""
        raise NotImplementedError

    def emit_at(self, site: Site) -> str:
        """Return source of a truth value; the caller adds the parentheses that it needs."""
        raise NotImplementedError

    def text(self) -> str:
        """Return the expression in the filter language, in parentheses if it is a composition."""
        raise NotImplementedError

    def shape(self) -> tuple[Any, ...]:
        """Return a hashable, sortable description of the node: equal for equal nodes."""
        raise NotImplementedError

    # ---- what is the same for all

    def emit(self, P: str = "P") -> str:
        """Return source of an expression that gives a truth value for the parsed descriptor named `P`.

        It uses names of :mod:`nfuse.memory.raw` and :mod:`nfuse.packet.native` only.
        """
        return f"({self.emit_at(Site(P))})"

    def atoms(self) -> Iterator[Expr]:
        """Iterate over the atoms, from left to right, repetitions included."""
        yield self

    @property
    def needs_l4(self) -> bool:
        """Whether the class speaks of an L4 header: it can't be judged on later fragments and ICMP errors."""
        return any(atom.needs_l4 for atom in self.atoms() if atom is not self)

    @property
    def flow_constant(self) -> bool:
        """Whether all that the class looks at is the same in each packet of one direction of a flow."""
        return all(atom.flow_constant for atom in self.atoms() if atom is not self)

    @property
    def fields(self) -> frozenset[str]:
        """The fields that the class reads, as "header.field"; the generic ports are "sport" and "dport"."""
        return frozenset().union(*(atom.fields for atom in self.atoms() if atom is not self))

    @property
    def proves(self) -> frozenset[str]:
        """The headers that each packet of the class has: what an NF of this class may read unasked."""
        return frozenset()

    @functools.cached_property
    def normal(self) -> Expr:
        """The normal form: expressions that are equal have the same one."""
        from nfuse.flow.traffic.normal import normalise

        return normalise(self)

    @functools.cached_property
    def _key(self) -> tuple[Any, ...]:
        return self.normal.shape()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int | str):  # tcp & dport == 80 is (tcp & dport) == 80
            raise TypeError(f"the traffic class `{self}` is compared with {other!r}: {_PARENTHESES}")
        if not isinstance(other, Expr):
            return NotImplemented
        return self is other or self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        text = self.text()
        return text[1:-1] if isinstance(self, And | Or) else text

    def __repr__(self) -> str:
        return f"pcap_filter({str(self)!r})"

    def __and__(self, other: object) -> Expr:
        return And.of(self, as_class(other, "&"))

    def __rand__(self, other: object) -> Expr:
        return And.of(as_class(other, "&"), self)

    def __or__(self, other: object) -> Expr:
        return Or.of(self, as_class(other, "|"))

    def __ror__(self, other: object) -> Expr:
        return Or.of(as_class(other, "|"), self)

    def __invert__(self) -> Expr:
        return self.part if isinstance(self, Not) else Not(self)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"the traffic class `{self}` has no truth value of its own: combine classes with & | ~ "
            f"(not and, or, not), {_PARENTHESES}, and use .between() for a < x < b"
        )

    def bind(self, ports: dict[str, int]) -> Expr:
        """Replace names of input ports by their indexes (`ports`).

        Raises:
            ValueError: The class names a port that is not in `ports`.
        """
        return self


def as_class(value: object, operator: str) -> Expr:
    """Return `value` as a traffic class, or explain why it is none."""
    if isinstance(value, Expr):
        return value
    made = getattr(value, "as_class", None)
    if made is not None:
        return made()  # type: ignore[no-any-return]
    hint = ""
    if isinstance(value, bool | int):
        hint = "; comparisons need parentheses: tcp & (dport == 80); two fields can't be compared with each other"
    elif isinstance(value, str):
        hint = f"; for text use pcap_filter({value!r})"
    raise TypeError(f"{operator} expects a traffic class, got {value!r}{hint}")


class Constant(Expr):
    """All packets (`everything`) or none (`nothing`)."""

    def __init__(self, value: bool) -> None:
        self.value = value

    def matches(self, view: Any) -> bool:
        return self.value

    def emit_at(self, site: Site) -> str:
        return str(self.value)

    def text(self) -> str:
        return "everything" if self.value else "nothing"

    def shape(self) -> tuple[Any, ...]:
        return ("constant", self.value)

    def __invert__(self) -> Expr:
        return nothing if self.value else everything

    needs_l4 = False
    flow_constant = True
    fields: frozenset[str] = frozenset()


class Header(Expr):
    """The packet has this header, whole. Later fragments have no L4 header."""

    def __init__(self, header: str) -> None:
        self.header = header

    def matches(self, view: Any) -> bool:
        return bool(getattr(view, self.header))

    def emit_at(self, site: Site) -> str:
        return site.known.get(self) or site.there(self.header)

    def text(self) -> str:
        return _PCAP_NAMES.get(self.header, self.header)

    def shape(self) -> tuple[Any, ...]:
        return ("header", self.header)

    @property
    def needs_l4(self) -> bool:
        return self.header in L4_HEADERS

    @property
    def flow_constant(self) -> bool:
        return self.header != "vlan"

    fields: frozenset[str] = frozenset()

    @property
    def proves(self) -> frozenset[str]:
        return frozenset(HEADERS[self.header].proves)


class Within(Expr):
    """The packet has this field, and its value lies in a set."""

    def __init__(self, field: FieldName, found: Ranges) -> None:
        self.field = field
        self.ranges = found

    def matches(self, view: Any) -> bool:
        value = self.field.value_of(view)
        return value is not None and ranges.contains(self.ranges, value)

    def emit_at(self, site: Site) -> str:
        if self in site.known:
            return site.known[self]
        value = self.field.emit_value(site.P)
        test = _emit_address(value, self.ranges) if self.field.kind == "address" else self._emit_number(value)
        if self.field.header:
            return f"{site.there(self.field.header)} and {test}"
        return f"{site.has(PORT_FLAGS)} and {test}" if self.field.of_ports else test

    def _emit_number(self, value: str) -> str:
        top = self.field.maximum
        if len(self.ranges) > 1:
            rest = ranges.complement(self.ranges, top)
            if len(rest) < len(self.ranges):
                return f"not {_emit_ranges(value, rest, top)}"
        return _emit_ranges(value, self.ranges, top)

    def text(self) -> str:
        from nfuse.flow.traffic.text import within_text

        return within_text(self.field, self.ranges)

    def shape(self) -> tuple[Any, ...]:
        return ("within", self.field.full_name, self.ranges)

    @property
    def needs_l4(self) -> bool:
        return self.field.needs_l4

    @property
    def flow_constant(self) -> bool:
        return self.field.flow_constant

    @property
    def fields(self) -> frozenset[str]:
        return frozenset({self.field.full_name})

    @property
    def proves(self) -> frozenset[str]:
        if not self.field.header:
            return frozenset({"ip"}) if self.field.of_ports else frozenset()
        return frozenset(HEADERS[self.field.header].proves)


def _emit_ranges(value: str, found: Ranges, top: int) -> str:
    tests = []
    for low, high in found:
        if low == high:
            tests.append(f"{value} == {low}")
        elif low == 0:
            tests.append(f"{value} <= {high}")
        elif high == top:
            tests.append(f"{value} >= {low}")
        else:
            tests.append(f"{low} <= {value} <= {high}")
    return f"({' or '.join(tests)})"


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _emit_address(value: str, found: Ranges) -> str:
    """Test a (hi, lo) pair: IPv4 as ranges of lo, IPv6 as masked compares, one for each prefix."""
    four, six = ranges.split_families(found)
    is_four = f"({value}[0] == 0 and ({value}[1] >> 32) == 65535)"
    tests = []
    if four:
        shifted = tuple((low + ranges.V4_LOW, high + ranges.V4_LOW) for low, high in four)
        tests.append(f"{value}[0] == 0 and {_emit_ranges(f'{value}[1]', shifted, -1)}")
    if six:
        hits = []
        for number, length in ranges.prefixes(six):
            hit = []
            for half, bits, part in (
                (0, min(length, 64), number >> 64),
                (1, max(length - 64, 0), number & (1 << 64) - 1),
            ):
                mask = (1 << 64) - (1 << 64 - bits)
                if bits == 64:
                    hit.append(f"{value}[{half}] == {_signed(part)}")
                elif bits:
                    hit.append(f"({value}[{half}] & {_signed(mask)}) == {_signed(part)}")
            hits.append(" and ".join(hit) or "True")
        tests.append(f"not {is_four} and ({' or '.join(hits)})")
    return f"({' or '.join(f'({test})' for test in tests)})" if tests else "False"


class Relation(Expr):
    """A comparison between two terms of arithmetic over bytes of the packet (32-bit, unsigned, as in BPF).

    False where a header that it speaks of is absent, where a byte lies outside the captured frame, and where it divides
    by zero.
    """

    def __init__(self, operator: str, left: Node, right: Node) -> None:
        self.operator, self.left, self.right = operator, left, right

    def matches(self, view: Any) -> bool:
        from nfuse.flow.traffic import arithmetic

        return arithmetic.evaluate_relation(self, view)

    def emit_at(self, site: Site) -> str:
        from nfuse.flow.traffic import arithmetic

        return site.known.get(self) or arithmetic.emit_relation(self, site)

    def text(self) -> str:
        return f"{self.left} {self.operator} {self.right}"

    def shape(self) -> tuple[Any, ...]:
        return ("relation", self.text())

    @functools.cached_property
    def headers(self) -> tuple[str, ...]:
        """The headers whose bytes are read."""
        return tuple(dict.fromkeys((*self.left.headers(), *self.right.headers())))

    @property
    def needs_l4(self) -> bool:
        return bool(L4_HEADERS & set(self.headers))

    flow_constant = False

    @functools.cached_property
    def fields(self) -> frozenset[str]:  # type: ignore[override]
        """All fields of the headers whose bytes are read."""
        from nfuse.flow.traffic import arithmetic

        return arithmetic.fields_of(self)

    @property
    def proves(self) -> frozenset[str]:
        return frozenset().union(*(HEADERS[header].proves for header in self.headers))


class Ingress(Expr):
    """The packet came in by this port: a name of the chain's, or an index."""

    def __init__(self, port: str | int) -> None:
        self.port = port

    def matches(self, view: Any) -> bool:
        if isinstance(self.port, str):
            return bool(getattr(view, "ingress", None) == self.port)
        return int(getattr(view, "inport", 0)) == self.port

    def emit_at(self, site: Site) -> str:
        if isinstance(self.port, str):
            raise ValueError(f"the input port {self.port!r} is not bound: call bind() with the chain's ports first")
        return f"load8({site.P} + {desc.INPORT}) == {self.port}"

    def text(self) -> str:
        return f"ingress {self.port}"

    def shape(self) -> tuple[Any, ...]:
        return ("ingress", str(self.port))

    def bind(self, ports: dict[str, int]) -> Expr:
        if isinstance(self.port, int):
            return self
        if self.port not in ports:
            raise ValueError(f"no input port is named {self.port!r}; there are: {', '.join(ports) or 'none'}")
        return Ingress(ports[self.port])

    needs_l4 = False
    flow_constant = True
    fields: frozenset[str] = frozenset()


class Not(Expr):
    """Packets that are not of a class."""

    def __init__(self, part: Expr) -> None:
        self.part = part

    def matches(self, view: Any) -> bool:
        return not self.part.matches(view)

    def emit_at(self, site: Site) -> str:
        return f"not ({self.part.emit_at(site)})"

    def text(self) -> str:
        return f"not {self.part.text()}"

    def shape(self) -> tuple[Any, ...]:
        return ("not", self.part.shape())

    def atoms(self) -> Iterator[Expr]:
        yield from self.part.atoms()

    def bind(self, ports: dict[str, int]) -> Expr:
        return Not(self.part.bind(ports))


class _Many(Expr):
    """What And and Or share: two parts or more."""

    word = ""

    def __init__(self, parts: tuple[Expr, ...]) -> None:
        self.parts = parts

    @classmethod
    def of(cls, *parts: Expr) -> Expr:
        """Compose; nested compositions of the same kind become one."""
        flat: list[Expr] = []
        for part in parts:
            flat.extend(part.parts if isinstance(part, cls) else (part,))
        return flat[0] if len(flat) == 1 else cls(tuple(flat))

    def emit_at(self, site: Site) -> str:
        return f" {self.word} ".join(f"({part.emit_at(site)})" for part in self.parts)

    def text(self) -> str:
        return f"({f' {self.word} '.join(part.text() for part in self.parts)})"

    def shape(self) -> tuple[Any, ...]:
        return (self.word, *(part.shape() for part in self.parts))

    def atoms(self) -> Iterator[Expr]:
        for part in self.parts:
            yield from part.atoms()

    def bind(self, ports: dict[str, int]) -> Expr:
        return type(self)(tuple(part.bind(ports) for part in self.parts))


class And(_Many):
    """Packets that are of all the classes."""

    word = "and"

    def matches(self, view: Any) -> bool:
        return all(part.matches(view) for part in self.parts)

    @property
    def proves(self) -> frozenset[str]:
        return frozenset().union(*(part.proves for part in self.parts))


class Or(_Many):
    """Packets that are of any of the classes."""

    word = "or"

    def matches(self, view: Any) -> bool:
        return any(part.matches(view) for part in self.parts)

    @property
    def proves(self) -> frozenset[str]:
        return functools.reduce(frozenset.intersection, (part.proves for part in self.parts))


everything = Constant(True)
"""The class of all packets."""

nothing = Constant(False)
"""The class of no packet."""
