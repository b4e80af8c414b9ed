"""Aho-Corasick: all occurrences of many texts in one pass, as flat tables (CACM 18(6), 1975, with algorithm 4).

Letters are folded: A and a are one. Bytes that occur in no text share one column, so a row has as many entries as the
texts have different bytes, and one more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLD = bytes(range(256)).lower()


@dataclass
class Automaton:
    """The tables.

    Attributes:
        columns: Column of each of the 256 bytes.
        width: Columns of a row.
        moves: Rows one after the other: from the row that starts at `i`, byte b leads to that at moves[i + columns[b]].
            The first row starts at 0.
        accepting: Where the rows of states begin in which a text ends; they come last.
        first: For the n-th of these states, texts that end in it are ends[first[n]] to before first[n + 1].
        ends: Numbers of texts.
    """

    columns: NDArray[np.uint16]
    width: int
    moves: NDArray[np.uint32]
    accepting: int
    first: NDArray[np.uint32]
    ends: NDArray[np.uint32]

    @property
    def states(self) -> int:
        """How many states there are."""
        return len(self.moves) // self.width


def build(texts: Sequence[bytes]) -> Automaton:
    """Build the automaton of some texts.

    Raises:
        ValueError: A text is empty.
    """
    if not all(texts):
        raise ValueError("an empty text is everywhere")
    folded = [text.translate(FOLD) for text in texts]
    used = sorted(set(b"".join(folded)))
    column_of = {byte: 1 + i for i, byte in enumerate(used)}
    columns = np.array([column_of.get(FOLD[byte], 0) for byte in range(256)], dtype=np.uint16)
    trie, own = _trie([[column_of[byte] for byte in text] for text in folded])
    moves, fail, order = _moves(trie, 1 + len(used))
    ends: list[list[int]] = [[]] * len(trie)
    for state in order:  # by depth: a suffix comes first
        ends[state] = own[state] + ends[fail[state]]
    accepts = np.array([bool(texts) for texts in ends])
    rank = np.empty(len(trie), dtype=np.int64)
    sequence = np.concatenate([np.flatnonzero(~accepts), np.flatnonzero(accepts)])
    rank[sequence] = np.arange(len(trie))
    lists = [ends[state] for state in sequence if accepts[state]]
    return Automaton(
        columns,
        moves.shape[1],
        (rank[moves[sequence]] * moves.shape[1]).astype(np.uint32).reshape(-1),
        int((~accepts).sum()) * moves.shape[1],
        np.cumsum([0, *map(len, lists)]).astype(np.uint32),
        np.array([number for one in lists for number in one], dtype=np.uint32),
    )


def _trie(texts: Sequence[Sequence[int]]) -> tuple[list[dict[int, int]], list[list[int]]]:
    """Return the children of each state by column (state 0 is the root), and the texts that end in it."""
    trie: list[dict[int, int]] = [{}]
    own: list[list[int]] = [[]]
    for number, text in enumerate(texts):
        state = 0
        for column in text:
            after = trie[state].get(column)
            if after is None:
                after = trie[state][column] = len(trie)
                trie.append({})
                own.append([])
            state = after
        own[state].append(number)
    return trie, own


def _moves(trie: Sequence[dict[int, int]], width: int) -> tuple[NDArray[np.int64], list[int], list[int]]:
    """Return the moves (a row a state), each state's longest suffix, and the states by depth without the root."""
    moves = np.zeros((len(trie), width), dtype=np.int64)
    fail = np.zeros(len(trie), dtype=np.int64)
    order: list[int] = []
    level = np.array([0])
    while len(level):
        edges = [(state, column, child) for state in level.tolist() for column, child in trie[state].items()]
        states, columns, children = np.array(edges, dtype=np.int64).reshape(-1, 3).T
        if level[0] != 0:
            moves[level] = moves[fail[level]]
            fail[children] = moves[fail[states], columns]
        moves[states, columns] = children
        order += children.tolist()
        level = children
    return moves, fail.tolist(), order
