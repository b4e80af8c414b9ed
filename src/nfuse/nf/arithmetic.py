"""Integer arithmetic of handlers: 64-bit two's complement with one meaning, compiled and interpreted.

The native functions serve generated code. The functions of :data:`OPERATORS` are what interpreted handlers call in
place of Python's operators: they wrap, and raise :class:`nfuse.nf.abi.Fault` where compiled code returns a fault.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

from nfuse.memory.jit import native
from nfuse.memory.raw import i64, load64
from nfuse.nf.abi import Fault
from nfuse.packet.address import pack

MASK64 = (1 << 64) - 1


@native
def div_floor(a: int, b: int) -> int:
    """Floor of a / b; -2**63 / -1 wraps. b is not 0."""
    if b == -1:
        return i64(0 - a)
    return a // b


@native
def mod_floor(a: int, b: int) -> int:
    """The remainder with the sign of b. b is not 0."""
    if b == -1:
        return i64(0)
    return a % b


@native
def in_prefix(hi: int, lo: int, at: int) -> int:
    """Whether an address lies in the prefix record at `at` {hi, lo, mask hi, mask lo, family}."""
    four = hi == 0 and (lo >> 32) == 0xFFFF
    if four != (load64(at + 32) == 4):
        return 0
    return i64((hi & load64(at + 16)) == load64(at) and (lo & load64(at + 24)) == load64(at + 8))


@native
def address_less(hi1: int, lo1: int, hi2: int, lo2: int) -> int:
    """Whether the first address is the smaller, as unsigned 128-bit numbers."""
    flip = -9223372036854775807 - 1
    if hi1 != hi2:
        return i64((hi1 ^ flip) < (hi2 ^ flip))
    return i64((lo1 ^ flip) < (lo2 ^ flip))


@native
def address_version(hi: int, lo: int) -> int:
    """4 for a v4-mapped address, else 6."""
    if hi == 0 and (lo >> 32) == 0xFFFF:
        return i64(4)
    return i64(6)


def wrap(value: int) -> int:
    """Wrap a Python integer to an i64."""
    value = int(value) & MASK64
    return value - (1 << 64) if value >> 63 else value


def _need_int(value: Any) -> int:
    if isinstance(value, int):
        return value
    raise TypeError(f"{value!r} is not an integer")


def _divide(a: int, b: int, line: int) -> int:
    a, b = wrap(a), wrap(b)
    if b == 0:
        raise Fault(line)
    return wrap(a // b)


def _modulo(a: int, b: int, line: int) -> int:
    a, b = wrap(a), wrap(b)
    if b == 0:
        raise Fault(line)
    return wrap(a % b)


def _left(a: int, b: int, line: int) -> int:
    if not 0 <= b <= 63:
        raise Fault(line)
    return wrap(a << b)


def _right(a: int, b: int, line: int) -> int:
    if not 0 <= b <= 63:
        raise Fault(line)
    return wrap(a) >> b


OPERATORS: dict[str, Callable[[int, int, int], int]] = {
    "Add": lambda a, b, line: wrap(_need_int(a) + _need_int(b)),
    "Sub": lambda a, b, line: wrap(_need_int(a) - _need_int(b)),
    "Mult": lambda a, b, line: wrap(_need_int(a) * _need_int(b)),
    "FloorDiv": _divide,
    "Mod": _modulo,
    "LShift": _left,
    "RShift": _right,
    "BitAnd": lambda a, b, line: wrap(a & b),
    "BitOr": lambda a, b, line: wrap(a | b),
    "BitXor": lambda a, b, line: wrap(a ^ b),
}
"""Binary operators of interpreted handlers by the name of their syntax node: f(a, b, line)."""


def negate(a: int) -> int:
    """-a, wrapped."""
    return wrap(-a)


def absolute(a: int) -> int:
    """abs(a), wrapped."""
    return wrap(abs(wrap(a)))


def steps(start: int, stop: int | None = None, step: int = 1) -> Iterator[int]:
    """Like ``range``, with an index that wraps, as in compiled code."""
    if stop is None:
        start, stop = 0, start
    while start < stop if step > 0 else start > stop:
        yield start
        start = wrap(start + step)


def _number(value: Any) -> int:
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        hi, lo = pack(value)
        return (hi & MASK64) << 64 | (lo & MASK64)
    return wrap(value)


def compare(operator: str, a: Any, b: Any) -> bool:
    """One comparison of an interpreted handler, by the name of its syntax node."""
    match operator:
        case "Eq":
            return _number(a) == _number(b)
        case "NotEq":
            return _number(a) != _number(b)
        case "Lt":
            return _number(a) < _number(b)
        case "LtE":
            return _number(a) <= _number(b)
        case "Gt":
            return _number(a) > _number(b)
        case _:
            return _number(a) >= _number(b)


def compare_chain(first: Any, *rest: tuple[str, Callable[[], Any]]) -> bool:
    """A chain of comparisons; each operand is evaluated once, and only if those before it hold."""
    left = first
    for operator, operand in rest:
        right = operand()
        if not compare(operator, left, right):
            return False
        left = right
    return True


def contains(item: Any, owner: Any) -> bool:
    """``item in owner`` of an interpreted handler: constants are compared as ``==`` does."""
    if isinstance(owner, tuple | list | set | frozenset):
        return any(compare("Eq", item, one) for one in owner)
    return item in owner


def address_part(value: Any, name: str) -> Any:
    """An attribute of an address (``hi``, ``lo``, ``v4``), or of anything else."""
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        hi, lo = pack(value)
        return {"hi": hi, "lo": lo, "v4": lo & 0xFFFFFFFF}[name]
    return getattr(value, name)
