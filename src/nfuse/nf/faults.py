"""Faults of handlers as people read them: where, and of what kind.

Engines count a fault as ``fault:NF:line``, the same text in each. What can go wrong at that line is known to the
compiler; the text of an exception (of handlers that are ordinary Python) only to the run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nfuse.errors import shown

_REASON = re.compile(r"fault:.+:(\d+)")


@dataclass(frozen=True)
class FaultSite:
    """A line at which a handler may fault.

    Attributes:
        file: The source file; "" if it is not at hand.
        line: Line in it, from 1.
        kinds: What can go wrong there: ``"division by zero"``, ``"`self.free` is empty"``, ...
    """

    file: str
    line: int
    kinds: tuple[str, ...]

    @property
    def place(self) -> str:
        """``file:line``, the file as seen from the current folder."""
        return f"{shown(self.file)}:{self.line}" if self.file else f"line {self.line}"

    def __str__(self) -> str:
        return f"{self.place}: {' or '.join(self.kinds) or 'a fault'}"


def fault_line(reason: str) -> int | None:
    """Return the line of a drop reason ``fault:NF:line``; None for other reasons."""
    found = _REASON.fullmatch(reason)
    return int(found[1]) if found else None
