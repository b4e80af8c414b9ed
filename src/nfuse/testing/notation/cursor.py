"""Reading a line piece by piece: words, times, endpoints, numbers, and what else may follow a word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

from nfuse.packet.address import IPAddress, pack_mac, unpack_mac
from nfuse.testing.notation.errors import PacketSyntaxError
from nfuse.testing.notation.lexer import Token, tokens
from nfuse.testing.notation.words import LINKS, MAC_A, MAC_B, Word

_TIME = re.compile(r"([+@])((?:(?<=@)-)?\d+(?:\.\d+)?)(ns|us|ms|s)?")
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, None: 1_000_000_000}
_NUMBER = re.compile(r"\d+|0[xX][0-9a-fA-F]+")
_TAG = re.compile(r"(s?)(\d+)(?:/([0-7]))?(d?)")
_ENDPOINT = "10.0.0.1:80, 10.0.0.1, [2001:db8::1]:80 or 2001:db8::1"
OTHERS = ("raw", "arp", "type")
"""Words that a line begins with where it has no endpoints."""


class Cursor:
    """A line from left to right.

    Args:
        pieces: The line's pieces.
    """

    def __init__(self, pieces: list[Token]) -> None:
        self._pieces = pieces
        self._at = 0

    @property
    def here(self) -> Token:
        """The piece that comes next."""
        return self._pieces[self._at]

    def next(self) -> Token:
        """Take a piece; at the end of the line, that stays."""
        token = self.here
        if token.kind != "end":
            self._at += 1
        return token

    def word(self, expected: str) -> Token:
        """Take a word."""
        if self.here.kind != "word":
            text = "the line ends" if self.here.kind == "end" else f"unexpected {self.here.text}"
            raise self.here.error(text, expected)
        return self.next()

    def literal(self, text: str) -> None:
        """Take this very word."""
        token = self.word(text)
        if token.text != text:
            raise token.error(f"unexpected {token.text!r}", text, [text])

    def time(self) -> tuple[str, int] | None:
        """Take a time, if there is one."""
        token = self.here
        if token.kind != "word" or token.text[0] not in "+@":
            return None
        self.next()
        found = _TIME.fullmatch(token.text)
        expected = "+0.5, +20ms, +7us or +1ns after the packet before, or @12.5 seconds of the clock"
        if found is None:
            raise token.error(f"{token.text!r} is no time", expected)
        value = Decimal(found[2]) * _UNITS[found[3]]
        if value != int(value):
            raise token.error(f"{token.text!r} is no whole number of nanoseconds", expected)
        return found[1], int(value)

    def endpoint(self) -> tuple[IPAddress, int | None]:
        """Take an address, perhaps with a port."""
        token = self.word("an endpoint: " + _ENDPOINT)
        text = token.text
        port: str | None = None
        if text.startswith("["):
            text, mark, port = text[1:].partition("]")
            port = port[1:] if mark and port[:1] == ":" else ""
        elif text.count(":") == 1:
            text, _, port = text.partition(":")
        try:
            address = ip_address(text)
        except ValueError:
            raise token.error(f"{token.text!r} is no endpoint", _ENDPOINT, OTHERS) from None
        if "%" in text or (port is not None and not (port.isdecimal() and int(port) <= 65535)):
            raise token.error(f"{token.text!r} is no endpoint", f"{_ENDPOINT}; ports up to 65535")
        return address, None if port is None else int(port)

    def value(self, word: Word) -> Any:
        """Take what follows a word."""
        if word.kind == "switch":
            return True
        if word.kind == "number":
            return self.number(word)
        if word.kind == "hex":
            return self.hex()
        token = self.word(f"what follows `{word.name}`")
        if word.kind == "mac":
            return self.macs(token)
        if word.kind == "vlan":
            return tuple(self.tag(token, text) for text in token.text.split(","))
        if word.kind == "link":
            if token.text not in LINKS:
                raise token.error(f"no link type {token.text!r}", ", ".join(LINKS), LINKS)
            return token.text
        offset = token.text.removesuffix("+")
        if not offset.isdecimal() or int(offset) % 8 or int(offset) > 65528:
            raise token.error(
                f"{token.text!r} is no fragment offset", "a multiple of 8 up to 65528, with + where more follow"
            )
        return int(offset), token.text.endswith("+")

    def number(self, word: Word) -> int:
        """Take a number of the word's bits."""
        most = (1 << word.bits) - 1
        expected = f"a number from 0 to {most}, decimal or 0x"
        token = self.word(expected)
        if not _NUMBER.fullmatch(token.text):
            raise token.error(f"`{word.name}` needs a number, not {token.text!r}", expected)
        value = int(token.text, 16 if token.text[:2].lower() == "0x" else 10)
        if value > most:
            raise token.error(f"`{word.name} {token.text}` does not fit", expected)
        return value

    def hex(self) -> bytes:
        """Take hexadecimal digits; ``-`` are none."""
        token = self.word("hexadecimal digits")
        if token.text == "-":
            return b""
        try:
            return bytes.fromhex(token.text)
        except ValueError:
            raise token.error(f"{token.text!r} are no bytes", "two hexadecimal digits a byte, without blanks") from None

    def macs(self, token: Token) -> tuple[str, str]:
        """Read the source and the destination address of a frame."""
        if token.text == "swapped":
            return MAC_B, MAC_A
        source, mark, target = token.text.partition(">")
        if not mark:
            raise token.error(f"{token.text!r} are no MAC addresses", f"{MAC_A}>{MAC_B}, or swapped", ["swapped"])
        return self.mac(token, source), self.mac(token, target)

    @staticmethod
    def mac(token: Token, text: str | None = None) -> str:
        """Read one MAC address."""
        try:
            return unpack_mac(pack_mac(token.text if text is None else text))
        except ValueError as error:
            raise token.error(str(error)) from None

    @staticmethod
    def tag(token: Token, text: str) -> tuple[int, int]:
        """Read one VLAN tag; returns its EtherType and its control information."""
        found = _TAG.fullmatch(text)
        if found is None or int(found[2]) > 4095:
            raise token.error(
                f"{text!r} is no VLAN tag", "7, 7/3 with a priority, s100 for a service tag; outermost first: s100,7"
            )
        return (0x88A8 if found[1] else 0x8100), int(found[3] or 0) << 13 | bool(found[4]) << 12 | int(found[2])


def addresses(places: Iterable[str], line: int = 1) -> list[tuple[IPAddress, int | None]]:
    """Read endpoints that stand alone, such as the arguments of :func:`nfuse.testing.tcp_conversation`.

    Raises:
        PacketSyntaxError: One is wrong, or they are of different IP versions.
    """
    found: list[tuple[IPAddress, int | None]] = []
    for text in places:
        cursor = Cursor(tokens(text, line))
        found.append(cursor.endpoint())
        if cursor.here.kind != "end":
            raise cursor.here.error(f"unexpected {cursor.here.text!r}", "one endpoint")
        if found[0][0].version != found[-1][0].version:
            raise PacketSyntaxError("the endpoints are of different IP versions", line, 1, text, len(text))
    return found
