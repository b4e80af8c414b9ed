"""What ``nfuse nf show`` prints of a network function."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import yaml

from nfuse.cli.layout import coloured, definitions, paragraph

if TYPE_CHECKING:
    from nfuse.nf.base import NF
    from nfuse.nf.describe import Description


def as_dict(cls: type[NF], reference: str, facts: Description) -> dict[str, Any]:
    """Return a description with its examples as plain data."""
    return {
        "reference": reference,
        **asdict(facts),
        "example": {"yaml": yaml_example(cls, reference), "python": python_example(cls)},
    }


def page(cls: type[NF], reference: str, facts: Description) -> str:
    """Lay a description out for people."""
    near = facts.file.removeprefix(os.getcwd() + os.sep)
    source = f"{near}:{facts.line}" if facts.file else "defined at a prompt"
    lines = [f"{coloured(facts.name, 'green')} ({source})", paragraph(plain_words(facts.summary or "(no docstring)"))]
    if facts.text:
        lines += ["", paragraph(plain_words(facts.text))]
    examples = [("in a chain file", yaml_example(cls, reference)), ("in Python", python_example(cls))]
    for title, body in [*_sections(facts), *((title, textwrap.indent(text, "  ")) for title, text in examples)]:
        lines += ["", coloured(title, "cyan"), body]
    return "\n".join(lines)


def plain_words(text: str) -> str:
    """Return a docstring's text without the marks of cross references: :mod:`x.y` is `x.y`."""
    return re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", text)


def _sections(facts: Description) -> Iterator[tuple[str, str]]:
    yield "traffic", f"  {whole(facts.traffic)}"
    if facts.parameters:
        columns = [(one.name, one.type, default_text(one), one.meaning) for one in facts.parameters]
        yield "parameters", definitions(columns)
    yield "what it does", definitions(behaviour(facts))
    yield "drop reasons", "  " + (", ".join(facts.drops) or "none of its own")
    if facts.alerts:
        yield "alerts", "  " + ", ".join(facts.alerts)
    for session in facts.sessions:
        if session.fields:
            rows = [(one.name, one.type, one.meaning) for one in session.fields]
            yield f"kept for each {session_words(session)} ({session.size} bytes)", definitions(rows)
    if facts.state:
        yield "kept for itself", definitions([(one.name, one.type, one.meaning) for one in facts.state])


def session_words(session: Any) -> str:
    """Return what a session is about: ``flow``, or ``ip.src, in flow.source``."""
    if session.key == "five-tuple":
        return "flow"
    return session.key.strip("()") + (f", in {session.access}" if session.access != "flow" else "")


def behaviour(facts: Description) -> list[tuple[str, str]]:
    """Return in rows what an NF does to packets, with what is never so left out."""
    rows = [
        ("handlers", ", ".join(facts.handlers)),
        ("sessions", ", ".join(session.key for session in facts.sessions) or "none: each packet by itself"),
        ("reads", ", ".join(readable(facts.reads)) or "no header fields"),
    ]
    if facts.opaque:
        rows.append(("", f"and whatever it likes in {', '.join(facts.opaque)}, which run as ordinary Python"))
    more = [
        ("writes", ", ".join(facts.stores)),
        ("modifies", ", ".join(facts.modifies)),
        ("encapsulates", ", ".join(facts.encaps)),
        ("decapsulates", ", ".join(facts.decaps)),
        ("payload", {"IGNORE": "", "READ": "read", "WRITE": "written"}[facts.payload]),
        ("replies", "may answer packets" if facts.replies else ""),
        ("tick", f"every {facts.tick:g} s" if facts.tick else ""),
    ]
    return rows + [row for row in more if row[1]]


def readable(fields: tuple[str, ...]) -> list[str]:
    """Return names of fields without those that another one stands for: TCP's flags and each flag."""
    if "tcp.flags" not in fields:
        return list(fields)
    flags = {f"tcp.{flag}" for flag in ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")}
    return [name for name in fields if name not in flags]


def whole(traffic: str) -> str:
    """Return an expression without a pair of parentheses around all of it."""
    inside = traffic[1:-1]
    return inside if traffic.startswith("(") and traffic.endswith(")") and not re.search(r"[()]", inside) else traffic


def default_text(parameter: Any) -> str:
    """Return a parameter's default as a chain file would have it."""
    return "required" if parameter.required else scalar(parameter.default)


def scalar(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def yaml_example(cls: type[NF], reference: str) -> str:
    """Return a chain file with the network function."""
    from nfuse.nf.example import example_parameters

    values = example_parameters(cls)
    lines = ["chain:", f"  - {reference}" + (":" if values else "")]
    return "\n".join([*lines, *(f"      {name}: {scalar(value)}" for name, value in values.items())])


def python_example(cls: type[NF]) -> str:
    """Return the same chain in Python."""
    from nfuse.nf.example import example_parameters

    module = "nfuse.nf.library" if cls.__module__.startswith("nfuse.nf.library.") else _exporter(cls)
    values = ", ".join(f"{name}={value!r}" for name, value in example_parameters(cls).items())
    return "\n".join(
        [
            "from nfuse import Chain",
            f"from {module} import {cls.__name__}",
            "",
            f"chain = Chain({cls.__name__}({values}))",
        ]
    )


def _exporter(cls: type[NF]) -> str:
    """Return the module that a class is imported from: its package, if that exports it, else its own."""
    package = cls.__module__.partition(".")[0]
    exported = getattr(sys.modules.get(package), cls.__name__, None)
    return package if exported is cls else cls.__module__
