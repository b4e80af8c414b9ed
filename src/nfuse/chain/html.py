"""A chain as HTML: how notebooks show it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from nfuse.nf.parameters import plain

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain, Node

COLUMNS = ("name", "network function", "traffic", "parameters")


def as_html(chain: Chain) -> str:
    """Return a chain as HTML: its shape, a row for each network function, the settings that are not the default."""
    from nfuse.chain.spec import Chain as Plain

    rows = "".join(_row(node) for node in chain.nodes)
    default = Plain(None).settings()
    changed = [
        f"{key} {escape(str(value))}"
        for key, value in chain.settings().items()
        if value != default[key] and key != "name"
    ]
    return (
        f"<p><b>{_title(chain)}</b>: {escape(str(chain))}</p>"
        f"<table>{_line(*(f'<b>{word}</b>' for word in COLUMNS))}{rows}</table>"
        + (f"<p>{', '.join(changed)}</p>" if changed else "")
    )


def _title(chain: Chain) -> str:
    return "Chain" if chain.name == "chain" else f"Chain {escape(chain.name)}"


def _row(node: Node) -> str:
    cls = type(node.nf)
    given = {name: value for name, value in node.nf.values().items() if value != cls.parameters[name].default}
    parameters = ", ".join(f"{name}={_short(plain(value))}" for name, value in given.items())
    cells = (node.name, cls.__name__, "all IP" if cls.traffic is None else str(cls.traffic), parameters)
    return _line(*map(escape, cells))


def _line(*cells: str) -> str:
    return "<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
