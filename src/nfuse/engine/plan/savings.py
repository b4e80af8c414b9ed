"""What consolidation removed from a chain, by the redundancies R1 to R4 of the SpeedyBox paper (section II-A).

All figures are of a packet whose session has been consolidated (the fast path), beside the same NFs run one by one,
each with a parser, a classifier and a table of its own (``nfuse run --no-consolidate``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfuse.action.points import TUPLE_FIELDS
from nfuse.engine.fused.layout import ChainPlan, NodePlan
from nfuse.engine.plan.nodes import NodeFacts
from nfuse.engine.plan.points import PointFacts
from nfuse.engine.plan.words import access_words, counted, listed, modify_words

TITLES = {
    "R1": "repeated parsing and classification",
    "R2": "late packet drop",
    "R3": "packet overwrite",
    "R4": "redundant input and output between NFs",
}
"""The paper's names."""

_SUMS = {"ip_src": 2, "ip_dst": 2, "sport": 1, "dport": 1, "ip_ttl": 1, "ip_dscp": 1, "ip_ecn": 1}
"""Checksums that a change of a field updates: of the IPv4 header, of TCP, UDP or ICMP."""


@dataclass(frozen=True)
class Saving:
    """One thing that a packet no longer pays for.

    Attributes:
        kind: ``R1`` to ``R4``.
        what: What it is about: ``parse``, ``look-up``, ``classify``, ``drop``, ``rewrite``, ...
        before, after: How often it is done for a packet, NF by NF and consolidated; None where it can't be counted.
        text: One sentence, with the facts of this chain.
    """

    kind: str
    what: str
    before: int | None
    after: int | None
    text: str

    @property
    def removed(self) -> bool:
        """Whether there was something to remove, and it was."""
        return self.before is None or self.after is None or self.after < self.before


def savings_of(plan: ChainPlan, facts: list[NodeFacts], points: list[PointFacts]) -> list[Saving]:
    """Return what was removed from a chain, and what was not although one might expect it, in the order R1 to R4.

    Where a chain branches, the figures are of the way that passes the most NFs.
    """
    way = longest_way(plan.nodes)
    known = {fact.name: fact for fact in facts}
    on_way = [known[node.node.name] for node in way]
    return [*_classification(way, on_way), *_drops(plan), *_overwrites(plan, way, points), *_hand_overs(plan, way)]


def longest_way(nodes: list[NodePlan], depth: int = 0) -> list[NodePlan]:
    """Return the NFs of the way through the branches that passes the most of them, in chain order."""
    way = [node for node in nodes if len(node.node.guard) == depth]
    inner: dict[int, dict[int, list[NodePlan]]] = {}
    for node in nodes:
        if len(node.node.guard) > depth:
            branch, alternative = node.node.guard[depth]
            inner.setdefault(branch, {}).setdefault(alternative, []).append(node)
    for alternatives in inner.values():
        ways = [longest_way(part, depth + 1) for part in alternatives.values()]
        longest: list[NodePlan] = max(ways, key=len)
        way += longest
    return sorted(way, key=lambda node: node.index)


def share_flows(one: NodePlan, two: NodePlan) -> bool:
    """Whether a flow may pass both: they don't stand in different ways of one branch."""
    ways = dict(one.node.guard)
    return all(ways.get(branch, way) == way for branch, way in two.node.guard)


def _classification(way: list[NodePlan], facts: list[NodeFacts]) -> Iterator[Saving]:
    count = len(way)
    kept = [node for node in way if not node.stateless]
    yield Saving("R1", "parse", count, 1, f"{counted(count, 'parse')} of a packet -> 1")
    if kept:
        tables = counted(len(kept), "table look-up")
        yield Saving("R1", "look-up", len(kept), 1, f"{tables} -> 1: the NFs share one session")
    judged = [node.node.name for node in way if node.stateless]
    text = f"{counted(count, 'traffic class', 'traffic classes')} judged -> "
    text += f"{len(judged)} ({listed(judged)}: no session)" if judged else "none: they are judged once a session"
    yield Saving("R1", "classify", count, len(judged), text)
    readers: dict[str, list[str]] = {}
    for fact in facts:
        for word in access_words(fact.reads):
            readers.setdefault(word, []).append(fact.name)
    groups: dict[str, list[str]] = {}
    for word, names in readers.items():
        if len(names) > 1:
            groups.setdefault(listed(names), []).append(word)
    if groups:
        shared = "; ".join(f"{listed(words)} by {names}" for names, words in groups.items())
        yield Saving("R1", "read", None, None, f"from the one parsed packet several NFs read {shared}")


def _drops(plan: ChainPlan) -> Iterator[Saving]:
    for node in plan.nodes:
        recording = [e for e in node.info.effects.values() if e.flow_drops]
        if node.records and recording:
            yield _drop(plan, node, any(e.replies for e in recording))
        elif any(e.drops for e in node.info.effects.values()):
            text = f"{node.node.name} drops single packets: decided for each, at its place"
            yield Saving("R2", "drop", 1, 1, text)


def _drop(plan: ChainPlan, node: NodePlan, answered: bool) -> Saving:
    name, position = node.node.name, node.index
    text = f"{name} drops a flow ({', '.join(node.info.reasons)}): its later packets are dropped unasked"
    if plan.never_quick:
        return Saving("R2", "drop", 1, 1, f"{text}, but go NF by NF up to it")
    spared = [
        plan.nodes[stage].node.name
        for placed in plan.points[0]
        if placed.point.before > position
        for stage in placed.point.stages
        if stage < position and share_flows(plan.nodes[stage], node)
    ]
    if spared:
        text += f", before {listed(spared)} would rewrite them"
    ahead = [p.node.name for p in plan.nodes[: position + 1] if p.per_packet and share_flows(p, node)]
    if ahead:
        text += f"; {listed(ahead)} still {'sees' if len(ahead) == 1 else 'see'} them"
    if answered:
        text += "; those that get an answer go NF by NF"
    return Saving("R2", "drop", 1, 0, text)


def _overwrites(plan: ChainPlan, way: list[NodePlan], points: list[PointFacts]) -> Iterator[Saving]:
    names = {node.node.name for node in way}
    forward = [point for point in points if point.direction == "forward" and names & set(point.of)]
    writers = [node for node in way if node.modifies and not (node.encap or node.decap)]
    if plan.never_quick and writers:
        yield Saving(
            "R3",
            "rewrite",
            len(writers),
            len(writers),
            "rewrites stay where they are: an NF without session stores addresses or ports, or fields change while a "
            "header is pushed, so each packet goes NF by NF",
        )
    elif writers:
        fields = sum(len(node.modifies) for node in writers)
        text = (
            f"{counted(len(writers), 'rewrite')} ({listed(n.node.name for n in writers)}; {counted(fields, 'field')})"
        )
        text += f" -> {counted(len(forward), 'rewrite')} {listed(point.place for point in forward)}"
        yield Saving("R3", "rewrite", len(writers), len(forward), text)
        sums = sum(_SUMS.get(name, 0) for node in writers for name in node.modifies)
        prepared = sum(
            len({"ip"} & {f[:2] for f in point.fields}) + bool(set(point.fields) & set(TUPLE_FIELDS))
            for point in forward
        )
        if sums > prepared:
            text = f"{counted(sums, 'checksum update')} -> {prepared}: their sum is prepared once a session"
            yield Saving("R3", "checksum", sums, prepared, text)
    for point in () if plan.never_quick else forward:
        for name, changers in point.overwritten.items():
            text = f"{modify_words([name])[0]} is changed by {listed(changers)}: only the last value is written"
            yield Saving("R3", "overwrite", len(changers), 1, text)
    yield from _twice(plan, forward)
    for node in plan.nodes:
        if node.decap and node.partner >= 0:
            first = plan.nodes[node.partner].node.name
            yield Saving("R3", "encap", 2, 2, f"{first} pushes a header that {node.node.name} removes: both are done")


def _twice(plan: ChainPlan, points: list[PointFacts]) -> Iterator[Saving]:
    """Tell of fields that are written at several points."""
    if plan.never_quick:
        return
    for name in sorted({field for point in points for field in point.fields}):
        at = [point for point in points if name in point.fields]
        if len(at) > 1:
            text = f"{modify_words([name])[0]} is written {len(at)} times: {at[0].before} must see it in between"
            yield Saving("R3", "overwrite", len(at), len(at), text)


def _hand_overs(plan: ChainPlan, way: list[NodePlan]) -> Iterator[Saving]:
    count = len(way)
    if count > 1:
        text = (
            f"{counted(count - 1, 'hand-over')} of a packet from NF to NF -> none: one native loop, no copy, no queue"
        )
        yield Saving("R4", "hand-over", count - 1, 0, text)
    if plan.never_quick:
        return
    active = [node.node.name for node in way if node.per_packet]
    asleep = [node.node.name for node in way if not node.per_packet]
    text = f"{counted(count, 'NF')} entered by a packet -> "
    text += f"{len(active)} ({listed(active)})" if active else "none"
    if asleep:
        text += f"; {listed(asleep)} only by the first packet and after changes"
    yield Saving("R4", "call", count, len(active), text)
