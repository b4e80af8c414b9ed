"""How wide a text is in a common sans-serif font, nearly: for a picture whose reader's fonts are unknown."""

from __future__ import annotations

_NARROW, _SLIM, _WIDE = "iljI.,:;|!'`", 'ftr()[]/\\-" ', "mwMW@%"


def width(text: str, size: float, bold: bool = False) -> float:
    """Return the width of a text in units of the picture, on the wide side (fonts differ by a tenth or so)."""
    units = 0.0
    for letter in text:
        if letter in _NARROW:
            units += 0.30
        elif letter in _SLIM:
            units += 0.40
        elif letter in _WIDE:
            units += 0.92
        elif letter.isupper():
            units += 0.72
        else:
            units += 0.57
    return units * size * (1.07 if bold else 1.0)


def wrapped(text: str, size: float, room: float) -> list[str]:
    """Break a text into lines that fit into `room`; a single word that is longer is cut into pieces."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        while width(word, size) > room:
            cut = max(1, int(len(word) * room / width(word, size)) - 1)
            if line:
                lines.append(line)
            lines.append(word[:cut])
            line, word = "", word[cut:]
        joined = f"{line} {word}" if line else word
        if width(joined, size) <= room:
            line = joined
        else:
            lines.append(line)
            line = word
    return [*lines, line] if line or not lines else lines
