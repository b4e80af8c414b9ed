"""Parameters for an example of an NF: from its docstring, else values that fit the types of what has no default."""

from __future__ import annotations

import pathlib
import typing
from collections.abc import Iterator
from itertools import count
from typing import Any

from nfuse.nf.base import NF
from nfuse.nf.documentation import docstring_of
from nfuse.nf.parameters import REQUIRED
from nfuse.nf.types import Kind, kind_of


def example_parameters(cls: type[NF]) -> dict[str, Any]:
    """Return parameter values, as YAML has them, with which an NF of a class can be made.

    The section ``Example:`` of the class's docstring says which. Without one, parameters that have no default get a
    value that fits their type; ``on_start`` may still refuse it.
    """
    written = docstring_of(cls).example
    if written is not None:
        return written
    numbers = count(1)
    required = (parameter for parameter in cls.parameters.values() if parameter.default is REQUIRED)
    return {parameter.name: _sample(parameter.annotation, numbers) for parameter in required}


def _sample(annotation: Any, numbers: Iterator[int]) -> Any:
    kind = kind_of(annotation)
    if kind.form != "plain":
        return _flat_sample(kind, numbers)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return arguments[0]
    if origin in (list, tuple, set, frozenset):
        return [_sample(arguments[0], numbers)]
    if origin is dict:
        return {_sample(arguments[0], numbers): _sample(arguments[1], numbers)}
    if arguments:  # one of several types: the first
        return _sample(arguments[0], numbers)
    samples = {str: "text", float: 1.0, pathlib.Path: "FILE", list: [], dict: {}}
    return samples.get(annotation)


def _flat_sample(kind: Kind, numbers: Iterator[int]) -> Any:
    match kind.form:
        case "bool":
            return True
        case "address":
            return f"2001:db8::{next(numbers)}" if kind.family == 6 else f"192.0.2.{next(numbers)}"
        case "prefix":
            return "10.0.0.0/8"
        case "ports":
            return "1024-65535"
    return "02:00:00:00:00:01" if kind.name == "Mac" else 1
