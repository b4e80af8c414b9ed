"""Text for terminals: columns whose last one wraps, and colours where they are wanted."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence

import click

WIDTH = 100
"""Columns of text that goes to no terminal."""


def width() -> int:
    """Return how many columns standard output has; :data:`WIDTH` if it is no terminal."""
    if not sys.stdout.isatty():
        return WIDTH
    return max(60, min(120, shutil.get_terminal_size((WIDTH, 24)).columns))


def coloured(text: str, colour: str) -> str:
    """Return text in a colour, plain where standard output is no terminal or ``NO_COLOR`` is set (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty():
        return text
    return click.style(text, fg=colour)


def definitions(rows: Sequence[Sequence[str]], indent: int = 2) -> str:
    """Align rows in columns; the last one is wrapped to the width of the terminal."""
    rows = [tuple(map(str, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in rows), strict=True)]
    start = indent + sum(widths) + 2 * len(widths)
    lines = []
    for *cells, last in rows:
        head = " " * indent + "".join(f"{cell:<{size}}  " for cell, size in zip(cells, widths, strict=True))
        wrapped = textwrap.wrap(last, max(20, width() - start), break_long_words=False, break_on_hyphens=False) or [""]
        lines += [(head + wrapped[0]).rstrip(), *(" " * start + line for line in wrapped[1:])]
    return "\n".join(lines)


def paragraph(text: str, indent: int = 2) -> str:
    """Wrap paragraphs to the width of the terminal; indented lines (lists, code) stay as they are."""
    blocks = []
    for block in text.split("\n\n"):
        if any(line.startswith((" ", "-", "*")) for line in block.splitlines()):
            blocks.append(textwrap.indent(block, " " * indent))
        else:
            blocks.append(
                textwrap.fill(
                    " ".join(block.split()),
                    width(),
                    initial_indent=" " * indent,
                    subsequent_indent=" " * indent,
                    break_on_hyphens=False,
                )
            )
    return "\n\n".join(blocks)
