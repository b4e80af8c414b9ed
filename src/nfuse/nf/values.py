"""What an expression of a handler stands for while it is translated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nfuse.nf.types import Kind

Facts = frozenset[str]
"""Headers that are proven to be there, by name."""

NO_FACTS: Facts = frozenset()


@dataclass(frozen=True)
class Value:
    """The meaning of an expression.

    Attributes:
        form: ``int``, ``bool``, ``address`` have code that runs; ``none``, ``text`` and the compile-time forms ``pkt``,
            ``flow``, ``block``, ``self``, ``header``, ``payload``, ``container``, ``prefix``, ``ports``, ``method``,
            ``object``, ``call`` (a function of the API) are only used where they stand.
        code: Source expression: an i64 (or a truth value, for ``bool``), a pair for ``address``, the address of the
            record for ``prefix``, ``ports`` and ``container``.
        const: The value, if it is known at compile time; details of compile-time forms.
        stable: Whether the code gives the same value until the end of the statement (constants and variables).
        kind: The declared kind, where there is one.
        true, false: Headers proven where this truth value is true, or false.
        what: How messages call it.
    """

    form: str
    code: str = ""
    const: Any = None
    stable: bool = False
    kind: Kind | None = None
    true: Facts = NO_FACTS
    false: Facts = NO_FACTS
    what: str = ""

    def with_(self, **changes: Any) -> Value:
        """Return a copy with changes."""
        return replace(self, **changes)

    @property
    def int_code(self) -> str:
        """Source of an i64: truth values as 0 or 1."""
        return f"i64({self.code})" if self.form == "bool" and self.const is None else self.code

    @property
    def runs(self) -> bool:
        """Whether it has a value when the handler runs."""
        return self.form in ("int", "bool", "address")


NONE = Value("none", what="nothing")

DESCRIPTIONS = {
    "int": "an integer",
    "bool": "a truth value",
    "address": "an address",
    "none": "nothing",
    "text": "a text",
    "pkt": "the packet",
    "flow": "the flow",
    "block": "a session's block",
    "self": "the network function",
    "header": "a header",
    "payload": "the payload",
    "container": "a container",
    "prefix": "a prefix",
    "ports": "a port range",
    "method": "a method",
    "object": "a Python object",
    "call": "a function",
}


def describe(value: Value) -> str:
    """Return what a message calls a value."""
    return value.what or DESCRIPTIONS[value.form]


def literal(number: int) -> str:
    """Return an i64 constant as source."""
    number &= (1 << 64) - 1
    if number >> 63:
        number -= 1 << 64
    if number == -(1 << 63):
        return "(-9223372036854775807 - 1)"
    return str(number) if number >= 0 else f"({number})"


def constant(number: int) -> Value:
    """Return an integer known at compile time, wrapped to 64 bits."""
    number &= (1 << 64) - 1
    if number >> 63:
        number -= 1 << 64
    return Value("int", literal(number), number, True)


def truth(known: bool) -> Value:
    """Return a truth value known at compile time."""
    return Value("bool", "1" if known else "0", int(known), True)
