"""Mistakes in an NF: one error of a few lines, at the user's line, with what was expected and the nearest name."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable

from nfuse.errors import UserError, shown


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name most like `name`, or None if none is like it."""
    choices = list(names)
    by_lower = {choice.lower(): choice for choice in choices}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    found = difflib.get_close_matches(name, choices, n=1, cutoff=0.55)
    return found[0] if found else None


def blame(error: Exception, nf: object) -> None:
    """Note on an exception which NF's ``on_start`` or ``on_update`` raised it."""
    with contextlib.suppress(AttributeError):
        error.nfuse_culprit = nf  # type: ignore[attr-defined]


def culprit(error: Exception) -> object | None:
    """Return the NF whose ``on_start`` or ``on_update`` raised an exception, None if none did."""
    return getattr(error, "nfuse_culprit", None)


class NFWarning(UserWarning):
    """An NF that can be compiled and is hardly what its author meant."""


class CompileError(UserError):
    """A mistake in an NF class. Its text is a message for the NF's author.

    Attributes:
        message: What is wrong.
        file, line, column: Where; line and column count from 1 (0: unknown).
        hint: What was expected, or how to write it.
    """

    def __init__(
        self,
        message: str,
        file: str = "",
        line: int = 0,
        column: int = 0,
        text: str = "",
        width: int = 1,
        hint: str = "",
    ) -> None:
        self.message, self.file, self.line, self.column, self.hint = message, file, line, column, hint
        where = ":".join(str(part) for part in (shown(file), line, column) if part)
        lines = [f"{where}: error: {message}" if where else f"error: {message}"]
        if text.strip():
            lines.append(f"    {text.rstrip()}")
            if column:
                pad = "".join("\t" if letter == "\t" else " " for letter in text[: column - 1])
                lines.append("    " + pad + "^" + "~" * (max(1, min(width, len(text.rstrip()) - column + 1)) - 1))
        if hint:
            lines.append(f"  hint: {hint}")
        super().__init__("\n".join(lines))


def did_you_mean(name: str, names: Iterable[str], expected: str = "") -> str:
    """Return a hint that names the nearest valid name, else what was expected."""
    found = nearest(name, names)
    if found:
        return f"did you mean `{found}`?"
    return expected
