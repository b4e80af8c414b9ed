"""Flows as a table for people: short columns, sizes and times rounded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from nfuse.nf.library.acl import PROTOCOLS

TITLES = ("proto", "source", "destination", "sent", "bytes", "back", "bytes", "first", "lasts", "flags")
_RIGHT = {"sent", "bytes", "back", "lasts"}
_NAMES = {number: name for name, number in PROTOCOLS.items()}


def flow_text(rows: Sequence[dict[str, Any]]) -> str:
    """Lay out the rows of :meth:`nfuse.nf.library.Monitor.table` under :data:`TITLES`.

    ``sent`` and the ``bytes`` beside it are of the direction that opened the flow, ``back`` of the other; ``first`` is
    the time of day of the first packet, in UTC; ``flags`` are those of both directions.
    """
    return "\n".join(_aligned([TITLES, *map(_texts, rows)]))


def _texts(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of a row under :data:`TITLES`."""
    protocol = _NAMES.get(row["proto"], str(row["proto"]))
    flags = f"{row['flags']}/{row['reverse_flags']}" if row["flags"] or row["reverse_flags"] else ""
    return (
        *(protocol, _end(row["src"], row["sport"], protocol), _end(row["dst"], row["dport"], protocol)),
        *(_rounded(row["packets"]), _rounded(row["bytes"], " ") + "B"),
        *(_rounded(row["reverse_packets"]), _rounded(row["reverse_bytes"], " ") + "B"),
        time.strftime("%H:%M:%S", time.gmtime(row["first_seen"] // 10**9)),
        _duration((row["last_seen"] - row["first_seen"]) // 10**6),
        flags,
    )


def _end(address: str, port: int, protocol: str) -> str:
    if protocol not in ("tcp", "udp"):
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _rounded(number: int, gap: str = "") -> str:
    """Show a number in at most six characters: 99,999 and less exactly (of bytes 999), else with k, M, G, T."""
    if number < (1000 if gap else 100_000):
        return f"{number:,}{gap}"
    size = float(number)
    for unit in "kMGT":
        size /= 1000
        if size < 999.5 or unit == "T":
            break
    return f"{size:.1f}{gap}{unit}" if size < 9.95 else f"{size:.0f}{gap}{unit}"


def _duration(milliseconds: int) -> str:
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 9950:
        return f"{milliseconds / 1000:.1f} s"
    for limit, size, unit in ((100_000, 1000, "s"), (6_000_000, 60_000, "min")):
        if milliseconds < limit:
            return f"{milliseconds / size:.0f} {unit}"
    return f"{milliseconds / 3_600_000:.0f} h"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lay rows out in columns: text flushed left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if title in _RIGHT else cell.ljust(width)
            for title, cell, width in zip(TITLES, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
