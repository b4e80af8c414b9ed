"""The live flow table as a NumPy structured array: its columns, the same in every engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nfuse.engine.api import FLOW_COLUMNS
from nfuse.nf.layout import Slot, numpy_format

if TYPE_CHECKING:
    from nfuse.nf.compile import NFInfo


def flow_type(nodes: Iterable[tuple[str, NFInfo]]) -> np.dtype[np.void]:
    """Return the columns for a chain.

    Args:
        nodes: Name and class information of each NF with a session, in chain order.

    The scratchpad of an NF that a session has not reached reads as zeros. Addresses are two ``i8`` (hi, lo).
    """
    columns: list[tuple[Any, ...]] = list(FLOW_COLUMNS)
    for name, info in nodes:
        for column, _, slot in scratchpad(name, info):
            form = numpy_format(slot.kind)
            columns.append((column, *form) if isinstance(form, tuple) else (column, form))
    return np.dtype(columns)


def scratchpad(name: str, info: NFInfo) -> Iterator[tuple[str, str, Slot]]:
    """Yield (column, name of the session, slot) of all Session fields of the NF called `name`."""
    for session in info.sessions.values():
        stem = name if session.name == info.own else f"{name}.{session.name}"
        for slot in session.layout.slots.values():
            yield f"{stem}.{slot.name}", session.name, slot
