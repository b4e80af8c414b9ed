"""A chain as an SVG: one file, no fonts, no scripts, readable on a light and on a dark background."""

from __future__ import annotations

from html import escape

from nfuse.engine.plan.picture.metrics import width, wrapped
from nfuse.engine.plan.picture.scene import Bar, Card, Fork, Item, Scene, Way

CARD, INNER, LABEL = 380.0, 12.0, 118.0
"""Width of a card, its inner margin, the room for labels in it."""
GAP, SPACE, MARGIN = 26.0, 28.0, 28.0
"""Height between two items, width between two ways, margin of the picture."""
SIZE, ROW = 12.0, 16.0
"""Size of small texts, and from line to line."""

STYLE = """
text { font-family: Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif; font-size: 12px; fill: #1b2330 }
.paper { fill: #f7f8fa; stroke: #d5d9e0 }
.card { fill: #ffffff; stroke: #aeb6c2 }
.head { fill: #eef1f5 }
.name { font-size: 14px; font-weight: bold }
.title { font-size: 17px; font-weight: bold }
.faint, .label { fill: #5f6b7c }
.code { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 11px; fill: #5f6b7c }
.drop { fill: #b3261e }
.edge { stroke: #8a93a3; stroke-width: 1.5; fill: none }
.tip { fill: #8a93a3 }
.stop { stroke: #b3261e; stroke-width: 2; fill: none }
.port { fill: #e3e7ed; stroke: #8a93a3 }
.down { fill: #dcebff; stroke: #3b7dd8 }
.downtext { fill: #123a6b }
.up { fill: #e1f3e2; stroke: #3f9a4a }
.uptext { fill: #164a1d }
.chip { fill: #fff3d6; stroke: #c9962e }
.chiptext { fill: #5a3f07 }
"""
DARK = """
text { fill: #e4e8ef }
.paper { fill: #161b23; stroke: #313a48 }
.card { fill: #1f2631; stroke: #4a5566 }
.head { fill: #29313e }
.faint, .label, .code { fill: #a3aebf }
.drop { fill: #ff8f85 }
.edge { stroke: #6b778a }
.tip { fill: #6b778a }
.stop { stroke: #ff8f85 }
.port { fill: #2b3442; stroke: #6b778a }
.down { fill: #173454; stroke: #5a9bf0 }
.downtext { fill: #cfe3ff }
.up { fill: #17371d; stroke: #63c06e }
.uptext { fill: #d3f1d7 }
.chip { fill: #3d3113; stroke: #c9962e }
.chiptext { fill: #ffe3a1 }
"""


class _Canvas:
    """Collects shapes; later ones lie above earlier ones of the same layer, lines below everything."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.shapes: list[str] = []

    def rect(self, x: float, y: float, w: float, h: float, kind: str, radius: float = 6) -> None:
        self.shapes.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{radius}"/>'
        )

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
        at = f' text-anchor="{anchor}"' if anchor != "start" else ""
        shown = f' class="{kind}"' if kind else ""
        self.shapes.append(f'<text{shown} x="{x:.1f}" y="{y:.1f}"{at}>{escape(text)}</text>')

    def path(self, data: str, kind: str = "edge") -> None:
        self.lines.append(f'<path class="{kind}" d="{data}"/>')

    def tip(self, x: float, y: float, up: bool = False) -> None:
        """Draw the head of an arrow that ends at a point."""
        back = y + 7 if up else y - 7
        self.lines.append(f'<path class="tip" d="M{x:.1f},{y:.1f} l-4.5,{back - y:.1f} h9 z"/>')


def to_svg(scene: Scene) -> str:
    """Draw a scene."""
    canvas = _Canvas()
    room = max(_width(scene.items), width(scene.title, 17, True), width(scene.subtitle, SIZE), CARD)
    total = room + 2 * MARGIN
    middle = total / 2
    canvas.text(MARGIN, 36, scene.title, "title")
    canvas.text(MARGIN, 55, scene.subtitle, "faint")
    y = _port(canvas, middle, 72, scene.top)
    y = _sequence(canvas, scene.items, middle, y, scene.both)
    y = _port(canvas, middle, _arrow(canvas, middle, y, scene.both), scene.bottom)
    height = y + MARGIN
    paper = f'<rect class="paper" x="0.5" y="0.5" width="{total - 1:.1f}" height="{height - 1:.1f}" rx="10"/>'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{total:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {total:.0f} {height:.0f}" role="img">',
            f"<title>{escape(scene.title)}</title>",
            f"<style>{STYLE}@media (prefers-color-scheme: dark) {{{DARK}}}\n</style>",
            paper,
            *canvas.lines,
            *canvas.shapes,
            "</svg>\n",
        ]
    )


# ---------------------------------------------------------------------------------------------------- measuring


def _width(items: list[Item]) -> float:
    return max((_item_width(item) for item in items), default=0)


def _item_width(item: Item) -> float:
    if not isinstance(item, Fork):
        return CARD
    return sum(_way_width(way) for way in item.ways) + SPACE * (len(item.ways) - 1)


def _way_width(way: Way) -> float:
    """A way is as wide as what stands in it; an empty one as its condition, within reason."""
    if way.items:
        return _width(way.items)
    return min(max(width(way.condition, SIZE) + 24, 90), 260)


# ------------------------------------------------------------------------------------------------------ drawing


def _port(canvas: _Canvas, x: float, y: float, name: str) -> float:
    wide = max(70, width(name, SIZE, True) + 36)
    canvas.rect(x - wide / 2, y, wide, 26, "port", 13)
    canvas.text(x, y + 17, name, anchor="middle")
    return y + 26


def _arrow(canvas: _Canvas, x: float, y: float, both: bool, length: float = GAP) -> float:
    canvas.path(f"M{x:.1f},{y:.1f} v{length:.1f}")
    canvas.tip(x, y + length)
    if both:
        canvas.tip(x, y, up=True)
    return y + length


def _sequence(canvas: _Canvas, items: list[Item], x: float, y: float, both: bool) -> float:
    """Draw items below one another around the line at `x`, each with an arrow to it; return where they end."""
    for item in items:
        if isinstance(item, Fork):
            y = _fork(canvas, item, x, y, both)
            continue
        y = _arrow(canvas, x, y, both)
        y = _card(canvas, item, x - CARD / 2, y) if isinstance(item, Card) else _bar(canvas, item, x - CARD / 2, y)
    return y


def _card(canvas: _Canvas, card: Card, x: float, y: float) -> float:
    room = CARD - 2 * INNER
    code = wrapped(card.traffic, 12.5, room)
    head = 26 + 15 * len(code) + 4
    rows = [(line.label, wrapped(line.text, SIZE, room - LABEL)) for line in card.lines]
    body = sum(ROW * len(texts) + 2 for _, texts in rows) + (12 if rows else 0)
    canvas.rect(x, y, CARD, head + body, "card")
    canvas.rect(x + 1, y + 1, CARD - 2, head - 1, "head", 5)
    canvas.text(x + INNER, y + 20, card.name, "name")
    if card.cls.lower() != card.name.lower() or card.cls != card.name:
        canvas.text(x + CARD - INNER, y + 20, card.cls, "faint", "end")
    for number, text in enumerate(code):
        canvas.text(x + INNER, y + 37 + 15 * number, text, "code")
    at = y + head + 18
    for label, texts in rows:
        canvas.text(x + INNER, at, label, "label")
        for number, text in enumerate(texts):
            canvas.text(x + INNER + LABEL, at + ROW * number, text, "drop" if label == "may drop" else "")
        if label == "may drop":
            cross = f"M{x + CARD:.1f},{at - 4:.1f} h10 m0,-5 l8,10 m0,-10 l-8,10"
            canvas.path(cross, "stop")
        at += ROW * len(texts) + 2
    return y + head + body


def _bar(canvas: _Canvas, bar: Bar, x: float, y: float) -> float:
    kind = "down" if bar.down else "up"
    mark = "↓" if bar.down else "↑ replies" if bar.replies else "↑"
    indent = 12 + width(mark, SIZE, True) + 8
    texts = wrapped(bar.text, SIZE, CARD - indent - 14)
    height = ROW * len(texts) + 10
    canvas.rect(x, y, CARD, height, kind, 12)
    canvas.text(x + 14, y + 18, mark, f"{kind}text")
    for number, text in enumerate(texts):
        canvas.text(x + indent, y + 18 + ROW * number, text, f"{kind}text")
    return y + height


def _fork(canvas: _Canvas, fork: Fork, x: float, y: float, both: bool) -> float:
    widths = [_way_width(way) for way in fork.ways]
    left = x - (sum(widths) + SPACE * (len(widths) - 1)) / 2
    rail = y + 16
    canvas.path(f"M{x:.1f},{y:.1f} V{rail:.1f}")
    if both:
        canvas.tip(x, y, up=True)
    chips = [wrapped(way.condition, SIZE, max(wide - 24, 60)) for way, wide in zip(fork.ways, widths, strict=True)]
    tall = max(len(chip) for chip in chips) * ROW + 10
    middles, ends = [], []
    for way, wide, chip in zip(fork.ways, widths, chips, strict=True):
        middle = left + wide / 2
        left += wide + SPACE
        middles.append(middle)
        canvas.path(f"M{middle:.1f},{rail:.1f} v14")
        across = max(width(text, SIZE) for text in chip) + 24
        top = rail + 14
        canvas.rect(middle - across / 2, top, across, len(chip) * ROW + 10, "chip", 11)
        for number, text in enumerate(chip):
            canvas.text(middle, top + 18 + ROW * number, text, "chiptext", "middle")
        canvas.path(f"M{middle:.1f},{top:.1f} v{tall:.1f}")
        ends.append(_sequence(canvas, way.items, middle, top + tall, both))
    floor = max(ends) + 18
    for middle, end in zip(middles, ends, strict=True):
        canvas.path(f"M{middle:.1f},{end:.1f} V{floor:.1f}")
    for level in (rail, floor):
        canvas.path(f"M{middles[0]:.1f},{level:.1f} H{middles[-1]:.1f}")
    return floor
