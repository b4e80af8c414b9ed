"""Rules to bit vectors: a first match among 10,000 overlapping rules without 10,000 comparisons.

The scheme is that of Lakshman and Stiliadis (SIGCOMM '98) with the aggregation of Baboescu and Varghese (SIGCOMM '01).
For each field the values fall into intervals in which the same rules apply; each interval has a *row*: one bit a rule.
A packet finds its interval in each field, and the first bit set in the AND of the rows is its rule. Each row starts
with *aggregate* words that say which words of the row are not zero, so that most words are never read. Equal rows are
kept once.

Ports, and protocol with TCP flags, are found by one load (a table of all values); addresses by a binary search.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nfuse.nf.library.acl import TCP, TOP4, TOP6, TOP_PORT, UDP, Rule

NO_PORT = TOP_PORT + 1
"""Index into a port table for packets without ports."""
KINDS = 512
"""Kinds of packets: 0-255 an IP protocol, 256 + flags a TCP packet."""

Span = tuple[int, int]


@dataclass
class Compiled:
    """Rules as flat arrays.

    Attributes:
        words: 64-bit words of rule bits in a row.
        aggregates: aggregate words before them.
        rows: all rows, one after the other, each of ``aggregates + words`` 64-bit words.
        edges4: first values (IPv4) of the intervals: source, then destination from index `cut4` on.
        rows4: for each of them the index in `rows` where its row starts.
        edges6, rows6, cut6: the same for IPv6 (edges as Python integers).
        ports: start of row by port: source 0..65536, then destination; 65536 stands for "has no ports".
        kinds: start of row by kind (512 entries).
    """

    words: int
    aggregates: int
    rows: NDArray[np.uint64]
    edges4: NDArray[np.uint32]
    rows4: NDArray[np.uint32]
    cut4: int
    edges6: list[int]
    rows6: NDArray[np.uint32]
    cut6: int
    ports: NDArray[np.uint32]
    kinds: NDArray[np.uint32]


def compile_rules(rules: Sequence[Rule]) -> Compiled:
    """Build the tables of `rules` (bit i of a row = rule i)."""
    pool = _Rows(max(1, -(-len(rules) // 64)))
    edges: dict[tuple[int, str], tuple[list[int], list[int]]] = {}
    for family, top in ((4, TOP4), (6, TOP6)):
        for side in ("src", "dst"):
            spans = [(getattr(r, side) or (0, top)) if r.family in (0, family) else None for r in rules]
            edges[family, side] = pool.intervals(spans, top)
    ports = [
        pool.table([getattr(r, side) or (0, TOP_PORT if r.has_ports else NO_PORT) for r in rules], NO_PORT + 1)
        for side in ("sport", "dport")
    ]
    kinds = pool.sets([_kinds(rule) for rule in rules], KINDS)
    flat = {(f, i): edges[f, "src"][i] + edges[f, "dst"][i] for f in (4, 6) for i in (0, 1)}
    return Compiled(
        words=pool.words,
        aggregates=pool.aggregates,
        rows=np.concatenate(pool.rows),
        edges4=np.array(flat[4, 0], dtype=np.uint32),
        rows4=np.array(flat[4, 1], dtype=np.uint32),
        cut4=len(edges[4, "src"][0]),
        edges6=flat[6, 0],
        rows6=np.array(flat[6, 1], dtype=np.uint32),
        cut6=len(edges[6, "src"][0]),
        ports=np.concatenate(ports),
        kinds=kinds,
    )


def _kinds(rule: Rule) -> Iterable[int]:
    """List the kinds of packet that `rule` matches as far as protocol, ports and flags go."""
    plain = [rule.proto] if rule.proto is not None else [UDP] if rule.has_ports else list(range(256))
    value, mask = rule.flags or (0, 0)
    tcp = [256 + flags for flags in range(256) if flags & mask == value] if rule.proto in (None, TCP) else []
    return [kind for kind in plain if kind != TCP] + tcp


@dataclass
class _Rows:
    """All distinct rows so far."""

    words: int
    rows: list[NDArray[np.uint64]] = field(default_factory=list)
    starts: dict[bytes, int] = field(default_factory=dict)

    @property
    def aggregates(self) -> int:
        return -(-self.words // 64)

    def start(self, row: NDArray[np.uint64]) -> int:
        """Return where the row starts in the concatenation of all, adding it if it is new."""
        key = row.tobytes()
        if key not in self.starts:
            self.starts[key] = len(self.rows) * (self.aggregates + self.words)
            padded = np.zeros(self.aggregates * 64, dtype=np.uint8)
            padded[: self.words] = row != 0
            self.rows.append(np.concatenate([np.packbits(padded, bitorder="little").view(np.uint64), row]))
        return self.starts[key]

    def intervals(self, spans: Sequence[Span | None], top: int) -> tuple[list[int], list[int]]:
        """Cut 0..top into intervals with equal rows; spans[i] is where rule i applies (None: nowhere)."""
        cuts = sorted({0} | {s[0] for s in spans if s} | {s[1] + 1 for s in spans if s and s[1] < top})
        place = {cut: i for i, cut in enumerate(cuts)} | {top + 1: len(cuts)}
        used = [i for i, span in enumerate(spans) if span]
        return self._merge(cuts, used, [place[spans[i][0]] for i in used], [place[spans[i][1] + 1] for i in used])  # type: ignore[index]

    def _merge(self, cuts: list[int], used: list[int], first: list[int], end: list[int]) -> tuple[list[int], list[int]]:
        toggles = np.zeros((len(cuts) + 1, self.words), dtype=np.uint64)
        numbers = np.array(used, dtype=np.int64)
        bits = np.uint64(1) << (numbers & 63).astype(np.uint64)
        for places in (first, end):
            np.bitwise_xor.at(toggles, (np.array(places, dtype=np.int64), numbers >> 6), bits)
        rows = np.bitwise_xor.accumulate(toggles, axis=0)
        edges: list[int] = []
        starts: list[int] = []
        for i, cut in enumerate(cuts):
            start = self.start(rows[i])
            if not starts or starts[-1] != start:
                edges.append(cut)
                starts.append(start)
        return edges, starts

    def table(self, spans: Sequence[Span], size: int) -> NDArray[np.uint32]:
        """Return the start of the row for each value 0..size-1."""
        edges, starts = self.intervals(spans, size - 1)
        return np.repeat(np.array(starts, dtype=np.uint32), np.diff([*edges, size]))

    def sets(self, members: Sequence[Iterable[int]], size: int) -> NDArray[np.uint32]:
        """Return the start of the row for each value; members[i] lists the values for which rule i applies."""
        rows = np.zeros((size, self.words), dtype=np.uint64)
        for i, values in enumerate(members):
            rows[list(values), i >> 6] |= np.uint64(1 << (i & 63))
        return np.array([self.start(row) for row in rows], dtype=np.uint32)
