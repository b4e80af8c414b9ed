"""A chain: its graph, its settings, and the flat list of nodes that compilers and engines walk."""

from __future__ import annotations

import importlib
import math
import re
import weakref
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, get_args

from nfuse.chain import ports
from nfuse.chain.errors import ChainError, nearest
from nfuse.chain.graph import Branch, Graph, as_class, as_graph, constant
from nfuse.nf.base import NF

Unmatched = Literal["pass", "drop"]
Malformed = Literal["drop", "pass"]

MAX_CAPACITY = 1 << 28
"""Sessions that a flow table can hold at most."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds after its last packet until a session ends, by protocol and state.

    The defaults follow RFC 5382 (TCP: 2 h 4 min established, 4 min in transition), RFC 4787 (UDP: 5 min; 2 min is the
    least) and RFC 5508 (ICMP: 60 s). A session is new until it has been answered (TCP: and its opener has acknowledged
    that).
    """

    tcp_new: float = 240
    tcp_established: float = 7440
    tcp_closing: float = 240
    udp_new: float = 120
    udp: float = 300
    icmp: float = 60
    other_new: float = 120
    other: float = 600

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not good or not 0.001 <= value <= 1e9:
                raise ChainError(
                    f"{value!r} is no time-out", key=f"timeouts.{field.name}", expected="seconds, 0.001 or more"
                )

    def milliseconds(self) -> dict[str, int]:
        """Return all time-outs in whole milliseconds: the unit of deadlines."""
        return {field.name: round(getattr(self, field.name) * 1000) for field in fields(self)}


@dataclass(frozen=True, eq=False)
class Node:
    """A network function at its place.

    Attributes:
        index: Place in chain order, from 0.
        name: Unique in the chain: given by ``nf.named(...)``, else the class name in lower case (then ``_2``, ``_3``).
        nf: The network function; of a class whose traffic class names inputs, a copy that has their indexes.
        guard: The branches around it, outer first, as pairs (branch number, number of the alternative).
    """

    index: int
    name: str
    nf: NF
    guard: tuple[tuple[int, int], ...]


class Live(Protocol):
    """What a running engine shows of itself to the holder of its chain."""

    def flows(self) -> Any:
        """Return the live table."""


class Chain:
    """A chain of network functions with its settings.

    Args:
        graph: ``A() >> B()``, one network function, or a sequence of them.
        capacity: Sessions that may live at a time.
        timeouts: When sessions end.
        unmatched: What happens to packets that no network function's class matches: ``"pass"`` unchanged or ``"drop"``.
        malformed: What happens to packets with headers that lie: ``"drop"`` or ``"pass"`` unchanged.
        mtu: Largest IP packet that may leave, in bytes (None: any).
        direction: An expression (or pcap filter) that is true for packets of the reverse direction; for chains with one
            input that carries both directions.
        idle: Seconds after its last flow until a block of a coarser session is forgotten.
        name: The chain's name in messages and metrics.
        two_sided: True for chains between two networks (a second pair of ports); a direction expression implies it.
        inputs: Names of the forward and the reverse input, for classes such as ``ingress == "lan"``. Where none are
            given: "in"; of two sides: "inside" and "outside".

    Raises:
        ChainError: A setting out of range, a network function that appears twice, two with one name.

    Two chains are equal if their graphs (network functions with equal parameters and names, equal classes) and their
    settings are.
    """

    def __init__(
        self,
        graph: object,
        capacity: int = 65536,
        timeouts: Timeouts | None = None,
        unmatched: Unmatched = "pass",
        malformed: Malformed = "drop",
        mtu: int | None = None,
        direction: Any = None,
        idle: float = 60,
        name: str = "chain",
        two_sided: bool = False,
        inputs: Any = None,
    ) -> None:
        self.graph: Graph = as_graph(graph)
        self.capacity = _whole("capacity", capacity, 1, MAX_CAPACITY)
        self.timeouts = Timeouts() if timeouts is None else timeouts
        if not isinstance(self.timeouts, Timeouts):
            raise ChainError(f"{timeouts!r} are no time-outs", key="timeouts", expected="Timeouts(tcp_new=..., ...)")
        self.unmatched: Unmatched = _choice("unmatched", unmatched, get_args(Unmatched))
        self.malformed: Malformed = _choice("malformed", malformed, get_args(Malformed))
        self.mtu = None if mtu is None else _whole("mtu", mtu, 68, 65535)
        self.direction = None if direction is None else constant(as_class(direction), "direction")
        if isinstance(idle, bool) or not isinstance(idle, int | float) or not 0 <= idle <= 1e9:
            raise ChainError(f"{idle!r} is no time", key="idle", expected="seconds, 0 or more")
        self.idle = idle
        if not isinstance(name, str) or not name:
            raise ChainError(f"{name!r} is no name", key="name", expected="a word")
        self.name = name
        self.two_sided = bool(two_sided) or self.direction is not None
        self.inputs = ports.checked(inputs)
        self.ports: dict[str, int] = ports.numbered(self.inputs, self.two_sided)
        ports.bind(self.direction, self.ports, "direction")
        self._names: dict[int, str] = {}
        self.nodes: tuple[Node, ...] = ()
        self.branches: tuple[tuple[Any, ...], ...] = ()
        self._flatten()
        self._live: weakref.ref[Live] | None = None

    def _flatten(self) -> None:
        nodes: list[Node] = []
        branches: list[tuple[Any, ...]] = []
        seen: set[int] = set()
        given: list[str] = []
        for nf in self.graph.walk():
            if nf.name in given:
                error = ChainError(
                    f"two network functions are named {nf.name!r}", expected="a name of its own for each"
                )
                where = nf.__dict__.get("_name_place")
                raise error if where is None else where.at(error)
            if nf.name:
                given.append(nf.name)
        taken = set(given) | {"chain"}  # "chain" is what drops by the chain itself are counted under

        def fresh(nf: NF) -> str:
            stem = type(nf).__name__.lower()
            name, number = stem, 1
            while name in taken:
                number += 1
                name = f"{stem}_{number}"
            taken.add(name)
            return name

        def place(graph: Graph, guard: tuple[tuple[int, int], ...]) -> None:
            for part in graph.parts:
                if isinstance(part, Branch):
                    number = len(branches)
                    whens = [ports.bind(one.when, self.ports, "branch") for one in part.alternatives]
                    branches.append(tuple(whens))
                    for choice, alternative in enumerate(part.alternatives):
                        place(alternative.graph, (*guard, (number, choice)))
                    continue
                if id(part) in seen:
                    raise ChainError(
                        f"the same {type(part).__name__} stands at two places of the chain",
                        expected="one instance for each place",
                    )
                seen.add(id(part))
                self._names[id(part)] = part.name or fresh(part)
                nodes.append(Node(len(nodes), self._names[id(part)], ports.bound(part, self.ports), guard))

        place(self.graph, ())
        self.nodes, self.branches = tuple(nodes), tuple(branches)

    def node(self, name: str) -> Node:
        """Return the node of that name.

        Raises:
            ChainError: There is none; the message names the nearest.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        names = [node.name for node in self.nodes]
        raise ChainError(f"the chain has no {name!r}", expected=", ".join(names), near=nearest(name, names))

    def settings(self) -> dict[str, Any]:
        """Return all settings by name."""
        return {key: getattr(self, key) for key in SETTINGS}

    def with_settings(self, **changes: Any) -> Chain:
        """Return a chain of the same network functions with some settings changed."""
        for key in changes:
            if key not in SETTINGS:
                raise ChainError(f"no setting {key!r}", expected=", ".join(SETTINGS), near=nearest(key, SETTINGS))
        return Chain(self.graph, **{**self.settings(), **changes})

    def attach(self, engine: Live) -> None:
        """Make `engine` the one that :meth:`flows` asks (engines call this when they start)."""
        self._live = weakref.ref(engine)

    def run(self, source: Any, sink: Any = None, engine: str = "fused", **options: Any) -> Any:
        """Run this chain over packets, a capture or an input port: :func:`nfuse.run`, which has all the options.

        Args:
            source: A list of packets (bytes, ``(time, bytes)``, packets of scapy or dpkt), a port, a URI or a path; or
                a pair of these, (forward, reverse).
            sink: Where packets go: a port, a URI, a pair of them; None: nowhere, or into the result if `source` is
                packets.
            engine: ``"fused"``, ``"reference"`` or ``"original"``.
            options: ``control``, ``limit``, ``keep``, ...

        Returns:
            The :class:`~nfuse.engine.api.RunResult`.
        """
        return importlib.import_module("nfuse.engine.driver").run(self, source, sink, engine, **options)

    def flows(self) -> Any:
        """Return the live flow table of the engine that runs this chain, as a NumPy structured array.

        Raises:
            ChainError: No engine runs it.
        """
        engine = self._live() if self._live is not None else None
        if engine is None:
            raise ChainError("no engine runs this chain", expected="a running engine, or the flows of a run's result")
        return engine.flows()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Chain):
            return NotImplemented
        names, others = ([node.name for node in chain.nodes] for chain in (self, other))
        return self.graph == other.graph and names == others and self.settings() == other.settings()

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return describe(self.graph, self._names) or "(empty)"

    def __repr__(self) -> str:
        return f"<Chain {self.name}: {self}>"

    def _repr_html_(self) -> str:
        from nfuse.chain.html import as_html

        return as_html(self)


SETTINGS = ("capacity", "timeouts", "unmatched", "malformed", "mtu", "direction", "idle", "name", "two_sided", "inputs")
"""Names of the settings of a chain: the arguments of :class:`Chain`, the keys of a chain file."""


def describe(graph: Graph, names: dict[int, str]) -> str:
    """Return a graph on one line: ``nat >> branch(tcp: lb >> monitor, udp: filter)``."""
    words = []
    for part in graph.parts:
        if isinstance(part, Branch):
            ways = (f"{way.when}: {describe(way.graph, names) or 'pass'}" for way in part.alternatives)
            words.append(f"branch({', '.join(ways)})")
        else:
            words.append(names.get(id(part), type(part).__name__))
    return " >> ".join(words)


def valid_name(name: str) -> bool:
    """Whether `name` can name a network function in a chain: letters, digits, ``_``, ``-``, ``.``; a letter first."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) is not None


def _whole(key: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ChainError(f"{value!r} does not fit", key=key, expected=f"a whole number from {least} to {most}")
    return value


def _choice(key: str, value: object, valid: tuple[Any, ...]) -> Any:
    if value not in valid:
        near = nearest(value, valid) if isinstance(value, str) else None
        raise ChainError(f"{value!r} is no choice", key=key, expected=" or ".join(map(repr, valid)), near=near)
    return value
