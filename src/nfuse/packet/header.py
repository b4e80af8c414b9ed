"""What a header table is made of: fields, headers, and how their declarations become source code.

A :class:`Field` is declared once: name, place, width, what may be done with it. From that come the source
expressions of compiled handlers (:meth:`Header.emit_read`, :meth:`Header.emit_write`), the attributes of the
interpreted view and the documentation. The expressions use only names of :mod:`nfuse.memory.raw` and
:mod:`nfuse.packet.native`. Fields are in network byte order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from nfuse.packet import desc
from nfuse.packet.write import COVER_IPV4, COVER_L4, COVER_NONE

Kind = Literal["int", "address", "mac"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a header.

    Attributes:
        name: Attribute name.
        width: Bits.
        byte: Byte offset in the header of the word that holds the field.
        shift: Bits below the field in that word, which is the narrowest of 8, 16, 32 or 64 bits that can hold it.
        kind: ``int`` (unsigned), ``address`` ((hi, lo) pair), ``mac`` (48-bit integer).
        writable: Whether handlers may store to it. Lengths, versions and types are structure: not writable.
        flow_constant: Whether it is the same in all packets of a flow (mirrored in the other direction).
        modify: Its name in ``flow.modify``, or "" if it has none.
        doc: One sentence.
        header: Name of its header; filled by :class:`Header`.
        reader: Source of the expression that reads it, ``{P}`` the descriptor; "" to derive it from the place.
        writer: Source of the expression that stores it, ``{v}`` the value (or name of a pair); "" to derive it.
        bits: Width of the word; 0 for the narrowest.
    """

    name: str
    width: int
    byte: int = 0
    shift: int = 0
    kind: Kind = "int"
    writable: bool = False
    flow_constant: bool = False
    modify: str = ""
    doc: str = ""
    header: str = ""
    reader: str = ""
    writer: str = ""
    bits: int = 0

    def word(self) -> int:
        """Return the width in bits of the word that holds the field."""
        return self.bits or next(w for w in (8, 16, 32, 64) if w >= self.shift + self.width)


@dataclass(frozen=True, slots=True)
class Header:
    """One header: when it is there, where it starts, its fields.

    Attributes:
        name: Attribute name on a packet.
        doc: What it is, with its RFC.
        fields: Its fields by name.
        flags: Descriptor flags of which one says that the header is whole; 0 if `present` decides.
        proves: Names of all headers that are there when this one is, itself included.
        base: Source of the expression of its offset in the frame.
        present: Source of the expression of its presence; "" to derive it from `flags`.
        cover: The checksum over its fields: ``COVER_*`` of :mod:`nfuse.packet.write`.
    """

    name: str
    doc: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    flags: int = 0
    proves: tuple[str, ...] = ()
    base: str = "0"
    present: str = ""
    cover: int = COVER_NONE

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields.values())

    def emit_present(self, P: str = "P") -> str:
        """Return the source of an i64 expression that is not 0 if the header is there."""
        if self.present:
            return "(" + self.present.format(P=P) + ")"
        return f"(load32({P} + {desc.FLAGS}) & {self.flags})"

    def emit_read(self, name: str, P: str = "P") -> str:
        """Return the source of an expression that reads field `name`, unchecked: the header must be there.

        Raises:
            KeyError: There is no such field.
        """
        one = self.fields[name]
        if one.reader:
            return "(" + one.reader.format(P=P) + ")"
        at = f"load64({P}) + {self._offset(one.byte, P)}"
        if one.kind == "mac":
            return f"(load16be({at}) << 32 | load32be({at} + 2))"
        if one.kind == "address":
            if one.width == 32:
                return f"(0, {0xFFFF << 32:#x} | load32be({at}))"
            return f"(load64be({at}), load64be({at} + 8))"
        bits = one.word()
        source = f"load8({at})" if bits == 8 else f"load{bits}be({at})"
        if one.shift:
            source = f"({source} >> {one.shift})"
        if one.shift + one.width < bits or (bits == 64 and one.shift):
            source = f"({source} & {(1 << one.width) - 1:#x})"
        return source

    def emit_write(self, name: str, value: str, P: str = "P") -> str:
        """Return the source of an expression that stores `value` to field `name` and updates the checksums.

        Args:
            name: Field; must be writable.
            value: Source of an i64 expression; for an address the name of a (hi, lo) pair.
            P: Source of the descriptor's address.

        The expression gives 1, or 0 where an address is of the wrong family.

        Raises:
            KeyError: There is no such field.
            ValueError: The field is not writable.
        """
        one = self.fields[name]
        if not one.writable:
            raise ValueError(f"{self.name}.{name} can't be stored to")
        if one.writer:
            return one.writer.format(P=P, v=value)
        if one.kind == "mac":
            return f"put_mac({P}, {self._offset(one.byte, P)}, {value})"
        if one.kind == "address":
            if one.width != 32:
                raise ValueError(f"{self.name}.{name} needs a writer of its own")
            return f"put_v4({P}, {self._offset(one.byte, P)}, {value}[0], {value}[1])"
        bits, byte, shift = one.word(), one.byte, one.shift
        if bits == 8:  # checksums want words at even offsets
            bits, shift, byte = 16, shift + (0 if byte & 1 else 8), byte & ~1
        if bits > 32 or byte & 1:
            raise ValueError(f"{self.name}.{name} needs a writer of its own")
        mask = (1 << one.width) - 1
        return f"put{bits}({P}, {self._offset(byte, P)}, {shift}, {mask:#x}, {value}, {self.cover})"

    def _offset(self, byte: int, P: str) -> str:
        base = self.base.format(P=P)
        if base == "0":
            return str(byte)
        return f"{base} + {byte}" if byte else base


def header(
    name: str,
    doc: str,
    *fields: Field,
    flags: int = 0,
    proves: tuple[str, ...] = (),
    base: str = "0",
    present: str = "",
    cover: int = COVER_NONE,
) -> Header:
    """Declare a header; see :class:`Header`. `proves` need not name the header itself."""
    table = {one.name: replace(one, header=name) for one in fields}
    if len(table) != len(fields):
        raise ValueError(f"{name}: two fields with one name")
    return Header(name, doc, table, flags, (*proves, name), base, present, cover)


AT_L3 = f"load16({{P}} + {desc.L3})"
"""Base of headers that start where the L2 header ends."""
AT_L4 = f"load16({{P}} + {desc.L4})"
"""Base of L4 headers."""
AT_PAYLOAD = f"load16({{P}} + {desc.PAY})"
"""Base of headers inside UDP or TCP."""
AT_VLAN = f"load16({{P}} + {desc.L3}) - 4 * load8({{P}} + {desc.VLANS})"
"""Base of the outermost VLAN tag's control information."""


def over_ip(proto: int, size: int) -> str:
    """Return the presence expression of an L4 header of at least `size` bytes with IP protocol number `proto`."""
    return f"has_l4({{P}}, {proto}, {size})"


def over_udp(port: int, size: int) -> str:
    """Return the presence expression of a header of `size` bytes in UDP from or to `port`."""
    return f"has_udp({{P}}, {port}, {size})"


__all__ = [
    "AT_L3",
    "AT_L4",
    "AT_PAYLOAD",
    "AT_VLAN",
    "COVER_IPV4",
    "COVER_L4",
    "COVER_NONE",
    "Field",
    "Header",
    "Kind",
    "header",
    "over_ip",
    "over_udp",
]
