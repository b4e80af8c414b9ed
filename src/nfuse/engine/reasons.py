"""Drop reasons that ordinary Python comes up with while a chain runs: a limited number, the same in each engine.

Compiled handlers have their reasons in their source. Those of ``compiled = False`` may make texts as they go
(``flow.drop(f"too many: {n}")``); each needs a counter, so only so many are told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LATE_REASONS: Final[int] = 64
"""Reasons beside those in its source that an NF can come up with; the last of them is :data:`OTHER`."""

OTHER: Final[str] = "other"
"""What all reasons are counted under once the others are used up."""


def place_of(text: str, known: Sequence[str]) -> tuple[int, str]:
    """Return where a reason is counted: the index in `known`, and the text under which it is counted.

    Args:
        text: The reason.
        known: The reasons of the NF so far; "" where one is still free. The last place is kept for :data:`OTHER`.
    """
    if text in known:
        return known.index(text), text
    if text != OTHER and "" in known[:-1]:
        return known.index(""), text
    return known.index(OTHER) if OTHER in known else len(known) - 1, OTHER
