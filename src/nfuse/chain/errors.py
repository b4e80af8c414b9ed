"""Mistakes in a chain: one message that says where, what, what was expected, and the nearest valid name."""

from __future__ import annotations

import re
from typing import Any

from nfuse.errors import UserError
from nfuse.nf.errors import nearest

__all__ = ["ChainError", "nearest"]


class ChainError(UserError):
    """A chain, or a chain file, that can't be used.

    Args:
        message: What is wrong, in one sentence.
        file: The chain file, where the mistake is in one.
        line: Line in the file, from 1.
        column: Column in the line, from 1.
        key: The key (as a path: ``settings.timeouts.tcp_new``) whose name or value is wrong.
        expected: What would be right.
        near: The valid name nearest to the wrong one.
        source: The line's text, to point into.
        detail: Further lines, shown below it: where in a filter, where in an NF's source.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        key: str | None = None,
        expected: str | None = None,
        near: str | None = None,
        source: str | None = None,
        detail: str = "",
    ) -> None:
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        self.expected = expected
        self.near = near
        self.source = source
        self.detail = detail
        super().__init__(self._text())

    def at(self, **place: Any) -> ChainError:
        """Return the same error at a place: ``file``, ``line``, ``column``, ``key``, ``source``."""
        place = {"key": self.key, "detail": self.detail} | place
        return ChainError(self.message, expected=self.expected, near=self.near, **place)

    def _text(self) -> str:
        parts = (self.file, self.line, self.column) if self.file is not None else ()
        place = ":".join(str(part) for part in parts if part is not None)
        key = f"{self.key}: " if self.key else ""
        lines = [f"{place}: {key}{self.message}" if place else f"{key}{self.message}"]
        if self.source is not None:
            lines.append(f"    {self.source}")
            if self.column is not None:
                lines.append("    " + re.sub(r"[^\t]", " ", self.source[: self.column - 1]) + "^")
        lines += [f"  {line}" for line in self.detail.splitlines()]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.near:
            lines.append(f"  did you mean {self.near!r}?")
        return "\n".join(lines)
