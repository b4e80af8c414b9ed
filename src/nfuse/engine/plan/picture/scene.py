"""What a picture of a chain shows, before anybody decides where: cards, bars, forks, in the order of the chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfuse.chain.graph import Branch, Graph
from nfuse.chain.spec import Chain
from nfuse.engine.plan.document import Plan
from nfuse.engine.plan.nodes import NodeFacts, condition
from nfuse.engine.plan.points import PointFacts
from nfuse.engine.plan.words import access_words, listed, modify_words


@dataclass(frozen=True)
class Line:
    """One line of a card: a short label (``reads``, ``modifies``, ``may drop``, ...) and what it says."""

    label: str
    text: str


@dataclass(frozen=True)
class Card:
    """A network function."""

    name: str
    cls: str
    traffic: str
    lines: list[Line]


@dataclass(frozen=True)
class Bar:
    """A point where consolidated actions are applied: to packets that go down (the chain's order) or up (`replies`)."""

    down: bool
    replies: bool
    text: str


@dataclass(frozen=True)
class Way:
    """One way through a fork: its condition, and what stands in it (nothing: it passes the fork over)."""

    condition: str
    items: list[Item]


@dataclass(frozen=True)
class Fork:
    """A branch, with a way for each alternative, and one for packets that match none."""

    ways: list[Way]


Item = Card | Bar | Fork


@dataclass(frozen=True)
class Scene:
    """A whole picture.

    Attributes:
        title: The chain's name.
        subtitle: One line of figures.
        top, bottom: Names of the ports: where packets come in, where they leave.
        both: Packets also enter at the bottom (a chain between two networks).
        items: What lies between the ports.
    """

    title: str
    subtitle: str
    top: str
    bottom: str
    both: bool
    items: list[Item]


def scene_of(chain: Chain, plan: Plan) -> Scene:
    """Return the scene of a chain and its plan."""
    facts = iter(plan.nfs)
    items = _items(chain.graph, facts, plan.points)
    ends = {point.direction: point for point in plan.points if point.before is None}
    if "reverse" in ends:
        items.insert(0, _bar(ends["reverse"]))
    if "forward" in ends:
        items.append(_bar(ends["forward"]))
    ports = list(chain.ports)
    flows = {family.version: round(family.each) for family in plan.memory.families}
    subtitle = f"{len(plan.nfs)} network functions, {flows[4]} bytes a flow (IPv6: {flows[6]})"
    return Scene(
        plan.name,
        subtitle.replace("1 network functions", "1 network function") if len(plan.nfs) == 1 else subtitle,
        ports[0],
        ports[1] if chain.two_sided else "out",
        chain.two_sided,
        items,
    )


def card_of(fact: NodeFacts) -> Card:
    """Return the card of one network function."""
    return Card(fact.name, fact.cls, fact.traffic, list(_lines(fact)))


def _lines(fact: NodeFacts) -> Iterator[Line]:
    first, each = access_words(fact.reads_first), access_words(fact.reads_each)
    if first:
        yield Line("reads, first packet", ", ".join(first))
    if each:
        yield Line("reads, each packet", ", ".join(each))
    if fact.payload != "IGNORE":
        yield Line("payload", "reads" if fact.payload == "READ" else "writes")
    if words := access_words(fact.writes):
        yield Line("stores", ", ".join(words))
    if fact.modifies:
        yield Line("modifies", ", ".join(modify_words(fact.modifies)))
    if fact.encaps:
        yield Line("pushes", ", ".join(fact.encaps))
    if fact.decaps:
        yield Line("removes", ", ".join(fact.decaps))
    if fact.may_drop:
        yield Line("may drop", ", ".join(fact.may_drop))
    if fact.alerts:
        yield Line("alerts", ", ".join(fact.alerts))


def _items(graph: Graph, facts: Iterator[NodeFacts], points: list[PointFacts]) -> list[Item]:
    items: list[Item] = []
    for part in graph.parts:
        if isinstance(part, Branch):
            ways = [Way(condition(one.when), _items(one.graph, facts, points)) for one in part.alternatives]
            if ways[-1].condition != "otherwise":
                ways.append(Way("otherwise", []))
            items.append(Fork(ways))
            continue
        fact = next(facts)
        here = [point for point in points if point.before == fact.name]
        items += [_bar(point) for point in here if point.direction == "forward"]
        items.append(card_of(fact))
        items += [_bar(point) for point in here if point.direction == "reverse"]
    return items


def _bar(point: PointFacts) -> Bar:
    down = point.direction == "forward"
    verb = "put back" if point.inverse else "rewrite"
    return Bar(down, point.inverse, f"{verb} {listed(modify_words(point.fields))} ({', '.join(point.of)})")
