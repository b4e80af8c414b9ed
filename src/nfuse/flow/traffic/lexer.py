"""Words of the pcap-filter language, with their columns; and its error."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass


class FilterError(ValueError):
    """A filter that can't be read: says the column, what was expected, and the nearest word.

    Attributes:
        text: The whole filter.
        column: Where it goes wrong, counted from 1.
        problem: What is wrong, in one line.
    """

    def __init__(self, text: str, column: int, problem: str) -> None:
        self.text, self.column, self.problem = text, column, problem
        super().__init__(f"column {column}: {problem}\n  {text}\n  {' ' * (column - 1)}^")


@dataclass(frozen=True)
class Token:
    """A word: its kind ("name", "number", "v4", "v6", "mac", "range", "op", "end"), text, and column from 1."""

    kind: str
    text: str
    column: int

    def is_(self, *texts: str) -> bool:
        """Tell whether this is one of these operators or (unescaped) words."""
        return self.kind in ("op", "name") and self.text in texts


_PATTERNS = [
    ("space", r"\s+"),
    ("mac", r"[0-9a-fA-F]{1,2}(?:[:-][0-9a-fA-F]{1,2}){5}(?![:\w])"),
    ("v6", r"(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?::[0-9a-fA-F:.]*|[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){7}"),
    ("v4", r"\d+(?:\.\d+){1,3}(?![\w.])"),
    ("range", r"\d+-\d+(?![\w.])"),
    ("number", r"0[xX][0-9a-fA-F]+(?!\w)|\d+(?!\w)"),
    ("name", r"\\?[A-Za-z_][A-Za-z0-9_]*(?:[-.][A-Za-z0-9_]+)*"),
    ("op", r"&&|\|\||==|!=|<=|>=|<<|>>|[=<>!&|^+\-*/%()\[\]:]"),
]
_WORD = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS))

_SAME = {"&&": "and", "||": "or", "!": "not", "==": "="}


def words(text: str) -> list[Token]:
    """Split a filter into words; the last one has the kind "end".

    Raises:
        FilterError: A character that begins no word, an address that is none.
    """
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            bad = re.compile(r"\S+").match(text, at)
            raise FilterError(text, at + 1, f"expected a word or an operator, got {bad.group() if bad else text[at]!r}")
        kind, word = str(match.lastgroup), match.group()
        if kind == "v6":
            try:
                ipaddress.IPv6Address(word)
            except ValueError as error:
                raise FilterError(text, at + 1, f"not an IPv6 address: {error}") from None
        if kind != "space":
            found.append(
                Token("name" if word in _SAME and _SAME[word].isalpha() else kind, _SAME.get(word, word), at + 1)
            )
        at = match.end()
    found.append(Token("end", "the end", len(text.rstrip()) + 1))
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" for the known word closest to `word`, or nothing."""
    close = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""
