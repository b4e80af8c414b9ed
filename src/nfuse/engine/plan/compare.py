"""Two plans side by side: what was added, removed and changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfuse.engine.plan.document import Plan
from nfuse.engine.plan.nodes import NodeFacts
from nfuse.engine.plan.words import access_words, listed, modify_words

_DEFAULT = "(default)"


@dataclass(frozen=True)
class Difference:
    """One difference between two plans.

    Attributes:
        section: ``network functions``, ``settings``, ``fields``, ``rewrites``, ``bytes a flow`` or ``parallel pairs``.
        sign: ``+`` added, ``-`` removed, ``~`` changed.
        text: What, with both values where there are two.
    """

    section: str
    sign: str
    text: str


def compare(old: Plan, new: Plan) -> list[Difference]:
    """Return all differences from one plan to another; none if they say the same."""
    return [
        *_nodes(old, new),
        *_mapping("settings", old.settings, new.settings),
        *_fields(old, new),
        *_rewrites(old, new),
        *_bytes(old, new),
        *_pairs(old, new),
    ]


def _nodes(old: Plan, new: Plan) -> Iterator[Difference]:
    section = "network functions"
    before, after = ({fact.name: fact for fact in plan.nfs} for plan in (old, new))
    for name, fact in before.items():
        if name not in after:
            yield Difference(section, "-", f"{name} ({fact.cls})")
    names = list(after)
    for place, (name, fact) in enumerate(after.items()):
        if name not in before:
            where = f"after {names[place - 1]}" if place else "at the start"
            yield Difference(section, "+", f"{name} ({fact.cls}), {where}")
        else:
            yield from _node(before[name], fact)
    common = [name for name in before if name in after]
    if common != [name for name in after if name in before]:
        order = " >> ".join(name for name in after if name in before)
        yield Difference(section, "~", f"the order: {' >> '.join(common)} -> {order}")


def _node(old: NodeFacts, new: NodeFacts) -> Iterator[Difference]:
    section, name = "network functions", new.name
    if old.cls != new.cls:
        yield Difference(section, "~", f"{name}: {old.cls} -> {new.cls}")
        return
    before, after = ({key: str(value) for key, value in fact.parameters.items()} for fact in (old, new))
    for found in _mapping(section, before, after):
        yield Difference(section, found.sign, f"{name}: {found.text}")
    for what, one, two in (
        ("traffic class", old.traffic, new.traffic),
        ("branch", listed(old.ways, "none"), listed(new.ways, "none")),
        ("may drop", ", ".join(old.may_drop) or "nothing", ", ".join(new.may_drop) or "nothing"),
        ("payload", old.payload, new.payload),
        ("scratchpad", f"{old.scratchpad} bytes", f"{new.scratchpad} bytes"),
    ):
        if one != two:
            yield Difference(section, "~", f"{name}: {what}: {one} -> {two}")


def _mapping(section: str, old: dict[str, str], new: dict[str, str]) -> Iterator[Difference]:
    for key in dict.fromkeys([*old, *new]):
        one, two = old.get(key, _DEFAULT), new.get(key, _DEFAULT)
        if one != two:
            yield Difference(section, "~", f"{key}: {one} -> {two}")


def _fields(old: Plan, new: Plan) -> Iterator[Difference]:
    def who(plan: Plan, what: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for fact in plan.nfs:
            words = modify_words(fact.modifies) if what == "modified" else access_words(getattr(fact, what))
            for word in words:
                found.setdefault(word, []).append(fact.name)
        return found

    for what, verb in (("reads", "read"), ("writes", "stored"), ("modified", "modified")):
        one, two = who(old, what), who(new, what)
        for word in dict.fromkeys([*one, *two]):
            if word not in one:
                yield Difference("fields", "+", f"{word}: {verb} by {listed(two[word])}")
            elif word not in two:
                yield Difference("fields", "-", f"{word}: {verb} by {listed(one[word])}")
            elif set(one[word]) != set(two[word]):
                yield Difference("fields", "~", f"{word}: {verb} by {listed(one[word])} -> {listed(two[word])}")


def _rewrites(old: Plan, new: Plan) -> Iterator[Difference]:
    one, two = ([f"{point.direction}: {point.sentence()}" for point in plan.points] for plan in (old, new))
    yield from (Difference("rewrites", "-", text) for text in one if text not in two)
    yield from (Difference("rewrites", "+", text) for text in two if text not in one)
    if old.consolidated != new.consolidated:
        states = ["NF by NF" if not plan.consolidated else "consolidated" for plan in (old, new)]
        yield Difference("rewrites", "~", f"packets of a known session: {states[0]} -> {states[1]}")


def _bytes(old: Plan, new: Plan) -> Iterator[Difference]:
    for one, two in zip(old.memory.families, new.memory.families, strict=True):
        if round(one.each) != round(two.each):
            change = round(two.each) - round(one.each)
            text = f"IPv{one.version}: {one.each:.0f} -> {two.each:.0f} ({change:+d}), all tables included"
            yield Difference("bytes a flow", "~", text)


def _pairs(old: Plan, new: Plan) -> Iterator[Difference]:
    section = "parallel pairs"
    one, two = ({(p.first, p.second): p for p in plan.pairs} for plan in (old, new))
    for pair, facts in two.items():
        before = one.get(pair)
        if before is None:
            if facts.verdict in ("yes", "copy"):
                yield Difference(section, "+", f"{' | '.join(pair)}: {facts.reason}")
        elif before.verdict != facts.verdict:
            text = f"{' | '.join(pair)}: {before.verdict} -> {facts.verdict} ({facts.reason})"
            yield Difference(section, "~", text)
    for pair, facts in one.items():
        if pair not in two and facts.verdict in ("yes", "copy"):
            yield Difference(section, "-", f"{' | '.join(pair)}: {facts.reason}")
