"""The pieces of a line: words, texts in quotes, parentheses; comments are left out."""

from __future__ import annotations

import re

from nfuse.testing.notation.errors import Place

_PIECE = re.compile(
    r"""\s+ | (?P<comment>\#.*) | (?P<text>"(?:[^"\\]|\\.)*") | (?P<mark>[()]) | (?P<word>[^\s()"#]+)""", re.X
)
_ESCAPE = re.compile(r"""\\(?:([nrt0"\\])|x([0-9a-fA-F]{2})|(.?))""", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", '"': '"', "\\": "\\"}


class Token(Place):
    """A piece of a line.

    Attributes:
        kind: ``word``, ``text``, ``mark`` or ``end``.
    """

    def __init__(self, kind: str, line: int, column: int, source: str, text: str) -> None:
        super().__init__(line, column, source, text)
        self.kind = kind

    def bytes(self) -> bytes:
        """Return the bytes that a text in quotes stands for (UTF-8; ``\\x00`` is one byte)."""
        found = bytearray()
        inside, at = self.text[1:-1], 0
        for escape in _ESCAPE.finditer(inside):
            found += inside[at : escape.start()].encode()
            at = escape.end()
            if escape[3] is not None:
                place = Place(self.line, self.column + 1 + escape.start(), self.source, escape[0])
                raise place.error(f"no escape {escape[0]!r}", r"\n, \r, \t, \0, \", \\ or \x and two digits")
            found += bytes([int(escape[2], 16)]) if escape[2] else _ESCAPES[escape[1]].encode()
        return bytes(found) + inside[at:].encode()


def tokens(source: str, line: int) -> list[Token]:
    """Cut a line into pieces; the last one is ``end``.

    Raises:
        PacketSyntaxError: A text in quotes does not end.
    """
    found: list[Token] = []
    at = 0
    while at < len(source):
        piece = _PIECE.match(source, at)
        if piece is None:
            raise Place(line, at + 1, source, source[at:]).error("the text in quotes does not end", 'a second "')
        if piece.lastgroup is not None and piece.lastgroup != "comment":
            found.append(Token(piece.lastgroup, line, at + 1, source, piece[0]))
        at = piece.end()
    end = found[-1].column + len(found[-1].text) if found else 1
    found.append(Token("end", line, end, source, ""))
    return found
