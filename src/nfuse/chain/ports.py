"""Names of a chain's inputs, and traffic classes that speak of them: ``ingress == "lan"``."""

from __future__ import annotations

import copy
from typing import Any

from nfuse.chain.errors import ChainError, nearest
from nfuse.nf.base import NF

ONE_SIDE, TWO_SIDES = ("in",), ("inside", "outside")
"""Names of the inputs where the chain gives none: of the forward input, of the forward and the reverse input."""

_bound: dict[tuple[type[NF], Any], type[NF]] = {}


def checked(given: object) -> tuple[str, ...] | None:
    """Return the names given for a chain's inputs, forward first.

    Raises:
        ChainError: They are not one or two different names.
    """
    if given is None:
        return None
    names: tuple[Any, ...] = tuple(given) if isinstance(given, list | tuple) else (given,)
    good = all(isinstance(name, str) and name.isidentifier() for name in names)
    if not good or not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        raise ChainError(f"{given!r} does not fit", key="inputs", expected="names of the forward and the reverse input")
    return names


def numbered(given: tuple[str, ...] | None, two_sided: bool) -> dict[str, int]:
    """Return the index of each input by its name.

    Raises:
        ChainError: A chain between two networks with a name for one input only.
    """
    names = given or (TWO_SIDES if two_sided else ONE_SIDE)
    if two_sided and len(names) < 2:
        raise ChainError(
            "the chain sits between two networks and names one input",
            key="inputs",
            expected="names of the forward and the reverse input",
        )
    return {name: number for number, name in enumerate(names)}


def bind(when: Any, ports: dict[str, int], what: str) -> Any:
    """Return a traffic class with indexes in place of the names of inputs.

    Raises:
        ChainError: It names an input that the chain does not have; the message says which it has.
    """
    if not hasattr(when, "bind"):
        return when
    try:
        return when.bind(ports)
    except ValueError:
        names = [one.port for one in when.atoms() if isinstance(getattr(one, "port", None), str)]
        wrong = next(name for name in names if name not in ports)
        two = "" if len(ports) > 1 else f"; with two_sided also {' and '.join(TWO_SIDES)}"
        raise ChainError(
            f"the class `{when}` of the {what} names an input that the chain does not have: {wrong!r}",
            expected=" or ".join(ports) + two,
            near=nearest(wrong, ports),
        ) from None


def bound(nf: NF, ports: dict[str, int]) -> NF:
    """Return a network function whose traffic class has indexes for the names of inputs: itself if it names none.

    Raises:
        ChainError: Its class names an input that the chain does not have.
    """
    cls = type(nf)
    try:
        traffic = bind(cls.traffic, ports, f"network function {cls.__name__}")
    except ChainError as error:
        place = nf.__dict__.get("_place")
        raise error if place is None else place.error(error.message, error.expected, error.near) from None
    if traffic is None or traffic == cls.traffic:
        return nf
    key = (cls, tuple(ports.items()))
    if key not in _bound:
        inside = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
        _bound[key] = type(cls.__name__, (cls,), {**inside, "traffic": traffic})
    same = copy.copy(nf)
    same.__class__ = _bound[key]
    return same
