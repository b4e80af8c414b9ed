"""A chain in the DOT language (graphviz.org)."""

from __future__ import annotations

from html import escape

from nfuse.engine.plan.picture.metrics import wrapped
from nfuse.engine.plan.picture.scene import Bar, Card, Fork, Item, Scene

_HEAD = """    graph [fontname="Helvetica", labelloc=t, nodesep=0.4, ranksep=0.35];
    node [fontname="Helvetica", fontsize=11, shape=box, style="rounded,filled", color="#8a93a3", fillcolor="#ffffff"];
    edge [fontname="Helvetica", fontsize=10, color="#5b6575"];"""
_ROOM = 300.0
"""Width at which texts break, in points."""


class _Writer:
    """Numbers the nodes and keeps the lines."""

    def __init__(self, both: bool) -> None:
        self.lines: list[str] = []
        self.count = 0
        self.both = both

    def node(self, label: str, style: str = "") -> str:
        self.count += 1
        name = f"n{self.count}"
        self.lines.append(f"    {name} [label=<{label}>{', ' + style if style else ''}];")
        return name

    def join(self, ends: list[tuple[str, str]], to: str) -> None:
        for end, label in ends:
            options = [f"label=<{_lines(label, 9)}>"] if label else []
            options += ["dir=both"] if self.both else []
            self.lines.append(f"    {end} -> {to}" + (f" [{', '.join(options)}];" if options else ";"))


def to_dot(scene: Scene) -> str:
    """Write a scene as a directed graph in DOT."""
    w = _Writer(scene.both)
    port = 'shape=box, fillcolor="#e8eaee"'
    last = _sequence(w, scene.items, [(w.node(escape(scene.top), port), "")])
    w.join(last, w.node(escape(scene.bottom), port))
    title = f"    label=<<b>{escape(scene.title)}</b><br/>{escape(scene.subtitle)}>;"
    return "\n".join(["digraph chain {", _HEAD, title, *w.lines, "}"]) + "\n"


def _sequence(w: _Writer, items: list[Item], last: list[tuple[str, str]]) -> list[tuple[str, str]]:
    for item in items:
        if isinstance(item, Fork):
            fork = w.node("branch", 'shape=diamond, style=filled, fillcolor="#fff3d6", color="#c9962e"')
            w.join(last, fork)
            last = []
            for way in item.ways:
                last += _sequence(w, way.items, [(fork, way.condition)])
            continue
        name = w.node(_card(item)) if isinstance(item, Card) else _bar(w, item)
        w.join(last, name)
        last = [(name, "")]
    return last


def _card(card: Card) -> str:
    rows = [f'<b>{escape(card.name)}</b> {escape(card.cls)}<br align="left"/>']
    rows.append(f'<i>{_lines(card.traffic, 11)}</i><br align="left"/>')
    for line in card.lines:
        rows.append(f'{_lines(f"{line.label}: {line.text}", 11)}<br align="left"/>')
    return "".join(rows)


def _bar(w: _Writer, bar: Bar) -> str:
    colours = ("#dcebff", "#3b7dd8") if bar.down else ("#e3f4e4", "#3f9a4a")
    text = f"{'↓' if bar.down else '↑ replies:' if bar.replies else '↑'} {bar.text}"
    return w.node(_lines(text, 11), f'fillcolor="{colours[0]}", color="{colours[1]}"')


def _lines(text: str, size: float) -> str:
    return '<br align="left"/>'.join(escape(line) for line in wrapped(text, size, _ROOM))
