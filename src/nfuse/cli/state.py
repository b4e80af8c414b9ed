"""State of network functions at the end of a run, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nfuse.cli.report import count

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain
    from nfuse.engine.api import RunResult

SHOWN = 60
"""Characters of a container's contents that are shown."""


def counted(chain: Chain, result: RunResult) -> dict[str, dict[str, Any]]:
    """Return the State fields, not containers, that handlers write, by NF and field: what a chain has counted."""
    from nfuse.nf.compile import analyse

    found: dict[str, dict[str, Any]] = {}
    for node in chain.nodes:
        info = analyse(type(node.nf))
        effects = info.total()
        fields = {
            name: value
            for name, value in result.states.get(node.name, {}).items()
            if info.state.slots[name].kind.form != "container" and (effects.opaque or name in effects.state_writes)
        }
        if fields:
            found[node.name] = fields
    return found


def rows(states: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return (NF, field, value as text) of all fields, in order."""
    return [(nf, name, text(value)) for nf, fields in states.items() for name, value in fields.items()]


def text(value: Any) -> str:
    """Return a value for people; of a container how many items it has, and the first of them."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, Mapping):
        return _contents(len(value), (f"{text(key)}: {text(one)}" for key, one in value.items()))
    if isinstance(value, list | tuple):
        return _contents(len(value), map(text, value))
    return str(value)


def _contents(number: int, items: Any) -> str:
    shown = ""
    for item in items:
        if len(shown) + len(item) > SHOWN:
            shown += ", ..."
            break
        shown += f", {item}" if shown else item
    heading = f"{count(number)} item" + ("" if number == 1 else "s")
    return f"{heading}: {shown}" if number else "empty"


def plain(value: Any) -> Any:
    """Return a value as JSON has it: addresses as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if isinstance(value, bool | int | str) else str(value)
