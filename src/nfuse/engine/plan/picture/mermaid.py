"""A chain as a Mermaid flowchart (mermaid.js.org), which GitHub and many editors draw."""

from __future__ import annotations

from collections.abc import Iterator

from nfuse.engine.plan.picture.scene import Bar, Card, Fork, Item, Scene

_STYLES = (
    "classDef port fill:#e8eaee,stroke:#8a93a3,color:#1b2330",
    "classDef nf fill:#ffffff,stroke:#8a93a3,color:#1b2330,text-align:left",
    "classDef down fill:#dcebff,stroke:#3b7dd8,color:#123a6b",
    "classDef up fill:#e3f4e4,stroke:#3f9a4a,color:#164a1d",
    "classDef fork fill:#fff3d6,stroke:#c9962e,color:#5a3f07",
)


class _Writer:
    """Numbers the nodes and keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0

    def node(self, label: str, kind: str, shape: tuple[str, str] = ("[", "]")) -> str:
        self.count += 1
        name = f"n{self.count}"
        self.lines.append(f'    {name}{shape[0]}"{label}"{shape[1]}:::{kind}')
        return name

    def edge(self, one: str, two: str, label: str = "", both: bool = False) -> None:
        arrow = "<-->" if both else "-->"
        self.lines.append(f"    {one} {arrow}" + (f'|"{label}"| ' if label else " ") + two)


def to_mermaid(scene: Scene) -> str:
    """Write a scene as a Mermaid flowchart."""
    w = _Writer()
    last = [(w.node(_quoted(scene.top), "port", ("([", "])")), "")]
    last = _sequence(w, scene.items, last, scene.both)
    _join(w, last, w.node(_quoted(scene.bottom), "port", ("([", "])")), scene.both)
    head = ["---", f"title: {_title(scene)}", "---", "flowchart TD"]
    return "\n".join([*head, *w.lines, *(f"    {style}" for style in _STYLES)]) + "\n"


def _title(scene: Scene) -> str:
    text = f"{scene.title}: {scene.subtitle}".replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _sequence(w: _Writer, items: list[Item], last: list[tuple[str, str]], both: bool) -> list[tuple[str, str]]:
    """Write items; `last` are the ends that lead to the first of them, each with the label of its edge."""
    for item in items:
        if isinstance(item, Fork):
            fork = w.node("branch", "fork", ("{", "}"))
            _join(w, last, fork, both)
            last = []
            for way in item.ways:
                last += _sequence(w, way.items, [(fork, _quoted(way.condition))], both)
            continue
        if isinstance(item, Card):
            name = w.node("<br>".join(_card(item)), "nf")
        else:
            name = w.node(_bar(item), "down" if item.down else "up", ("([", "])"))
        _join(w, last, name, both)
        last = [(name, "")]
    return last


def _join(w: _Writer, ends: list[tuple[str, str]], to: str, both: bool) -> None:
    for end, label in ends:
        w.edge(end, to, label, both)


def _card(card: Card) -> Iterator[str]:
    yield f"<b>{_quoted(card.name)}</b>" + (f" {_quoted(card.cls)}" if card.cls.lower() != card.name else "")
    yield f"<i>{_quoted(card.traffic)}</i>"
    for line in card.lines:
        yield f"{line.label}: {_quoted(line.text)}"


def _bar(bar: Bar) -> str:
    return f"{'↓' if bar.down else '↑ replies:' if bar.replies else '↑'} {_quoted(bar.text)}"


def _quoted(text: str) -> str:
    """Write a text so that Mermaid takes it for nothing but text."""
    return "".join(f"#{ord(letter)};" if letter in '"<>#&`|{}[]' else letter for letter in text)
