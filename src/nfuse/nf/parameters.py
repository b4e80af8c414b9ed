"""Parameters of an NF: declared by annotations, given in Python or as YAML scalars, validated once."""

from __future__ import annotations

import ipaddress
import pathlib
import types as pytypes
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nfuse.errors import UserError
from nfuse.nf.errors import nearest
from nfuse.nf.types import AnyAddress, Kind, Mac, PortRange, Prefix, kind_of, to_address

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()
"""Marks a parameter without a default."""


class ParameterError(UserError, ValueError):
    """A wrong parameter of an NF.

    Attributes:
        parameter: Its name, None if the mistake is not about one parameter.
        expected: What would have been right.
        nearest: The valid name that is most like a wrong one, or None.
    """

    def __init__(
        self, message: str, parameter: str | None = None, expected: str = "", nearest: str | None = None
    ) -> None:
        self.message, self.parameter, self.expected, self.nearest = message, parameter, expected, nearest
        text = message
        if expected:
            text += f"; expected {expected}"
        if nearest:
            text += f"; did you mean {nearest!r}?"
        super().__init__(text)


@dataclass(frozen=True)
class Parameter:
    """A declared parameter.

    Attributes:
        name: As in the class body.
        annotation: Its type, as written.
        default: Its validated default, or :data:`REQUIRED`.
        kind: The flat form; of form ``plain`` if compiled handlers can't read it.
    """

    name: str
    annotation: Any
    default: Any
    kind: Kind

    @property
    def is_path(self) -> bool:
        """Whether a file path may be given (relative ones count from the folder of the chain file)."""
        return any(part is pathlib.Path for part in _leaves(self.annotation))

    def check(self, value: Any) -> Any:
        """Return the value in its Python form. Raises ParameterError."""
        try:
            return convert(self.annotation, value)
        except ParameterError as error:
            raise ParameterError(f"{self.name}: {error.message}", self.name, error.expected, error.nearest) from None


def _leaves(annotation: Any) -> list[Any]:
    arguments = typing.get_args(annotation)
    return [leaf for part in arguments for leaf in _leaves(part)] if arguments else [annotation]


def _wrong(value: Any, expected: str) -> ParameterError:
    return ParameterError(f"{value!r} is not valid", expected=expected)


def _to_int(kind: Kind, value: Any) -> int:
    low = -(1 << (kind.bits - 1)) if kind.signed else 0
    high = (1 << (kind.bits - kind.signed)) - 1
    expected = f"an integer from {low} to {high} ({kind.name})"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise _wrong(value, expected)
    value = value.__index__()
    if not low <= value <= high:
        raise _wrong(value, expected)
    return int(value)


def _to_flat(kind: Kind, value: Any) -> Any:
    match kind.form:
        case "bool":
            if not isinstance(value, bool):
                raise _wrong(value, "true or false")
            return value
        case "address":
            try:
                address: AnyAddress = to_address(value)
            except ValueError:
                raise _wrong(value, f"an address ({kind.name})") from None
            if kind.family and address.version != kind.family:
                raise _wrong(str(address), f"an IPv{kind.family} address")
            return address
        case "prefix":
            try:
                return Prefix(value)
            except (ValueError, TypeError):
                raise _wrong(value, "a prefix such as 10.0.0.0/8") from None
        case "ports":
            try:
                return PortRange(value)
            except (ValueError, TypeError):
                raise _wrong(value, "a port range such as 1024-65535") from None
    if kind.name == "Mac":
        try:
            return Mac(value)
        except (ValueError, TypeError):
            raise _wrong(value, "a MAC address such as 02:00:00:00:00:01") from None
    return _to_int(kind, value)


def _to_sequence(origin: Any, arguments: tuple[Any, ...], value: Any) -> Any:
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        raise _wrong(value, "a list")
    items = list(value)
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(items) != len(arguments):
            raise _wrong(value, f"{len(arguments)} items")
        return tuple(convert(part, item) for part, item in zip(arguments, items, strict=True))
    part = arguments[0] if arguments else Any
    return origin(convert(part, item) for item in items)


def convert(annotation: Any, value: Any) -> Any:
    """Validate a value given in Python or as a YAML scalar, list or mapping, against an annotation.

    Returns:
        The Python form: ints, bools, :mod:`ipaddress` objects, :class:`Prefix`, :class:`PortRange`, :class:`Mac`,
        lists of them.

    Raises:
        ParameterError: The value does not fit.
    """
    kind = kind_of(annotation)
    if kind.form != "plain":
        return _to_flat(kind, value)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any or annotation is None:
        return value
    if origin in (typing.Union, pytypes.UnionType):
        for part in arguments:
            try:
                return None if part is type(None) and value is None else convert(part, value)
            except ParameterError:
                continue
        raise _wrong(value, kind.name)
    if origin is typing.Literal:
        if value in arguments:
            return value
        names = [str(argument) for argument in arguments]
        raise ParameterError(f"{value!r} is not valid", None, "one of " + ", ".join(names), nearest(str(value), names))
    if origin in (list, tuple, set, frozenset):
        return _to_sequence(origin, arguments, value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _wrong(value, "a mapping")
        return {convert(arguments[0], k): convert(arguments[1], v) for k, v in value.items()}
    return _to_class(annotation, value, kind.name)


def _to_class(annotation: Any, value: Any, name: str) -> Any:
    if annotation is type(None):
        if value is not None:
            raise _wrong(value, "nothing")
        return None
    if annotation is str:
        if not isinstance(value, str):
            raise _wrong(value, "a text")
        return value
    if annotation is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(value, "a number")
        return float(value)
    if annotation is pathlib.Path:
        if not isinstance(value, str | pathlib.PurePath):
            raise _wrong(value, "a file name")
        return pathlib.Path(value)
    if not isinstance(annotation, type) or isinstance(value, annotation):
        return value
    if annotation in (list, tuple, set, frozenset):
        return _to_sequence(annotation, (), value)
    if annotation is dict:
        raise _wrong(value, "a mapping")
    parse: Callable[[Any], Any] = getattr(annotation, "parse", annotation)
    try:
        return parse(**value) if isinstance(value, Mapping) and parse is annotation else parse(value)
    except ParameterError:
        raise
    except (ValueError, TypeError) as error:
        raise ParameterError(f"{value!r} is not valid: {error}", expected=name) from None


def plain(value: Any) -> Any:
    """Turn a parameter's value into YAML scalars, lists and mappings that :func:`convert` reads back."""
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, Mac | Prefix | PortRange | ipaddress.IPv4Address | ipaddress.IPv6Address | pathlib.PurePath):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    if hasattr(value, "plain"):
        return value.plain()
    return str(value)
