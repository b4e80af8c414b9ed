"""The live flow table as a NumPy structured array: its columns, the same in every engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nfuse.engine.api import FLOW_COLUMNS
from nfuse.nf.layout import Slot, numpy_format

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain
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


def coarser_sessions(chain: Chain) -> list[tuple[str, str]]:
    """Return (NF name, session) of all sessions of a chain that are coarser than a flow, in chain order."""
    from nfuse.nf.compile import analyse

    return [(node.name, name) for node in chain.nodes for name, *_ in analyse(type(node.nf)).coarse]


def block_type(info: NFInfo, name: str) -> np.dtype[np.void]:
    """Return the columns of the table of a coarser session's blocks.

    The key's fields first, by name (``ip.src``: 16 bytes in network order, IPv4 as v4-mapped; all else ``i8``), then
    ``flows``, the live sessions that share the block, and the fields as ``<session>.<field>``.
    """
    columns: list[tuple[Any, ...]] = []
    for field in next(fields for session, fields, _ in info.coarse if session == name):
        columns.append((column_of(field), "u1", 16) if is_address(field) else (column_of(field), "<i8"))
    columns.append(("flows", "<u4"))
    for slot in info.sessions[name].layout.slots.values():
        form = numpy_format(slot.kind)
        columns.append((f"{name}.{slot.name}", *form) if isinstance(form, tuple) else (f"{name}.{slot.name}", form))
    return np.dtype(columns)


def column_of(field: Any) -> str:
    """Return the column of a field of a key: ``ip.src``, ``sport``."""
    return f"{field.header}.{field.name}" if field.header else str(field.name)


def is_address(field: Any) -> bool:
    """Whether a field of a key is an IP address."""
    return (field.header, field.name) in (("ip", "src"), ("ip", "dst"))


def by_key(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return the rows of a table of blocks in the order of their keys."""
    names = rows.dtype.names or ()
    keys: list[NDArray[Any]] = []
    for name in names[: names.index("flows")]:
        column = rows[name]
        keys += list(np.ascontiguousarray(column).view(">u8").T) if column.ndim > 1 else [column]
    return rows[np.lexsort(keys[::-1])]


def scratchpad(name: str, info: NFInfo) -> Iterator[tuple[str, str, Slot]]:
    """Yield (column, name of the session, slot) of all Session fields of the NF called `name`."""
    for session in info.sessions.values():
        stem = name if session.name == info.own else f"{name}.{session.name}"
        for slot in session.layout.slots.values():
            yield f"{stem}.{slot.name}", session.name, slot
