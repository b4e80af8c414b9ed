"""A packet of a test, and its way to text and back."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from nfuse.packet.view import PacketView
from nfuse.port.burst import MAX_FRAME
from nfuse.port.frames import Frame, frames, is_packet, nanoseconds
from nfuse.testing.notation import builder, printer, reader
from nfuse.testing.notation.description import Description, Undescribable
from nfuse.testing.notation.dissector import describe_frame, describe_ip
from nfuse.testing.notation.errors import PacketSyntaxError
from nfuse.testing.notation.words import LINKS

STEP = 1_000_000
"""Nanoseconds between two lines that say nothing about time."""
SECOND = 1_000_000_000


@dataclass(frozen=True, repr=False)
class Packet(Frame):
    """A packet of a test.

    It has ``bytes``, ``time`` (ns), ``side`` (0 forward, 1 reverse), ``wire`` (length on the wire in bytes) and
    ``link`` (link type). Two packets are equal if all of these are.
    """

    @property
    def text(self) -> str:
        """The packet as a line, without its time: what :func:`packet` reads."""
        return line(self)

    @property
    def view(self) -> PacketView:
        """Its header fields, parsed anew: ``packet.view.tcp.seq``. Stores to the view do not change the packet."""
        return PacketView(bytearray(self.bytes), self.time, self.link, self.wire, self.side)

    def at(self, seconds: float) -> Packet:
        """Return the same packet at another time, in seconds."""
        return replace(self, time=nanoseconds(seconds))

    def __repr__(self) -> str:
        return f"<Packet {_seconds(self.time)} s: {self.text}>"


def packets(text: str, at: float = 0) -> list[Packet]:
    """Read packets from text, one a line; docs/testing.md has the language.

    Args:
        text: The lines; empty ones and ``# comments`` are passed over.
        at: Time of the first packet in seconds, where its line says nothing. Each further one is 1 ms later than the
            one before.

    Raises:
        PacketSyntaxError: A line is wrong; the message shows it and says what was expected.
    """
    found: list[Packet] = []
    now = nanoseconds(at) - STEP
    for number, source in enumerate(text.splitlines(), 1):
        read = reader.read(source, number)
        if read is None:
            continue
        sign, value = read.time or ("+", STEP)
        if read.time is not None and sign == "+" and not found:
            now += STEP  # after `at`
        now = value if sign == "@" else now + value
        try:
            found.append(build(read.packet, now, read.side))
        except ValueError as error:
            raise read.start.error(str(error)) from None
    return found


def packet(text: str, at: float = 0) -> Packet:
    """Read one packet from its line; see :func:`packets`.

    Raises:
        PacketSyntaxError: The line is wrong.
        ValueError: There is not exactly one.
    """
    found = packets(text, at)
    if len(found) != 1:
        raise ValueError(f"{len(found)} packets where one is expected: nfuse.testing.packets reads several")
    return found[0]


def build(described: Description, time: int = 0, side: int = 0) -> Packet:
    """Build the packet of a description.

    Args:
        described: What is said of it.
        time: Its time, ns.
        side: Its side.

    Raises:
        ValueError: It is longer than a frame or a length field can say.
    """
    try:
        data = builder.frame(described)
    except struct.error:
        raise ValueError("the packet is longer than its length fields can say") from None
    if len(data) > MAX_FRAME:
        raise ValueError(f"the frame has {len(data)} bytes; the largest has {MAX_FRAME}")
    wire, cut = described.get("wire"), described.get("cut")
    wire = len(data) if wire is None else wire
    return Packet(data[:cut], time, side, wire, LINKS[described.get("link")])


def given(source: str | Iterable[Any], at: float = 0) -> list[Packet]:
    """Return packets of whatever a test has: text, packets of any kind that :func:`nfuse.run` takes."""
    if isinstance(source, str):
        return packets(source, at)
    if is_packet(source):
        source = [source]
    return [as_packet(frame) for frame in frames(source, step=STEP)]


def as_packet(frame: Frame) -> Packet:
    """Return a frame as a packet of a test."""
    return frame if isinstance(frame, Packet) else Packet(frame.bytes, frame.time, frame.side, frame.wire, frame.link)


def text(source: Any, times: bool = True) -> str:
    """Print packets as text that :func:`packets` reads back to the same.

    Args:
        source: A packet, or several: bytes, :class:`Packet`, or whatever else :func:`nfuse.run` takes.
        times: Whether lines of several packets say their times (one packet alone never does).
    """
    if is_packet(source):
        return line(given(source)[0])
    lines: list[str] = []
    last = -STEP
    for each in given(source):
        gap = each.time - last
        if not times or gap == STEP:
            stamp = ""
        elif gap < 0 or not lines:
            stamp = f"@{_seconds(each.time)} "
        else:
            stamp = f"+{_seconds(gap)} "
        last = each.time
        lines.append(stamp + line(each))
    return "\n".join(lines)


def line(frame: Frame) -> str:
    """Print one packet, without its time."""
    try:
        return printer.line(describe(frame), frame.side)
    except Undescribable:
        pass
    names = {number: name for name, number in LINKS.items()}
    values = {"wire": None if frame.wire == len(frame.bytes) else frame.wire, "link": names[frame.link]}
    said = printer.line(Description("raw", values=values, data=frame.bytes), frame.side)
    malformed = as_packet(frame).view.malformed
    return f"{said}  # {malformed}" if malformed else said


def describe(frame: Frame) -> Description:
    """Describe an Ethernet frame or a raw IP packet.

    Raises:
        Undescribable: There are no words for it.
    """
    wire = frame.wire
    if frame.link == LINKS["ethernet"] and wire <= MAX_FRAME:
        return describe_frame(frame.bytes, wire)
    if frame.link != LINKS["raw"] or wire != len(frame.bytes):
        raise Undescribable("a frame of another link type")
    found = describe_ip(frame.bytes)
    found.values["link"] = "raw"
    if builder.frame(found) != frame.bytes:
        raise Undescribable("bytes behind the IP packet")
    return found


def _seconds(time: int) -> str:
    """Return nanoseconds as seconds, exactly."""
    sign, time = ("-", -time) if time < 0 else ("", time)
    whole, rest = divmod(time, SECOND)
    return f"{sign}{whole}" + (f".{rest:09d}".rstrip("0") if rest else "")


__all__ = ["Packet", "PacketSyntaxError", "build", "describe", "given", "packet", "packets", "text"]
