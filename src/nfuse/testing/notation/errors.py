"""A line that can't be read: where, what is wrong, what would be right."""

from __future__ import annotations

from collections.abc import Iterable

from nfuse.nf.errors import nearest


class PacketSyntaxError(ValueError):
    """A packet that can't be read from its text.

    Args:
        message: What is wrong, in one sentence.
        line: Line in the text, from 1.
        column: Column in the line, from 1.
        source: The line.
        width: Columns to underline.
        expected: What would be right.
        near: The valid word nearest to the wrong one.
    """

    def __init__(
        self,
        message: str,
        line: int,
        column: int,
        source: str,
        width: int = 1,
        expected: str | None = None,
        near: str | None = None,
    ) -> None:
        self.message = message
        self.line = line
        self.column = column
        self.expected = expected
        self.near = near
        lines = [f"line {line}, column {column}: {message}", f"    {source}"]
        lines.append(f"    {' ' * (column - 1)}{'^' * max(1, width)}")
        if expected:
            lines.append(f"  expected: {expected}")
        if near:
            lines.append(f"  did you mean {near!r}?")
        super().__init__("\n".join(lines))


class Place:
    """A piece of a line, to point at.

    Args:
        line: Line in the text, from 1.
        column: Column in the line, from 1.
        source: The line.
        text: The piece.
    """

    def __init__(self, line: int, column: int, source: str, text: str = "") -> None:
        self.line = line
        self.column = column
        self.source = source
        self.text = text

    def error(self, message: str, expected: str | None = None, among: Iterable[str] = ()) -> PacketSyntaxError:
        """Make an error that points here; `among` are the valid words, of which the nearest is named."""
        near = nearest(self.text, list(among)) if self.text else None
        return PacketSyntaxError(message, self.line, self.column, self.source, len(self.text), expected, near)
