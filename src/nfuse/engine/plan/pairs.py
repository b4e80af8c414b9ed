"""Which pairs of network functions may run in parallel (SpeedyBox Table I), and why the others may not."""

from __future__ import annotations

from dataclasses import dataclass

from nfuse.action.parallel import Behaviour, may_run_in_parallel
from nfuse.engine.fused.layout import NodePlan
from nfuse.engine.plan.savings import share_flows
from nfuse.engine.plan.words import access_words, listed


@dataclass(frozen=True)
class PairFacts:
    """A pair of NFs, the first ahead of the second in the chain.

    Attributes:
        first, second: Their names.
        verdict: ``yes``; ``copy``: yes, the second on a copy of the packet; ``no``; ``idle``: one has no code that runs
            for each packet, so there is nothing to run in parallel; ``apart``: no flow passes both.
        reason: One sentence.
    """

    first: str
    second: str
    verdict: str
    reason: str


def pairs_of(nodes: list[NodePlan]) -> list[PairFacts]:
    """Judge all pairs of a chain."""
    behaviours = [_behaviour(node) for node in nodes]
    pairs = []
    for index, (first, one) in enumerate(zip(nodes, behaviours, strict=True)):
        for second, two in zip(nodes[index + 1 :], behaviours[index + 1 :], strict=True):
            verdict, reason = _judge(first, second, one, two)
            pairs.append(PairFacts(one.name, two.name, verdict, reason))
    return pairs


def _judge(first: NodePlan, second: NodePlan, one: Behaviour, two: Behaviour) -> tuple[str, str]:
    if not share_flows(first, second):
        return "apart", "they stand in different ways of a branch: no flow passes both"
    idle = [plan.node.name for plan in (first, second) if not plan.per_packet]
    if idle:
        verb = "has" if len(idle) == 1 else "have"
        return "idle", f"{listed(idle)} {verb} no code that runs for each packet"
    found = may_run_in_parallel(one, two, lambda fields: listed(access_words(fields), "a checksum"))
    return ("copy" if found.copy else "yes" if found.parallel else "no"), found.reason


def _behaviour(node: NodePlan) -> Behaviour:
    """Return what an NF does to each packet."""
    each = node.packet_effects
    everything = node.info.effects.values()
    return Behaviour(
        name=node.node.name,
        payload=each.payload,
        touches=each.writes | each.reads,
        stores=each.writes,
        drops=any(effect.drops or effect.flow_drops for effect in everything),
        events=bool(node.info.events),
    )
