"""Arithmetic over bytes of a packet: the terms of ``tcp[13] & 2 != 0``.

Numbers are 32 bits, unsigned, and wrap, as in the BPF machine; shifts by 32 or more give 0. A load outside the captured
frame and a division by zero make the whole comparison false.
"""

# ruff: noqa: D102 (the overriding methods are documented in Node)
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nfuse.packet import desc
from nfuse.packet.fields import HEADERS

if TYPE_CHECKING:
    from nfuse.flow.traffic.nodes import Relation, Site

MASK32 = 0xFFFF_FFFF

OFFSETS = {"eth": None, "arp": "l3", "ipv4": "l3", "ipv6": "l3", "tcp": "l4", "udp": "l4", "icmp": "l4", "icmp6": "l4"}
"""Where byte 0 of a header is: an attribute of the view and field of the descriptor; None: where the frame starts."""

_WORDS = {"eth": "ether", "ipv4": "ip", "ipv6": "ip6"}
_AT = {"l3": desc.L3, "l4": desc.L4}
_LOADS = {1: "load8", 2: "load16be", 4: "load32be"}


class Fault(Exception):
    """A load outside the frame, or a division by zero, in the interpreted form."""


class Node:
    """A term."""

    def children(self) -> tuple[Node, ...]:
        """Return the terms that this one is made of."""
        return ()

    def walk(self) -> Iterator[Node]:
        """Iterate over all terms within, inner ones first: the order in which they are computed."""
        for child in self.children():
            yield from child.walk()
        yield self

    def headers(self) -> tuple[str, ...]:
        """Return the headers that are read."""
        return tuple(node.header for node in self.walk() if isinstance(node, Bytes) and node.header)

    def value(self, view: Any) -> int:
        """Compute on a packet view."""
        raise NotImplementedError

    def source(self, P: str) -> str:
        """Return source that computes the term, without checks."""
        raise NotImplementedError

    def check(self, P: str) -> str | None:
        """Return source of the condition under which this term, but for its children, can be computed."""
        return None


@dataclass(frozen=True)
class Number(Node):
    """A constant."""

    number: int

    def value(self, view: Any) -> int:
        return self.number

    def source(self, P: str) -> str:
        return str(self.number)

    def __str__(self) -> str:
        return str(self.number)


@dataclass(frozen=True)
class Length(Node):
    """The packet's length on the wire."""

    def value(self, view: Any) -> int:
        return int(view.len)

    def source(self, P: str) -> str:
        return f"load32({P} + {desc.WIRE})"

    def __str__(self) -> str:
        return "len"


@dataclass(frozen=True)
class Bytes(Node):
    """1, 2 or 4 bytes of a header and what follows it, in network byte order."""

    header: str
    index: Node
    size: int

    def children(self) -> tuple[Node, ...]:
        return (self.index,)

    def _start(self, P: str) -> str:
        base = OFFSETS[self.header]
        return self.index.source(P) if base is None else f"load16({P} + {_AT[base]}) + {self.index.source(P)}"

    def value(self, view: Any) -> int:
        base = OFFSETS[self.header]
        start = self.index.value(view) + (0 if base is None else int(getattr(view, base)))
        data = view.frame[start : start + self.size]
        if len(data) < self.size:
            raise Fault
        return int.from_bytes(data, "big")

    def check(self, P: str) -> str:
        return f"{self._start(P)} + {self.size} <= load32({P} + {desc.LEN})"

    def source(self, P: str) -> str:
        return f"{_LOADS[self.size]}(load64({P} + {desc.ADDR}) + {self._start(P)})"

    def __str__(self) -> str:
        size = "" if self.size == 1 else f":{self.size}"
        return f"{_WORDS.get(self.header, self.header)}[{self.index}{size}]"


@dataclass(frozen=True)
class Operation(Node):
    """Two terms and an operator."""

    operator: str
    left: Node
    right: Node

    def children(self) -> tuple[Node, ...]:
        return self.left, self.right

    def value(self, view: Any) -> int:
        return compute(self.operator, self.left.value(view), self.right.value(view))

    def check(self, P: str) -> str | None:
        return f"({self.right.source(P)}) != 0" if self.operator in "/%" else None

    def source(self, P: str) -> str:
        left, right = self.left.source(P), self.right.source(P)
        if self.operator == "/":
            return f"(({left}) // ({right}))"
        if self.operator in ("%", "&", "|", "^"):
            return f"(({left}) {self.operator} ({right}))"
        if self.operator == ">>":
            return f"((({left}) >> min({right}, 32)) & {MASK32})"
        if self.operator == "<<":
            return f"((({left}) << min({right}, 32)) & {MASK32})"
        return f"(i64(({left}) {self.operator} ({right})) & {MASK32})"

    def __str__(self) -> str:
        return f"({self.left} {self.operator} {self.right})"


def compute(operator: str, a: int, b: int) -> int:
    """Apply an operator to two 32-bit unsigned numbers.

    Raises:
        Fault: Division by zero.
    """
    if operator in "/%" and b == 0:
        raise Fault
    results = {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "/": lambda: a // b,
        "%": lambda: a % b,
        "&": lambda: a & b,
        "|": lambda: a | b,
        "^": lambda: a ^ b,
        "<<": lambda: a << min(b, 32),
        ">>": lambda: a >> min(b, 32),
    }
    return results[operator]() & MASK32


def fold(node: Node) -> Node:
    """Compute what is constant.

    Raises:
        Fault: Division by a constant zero, a shift by a constant above 31; its text says which.
    """
    if isinstance(node, Operation):
        left, right = fold(node.left), fold(node.right)
        if node.operator in "/%" and right == Number(0):
            raise Fault("division by zero")
        if node.operator in ("<<", ">>") and isinstance(right, Number) and right.number > 31:
            raise Fault(f"a shift by {right.number}; the most is 31")
        if isinstance(left, Number) and isinstance(right, Number):
            return Number(compute(node.operator, left.number, right.number))
        return Operation(node.operator, left, right)
    if isinstance(node, Bytes):
        return Bytes(node.header, fold(node.index), node.size)
    return node


COMPARE = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def evaluate_relation(relation: Relation, view: Any) -> bool:
    """Evaluate a comparison on a packet view."""
    if not all(getattr(view, header) for header in relation.headers):
        return False
    try:
        return bool(COMPARE[relation.operator](relation.left.value(view), relation.right.value(view)))
    except Fault:
        return False


def emit_relation(relation: Relation, site: Site) -> str:
    """Return source of a comparison: first that the headers are there, then each check before what it allows."""
    tests = [site.there(header) for header in relation.headers]
    for side in (relation.left, relation.right):
        for node in side.walk():
            check = node.check(site.P)
            if check and check not in tests:
                tests.append(check)
    operator = "==" if relation.operator == "=" else relation.operator
    tests.append(f"({relation.left.source(site.P)}) {operator} ({relation.right.source(site.P)})")
    return " and ".join(tests)


def fields_of(relation: Relation) -> frozenset[str]:
    """Return all fields of the headers that are read: raw bytes may be any of them."""
    found: set[str] = set()
    for header in relation.headers:
        related = (header, "ip") if header in ("ipv4", "ipv6") else (header,)
        found.update(f"{name}.{field}" for name in related for field in HEADERS[name].fields)
        if header in ("tcp", "udp", "icmp", "icmp6"):
            found.update(("sport", "dport"))
    if any(isinstance(node, Length) for side in (relation.left, relation.right) for node in side.walk()):
        found.add("len")
    return frozenset(found)
