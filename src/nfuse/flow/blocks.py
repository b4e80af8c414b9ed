"""Blocks of sessions coarser than a flow: one per source host, per user, ..., found once when a flow is set up.

A block is found by its key (1 to 7 words), and counts the flows that use it. When the last one ends the block idles; a
flow that comes within the idle time finds it as it was, one that comes later (`idle` ms or more after the last flow
ended) finds zeroes. If room is needed and every block is taken, the one that has idled longest is forgotten.

Nothing is swept: a block that has idled too long is noticed when it is looked up, or when its room is needed. Idle
blocks hang in a list in the order in which they became idle; as the idle time is constant, its head is the next to go.

A block is `stride` bytes, at ``base + index * stride``, index from 1; 0 means "none":

| offset | what |
|---|---|
| 0 | the payload (zeroed when the block is made), rounded up to 8 bytes |
| payload | i64: minus the number of flows, or since when it idles (ms, >= 0) |
| payload + 8 | u32, u32: neighbours in the idle list |
| payload + 16 | the key: words of 8 bytes |

An IPv4 or IPv6 address is two words; an NF that sees only IPv4 may take one. With a one-word key and 8 bytes of payload
a block costs 32 bytes, and 8.4 in the index. :class:`Blocks` lays all memory out, the control record `B` too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nfuse.flow import index
from nfuse.flow.index import BUCKET, insert, matches, remove, slot_value, tag
from nfuse.memory.arena import Arena
from nfuse.memory.jit import native
from nfuse.memory.raw import copy, i64, load32, load64, mulhi, prefetch, store32, store64, zero

B_BASE = 0
"""Offset of the address of the blocks (i64)."""
B_STRIDE = 8
"""Offset of the bytes of a block (i64)."""
B_PAYLOAD = 16
"""Offset of the bytes of its payload, a multiple of 8 (i64)."""
B_WORDS = 24
"""Offset of the words of a key (i64)."""
B_INDEX = 32
"""Offset of the address of the index (i64)."""
B_MASK = 40
"""Offset of the buckets of the index - 1 (i64)."""
_IDLE = 48  # ms, i64
_CAPACITY = 56  # u32
_USED = 60  # u32: blocks 1 to this have been in use
_FIRST = 64  # u32: the idle list
_LAST = 68
B_LIVE = 72
"""Offset of the number of blocks in use by flows (i64)."""
SIZE = 80
"""Bytes of a control record."""

MAX_WORDS = 7
HEAD = 16
"""Bytes between the payload and the key of a block."""
_OVERFLOW = 12  # of a bucket

_K0 = 0x452821E638D01377
_K1 = 0x3E5466CF34E90C6D


def stride(payload: int, words: int) -> int:
    """Return the bytes from one block to the next, for `payload` bytes of payload and a key of `words` words."""
    return -(-payload // 8) * 8 + HEAD + 8 * words


class Blocks:
    """The memory of one table of blocks.

    Args:
        payload: Bytes of payload per block.
        words: Words of the key, 1 to 7.
        capacity: Blocks at most (as many as there may be sessions, so that flows never go without).
        idle: How long an idle block is kept, in ms.

    Attributes:
        address: Address of the control record `B` of the functions below.
        base: Address from which blocks are reckoned: block `i` is at ``base + i * stride``.
        stride: Bytes of a block.
    """

    def __init__(self, payload: int, words: int, capacity: int, idle: int = 60_000) -> None:
        if not 1 <= words <= MAX_WORDS:
            raise ValueError(f"a key has 1 to {MAX_WORDS} words, not {words}")
        self.stride = stride(payload, words)
        buckets = index.sized(capacity)
        self._control = Arena(SIZE, "block control")
        self._blocks = Arena((capacity + 1) * self.stride, "blocks")
        self._index = Arena(buckets * BUCKET, "block index")
        for arena in (self._blocks, self._index):
            if arena.size > 1 << 22:
                arena.advise_huge()
        self.address = self._control.address
        self.base = self._blocks.address
        fields = self._control.array("<i8", SIZE // 8)
        fields[:7] = (self.base, self.stride, -(-payload // 8) * 8, words, self._index.address, buckets - 1, idle)
        self._control.array("<u4", 1, _CAPACITY)[0] = capacity

    @property
    def used(self) -> int:
        """Blocks 1 to this have been in use."""
        return int(self._control.array("<u4", 1, _USED)[0])

    def memory(self) -> NDArray[np.uint8]:
        """Return the memory of all blocks as bytes (no copy); block `i` begins at ``i * stride``."""
        return self._blocks.bytes


@native
def _hash(key: int, words: int) -> int:
    """Hash the key at address `key`."""
    h = _K0
    for word in range(words):
        x = h ^ load64(key + 8 * word)
        h = mulhi(x, _K1) ^ i64(x * _K1) ^ word
    return mulhi(h ^ _K1, _K0) ^ i64((h ^ _K1) * _K0)


@native
def _same(a: int, b: int, words: int) -> bool:
    difference = 0
    for word in range(words):
        difference |= load64(a + 8 * word) ^ load64(b + 8 * word)
    return difference == 0


@native
def _find(B: int, key: int, h: int) -> int:
    """Return the number of the block with this key, or 0."""
    words = load64(B + B_WORDS)
    step = load64(B + B_STRIDE)
    keys = load64(B + B_BASE) + load64(B + B_PAYLOAD) + HEAD
    mask = load64(B + B_MASK)
    wanted = tag(h)
    number = h & mask
    left = mask
    while True:
        at = load64(B + B_INDEX) + (number << 6)
        found = matches(at, wanted)
        while found != 0:
            value = load32(slot_value(at, found))
            if _same(keys + value * step, key, words):
                return value
            found &= found - 1
        if load32(at + _OVERFLOW) == 0 or left == 0:
            return 0
        left -= 1
        number = (number + 1) & mask


@native
def _head(B: int, block: int) -> int:
    """Return the address of what stands between the payload and the key of a block."""
    return load64(B + B_BASE) + block * load64(B + B_STRIDE) + load64(B + B_PAYLOAD)


@native
def prefetch_block(B: int, key: int) -> None:
    """Prefetch the bucket of the index where :func:`acquire` will look for the key at address `key`."""
    h = _hash(key, load64(B + B_WORDS))
    prefetch(load64(B + B_INDEX) + ((h & load64(B + B_MASK)) << 6))


@native
def _unlink(B: int, block: int) -> None:
    """Take a block out of the idle list."""
    head = _head(B, block)
    before = load32(head + 8)
    after = load32(head + 12)
    if before != 0:
        store32(_head(B, before) + 12, after)
    else:
        store32(B + _FIRST, after)
    if after != 0:
        store32(_head(B, after) + 8, before)
    else:
        store32(B + _LAST, before)


@native
def acquire(B: int, key: int, now: int) -> int:
    """Find or make the block for the key at address `key`, and count one more flow for it.

    Args:
        B: Control record.
        key: Address of the key's words.
        now: The clock in ms; never runs backwards.

    Returns:
        The block's number, or 0 if flows use every block there is. A block that is new, or has idled too long, is zero.
    """
    h = _hash(key, load64(B + B_WORDS))
    block = _find(B, key, h)
    if block != 0:
        head = _head(B, block)
        state = load64(head)
        if state < 0:
            store64(head, state - 1)
            return block
        _unlink(B, block)
        if now - state >= load64(B + _IDLE):
            zero(head - load64(B + B_PAYLOAD), load64(B + B_PAYLOAD))
    else:
        words = load64(B + B_WORDS)
        oldest = load32(B + _FIRST)
        used = load32(B + _USED)
        expired = oldest != 0 and now - load64(_head(B, oldest)) >= load64(B + _IDLE)
        if used < load32(B + _CAPACITY) and not expired:
            block = used + 1
            store32(B + _USED, block)
        elif oldest != 0:
            block = oldest
            _unlink(B, block)
            gone = _hash(_head(B, block) + HEAD, words)
            remove(load64(B + B_INDEX), load64(B + B_MASK), gone, block)
            zero(_head(B, block) - load64(B + B_PAYLOAD), load64(B + B_PAYLOAD))
        else:
            return 0
        head = _head(B, block)
        copy(head + HEAD, key, 8 * words)
        insert(load64(B + B_INDEX), load64(B + B_MASK), h, block)
    store64(head, -1)
    store64(B + B_LIVE, load64(B + B_LIVE) + 1)
    return block


@native
def release(B: int, block: int, now: int) -> None:
    """Count one flow less for `block` (not 0); when it was the last one, the block idles from `now` (ms) on."""
    head = _head(B, block)
    state = load64(head) + 1
    if state < 0:
        store64(head, state)
        return
    store64(head, now)
    last = load32(B + _LAST)
    store32(head + 8, last)
    store32(head + 12, 0)
    if last != 0:
        store32(_head(B, last) + 12, block)
    else:
        store32(B + _FIRST, block)
    store32(B + _LAST, block)
    store64(B + B_LIVE, load64(B + B_LIVE) - 1)


@native
def flows(B: int, block: int) -> int:
    """Return how many flows use `block`."""
    state = load64(_head(B, block))
    return -state if state < 0 else 0
