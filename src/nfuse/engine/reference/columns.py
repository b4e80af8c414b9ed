"""Values of sessions and blocks as the columns of tables hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.engine.flows import block_type, by_key, column_of, is_address
from nfuse.engine.reference.blocks import Block
from nfuse.nf.compile import NFInfo
from nfuse.packet.address import pack


def octets(address: Any) -> NDArray[np.uint8]:
    """Return an address as 16 bytes in network order, IPv4 as v4-mapped."""
    data = address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
    return np.frombuffer(data, np.uint8)


def held(kind: Any, value: Any) -> Any:
    """A field as its column holds it."""
    return pack(value) if kind.form == "address" else _fitting(kind, value)


def _fitting(kind: Any, value: Any) -> int:
    """An integer field as the column holds it: unsigned kinds without sign."""
    if kind.form == "bool":
        return int(value)
    return int(value) if kind.signed else int(value) & ((1 << (8 * kind.size)) - 1)


def block_rows(blocks: Sequence[Block], info: NFInfo, session: str) -> NDArray[np.void]:
    """Return blocks of a coarser session of an NF as a table (:func:`nfuse.engine.flows.block_type`)."""
    fields = next(fields for name, fields, _ in info.coarse if name == session)
    rows = np.zeros(len(blocks), block_type(info, session))
    for row, block in zip(rows, blocks, strict=True):
        for field, value in zip(fields, block.key, strict=True):
            row[column_of(field)] = octets(value) if is_address(field) else value
        row["flows"] = block.flows
        for slot in info.sessions[session].layout.slots.values():
            if (value := block.pad.get(slot.name)) is not None:
                row[f"{session}.{slot.name}"] = held(slot.kind, value)
    return by_key(rows)
