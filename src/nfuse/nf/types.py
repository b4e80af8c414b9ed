"""The types that an NF declares: integers of a width, addresses, ranges, containers.

An annotation (``port: u16``, ``free: Stack[u16]``, ``inside: Prefix``) is turned into a :class:`Kind` by
:func:`kind_of`; a kind knows its size in flat memory and how generated code loads and stores it.
"""

from __future__ import annotations

import ipaddress
import types as pytypes
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, Union

from nfuse.packet.address import pack, unpack

IPv4Address = ipaddress.IPv4Address
IPv6Address = ipaddress.IPv6Address
AnyAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Kind:
    """What a field holds.

    Attributes:
        name: As the user writes it (``"u16"``, ``"Stack[u16]"``).
        form: ``int``, ``bool``, ``address``, ``prefix``, ``ports``, ``container`` or ``plain`` (no flat form).
        size: Bytes in flat memory (the header, for containers).
        bits: Width of integers.
        signed: Whether narrow integers are sign-extended when read.
        family: 4 or 6 for addresses of one family, else 0.
        container: ``stack``, ``ring``, ``array`` or ``map``.
        key, item: Kinds of a container's keys and items.
        count: Fixed length of ``Array[T, n]``, else 0.
        annotation: The annotation itself, for plain kinds.
    """

    name: str
    form: str
    size: int = 0
    bits: int = 0
    signed: bool = False
    family: int = 0
    container: str = ""
    key: Kind | None = None
    item: Kind | None = None
    count: int = 0
    annotation: Any = None

    @property
    def align(self) -> int:
        """Natural alignment in bytes."""
        return min(8, self.size) if self.form in ("int", "bool") else 8

    def load(self, address: str) -> str:
        """Source expression that reads the value at `address` (an i64; ``(hi, lo)`` for addresses)."""
        if self.form == "address":
            return f"(load64({address}), load64({address} + 8))"
        suffix = "i" if self.signed and self.size < 8 else ""
        return f"load{8 * self.size}{suffix}({address})"

    def store(self, address: str, value: str) -> list[str]:
        """Source statements that write `value`, truncated (for addresses: the name of a pair)."""
        if self.form == "address":
            return [f"store64({address}, {value}[0])", f"store64({address} + 8, {value}[1])"]
        return [f"store{8 * self.size}({address}, {value})"]

    def wrap(self, value: int) -> int:
        """Truncate an integer to this width and read it back as an i64."""
        if self.form == "bool":
            return int(bool(value))
        value = int(value) & ((1 << self.bits) - 1)
        if (self.signed or self.bits == 64) and value >> (self.bits - 1):
            value -= 1 << self.bits
        return value


def _integer(bits: int, signed: bool) -> Kind:
    return Kind(f"{'i' if signed else 'u'}{bits}", "int", bits // 8, bits, signed)


U8, U16, U32, U64 = (_integer(bits, False) for bits in (8, 16, 32, 64))
I8, I16, I32, I64 = (_integer(bits, True) for bits in (8, 16, 32, 64))
BOOLEAN = Kind("boolean", "bool", 1, 1)
ADDRESS = Kind("Address", "address", 16)
ADDRESS4 = Kind("IPv4Address", "address", 16, family=4)
ADDRESS6 = Kind("IPv6Address", "address", 16, family=6)
MAC = Kind("Mac", "int", 8, 48)
PREFIX = Kind("Prefix", "prefix", 40)
PORTS = Kind("PortRange", "ports", 16)

u8: TypeAlias = Annotated[int, U8]
u16: TypeAlias = Annotated[int, U16]
u32: TypeAlias = Annotated[int, U32]
u64: TypeAlias = Annotated[int, U64]
i8: TypeAlias = Annotated[int, I8]
i16: TypeAlias = Annotated[int, I16]
i32: TypeAlias = Annotated[int, I32]
i64: TypeAlias = Annotated[int, I64]
boolean: TypeAlias = Annotated[bool, BOOLEAN]


class Address:
    """An IPv4 or IPv6 address; as an annotation, a field or parameter that holds either.

    ``Address(hi, lo)`` makes one from two 64-bit halves (IPv4 as ::ffff:a.b.c.d), in handlers too. In Python code an
    address is an :mod:`ipaddress` object. Handlers read ``.hi``, ``.lo`` (i64), ``.v4`` (the low 32 bits) and
    ``.version`` (4 or 6) of any address.
    """

    def __new__(cls, hi: int, lo: int) -> AnyAddress:  # type: ignore[misc]  # noqa: D102
        return unpack(_signed(hi), _signed(lo))


def _signed(value: int) -> int:
    value = int(value) & ((1 << 64) - 1)
    return value - (1 << 64) if value >> 63 else value


def to_address(value: Any) -> AnyAddress:
    """Make an :mod:`ipaddress` object of a string or address; ::ffff:a.b.c.d becomes IPv4. Raises ValueError."""
    if isinstance(value, bool | int | float):
        raise ValueError(f"{value!r} is not an address in text form")
    return unpack(*pack(ipaddress.ip_address(value)))


class Mac(int):
    """A MAC address: an int of 48 bits, written ``aa:bb:cc:dd:ee:ff``."""

    def __new__(cls, value: int | str) -> Mac:  # noqa: D102
        if isinstance(value, str):
            parts = value.replace("-", ":").split(":")
            if len(parts) != 6 or not all(1 <= len(part) <= 2 for part in parts):
                raise ValueError(f"{value!r} is not a MAC address such as 02:00:00:00:00:01")
            value = int("".join(part.zfill(2) for part in parts), 16)
        if not 0 <= int(value) < 1 << 48:
            raise ValueError(f"{value!r} does not fit in 48 bits")
        return int.__new__(cls, value)

    def __str__(self) -> str:
        return ":".join(f"{byte:02x}" for byte in int(self).to_bytes(6, "big"))

    def __repr__(self) -> str:
        return f"Mac('{self}')"


class Prefix:
    """An address prefix (``10.0.0.0/8``, ``2001:db8::/32``); host bits are cleared. ``address in prefix`` asks.

    A prefix holds addresses of its own family only: ``::/0`` has no IPv4 address in it.
    """

    __slots__ = ("network",)

    def __init__(self, value: Any) -> None:
        if isinstance(value, Prefix):
            value = value.network
        if isinstance(value, bool | int | float):
            raise ValueError(f"{value!r} is not a prefix in text form")
        self.network: ipaddress.IPv4Network | ipaddress.IPv6Network = ipaddress.ip_network(value, strict=False)

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.network.version

    @property
    def address(self) -> AnyAddress:
        """The first address."""
        return self.network.network_address

    @property
    def length(self) -> int:
        """Prefix length in bits."""
        return self.network.prefixlen

    def words(self) -> tuple[int, int, int, int, int]:
        """Return (hi, lo, mask hi, mask lo, family): the flat form."""
        hi, lo = pack(self.address)
        length = self.length + (96 if self.version == 4 else 0)
        mask = ((1 << length) - 1) << (128 - length)
        return hi, lo, _signed(mask >> 64), _signed(mask), self.version

    def __contains__(self, address: object) -> bool:
        return getattr(address, "version", 0) == self.version and address in self.network

    def __iter__(self) -> Iterator[AnyAddress]:
        return iter(self.network)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prefix) and self.network == other.network

    def __hash__(self) -> int:
        return hash(self.network)

    def __str__(self) -> str:
        return str(self.network)

    def __repr__(self) -> str:
        return f"Prefix('{self.network}')"


@dataclass(frozen=True)
class PortRange:
    """The ports `low` to `high`, both included; ``PortRange("1024-65535")``, ``PortRange(1024, 65535)``."""

    low: int
    high: int

    def __init__(self, low: Any, high: Any = None) -> None:
        if isinstance(low, PortRange) and high is None:
            low, high = low.low, low.high
        elif isinstance(low, str) and high is None:
            first, _, second = low.partition("-")
            low, high = first, second or first
        elif isinstance(low, list | tuple) and high is None and len(low) == 2:
            low, high = low
        low, high = int(low), int(low if high is None else high)
        if not 0 <= low <= high <= 65535:
            raise ValueError(f"{low}-{high} is not a port range: 0 <= low <= high <= 65535")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.low, self.high + 1))

    def __len__(self) -> int:
        return self.high - self.low + 1

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.low <= port <= self.high

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"


@dataclass(frozen=True)
class IpIpHeader:
    """The outer header of ``flow.encap``: IP in IP (RFC 2003, RFC 2473).

    Attributes:
        src, dst: Outer addresses, of one family.
        ttl: Outer time to live or hop limit.
        tos: Outer type of service or traffic class.
    """

    src: AnyAddress
    dst: AnyAddress
    ttl: int = 64
    tos: int = 0


TYPE_NAMES = (
    *("u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "boolean", "Address", "IPv4Address", "IPv6Address"),
    *("Mac", "Prefix", "PortRange", "Stack", "Ring", "Array", "HashMap", "PortStack"),
)
"""What annotations are made of, for hints."""

_PLAIN_NAMES: dict[Any, Kind] = {
    int: I64,
    bool: BOOLEAN,
    Address: ADDRESS,
    ipaddress.IPv4Address: ADDRESS4,
    ipaddress.IPv6Address: ADDRESS6,
    Mac: MAC,
    Prefix: PREFIX,
    PortRange: PORTS,
}


def type_hint(annotation: str) -> str:
    """Return a hint about an annotation that names nothing."""
    from nfuse.nf.errors import did_you_mean

    name = annotation.split("[")[0]
    if name in TYPE_NAMES:
        return f"import it: `from nfuse import {name}`"
    return did_you_mean(name, TYPE_NAMES, "import it: `from nfuse import u32`")


def kind_of(annotation: Any) -> Kind:
    """Return the kind of an annotation; anything without a flat form is of form ``plain``."""
    if isinstance(annotation, Kind):
        return annotation
    if typing.get_origin(annotation) is Annotated:
        for extra in annotation.__metadata__:
            if isinstance(extra, Kind):
                return extra
        return kind_of(annotation.__origin__)
    try:
        if annotation in _PLAIN_NAMES:
            return _PLAIN_NAMES[annotation]
    except TypeError:
        pass
    if typing.get_origin(annotation) in (Union, pytypes.UnionType):
        if set(typing.get_args(annotation)) == {ipaddress.IPv4Address, ipaddress.IPv6Address}:
            return ADDRESS
    return Kind(_spell(annotation), "plain", annotation=annotation)


def _spell(annotation: Any) -> str:
    if typing.get_origin(annotation) is Annotated:
        return kind_of(annotation).name
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin in (Union, pytypes.UnionType):
        return " | ".join(_spell(part) for part in arguments)
    if arguments:
        inner = ", ".join(_spell(part) for part in arguments)
        return f"{_spell(origin)}[{inner}]"
    if annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, Kind):
        return annotation.name
    return getattr(annotation, "__name__", None) or repr(annotation)
