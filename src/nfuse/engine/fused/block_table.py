"""The blocks of a coarser session as a table, read from their memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.engine.flows import block_type, by_key, column_of, is_address
from nfuse.engine.fused.keys import key_parts
from nfuse.flow.blocks import HEAD, Blocks
from nfuse.nf.compile import NFInfo


def block_table(blocks: Blocks, info: NFInfo, name: str, now: int, idle: int) -> NDArray[np.void]:
    """Return the blocks that flows share, or that idle and are not forgotten yet.

    Args:
        blocks: Their memory.
        info: The NF's class.
        name: The session.
        now: The chain's clock, ms.
        idle: After so many ms an idle block is forgotten.
    """
    fields, layout = next((fields, layout) for session, fields, layout in info.coarse if session == name)
    size, count = blocks.stride, blocks.used
    memory = blocks.memory()[size : (count + 1) * size].reshape(count, size)
    payload = -(-layout.size // 8) * 8
    state = _column(memory, payload, "<i8")
    kept = np.flatnonzero((state < 0) | (now - state < idle))
    memory, state = memory[kept], state[kept]
    rows = np.zeros(len(kept), block_type(info, name))
    rows["flows"] = np.maximum(-state, 0)
    for field, parts in zip(fields, key_parts(fields, info.traffic), strict=True):
        words = [_bits(_column(memory, payload + HEAD + 8 * word, "<u8"), shift, bits) for word, shift, bits in parts]
        column = rows[column_of(field)]
        if is_address(field):
            column[:] = _octets(words)
        else:
            column[:] = words[0].astype(np.int64)
    for slot in layout.slots.values():
        column = rows[f"{name}.{slot.name}"]
        form = column.dtype if column.ndim == 1 else np.dtype((column.dtype, column.shape[1:]))
        column[:] = _column(memory, slot.offset, form)
    return by_key(rows)


def _column(memory: NDArray[np.uint8], at: int, form: Any) -> NDArray[Any]:
    dtype = np.dtype(form)
    flat = np.ascontiguousarray(memory[:, at : at + dtype.itemsize])
    return flat.view(dtype.base).reshape((len(memory), *dtype.shape))


def _bits(words: NDArray[np.uint64], shift: int, bits: int) -> NDArray[np.uint64]:
    found: NDArray[np.uint64] = words >> np.uint64(shift)
    return found & np.uint64((1 << bits) - 1)


def _octets(words: list[NDArray[np.uint64]]) -> NDArray[np.uint8]:
    """Return addresses as 16 bytes: given as one word of 32 bits (IPv4), or as the two halves."""
    if len(words) == 1:
        words = [np.zeros_like(words[0]), words[0] | np.uint64(0xFFFF << 32)]
    return np.ascontiguousarray(np.stack(words, axis=1).astype(">u8")).view(np.uint8)
