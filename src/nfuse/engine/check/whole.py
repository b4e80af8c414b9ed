"""Checks of a chain as a whole: who is never reached, who owns the same address, whether its memory is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nfuse.chain.errors import ChainError
from nfuse.chain.graph import Alternative, Branch, Graph
from nfuse.chain.located import parse
from nfuse.chain.spec import Chain, Node
from nfuse.engine.check.places import located, place_of
from nfuse.engine.check.reach import Reach
from nfuse.engine.plan.memory import MemoryFacts
from nfuse.engine.plan.words import listed
from nfuse.flow.traffic import everything, ip, ranges, values
from nfuse.flow.traffic.ranges import Ranges
from nfuse.nf.findings import Finding, Place


def unreached(reach: Reach, file: str) -> Iterator[Finding]:
    """Find ways of branches that no flow takes, and NFs that no flow of their class reaches."""
    yield from _in_graph(reach.chain.graph, reach, iter(reach.chain.nodes), file)


def _in_graph(graph: Graph, reach: Reach, order: Iterator[Node], file: str) -> Iterator[Finding]:
    for part in graph.parts:
        if not isinstance(part, Branch):
            yield from _nf(next(order), reach, file)
            continue
        entered = any(reach.takes(way) for way in part.alternatives)
        for way in part.alternatives:
            if entered and not reach.takes(way):
                yield _way(way, part, file)
            if reach.takes(way):
                yield from _in_graph(way.graph, reach, order, file)
            else:
                for _ in way.graph.walk():
                    next(order)


def _nf(node: Node, reach: Reach, file: str) -> Iterator[Finding]:
    if not reach.reached(node):
        yield Finding(
            "warning",
            "unseen-nf",
            f"no flow of the class `{reach.traffic(node)}` comes to {node.name}",
            reach.why_not(node, everything),
            "move it, change the branch, or remove it",
            node.name,
            *place_of(node.nf, file=file),
        )


def _way(way: Alternative, branch: Branch, file: str) -> Finding:
    earlier = [one.when for one in branch.alternatives[: branch.alternatives.index(way)]]
    condition = "otherwise" if str(way.when) == "everything" else f"`{way.when}`"
    return Finding(
        "warning",
        "unseen-way",
        f"no flow takes this way of the branch: {condition}",
        "the ways before it take such flows, or none come here" if earlier else "no such flow comes here",
        "put it ahead of the wider condition, or remove it" if earlier else "change the condition, or remove it",
        "",
        *located(way.__dict__.get("_place"), file),
    )


def owned_twice(chain: Chain, unable: set[str], file: str) -> Iterator[Finding]:
    """Find addresses that two NFs answer for."""
    owned: list[tuple[Node, str, Ranges]] = []
    for node in chain.nodes:
        if node.name in unable:
            continue
        for parameter, given in node.nf.owns().items():
            owned.append((node, parameter, ip.src.read(given)))
    for number, (node, parameter, mine) in enumerate(owned):
        for other, their_parameter, theirs in owned[:number]:
            common = ranges.intersection(mine, theirs)
            if other is node or not common:
                continue
            texts = values.address_texts(common)
            yield Finding(
                "warning",
                "address-owned-twice",
                f"{node.name} and {other.name} both answer for {listed(texts[:3])}{' ...' if len(texts) > 3 else ''}",
                f"{parameter} of {node.name} overlaps with {their_parameter} of {other.name}: "
                "replies may meet the wrong one",
                "give them different addresses",
                node.name,
                *place_of(node.nf, parameter, file=file),
            )


def too_large(memory: MemoryFacts, available: int | None, file: str) -> Iterator[Finding]:
    """Find a table that needs more memory than there is."""
    if available is None or memory.most <= available:
        return
    each = max(family.each for family in memory.families)
    left = available - sum(part.total for part in memory.fixed)
    room = max(1, int(0.9 * left / (each + memory.full / memory.capacity)))
    yield Finding(
        "warning",
        "memory",
        f"a full table needs {memory.most / 1e9:.1f} GB, {available / 1e9:.1f} GB are available",
        f"{memory.capacity:,} flows of {each:.0f} bytes, with all that belongs to them",
        f"set the capacity to {room:,} or less",
        "",
        *setting_place(file, "capacity"),
    )


def available_memory() -> int | None:
    """Return the bytes that programs may still take on this machine; None if the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return int(found[0][1]) * 1024 if found else None


def setting_place(file: str, name: str) -> Place:
    """Return the place of a setting in a chain file; the file alone where it is not written."""
    try:
        document: Any = parse(Path(file).read_text(encoding="utf-8"), file)
        for key, _, value in document.items():
            if key == "settings":
                for setting, place, _ in value.items():
                    if setting == name:
                        return located(place, file)
    except (OSError, UnicodeDecodeError, ChainError):
        pass
    return file, None, None
