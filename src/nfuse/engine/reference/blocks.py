"""Blocks of sessions that are coarser than a flow: per source host, per user."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Block:
    """The state that all flows with one key share."""

    key: tuple[Any, ...]
    pad: dict[str, Any] = field(default_factory=dict)
    flows: int = 0
    idle_since: int = 0


class Blocks:
    """The blocks of one named session of one NF.

    Args:
        capacity: Blocks that may exist, idle ones included.
        idle: Milliseconds after its last flow until a block is forgotten.
        fresh: Makes the zeroed fields of a block.
    """

    def __init__(self, capacity: int, idle: int, fresh: Callable[[], dict[str, Any]]) -> None:
        self._capacity = capacity
        self._idle = idle
        self._fresh = fresh
        self._blocks: dict[tuple[Any, ...], Block] = {}
        self._idling: OrderedDict[tuple[Any, ...], None] = OrderedDict()  # the one idle longest first

    def hold(self, key: tuple[Any, ...], ms: int) -> Block:
        """Find or make the block of `key` for one more flow."""
        while self._idling:
            oldest = next(iter(self._idling))
            if self._blocks[oldest].idle_since + self._idle > ms:
                break
            self._forget(oldest)
        if key not in self._blocks:
            if len(self._blocks) >= self._capacity:
                self._forget(next(iter(self._idling)))
            self._blocks[key] = Block(key, self._fresh())
        block = self._blocks[key]
        self._idling.pop(key, None)
        block.flows += 1
        return block

    def release(self, block: Block, ms: int) -> None:
        """One flow of the block has ended."""
        block.flows -= 1
        if not block.flows:
            block.idle_since = ms
            self._idling[block.key] = None

    def kept(self, ms: int) -> list[Block]:
        """Return the blocks that flows share, or that idle and are not forgotten yet."""
        return [block for block in self._blocks.values() if block.flows or block.idle_since + self._idle > ms]

    def _forget(self, key: tuple[Any, ...]) -> None:
        del self._idling[key], self._blocks[key]
