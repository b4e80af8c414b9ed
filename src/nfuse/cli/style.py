"""Colours: for terminals only, and none where the environment says ``NO_COLOR`` (https://no-color.org)."""

from __future__ import annotations

import os
from typing import Final

import click

_STYLES: Final[dict[str, dict[str, object]]] = {
    "title": {"bold": True},
    "name": {"fg": "cyan", "bold": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red"},
    "dim": {"dim": True},
}


def paint(text: str, style: str) -> str:
    """Return a text in one of the styles ``title``, ``name``, ``good``, ``bad``, ``dim``."""
    return click.style(text, **_STYLES[style])  # type: ignore[arg-type]


def echo(text: str = "") -> None:
    """Print a painted text; the colours go where the output is no terminal, or where NO_COLOR is set."""
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)
