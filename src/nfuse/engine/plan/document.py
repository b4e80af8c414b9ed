"""The whole plan of a chain, as plain data: what ``nfuse plan`` prints, draws and compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nfuse.chain.spec import Chain
from nfuse.engine.fused.layout import plan_chain
from nfuse.engine.plan.memory import MemoryFacts, memory_of
from nfuse.engine.plan.nodes import NodeFacts, facts_of
from nfuse.engine.plan.pairs import PairFacts, pairs_of
from nfuse.engine.plan.points import PointFacts, points_of
from nfuse.engine.plan.savings import Saving, savings_of
from nfuse.engine.plan.slots import SlotFacts, slots_of


@dataclass(frozen=True)
class Plan:
    """What the compiler made of a chain.

    Attributes:
        name: The chain's name.
        graph: The chain on one line.
        settings: The chain's settings that differ from their defaults, as texts.
        nfs: Its NFs, in chain order.
        savings: What consolidation removed.
        points: Where consolidated actions are applied.
        consolidated: False if no packet may take the fast path (an NF stores addresses or ports itself).
        layout: The slots of a session.
        bytes: Bytes of a session's slots, without its keys in the index: ``IPv4``, ``IPv6``.
        pairs: Which NFs may run in parallel.
        memory: What sessions cost.
    """

    name: str
    graph: str
    settings: dict[str, str]
    nfs: list[NodeFacts]
    savings: list[Saving]
    points: list[PointFacts]
    consolidated: bool
    layout: list[SlotFacts]
    bytes: dict[str, int]
    pairs: list[PairFacts]
    memory: MemoryFacts

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        document = asdict(self)
        for fact in document["nfs"]:
            fact["class"] = fact.pop("cls")
        for family, facts in zip(document["memory"]["families"], self.memory.families, strict=True):
            family |= {"bytes_per_flow": round(facts.each, 1), "bytes": facts.total}
        document["memory"]["most"] = self.memory.most
        return document


def plan_of(chain: Chain, flows: int | None = None, states: Sequence[int] = ()) -> Plan:
    """Return the plan of a chain.

    Args:
        chain: The chain.
        flows: Live sessions that memory is reckoned for; None: the chain's capacity.
        states: Bytes of each NF's State, in chain order.

    Raises:
        CompileError: A mistake in a network function.
        ValueError: The chain needs something that is not supported; the message says what.
    """
    plan = plan_chain(chain)
    facts = [facts_of(node, chain) for node in plan.nodes]
    points = points_of(plan)
    return Plan(
        name=chain.name,
        graph=str(chain),
        settings=_settings(chain),
        nfs=facts,
        savings=savings_of(plan, facts, points),
        points=points,
        consolidated=not plan.never_quick,
        layout=slots_of(plan),
        bytes={"IPv4": plan.size, "IPv6": plan.size + plan.ext_size},
        pairs=pairs_of(plan.nodes),
        memory=memory_of(plan, flows, states),
    )


def chain_source(chain: Chain) -> str:
    """Return the generated sources of a chain, one module after the other."""
    from nfuse.engine.fused.codegen import Generator

    plan = plan_chain(chain)
    parts = Generator(plan, [node.info.load().__name__ for node in plan.nodes]).generate()
    return "\n".join(f"# ---- module {name}\n{source}" for name, source in parts.items())


def _settings(chain: Chain) -> dict[str, str]:
    default = Chain(None)
    found = {}
    for key, value in chain.settings().items():
        if key == "timeouts":
            for name, seconds in vars(value).items():
                if seconds != getattr(default.timeouts, name):
                    found[f"timeouts.{name}"] = f"{seconds:g}"
        elif key != "name" and value != getattr(default, key):
            found[key] = str(value)
    return found
