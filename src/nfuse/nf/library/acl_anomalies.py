"""Rules of an access list that never decide, or whose absence would change nothing (Al-Shaer and Hamed, 2004).

A rule is *covered* if what is ahead of it matches all that it matches: one rule alone, or several together. It is
*redundant* if a later rule with the same action matches all that it matches, and no rule between the two with another
action matches any of it. Comparisons run over arrays, so that ten thousand rules take a second or two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nfuse.nf.library.acl import TCP, TOP4, TOP6, TOP_PORT, UDP, Rule

ANY, PORTED = -1, 256
"""Protocols of a rule in place of a number: all, and TCP with UDP (ports without a protocol)."""
_V6 = TOP4 + 1  # IPv6 addresses follow the IPv4 ones on one line of numbers
_CANDIDATES, _PIECES, _BUDGET = 64, 512, 200_000

Span = tuple[int, int]
Cell = tuple[Span, ...]
"""Protocol, source, destination, source port, destination port: each from low to high."""


@dataclass(frozen=True)
class Anomaly:
    """A rule that is covered or redundant.

    Attributes:
        rule: Its number, from 0.
        by: The rules that make it so: one or more ahead of it, or one behind it.
    """

    rule: int
    by: tuple[int, ...]

    @property
    def covered(self) -> bool:
        """Whether it never decides; else it is redundant."""
        return self.by[0] < self.rule


def anomalies(rules: Sequence[Rule]) -> list[Anomaly]:
    """Return the covered and the redundant rules, in order. A union that is too large to judge counts as no cover."""
    if not rules:
        return []
    table = _Table(rules)
    budget = [_BUDGET]
    found = []
    for number in range(len(rules)):
        by = table.cover(number) or table.union(number, budget) or table.later(number)
        if by:
            found.append(Anomaly(number, by))
    return found


class _Table:
    """All rules as columns of numbers."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.proto = np.array([_proto(rule) for rule in rules])
        self.action = np.array([rule.action for rule in rules])
        flags = [rule.flags or (0, 0) for rule in rules]
        self.value, self.mask = (np.array([pair[part] for pair in flags]) for part in (0, 1))
        spans = [[_line(rule, rule.src), _line(rule, rule.dst)] for rule in rules]
        ends = sorted({end for pair in spans for span in pair for end in span})
        rank = {end: place for place, end in enumerate(ends)}
        self.low: list[NDArray[np.int64]] = []
        self.high: list[NDArray[np.int64]] = []
        for axis in (0, 1):
            self.low.append(np.array([rank[pair[axis][0]] for pair in spans]))
            self.high.append(np.array([rank[pair[axis][1]] for pair in spans]))
        for name in ("sport", "dport"):
            ports = [getattr(rule, name) or (0, TOP_PORT) for rule in rules]
            self.low.append(np.array([low for low, _ in ports]))
            self.high.append(np.array([high for _, high in ports]))

    def cover(self, number: int) -> tuple[int, ...]:
        """Return the first rule ahead that matches all that a rule matches."""
        hits = np.flatnonzero(self._contain(number, slice(0, number)))
        return (int(hits[0]),) if len(hits) else ()

    def later(self, number: int) -> tuple[int, ...]:
        """Return the rule behind that makes a rule redundant."""
        behind = slice(number + 1, len(self.rules))
        same = self.action[behind] == self.action[number]
        hits = np.flatnonzero(self._contain(number, behind) & same)
        if not len(hits):
            return ()
        others = np.flatnonzero(self._overlap(number, behind) & ~same)
        if len(others) and others[0] < hits[0]:
            return ()
        return (number + 1 + int(hits[0]),)

    def union(self, number: int, budget: list[int]) -> tuple[int, ...]:
        """Return the rules ahead that match all that a rule matches, together; none if that can't be seen cheaply."""
        ahead = slice(0, number)
        mask = self.mask[ahead]
        flags = (self.mask[number] & mask == mask) & (self.value[number] & mask == self.value[ahead])
        near = np.flatnonzero(self._overlap(number, ahead) & flags)
        if not 2 <= len(near) <= _CANDIDATES or budget[0] <= 0:
            return ()
        used = self._cover(number, near.tolist(), budget)
        for other in list(used):
            fewer = [one for one in used if one != other]
            used = fewer if self._cover(number, fewer, budget) else used
        return tuple(used)

    def _cover(self, number: int, others: list[int], budget: list[int]) -> list[int]:
        """Return those of the others that together match all that a rule matches; none if they don't."""
        left = list(cells(self.rules[number]))
        used = []
        for other in others:
            cut = [piece for cell in left for piece in _minus(cell, list(cells(self.rules[other])))]
            budget[0] -= len(cut)
            if cut != left:
                used.append(other)
            left = cut
            if not left:
                return used
            if len(left) > _PIECES:
                break
        return []

    def _contain(self, number: int, others: slice) -> NDArray[np.bool_]:
        """Say which of the others match all that a rule matches."""
        proto, mine = self.proto[others], int(self.proto[number])
        found = (proto == ANY) | (proto == mine)
        if mine in (TCP, UDP):
            found |= proto == PORTED
        for low, high in zip(self.low, self.high, strict=True):
            found &= (low[others] <= low[number]) & (high[number] <= high[others])
        mask = self.mask[others]
        return found & (self.mask[number] & mask == mask) & (self.value[number] & mask == self.value[others])

    def _overlap(self, number: int, others: slice) -> NDArray[np.bool_]:
        """Say which of the others match anything that a rule matches."""
        proto, mine = self.proto[others], int(self.proto[number])
        found = (proto == ANY) | (proto == mine) | (mine == ANY)
        if mine in (TCP, UDP):
            found |= proto == PORTED
        if mine == PORTED:
            found |= (proto == TCP) | (proto == UDP)
        for low, high in zip(self.low, self.high, strict=True):
            found &= (low[others] <= high[number]) & (low[number] <= high[others])
        both = self.mask[others] & self.mask[number]
        return found & ((self.value[others] ^ self.value[number]) & both == 0)


def _proto(rule: Rule) -> int:
    if rule.proto is not None:
        return rule.proto
    return PORTED if rule.has_ports else ANY


def _line(rule: Rule, span: Span | None) -> Span:
    """Put an address range on the line of all addresses."""
    if rule.family == 0:
        return 0, _V6 + TOP6
    low, high = span or (0, TOP4 if rule.family == 4 else TOP6)
    return (low, high) if rule.family == 4 else (_V6 + low, _V6 + high)


def cells(rule: Rule) -> Iterator[Cell]:
    """Split what a rule matches, flags aside, into products of ranges: by family, and TCP and UDP apart."""
    proto = _proto(rule)
    protos = [(0, 255)] if proto == ANY else [(TCP, TCP), (UDP, UDP)] if proto == PORTED else [(proto, proto)]
    ports = (rule.sport or (0, TOP_PORT), rule.dport or (0, TOP_PORT))
    for family in (4, 6) if rule.family == 0 else (rule.family,):
        top, base = (TOP4, 0) if family == 4 else (TOP6, _V6)
        spans = [(base + low, base + high) for low, high in (rule.src or (0, top), rule.dst or (0, top))]
        for span in protos:
            yield span, spans[0], spans[1], *ports


def _minus(cell: Cell, others: list[Cell]) -> list[Cell]:
    """Return what is left of a cell without the others, as disjoint cells."""
    left = [cell]
    for other in others:
        left = [piece for one in left for piece in _pieces(one, other)]
    return left


def _pieces(cell: Cell, other: Cell) -> list[Cell]:
    if any(a[1] < b[0] or b[1] < a[0] for a, b in zip(cell, other, strict=True)):
        return [cell]
    pieces = []
    for axis, (mine, theirs) in enumerate(zip(cell, other, strict=True)):
        for low, high in ((mine[0], theirs[0] - 1), (theirs[1] + 1, mine[1])):
            if low <= high:
                pieces.append((*cell[:axis], (max(low, mine[0]), min(high, mine[1])), *cell[axis + 1 :]))
        inner = (max(mine[0], theirs[0]), min(mine[1], theirs[1]))
        cell = (*cell[:axis], inner, *cell[axis + 1 :])
    return pieces
