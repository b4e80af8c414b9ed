"""The shape of a chain: network functions in sequence, and branches by traffic class.

``A() >> B() >> branch((tcp, C() >> D()), (udp, E())) >> F()`` builds a :class:`Graph`: a sequence whose parts are
network functions and branches; each alternative of a branch is a graph again. Graphs are values: two of the same shape,
with equal network functions and equal classes, are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nfuse.chain.errors import ChainError
from nfuse.nf.base import NF, check_made


@dataclass(frozen=True)
class Alternative:
    """One way through a branch: the traffic class that takes it, and the graph that it passes (may be empty)."""

    when: Any
    graph: Graph


@dataclass(frozen=True)
class Branch:
    """A block whose first alternative with a matching class is passed; none matches: the block is passed over."""

    alternatives: tuple[Alternative, ...]

    def __rshift__(self, other: object) -> Graph:
        """Put `other` behind this branch."""
        return join(self, other)

    def __rrshift__(self, other: object) -> Graph:
        """Put this branch behind `other`."""
        return join(other, self)


@dataclass(frozen=True)
class Graph:
    """A sequence of network functions and branches."""

    parts: tuple[NF | Branch, ...] = ()

    def __rshift__(self, other: object) -> Graph:
        """Put `other` behind this graph."""
        return join(self, other)

    def __rrshift__(self, other: object) -> Graph:
        """Put this graph behind `other`."""
        return join(other, self)

    def walk(self) -> Iterator[NF]:
        """Yield all network functions, in chain order."""
        for part in self.parts:
            if isinstance(part, Branch):
                for alternative in part.alternatives:
                    yield from alternative.graph.walk()
            else:
                yield part


def join(left: object, right: object) -> Graph:
    """Return the graph in which `right` follows `left` (the meaning of ``left >> right``)."""
    return Graph((*as_graph(left).parts, *as_graph(right).parts))


def as_graph(part: object) -> Graph:
    """Return a network function, a branch, a sequence of them, or nothing (None), as a graph."""
    match part:
        case Graph():
            return part
        case NF():
            check_made(part)
            return Graph((part,))
        case Branch():
            return Graph((part,))
        case None:
            return Graph()
        case list() | tuple():
            return Graph(tuple(inner for item in part for inner in as_graph(item).parts))
        case type() if issubclass(part, NF):
            raise ChainError(f"{part.__name__} is a class; a chain is made of instances: {part.__name__}(...)")
    raise ChainError(f"{part!r} can't be part of a chain", expected="a network function or branch(...)")


def as_class(value: object) -> Any:
    """Return a traffic class: an expression as it is, a text read as a pcap filter."""
    if isinstance(value, str):
        from nfuse.flow.traffic import FilterError, pcap_filter

        try:
            return pcap_filter(value)
        except FilterError as error:
            raise ChainError(
                f"the filter {value!r} can't be read: {error.problem}",
                column=error.column,
                detail=f"in the filter:\n  {value}\n  {' ' * (error.column - 1)}^",
            ) from None
    if not hasattr(value, "matches"):
        raise ChainError(f"{value!r} is no traffic class", expected="an expression such as tcp & (dport == 80)")
    return value


def constant(when: Any, what: str) -> Any:
    """Return the traffic class of a branch or of a direction, which must not change within a flow.

    Raises:
        ChainError: It may differ between packets of one flow.
    """
    if not getattr(when, "flow_constant", True):
        raise ChainError(
            f"the class `{when}` of the {what} may differ between packets of one flow",
            expected="a class of addresses, ports, protocol, family or input port only",
        )
    return when


def branch(*alternatives: object) -> Branch:
    """Branch by traffic class.

    Args:
        alternatives: Pairs ``(class, graph)``, tried in order; the first class that matches decides. A class is an
            expression or a pcap filter; a graph may be None (pass the block over). A last argument that is no pair is
            the way of all other traffic.

    A branch is judged at the first packet of a session that reaches any network function in it, once per session.
    """
    from nfuse.flow.traffic import everything

    made: list[Alternative] = []
    for number, item in enumerate(alternatives):
        if isinstance(item, tuple) and len(item) == 2:
            made.append(Alternative(constant(as_class(item[0]), "branch"), as_graph(item[1])))
        elif number == len(alternatives) - 1:
            made.append(Alternative(everything, as_graph(item)))
        else:
            raise ChainError(f"alternative {number + 1} of the branch is no pair", expected="(traffic class, graph)")
    if not any(alternative.graph.parts for alternative in made):
        raise ChainError("a branch without any network function")
    return Branch(tuple(made))
