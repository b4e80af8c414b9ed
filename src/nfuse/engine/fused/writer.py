"""Writing Python source: lines, blocks, native functions, and calls by address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from nfuse.engine.fused.context import FAR, FAR_NAMES

INLINED = ("fast_0", "fast_1", "look_far", "look_near")
"""Generated functions that are always inlined."""

_FAR = re.compile(r"(?<![\w.])(" + "|".join(FAR_NAMES) + r")\(")


def by_address(line: str) -> str:
    """Turn calls of functions that are called by address (``FAR_NAMES``) into calls by address."""
    if line.startswith(("def ", "from ")):
        return line
    found = _FAR.search(line)
    if not found:
        return line
    depth, end = 0, found.end() - 1
    for end in range(found.end() - 1, len(line)):
        depth += {"(": 1, ")": -1}.get(line[end], 0)
        if not depth:
            break
    inside = line[found.end() : end]
    args = split_arguments(by_address(inside))
    args += ["0"] * (6 - len(args))
    number = FAR_NAMES.index(found.group(1))
    made = f"call(load64(X + {FAR + 8 * number}), {', '.join(args)})"
    return line[: found.start()] + made + by_address(line[end + 1 :])


def split_arguments(text: str) -> list[str]:
    """Split the arguments of a call at the commas that stand outside brackets."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()] if text.strip() else []


class Writer:
    """Collects lines of source at the current depth of indentation."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 0

    def __call__(self, *lines: str) -> None:
        """Add lines."""
        for line in lines:
            self.lines.append("    " * self._depth + by_address(line) if line else "")

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add a line that opens a block, and indent what follows."""
        self(head)
        self._depth += 1
        yield
        self._depth -= 1

    @contextmanager
    def function(self, head: str, doc: str) -> Iterator[None]:
        """Add a native function."""
        name = head.partition("(")[0]
        self("", "", "@entry" if name in FAR_NAMES else "@inlined" if name in INLINED else "@native")
        with self.block(f"def {head}:"):
            self(f'"""{doc}"""')
            yield

    def text(self) -> str:
        """Return the source."""
        return "\n".join(self.lines) + "\n"
