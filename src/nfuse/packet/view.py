"""A packet as Python code sees it: ``view.tcp.syn``, ``view.ip.src``, ``view.payload[3]``.

The attributes come from the header tables (:mod:`nfuse.packet.fields`), the same declarations that compiled
handlers are made from. The view works on the caller's bytearray in place. The reference engine hands views to
interpreted handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nfuse.memory.arena import View
from nfuse.packet import desc as d
from nfuse.packet.address import IPAddress, pack, pack_mac, unpack
from nfuse.packet.fields import HEADERS, PACKET
from nfuse.packet.header import Field, Header
from nfuse.packet.interpreted import interpreted_names
from nfuse.packet.parse import parse
from nfuse.packet.reasons import MALFORMED


class WrongFamily(ValueError):
    """An address was stored to a field of the other IP family."""


class HeaderView:
    """One header of a packet; false if the packet does not have it. Its attributes are the header's fields.

    Reading or storing a field of an absent header raises AttributeError.
    """

    __slots__ = ("_view",)
    _view: PacketView
    _header: Header = PACKET
    _present: Callable[[int], int]

    def __init__(self, view: PacketView) -> None:
        object.__setattr__(self, "_view", view)

    def __bool__(self) -> bool:
        return bool(type(self)._present(self._view.P))

    def __setattr__(self, name: str, value: Any) -> None:
        one = self._header.fields.get(name)
        if one is None or not one.writable:
            raise AttributeError(f"{self._header.name}.{name} can't be stored to")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        if not self:
            return f"<no {self._header.name}>"
        return f"<{self._header.name} " + " ".join(f"{f.name}={getattr(self, f.name)}" for f in self._header) + ">"


class Payload:
    """The captured bytes of the payload. An index outside (negative ones too) raises IndexError."""

    __slots__ = ("_view",)

    def __init__(self, view: PacketView) -> None:
        self._view = view

    def __len__(self) -> int:
        return int(interpreted_names()["payload_captured"](self._view.P))

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"payload[{index}]: {len(self)} bytes were captured")
        return index

    def __getitem__(self, index: int) -> int:
        return int(interpreted_names()["payload_get"](self._view.P, self._checked(index)))

    def __setitem__(self, index: int, value: int) -> None:
        interpreted_names()["payload_set"](self._view.P, self._checked(index), int(value))

    def __iter__(self) -> Iterator[int]:
        return iter(bytes(self))

    def __bytes__(self) -> bytes:
        start = self._view.pay
        return bytes(self._view.data[start : start + len(self)])


def _compiled(source: str, arguments: str) -> Callable[..., Any]:
    function: Callable[..., Any] = eval(f"lambda {arguments}: {source}", dict(interpreted_names()))
    return function


def _property(table: Header, one: Field) -> property:
    """Make the property of a field, on the view of its header."""
    names: list[Callable[..., Any]] = []  # [reader, writer], built at the first use

    def functions() -> list[Callable[..., Any]]:
        if not names:
            names.append(_compiled(table.emit_read(one.name), "P"))
            names.append(_compiled(table.emit_write(one.name, "v") if one.writable else "0", "P, v"))
        return names

    def check(self: Any) -> Any:
        view = self if table is PACKET else self._view
        if table is not PACKET and not self:
            raise AttributeError(f"the packet has no {table.name} header")
        return view

    def read(self: Any) -> Any:
        value = functions()[0](check(self).P)
        return unpack(*value) if one.kind == "address" else value

    def store(self: Any, value: Any) -> None:
        view = check(self)
        if one.kind == "address" and not isinstance(value, tuple):
            value = pack(value)
        elif one.kind == "mac" and isinstance(value, str):
            value = pack_mac(value)
        if not functions()[1](view.P, value if isinstance(value, tuple) else int(value)):
            raise WrongFamily(f"{table.name}.{one.name}: {unpack(*value)} is of the wrong address family")

    return property(read, store if one.writable else None, doc=one.doc)


def _header_class(table: Header) -> type[HeaderView]:
    members: dict[str, Any] = {one.name: _property(table, one) for one in table}
    present: list[Callable[[int], int]] = []

    def is_present(P: int) -> int:
        if not present:
            present.append(_compiled(table.emit_present(), "P"))
        return present[0](P)

    members |= {"__slots__": (), "__doc__": table.doc, "_header": table, "_present": staticmethod(is_present)}
    return type(f"{table.name.capitalize()}View", (HeaderView,), members)


_CLASSES: dict[str, type[HeaderView]] = {}


def _word(offset: int, size: int, text: str) -> property:
    """Make a read-only property of a descriptor field."""

    def read(self: PacketView) -> int:
        return int.from_bytes(self.record[offset : offset + size].tobytes(), "little")

    return property(read, doc=text)


class PacketView:
    """A packet in a bytearray, parsed.

    Args:
        data: The frame. The view reads and writes it in place; while the view lives it can't change its length.
        ts: Time stamp, ns since the epoch.
        link: Link type, ``LINK_*`` of :mod:`nfuse.packet.desc`.
        wire: Original length on the wire in bytes; None for that of `data`.
        side: 0 forward input, 1 reverse input.

    Attributes:
        data: The bytearray.
        time: The chain's clock in ns; `ts` unless an engine sets it.
        reverse: Whether the packet travels against the direction that opened its session; an engine sets it.
        P: Address of the packet's descriptor.
        record: The descriptor's bytes.

    Each header of :data:`nfuse.packet.fields.HEADERS` is an attribute (``view.tcp``), false if the packet does not have
    it. Addresses are ``ipaddress`` objects, MAC addresses 48-bit integers, all else integers. Stores update the
    checksums. Storing an address of the wrong family raises :class:`WrongFamily`.
    """

    flags = _word(d.FLAGS, 4, "Flag bits ``F_*``.")
    l3 = _word(d.L3, 2, "Offset of the IP header.")
    l4 = _word(d.L4, 2, "Offset of the L4 header.")
    pay = _word(d.PAY, 2, "Offset of the payload.")
    etype = _word(d.ETYPE, 2, "EtherType after VLAN tags.")
    proto = _word(d.PROTO, 1, "L4 protocol.")
    vlans = _word(d.VLANS, 1, "Number of VLAN tags.")
    side = _word(d.SIDE, 1, "Input side.")
    inport = _word(d.INPORT, 1, "Index of the input port.")
    bad = _word(d.BAD, 1, "Reason why it is malformed, index into MALFORMED.")

    def __init__(
        self, data: bytearray, ts: int = 0, link: int = d.LINK_ETHERNET, wire: int | None = None, side: int = 0
    ) -> None:
        self.data = data
        self.time = ts
        self.reverse = bool(side)
        self.record = np.zeros(d.DESC_SIZE, np.uint8)
        self._holders = [View(self.record)]
        fields = self.record.view(d.DESC_DTYPE)
        if data:
            self._holders.append(View(np.frombuffer(data, np.uint8)))
            fields["addr"] = self._holders[1].address
        fields["ts"], fields["len"], fields["link"], fields["side"] = ts, len(data), link, side
        fields["wire"] = len(data) if wire is None else wire
        self.P = self._holders[0].address
        parse(self.P)

    def reparse(self) -> None:
        """Parse anew, after the bytes of lengths, types or protocol numbers were changed from outside."""
        parse(self.P)

    @property
    def ts(self) -> int:
        """Time stamp, ns since the epoch."""
        return int(self.record.view(d.DESC_DTYPE)["ts"][0])

    @property
    def frame(self) -> bytes:
        """The bytes of the frame."""
        return bytes(self.data)

    @property
    def malformed(self) -> str:
        """Why the packet is malformed; "" if it is not."""
        return MALFORMED[self.bad]

    @property
    def payload(self) -> Payload:
        """The captured bytes of the L4 payload."""
        return Payload(self)

    @property
    def sport(self) -> int:
        """Source port of TCP or UDP, identifier of an echo request; else 0. Read from the header."""
        return self._port(0, d.F_ECHO_REQUEST)

    @sport.setter
    def sport(self, value: int) -> None:
        interpreted_names()["set_sport"](self.P, int(value))

    @property
    def dport(self) -> int:
        """Destination port of TCP or UDP, identifier of an echo reply; else 0. Read from the header."""
        return self._port(2, d.F_ECHO_REPLY)

    @dport.setter
    def dport(self, value: int) -> None:
        interpreted_names()["set_dport"](self.P, int(value))

    def _port(self, byte: int, echo: int) -> int:
        flags = self.flags
        if flags & (d.F_TCP | d.F_UDP):
            at = self.l4 + byte
        elif flags & echo:
            at = self.l4 + 4
        else:
            return int.from_bytes(self.record[d.SPORT + byte : d.SPORT + byte + 2].tobytes(), "little")
        return int.from_bytes(self.data[at : at + 2], "big")

    def __getattr__(self, name: str) -> HeaderView:
        if name not in HEADERS:
            raise AttributeError(f"a packet has no attribute {name!r}")
        if name not in _CLASSES:
            _CLASSES[name] = _header_class(HEADERS[name])
        return _CLASSES[name](self)

    def __repr__(self) -> str:
        found = [repr(getattr(self, name)) for name in HEADERS if getattr(self, name)]
        return f"<packet {len(self.data)} bytes {' '.join(found)}{self.malformed and ' malformed: ' + self.malformed}>"


for _one in PACKET:
    if _one.name not in PacketView.__dict__:
        setattr(PacketView, _one.name, _property(PACKET, _one))

__all__ = ["HeaderView", "IPAddress", "PacketView", "Payload", "WrongFamily"]
