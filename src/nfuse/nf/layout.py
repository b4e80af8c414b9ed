"""Where each field lies: the State record of an NF, its scratchpad in the FCB, its coarser sessions' blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from nfuse.nf.types import Kind


@dataclass(frozen=True)
class Slot:
    """One field of a record: its name, kind, and offset in bytes."""

    name: str
    kind: Kind
    offset: int


@dataclass(frozen=True)
class Layout:
    """A record: slots in order, with natural alignment, and the size in bytes (a multiple of 8)."""

    slots: dict[str, Slot] = field(default_factory=dict)
    size: int = 0

    def dtype(self) -> np.dtype[np.void]:
        """Return the record as a NumPy type; addresses are two ``i8`` (hi, lo), other structures raw bytes."""
        names, formats, offsets = [], [], []
        for slot in self.slots.values():
            names.append(slot.name)
            formats.append(numpy_format(slot.kind))
            offsets.append(slot.offset)
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.size})


def numpy_format(kind: Kind) -> str | tuple[str, int]:
    """Return the NumPy format of one item of a kind."""
    if kind.form == "bool":
        return "u1"
    if kind.form == "int":
        return f"<{'i' if kind.signed else 'u'}{kind.size}"
    if kind.form == "address":
        return ("<i8", 2)
    return ("u1", kind.size)


def lay_out(fields: Iterable[tuple[str, Kind]], start: int = 0) -> Layout:
    """Lay fields out in their order from `start`, each aligned to its size (at most 8)."""
    slots: dict[str, Slot] = {}
    at = start
    for name, kind in fields:
        at = -(-at // kind.align) * kind.align
        slots[name] = Slot(name, kind, at)
        at += kind.size
    return Layout(slots, -(-at // 8) * 8)
