"""Which flows can reach each network function: traffic classes, branches and what earlier NFs do, without traffic.

The set of first packets that a chain may get is sent through its graph (:mod:`nfuse.flow.traffic.boxes`). At each NF
the flows of its class meet its outcomes (:meth:`nfuse.nf.base.NF.outcomes`); an NF that says nothing of outcomes may
give the fields that it modifies any value, and one that pushes or removes headers makes everything possible again. So
what is said to be impossible is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nfuse.chain.graph import Alternative, Branch, Graph
from nfuse.chain.spec import Chain, Node
from nfuse.engine.plan.words import listed, modify_words
from nfuse.flow.traffic import everything
from nfuse.flow.traffic import ip as ip_class
from nfuse.flow.traffic.boxes import EVERYTHING, FIRST_PACKETS, Boxes, box_name, replace, restrict
from nfuse.flow.traffic.names import field_named
from nfuse.flow.traffic.ranges import Ranges
from nfuse.flow.traffic.values import address_texts
from nfuse.nf.base import NF
from nfuse.nf.effects import Effects
from nfuse.nf.findings import Outcome

Cut = tuple[str, int]
"""What is taken out to see who is to blame: an NF's name and its outcome's number; a branch is ``("", number)``."""


@dataclass
class Arrivals:
    """What comes to each place.

    Attributes:
        nodes: The flows that come to an NF, by name, before its class is asked.
        ways: The flows that take each way of a branch, by identity.
    """

    nodes: dict[str, Boxes] = field(default_factory=dict)
    ways: dict[int, Boxes] = field(default_factory=dict)


class Reach:
    """Which flows can reach the NFs of a chain.

    Args:
        chain: The chain.
        effects: What each NF may do, by name.
        unable: Names of NFs whose parameters are wrong: they are not asked for their outcomes.
    """

    def __init__(self, chain: Chain, effects: dict[str, Effects], unable: Iterable[str] = ()) -> None:
        self.chain = chain
        self.effects = effects
        said = {n.name for n in chain.nodes if type(n.nf).outcomes is not NF.outcomes} - set(unable)
        self._outcomes = {n.name: list(n.nf.outcomes()) if n.name in said else [] for n in chain.nodes}
        self._said = {node.name: node.name in said for node in chain.nodes}
        self._written = {node.name: list(self._values(node)) for node in chain.nodes}
        self.arrivals = self._send(frozenset())

    def reached(self, node: Node) -> bool:
        """Whether any flow of its class may come to an NF."""
        return self.sees(node, everything)

    def sees(self, node: Node, when: Any, arrivals: Arrivals | None = None) -> bool:
        """Whether a flow of a class, and of the NF's own, may come to it."""
        if type(node.nf).session is None:  # it sees replies, too, and what belongs to no session
            return bool(restrict(restrict(EVERYTHING, self._bound(when)), self.traffic(node)))
        comes = (arrivals or self.arrivals).nodes.get(node.name, ())
        return bool(restrict(restrict(comes, self._bound(when)), self.traffic(node)))

    def takes(self, way: Alternative) -> bool:
        """Whether any flow may take a way of a branch; of one with NFs without session, replies might."""
        stateless = any(type(nf).session is None for nf in way.graph.walk())
        return stateless or bool(self.arrivals.ways.get(id(way), ()))

    def why_not(self, node: Node, when: Any) -> str:
        """Say who keeps flows of a class away from an NF; empty if nobody does."""
        if self.sees(node, when):
            return ""
        if not restrict(restrict(EVERYTHING, self._bound(when)), self.traffic(node)):
            return f"{node.name} is for `{self.traffic(node)}` only"
        for cut in self._cuts(node):
            if self.sees(node, when, self._send(frozenset({cut}))):
                return self._blame(cut, when)
        return "the NFs and branches before it leave no such flow"

    def written_later(self, node: Node, name: str, values: Any) -> str:
        """Name the later NF that first writes a field, if all of `values` are among what it writes; else empty."""
        wanted = field_named(_dotted(name)).read(values)
        for later in self.chain.nodes[node.index + 1 :]:
            for found in self._written[later.name]:
                if found[0] == name and found[1] is not None and _inside(wanted, found[1]):
                    return later.name
        return ""

    def traffic(self, node: Node) -> Any:
        """Return an NF's traffic class."""
        traffic = type(node.nf).traffic
        return ip_class if traffic is None else traffic

    # ----------------------------------------------------------------------------------------------- the journey

    def _send(self, cuts: frozenset[Cut]) -> Arrivals:
        arrivals = Arrivals()
        for side in (0, 1) if self.chain.two_sided else (0,):
            begin = EVERYTHING if any(type(node.nf).session is None for node in self.chain.nodes) else FIRST_PACKETS
            start: Boxes = tuple({**box, "ingress": ((side, side),)} for box in begin)
            _Journey(self, arrivals, side, cuts).through(self.chain.graph, start, iter(self._order(side)))
        return arrivals

    def _order(self, side: int) -> list[Node]:
        return list(self.chain.nodes if side == 0 else self.chain.nodes[::-1])

    def outcome_boxes(self, node: Node, boxes: Boxes, side: int, cuts: frozenset[Cut]) -> Boxes:
        """Return what leaves an NF of the flows that come to it."""
        mine, passing = restrict(boxes, self.traffic(node)), restrict(boxes, self.traffic(node), False)
        if not self._said[node.name]:
            return (*passing, *self._anything(node, mine))
        left: list[Any] = []
        for number, outcome in enumerate(self._outcomes[node.name]):
            if (node.name, number) in cuts or outcome.reverse not in (None, bool(side)):
                continue
            hit = restrict(mine, self._bound(outcome.when))
            mine = restrict(mine, self._bound(outcome.when), False)
            if not outcome.drop:
                left += replace(hit, dict(_read(outcome)))
        return (*passing, *left, *mine)

    def _anything(self, node: Node, mine: Boxes) -> Boxes:
        effects = self.effects.get(node.name, Effects())
        if effects.encaps or effects.decaps:
            return tuple({"ingress": box["ingress"]} for box in mine if "ingress" in box) or EVERYTHING
        names = {_dotted(name) for name in effects.modifies} | {box_name(name) for name in effects.writes}
        return replace(mine, dict.fromkeys(names)) if names and mine else mine

    # -------------------------------------------------------------------------------------------------- the blame

    def _cuts(self, node: Node) -> Iterator[Cut]:
        """Yield what may be to blame, the nearest first."""
        before = self.chain.nodes[: node.index] if not self.chain.two_sided else self.chain.nodes
        for earlier in reversed(before):
            for number, _ in enumerate(self._outcomes[earlier.name]):
                yield earlier.name, number
        for number, _ in reversed(node.guard):
            yield "", number

    def _blame(self, cut: Cut, when: Any) -> str:
        name, number = cut
        if not name:
            return "the condition of its branch excludes them"
        outcome = self._outcomes[name][number]
        if outcome.drop:
            return f"{name} drops them ({outcome.drop})"
        asked = {box_name(name) for name in when.fields}
        told = [key for key in outcome.modify if _dotted(key) in asked] or list(outcome.modify)
        words = [_told(modify_words([key])[0], key, outcome.modify[key]) for key in told]
        return f"{name} has given them {listed(words)} by then"

    def _values(self, node: Node) -> Iterator[tuple[str, Ranges | None]]:
        for outcome in self._outcomes[node.name]:
            for name, value in outcome.modify.items():
                yield name, None if value is None else field_named(_dotted(name)).read(value)

    def _bound(self, when: Any) -> Any:
        return when.bind(self.chain.ports)


class _Journey:
    """Sends flows of one side through a graph, noting what comes to each place."""

    def __init__(self, reach: Reach, arrivals: Arrivals, side: int, cuts: frozenset[Cut]) -> None:
        self.reach, self.arrivals, self.side, self.cuts = reach, arrivals, side, cuts
        counted: dict[int, int] = {}
        _number(reach.chain.graph, counted)
        self.numbers = counted

    def through(self, graph: Graph, boxes: Boxes, nodes: Iterator[Node]) -> Boxes:
        """Return what leaves a graph of what enters it; `nodes` are its NFs in order of travel."""
        for part in graph.parts if self.side == 0 else graph.parts[::-1]:
            boxes = self._fork(part, boxes, nodes) if isinstance(part, Branch) else self._nf(next(nodes), boxes)
        return boxes

    def _nf(self, node: Node, boxes: Boxes) -> Boxes:
        self.arrivals.nodes[node.name] = (*self.arrivals.nodes.get(node.name, ()), *boxes)
        return self.reach.outcome_boxes(node, boxes, self.side, self.cuts)

    def _fork(self, branch: Branch, boxes: Boxes, nodes: Iterator[Node]) -> Boxes:
        free = ("", self.numbers[id(branch)]) in self.cuts
        rest, takers = boxes, []
        for way in branch.alternatives:
            when = way.when.bind(self.reach.chain.ports)
            takers.append((way, boxes if free else restrict(rest, when)))
            rest = restrict(rest, when, False)
        out: list[Any] = list(rest)
        for way, taken in takers if self.side == 0 else takers[::-1]:
            self.arrivals.ways[id(way)] = (*self.arrivals.ways.get(id(way), ()), *taken)
            out += self.through(way.graph, taken, nodes)
        return tuple(out)


def _number(graph: Graph, found: dict[int, int]) -> None:
    """Number the branches of a graph as :class:`~nfuse.chain.spec.Chain` does."""
    for part in graph.parts:
        if isinstance(part, Branch):
            found[id(part)] = len(found)
            for way in part.alternatives:
                _number(way.graph, found)


def _read(outcome: Outcome) -> Iterable[tuple[str, Ranges | None]]:
    for name, value in outcome.modify.items():
        dotted = _dotted(name)
        yield dotted, None if value is None else field_named(dotted).read(value)


def _dotted(name: str) -> str:
    """Turn a name of ``flow.modify`` (``ip_src``) into a field's (``ip.src``)."""
    return name if name in ("sport", "dport") else name.replace("_", ".", 1)


def _inside(small: Ranges, large: Ranges) -> bool:
    return all(any(low <= a and b <= high for low, high in large) for a, b in small)


def _told(word: str, name: str, value: Any) -> str:
    """Say what a field of ``flow.modify`` gets."""
    if value is None:
        return f"another {word}"
    found = field_named(_dotted(name)).read(value)
    if name in ("ip_src", "ip_dst"):
        texts = address_texts(found)
    else:
        texts = [f"{low}-{high}" if low < high else f"{low}" for low, high in found]
    shown = " or ".join(texts) if len(texts) <= 3 else f"{texts[0]} ... {texts[-1]}"
    many = sum(high - low + 1 for low, high in found) > len(texts)
    return f"a {word} of {shown}" if many else f"the {word} {shown}"
