"""Which NFs could run in parallel: SpeedyBox Table I with the additions that headers, drops and state need.

The paper's table takes only payloads into account, because its global MAT has removed header dependencies. State
functions of this project may also store header fields, drop packets, fire events and share state; two NFs are
parallelizable only if none of that connects them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PAYLOAD = ("IGNORE", "READ", "WRITE")
"""Payload access of a state function, in rising order."""


@dataclass(frozen=True)
class Behaviour:
    """What one NF does to each packet, over all its per-packet handlers.

    Attributes:
        name: The NF's name in the chain.
        payload: ``"IGNORE"``, ``"READ"`` or ``"WRITE"``.
        touches: Header fields read or stored per packet.
        stores: Header fields stored per packet.
        drops: It may drop a packet.
        events: It may fire an event.
        writes: Names of shared state that it writes.
        uses: Names of shared state that it reads or writes.
    """

    name: str
    payload: str = "IGNORE"
    touches: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    drops: bool = False
    events: bool = False
    writes: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """Whether a pair may run in parallel, and why (not).

    Attributes:
        parallel: They may.
        copy: They may, but the second must work on a copy of the packet.
        reason: One sentence for people.
    """

    parallel: bool
    copy: bool
    reason: str


def _names(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def may_run_in_parallel(
    first: Behaviour, second: Behaviour, words: Callable[[frozenset[str]], str] = _names
) -> Verdict:
    """Judge the pair `first` -> `second` of a chain (SpeedyBox Table I, and the rule *Parallel* of the design).

    Args:
        first: The NF ahead.
        second: The NF behind.
        words: How to write a set of header fields in the reason.
    """
    if first.payload == "WRITE" and second.payload != "IGNORE":
        return Verdict(False, False, f"{first.name} writes the payload that {second.name} {second.payload.lower()}s")
    if first.drops:
        return Verdict(False, False, f"{first.name} may drop the packet before {second.name} sees it")
    if first.events:
        return Verdict(False, False, f"{first.name} may fire an event that changes the packet for {second.name}")
    if common := first.stores & second.touches:
        return Verdict(False, False, f"{first.name} stores {words(common)}, which {second.name} touches")
    if common := (first.writes & second.uses) | (first.uses & second.writes):
        return Verdict(False, False, f"both use the state {_names(common)}, and one writes it")
    if first.payload == "READ" and second.payload == "WRITE":
        return Verdict(True, True, f"on a copy: {second.name} writes the payload that {first.name} reads")
    if common := first.touches & second.stores:
        return Verdict(True, True, f"on a copy: {second.name} stores {words(common)}, which {first.name} touches")
    return Verdict(True, False, "neither touches what the other writes")
