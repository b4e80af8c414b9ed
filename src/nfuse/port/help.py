"""What ``scheme:?help`` shows: how a URI is written, and a port's options, from its maker's signature and docstring."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

WIDTH = 100


def help_text(form: str, what: str, maker: Callable[..., Any], options: Mapping[str, inspect.Parameter]) -> str:
    """Return the help for a port.

    Args:
        form: How its URI is written.
        what: ``input`` or ``output``.
        maker: The class or function whose docstring (Google style) describes the options.
        options: The options by name, with their defaults.
    """
    summary, about, example = described(maker)
    lines = [f"{form}  ({what})"]
    if summary:
        lines += ["", *textwrap.wrap(summary, WIDTH)]
    if not options:
        return "\n".join([*lines, "", "No options."])
    rows = [(name + _default(parameter.default), about.get(name, "")) for name, parameter in options.items()]
    width = max(len(shown) for shown, _ in rows)
    lines += ["", "options, with their defaults:"]
    for shown, text in rows:
        wrapped = textwrap.wrap(text, WIDTH - width - 4, break_on_hyphens=False) or [""]
        lines.append(f"  {shown:{width}}  {wrapped[0]}".rstrip())
        lines += [" " * (width + 4) + line for line in wrapped[1:]]
    if example:
        lines += ["", f"example: {example}"]
    return "\n".join(lines)


def described(maker: Callable[..., Any]) -> tuple[str, dict[str, str], str]:
    """Return a docstring's first paragraph, what its section ``Args`` says of each argument, and its ``Example``."""
    text = inspect.cleandoc(maker.__doc__ or "").replace("``", "")
    text = re.sub(r"`(\w+)`", r"\1", text)
    summary = " ".join(text.split("\n\n")[0].split())
    section = re.search(r"^Args:\n((?:    .*\n?|\n)*)", text, flags=re.MULTILINE)
    about: dict[str, str] = {}
    for names, what in re.findall(
        r"^    (\w[\w, ]*): (.*(?:\n        .*)*)", section[1] if section else "", re.MULTILINE
    ):
        about |= dict.fromkeys(names.split(", "), " ".join(what.split()))
    example = re.search(r"^Example:\s+(.*)", text, flags=re.MULTILINE)
    return summary, about, example[1] if example else ""


def form_of(scheme: str, maker: Callable[..., Any], around: bool, options: bool) -> str:
    """Return how a URI of `scheme` is written, such as ``pcap:PATH?OPTION=VALUE&...``.

    Args:
        scheme: The scheme.
        maker: What makes the port: a positional parameter takes the rest of the URI.
        around: The port is laid around another one: its options stand before a ``!``, the other port's URI after it.
        options: Whether it has options.
    """
    if around:
        return f"{scheme}:OPTION=VALUE,...!PORT" if options else f"{scheme}:REST"
    for name, parameter in inspect.signature(maker).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY and name not in ("side", "inport"):
            scheme_and_rest = f"{scheme}:{name.upper()}"
            break
    else:
        scheme_and_rest = f"{scheme}:"
    return scheme_and_rest + ("?OPTION=VALUE&..." if options else "")


def _default(value: Any) -> str:
    """Return what follows an option's name: ``=VALUE``, or nothing where there is no default."""
    if value is None or value is inspect.Parameter.empty:
        return ""
    if isinstance(value, bool):
        return "=yes" if value else "=no"
    if isinstance(value, float):
        return "=" + f"{value:g}".replace("e+0", "e")
    return f"={value}"
