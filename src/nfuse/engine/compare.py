"""Explaining how two engines differ: at which packet, in which fields, byte by byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nfuse.packet.desc import DESC_DTYPE
from nfuse.packet.fields import HEADERS
from nfuse.packet.view import PacketView
from nfuse.port.burst import Burst


class Sent(NamedTuple):
    """A packet as it left."""

    number: int
    ts: int
    link: int
    side: int
    wire: int
    frame: bytes


def tuple_in(frame: bytes, link: int) -> tuple[Any, ...]:
    """Return addresses, ports or identifier, and protocol of a frame; () if it has no IP header."""
    view: Any = PacketView(bytearray(frame), 0, link)
    if not view.ip:
        return ()
    ports = view.record.view(DESC_DTYPE)
    return view.ip.src, view.ip.dst, int(ports["sport"][0]), int(ports["dport"][0]), view.proto


def sent_of(burst: Burst, order: NDArray[np.int32]) -> list[Sent]:
    """Return the packets that leave, in order; ``number`` is the descriptor's index, -1 for made packets."""
    sent = []
    for index in order.tolist():
        desc: Any = burst.desc[index]
        ts, link, side, wire = (int(desc[name]) for name in ("ts", "link", "side", "wire"))
        sent.append(Sent(-1 if index >= burst.n else index, ts, link, side, wire, burst.frame(index)))
    return sent


@dataclass(frozen=True)
class Difference:
    """The first difference between two engines.

    Attributes:
        packet: Number of the packet (0-based, in the order of processing) that shows it; None: only at the end.
        what: ``frame``, ``order``, ``drops``, ``counters``, ``state``, ``blocks``, ``flows`` or ``logs``.
        text: The explanation, several lines.
    """

    packet: int | None
    what: str
    text: str

    def __str__(self) -> str:
        where = "at the end of the input" if self.packet is None else f"packet {self.packet}"
        return f"{where}: {self.what} differ\n{self.text}"


def header_fields(sent: Sent) -> dict[str, Any]:
    """Read all header fields of a frame by full name."""
    view = PacketView(bytearray(sent.frame), sent.ts, sent.link, sent.wire, sent.side)
    found: dict[str, Any] = {}
    for name, header in HEADERS.items():
        part = getattr(view, name)
        if part:
            for field in header.fields:
                found[f"{name}.{field}"] = getattr(part, field)
    return found


def frame_difference(first: Sent, second: Sent, names: tuple[str, str]) -> str:
    """Describe how two versions of one packet differ."""
    lines = []
    for attribute in ("ts", "link", "side", "wire"):
        one, other = getattr(first, attribute), getattr(second, attribute)
        if one != other:
            lines.append(f"  {attribute}: {names[0]} {one}, {names[1]} {other}")
    if first.frame != second.frame:
        mine, theirs = header_fields(first), header_fields(second)
        for field in dict.fromkeys([*mine, *theirs]):
            one, other = mine.get(field, "absent"), theirs.get(field, "absent")
            if one != other:
                lines.append(f"  {field}: {names[0]} {one}, {names[1]} {other}")
        lines += hex_difference(first.frame, second.frame, names)
    return "\n".join(lines)


def hex_difference(first: bytes, second: bytes, names: tuple[str, str], most: int = 8) -> list[str]:
    """Return the lines of 16 bytes in which two frames differ, the differing bytes marked below."""
    lines: list[str] = []
    for at in range(0, max(len(first), len(second)), 16):
        one, other = first[at : at + 16], second[at : at + 16]
        if one == other:
            continue
        if len(lines) >= 3 * most:
            lines.append("  ...")
            break
        marks = ("^^" if one[n : n + 1] != other[n : n + 1] else "  " for n in range(max(len(one), len(other))))
        width = max(map(len, names))
        lines.append(f"  {names[0]:{width}} {at:04x}  {one.hex(' ')}")
        lines.append(f"  {names[1]:{width}} {at:04x}  {other.hex(' ')}")
        lines.append(f"  {'':{width}}       {' '.join(marks)}")
    return lines


def mapping_difference(first: Mapping[Any, Any], second: Mapping[Any, Any], names: tuple[str, str]) -> str:
    """Describe how two mappings differ; "" if they are equal."""
    lines = []
    for key in dict.fromkeys([*first, *second]):
        one, other = first.get(key, 0), second.get(key, 0)
        if not same(one, other):
            label = ": ".join(map(str, key)) if isinstance(key, tuple) else str(key)
            lines.append(f"  {label}: {names[0]} {_short(one)}, {names[1]} {_short(other)}")
    return "\n".join(lines[:20])


def table_difference(first: NDArray[np.void], second: NDArray[np.void], names: tuple[str, str]) -> str:
    """Describe how two structured arrays differ; "" if they are equal."""
    if first.dtype != second.dtype:
        return f"  columns: {names[0]} {first.dtype}, {names[1]} {second.dtype}"
    lines = []
    if len(first) != len(second):
        lines.append(f"  rows: {names[0]} {len(first)}, {names[1]} {len(second)}")
    for row, (one, other) in enumerate(zip(first, second, strict=False)):
        if one.tobytes() == other.tobytes():
            continue
        columns = first.dtype.names or ()
        label = f"session {one['number']}" if "number" in columns else f"record {row}"
        for column in columns:
            if not np.array_equal(one[column], other[column]):
                lines.append(f"  {label}, {column}: {names[0]} {one[column]}, {names[1]} {other[column]}")
        if len(lines) > 10:
            break
    return "\n".join(lines[:20])


def same(first: Any, second: Any) -> bool:
    """Whether two values are equal, arrays included."""
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return bool(np.array_equal(first, second))
    return bool(first == second)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
