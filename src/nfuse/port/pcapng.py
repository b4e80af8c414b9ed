"""The blocks of pcapng that Python reads: section headers and interface descriptions.

Source: draft-ietf-opsawg-pcapng, sections 4.1 and 4.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\x0a\x0d\x0d\x0a"
BYTE_ORDER = 0x1A2B3C4D


@dataclass(frozen=True)
class Interface:
    """An interface description.

    Attributes:
        link: Link type number of the file.
        snap: Snap length, 0 for none.
        name: The interface's name, or empty.
        kind: How time stamps become ns: 0 multiply by `value`, 1 divide by it, 2 units of 2**-value seconds.
        value: See `kind`.
        offset: Nanoseconds to add.
    """

    link: int
    snap: int
    name: str
    kind: int
    value: int
    offset: int


def byte_order(block: bytes) -> str | None:
    """Return ``<`` or ``>``, the byte order of the section whose header starts `block`; None if it is no header."""
    for order in "<>":
        if len(block) >= 12 and struct.unpack_from(order + "I", block, 8)[0] == BYTE_ORDER:
            return order
    return None


def options(block: bytes, start: int, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield (code, value) of the options of `block` from `start` on; what does not fit ends them."""
    end = len(block) - 4
    while start + 4 <= end:
        code, length = struct.unpack_from(order + "HH", block, start)
        if code == 0 or start + 4 + length > end:
            return
        yield code, block[start + 4 : start + 4 + length]
        start += 4 + (length + 3) // 4 * 4


def parse_interface(block: bytes, order: str) -> Interface | None:
    """Read an interface description block; None if it is too short to be one.

    Args:
        block: The whole block.
        order: Byte order, ``<`` or ``>``.
    """
    if len(block) < 20:
        return None
    link, _, snap = struct.unpack_from(order + "HHI", block, 8)
    name, resolution, offset = "", 6, 0
    for code, value in options(block, 16, order):
        if code == 2:
            name = value.decode(errors="replace").rstrip("\0")
        elif code == 9 and len(value) == 1:
            resolution = value[0]
        elif code == 14 and len(value) == 8:
            offset = struct.unpack(order + "q", value)[0] * 1_000_000_000
    kind, number = scale(resolution)
    return Interface(link, snap, name, kind, number, max(-(1 << 62), min(offset, 1 << 62)))


def scale(resolution: int) -> tuple[int, int]:
    """Return (kind, value) of :class:`Interface` for the option if_tsresol (10**-n, or 2**-n with the top bit set)."""
    exponent = resolution & 0x7F
    if resolution & 0x80:
        return (2, exponent) if exponent < 64 else (0, 0)  # the whole stamp is less than a second
    if exponent <= 9:
        return 0, 10 ** (9 - exponent)
    return (1, 10 ** (exponent - 9)) if exponent <= 27 else (0, 0)  # the whole stamp is less than a nanosecond
