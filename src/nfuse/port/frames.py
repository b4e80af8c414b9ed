"""Packets of Python programs: what lists of packets may hold, and the one form that ports turn it into.

A notebook has packets as bytes, as ``(time, bytes)`` pairs (what ``for ts, data in dpkt.pcap.Reader(...)`` gives), or
as objects of scapy or dpkt. They are told apart by what they can do (``bytes(packet)``), not by their type: none of
these packages is imported.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from nfuse.packet.desc import LINK_ETHERNET, LINK_RAW
from nfuse.port.errors import PortError

MAX_FRAME = 65_549
"""Bytes of the largest frame: 65,535 of IP after 14 of Ethernet."""
EXPECTED = "bytes, (time, bytes), or a packet of scapy or dpkt"
_RAW_IP = {"IP", "IP6", "IPv6"}
"""Classes of scapy and dpkt whose bytes begin with an IP header."""
Bytes = bytes
"""The type, where a field has its name."""


@dataclass(frozen=True)
class Frame:
    """A packet in memory.

    Args:
        bytes: The captured bytes.
        time: Time stamp, ns.
        side: 0 forward input or output, 1 reverse.
        wire: Length on the wire in bytes; None: that of `bytes`.
        link: Link type, one of the ``LINK_*`` of :mod:`nfuse.packet.desc`.
    """

    bytes: Bytes
    time: int = 0
    side: int = 0
    wire: int = None  # type: ignore[assignment]
    link: int = LINK_ETHERNET

    def __post_init__(self) -> None:
        if self.wire is None:
            object.__setattr__(self, "wire", len(self.bytes))

    def __bytes__(self) -> Bytes:
        return self.bytes

    def __len__(self) -> int:
        """Bytes captured."""
        return len(self.bytes)


def is_packet(item: object) -> bool:
    """Whether `item` is something that :func:`frames` takes as one packet."""
    if isinstance(item, tuple):
        return 2 <= len(item) <= 3 and _is_time(item[0])
    return isinstance(item, bytes | bytearray | memoryview) or _has_bytes(item)


def frames(packets: Iterable[Any], link: int = LINK_ETHERNET, step: int = 1_000, side: int = 0) -> Iterator[Frame]:
    """Yield packets as frames.

    Args:
        packets: Each one of: :class:`Frame`; bytes; ``(time, bytes)``; ``(time, bytes, length on the wire)``; an object
            that ``bytes()`` turns into a frame, with its time in seconds in ``.time`` if it has one. In pairs, an
            integer is a time in ns, any other number one in seconds.
        link: Link type of what brings none. Packets of scapy and dpkt that begin with an IP header are raw IP.
        step: Nanoseconds between packets that bring no time: the n-th is at ``n * step``.
        side: Side of what brings none.

    Raises:
        PortError: An item is no packet, its time is none, or it is longer than the largest frame.
    """
    for number, packet in enumerate(packets):
        try:
            frame = _frame(packet, number * step, link, side)
        except (TypeError, ValueError) as error:
            raise PortError(f"packet {number} of the list: {error}") from None
        if len(frame.bytes) > MAX_FRAME:
            raise PortError(
                f"packet {number} of the list has {len(frame.bytes)} bytes; the largest frame has {MAX_FRAME}"
            )
        yield frame


def _frame(packet: Any, time: int, link: int, side: int) -> Frame:
    if isinstance(packet, Frame):
        return packet
    wire = None
    if isinstance(packet, tuple):
        if not is_packet(packet):
            raise TypeError(f"{_short(packet)} is no (time, bytes)")
        stamp = packet[0]
        time = int(stamp) if isinstance(stamp, Integral) else nanoseconds(stamp)
        wire = packet[2] if len(packet) == 3 else None
        packet = packet[1]
    elif not isinstance(packet, bytes | bytearray | memoryview):
        stamp = getattr(packet, "time", None)
        if _is_time(stamp):
            time = nanoseconds(stamp)
        wire = getattr(packet, "wirelen", None)
    data = _bytes(packet)
    if type(packet).__name__ in _RAW_IP and type(packet).__module__.partition(".")[0] in ("scapy", "dpkt"):
        link = LINK_RAW
    return Frame(data, time, side, len(data) if wire is None else int(wire), link)


def _bytes(packet: Any) -> Bytes:
    if isinstance(packet, str):
        raise TypeError("it is a text; expected " + EXPECTED + " (nfuse.testing.packets reads packets from text)")
    if not isinstance(packet, bytes | bytearray | memoryview) and not _has_bytes(packet):
        raise TypeError(f"it is {_short(packet)}; expected {EXPECTED}")
    try:
        return bytes(packet)
    except Exception as error:  # whatever the object's own code raises
        raise ValueError(f"bytes() of {_short(packet)} failed: {error}") from error


def _has_bytes(item: object) -> bool:
    return hasattr(type(item), "__bytes__") and not isinstance(item, os.PathLike)


def _is_time(value: object) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool)


def nanoseconds(seconds: Any) -> int:
    """Return a number of seconds in ns; what a number shows counts: 0.1 is 100,000,000.

    Raises:
        ValueError: It is infinite or not a number.
    """
    if not math.isfinite(seconds):
        raise ValueError(f"{seconds} is no time")
    return int((Decimal(str(seconds)) * 1_000_000_000).to_integral_value())


def _short(value: object) -> str:
    text = repr(value)
    return f"{text[:40]}{'...' if len(text) > 40 else ''} ({type(value).__name__})"
