"""What sessions cost: bytes of each, and the memory of a table that is full.

Tables reserve address space for the chain's capacity and take memory where they are first written. A session takes its
flow control block; an IPv6 session its extension; both have two keys in an index, whose buckets are spread so evenly
that all of it is touched. An NF with a coarser session takes a block for each key; the figures assume the worst, a key
of its own for each flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nfuse.engine.fused.keys import stride_of
from nfuse.engine.fused.layout import ChainPlan, NodePlan
from nfuse.flow import evict, index, wheel


@dataclass(frozen=True)
class Part:
    """One table's share: its name, bytes a session, bytes for all the sessions asked for."""

    name: str
    each: float
    total: int


@dataclass(frozen=True)
class FamilyMemory:
    """The memory of sessions of one IP version."""

    version: int
    parts: list[Part]

    @property
    def each(self) -> float:
        """Bytes a session."""
        return sum(part.each for part in self.parts)

    @property
    def total(self) -> int:
        """Bytes of all sessions."""
        return sum(part.total for part in self.parts)


@dataclass(frozen=True)
class MemoryFacts:
    """The memory of a chain.

    Attributes:
        flows: Live sessions that the figures are for.
        capacity: Sessions that the tables are laid out for: the chain's capacity, or `flows` if that is more.
        families: If all sessions are IPv4; if all are IPv6.
        fixed: What does not grow with the sessions: each NF's State, the timing wheel.
        full: What is taken in addition once the table has been full: the heap that finds the session to evict.
    """

    flows: int
    capacity: int
    families: list[FamilyMemory]
    fixed: list[Part]
    full: int

    @property
    def most(self) -> int:
        """Bytes in all, for the dearer family, with all that is fixed."""
        return max(family.total for family in self.families) + sum(part.total for part in self.fixed) + self.full


def memory_of(plan: ChainPlan, flows: int | None = None, states: Sequence[int] = ()) -> MemoryFacts:
    """Reckon the memory of a chain.

    Args:
        plan: The chain's plan.
        flows: Live sessions; None: as many as the chain's capacity.
        states: Bytes of each NF's State, in chain order (none: they are left out).
    """
    flows = plan.chain.capacity if flows is None else flows
    capacity = max(plan.chain.capacity, flows)
    buckets = index.sized(2 * capacity, 3 * capacity)
    families = []
    for version in (4, 6):
        parts = [Part("flow control blocks", plan.size, flows * plan.size)]
        if version == 6:
            parts.append(Part("IPv6 extensions", plan.ext_size, flows * plan.ext_size))
        parts.append(_spread("index", buckets * index.BUCKET, flows))
        for node in plan.nodes:
            parts += _blocks(node, version, flows, capacity)
        families.append(FamilyMemory(version, parts))
    fixed = [
        Part(f"State of {node.node.name}", 0, size) for node, size in zip(plan.nodes, states, strict=False) if size
    ]
    fixed.append(Part("timing wheel", 0, wheel.SIZE))
    return MemoryFacts(flows, capacity, families, fixed, evict.memory_size(capacity))


def _spread(name: str, size: int, flows: int) -> Part:
    return Part(name, size / max(1, flows), size)


def _blocks(node: NodePlan, version: int, flows: int, capacity: int) -> list[Part]:
    other: Any = "ipv6" if version == 4 else "ipv4"
    if other in node.traffic.proves:
        return []
    parts = []
    for number, (session, _, _) in enumerate(node.info.coarse):
        each = stride_of(node, number)
        name = f"blocks of {node.node.name}.{session}"
        parts.append(Part(name, each, flows * each))
        parts.append(_spread(f"their index ({node.node.name}.{session})", index.sized(capacity) * index.BUCKET, flows))
    return parts
