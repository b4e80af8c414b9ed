"""Where the consolidated header actions of a chain are applied, for each direction of travel (rule S7)."""

from __future__ import annotations

from dataclasses import dataclass

from nfuse.action.points import inverse_fields
from nfuse.engine.fused.layout import ChainPlan
from nfuse.engine.plan.words import listed, modify_words

DIRECTIONS = ("forward", "reverse")
"""Packets that travel in the order of the chain, and those that travel against it."""


@dataclass(frozen=True)
class PointFacts:
    """One point of application.

    Attributes:
        direction: ``forward`` (in the order of the chain) or ``reverse``.
        before: The NF whose code runs right after it; None at the end of the way.
        fields: Names of ``flow.modify`` that may be written there.
        of: The NFs whose records are consolidated there, in the order of travel.
        overwritten: Fields that several of them may record, each with these NFs: only the last value is written.
        inverse: The fields are put back (the way of the replies), not changed.
    """

    direction: str
    before: str | None
    fields: list[str]
    of: list[str]
    overwritten: dict[str, list[str]]
    inverse: bool

    @property
    def place(self) -> str:
        """Where, in words."""
        return f"before {self.before}" if self.before else "at the end"

    def sentence(self) -> str:
        """Return one line for people."""
        what = f"put back for {listed(self.of)}" if self.inverse else f"of {listed(self.of)}"
        return f"{listed(modify_words(self.fields))} {what}: one rewrite, {self.place}"


def points_of(plan: ChainPlan) -> list[PointFacts]:
    """Return all points of application of a chain, the forward direction first."""
    found = []
    for side, direction in enumerate(DIRECTIONS):
        order = plan.order(side)
        inverse = bool(side) and not plan.chain.two_sided
        for placed in plan.points[side]:
            point = placed.point
            recorders: dict[str, list[str]] = {}
            for stage in point.stages:
                node = order[stage]
                for name in inverse_fields(node.modifies) if inverse else node.modifies:
                    recorders.setdefault(name, []).append(node.node.name)
            found.append(
                PointFacts(
                    direction,
                    None if point.before == len(order) else order[point.before].node.name,
                    sorted(point.fields),
                    [order[stage].node.name for stage in point.stages],
                    {name: names for name, names in sorted(recorders.items()) if len(names) > 1},
                    inverse,
                )
            )
    return found
