"""The part of an NF's page in the documentation that comes from its code, as Markdown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nfuse.cli.nf_page import behaviour, default_text, session_words, whole

if TYPE_CHECKING:
    from nfuse.nf.describe import Description, FieldFacts


def reference(facts: Description, folder: str) -> str:
    """Return the tables of parameters, of behaviour, and of State; the last is folded, since it may be long.

    Args:
        facts: The NF.
        folder: The folder of the page, which the link to the source starts from.
    """
    parts = []
    if facts.parameters:
        rows = [(code(one.name), code(one.type), _default(one), one.meaning) for one in facts.parameters]
        parts.append(markdown_table(("parameter", "type", "default", "meaning"), rows))
    else:
        parts.append(f"`{facts.name}` has no parameters.")
    parts.append(markdown_table((facts.name, ""), _facts(facts, folder)))
    if facts.state:
        table = markdown_table(("State", "type", "what"), [(code(f.name), f.type, f.meaning) for f in facts.state])
        parts.append(f"<details><summary>What {facts.name} keeps for itself</summary>\n\n{table}\n\n</details>")
    return "\n\n".join(parts)


def _facts(facts: Description, folder: str) -> Iterable[tuple[str, str]]:
    yield "traffic", code(whole(facts.traffic))
    yield from ((title, text) for title, text in behaviour(facts) if title not in ("handlers", "payload"))
    yield "payload", {"IGNORE": "not looked at", "READ": "read", "WRITE": "written"}[facts.payload]
    yield "drop reasons", ", ".join(map(code, facts.drops)) or "none of its own"
    if facts.alerts:
        yield "alerts", ", ".join(map(code, facts.alerts))
    for session in facts.sessions:
        if session.fields:
            yield f"kept for each {session_words(session)}", f"{_listed(session.fields)} ({session.size} bytes)"
    yield "source", f"[{os.path.basename(facts.file)}]({os.path.relpath(facts.file, folder)})"


def _listed(fields: Iterable[FieldFacts]) -> str:
    return "; ".join(f"{code(one.name)} {one.type}" + (f": {one.meaning}" if one.meaning else "") for one in fields)


def _default(parameter: object) -> str:
    text = default_text(parameter)
    words = {"required": "required", "[]": "empty", "{}": "empty", "null": "not given"}
    return words.get(text) or code(text)


def code(text: str) -> str:
    """Return text as code."""
    return f"`{text}`"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def slug(name: str) -> str:
    """Return the name of an NF's page: ``IPFilter`` -> ``ip-filter``."""
    from nfuse.cli.scaffold import module_name

    return module_name(name).replace("_", "-")
