"""Log records of ``self.alert``: written by handlers into a ring, drained by Python."""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import load32, load64, store8, store16, store32, store64, store64be, zero
from nfuse.nf.abi import (
    CX_ENTRY,
    CX_LOG_BASE,
    CX_LOG_CAPACITY,
    CX_LOG_HEAD,
    CX_NF_INDEX,
    CX_NOW,
    LOG_SIZE,
    TUPLE_DPORT,
    TUPLE_DST,
    TUPLE_PROTO,
    TUPLE_SPORT,
)


@native
def log_alert(X: int, signature: int, value: int) -> int:
    """Write a record about the session whose entry tuple is in the context; without a ring nothing happens."""
    capacity = load64(X + CX_LOG_CAPACITY)
    if capacity <= 0:
        return 0
    head = load64(X + CX_LOG_HEAD)
    at = load64(X + CX_LOG_BASE) + (head & (capacity - 1)) * LOG_SIZE
    entry = X + CX_ENTRY
    zero(at, LOG_SIZE)
    store64(at, load64(X + CX_NOW))
    store32(at + 8, load64(X + CX_NF_INDEX))
    store32(at + 12, signature)
    store64(at + 16, value)
    store64be(at + 24, load64(entry))
    store64be(at + 32, load64(entry + 8))
    store64be(at + 40, load64(entry + TUPLE_DST))
    store64be(at + 48, load64(entry + TUPLE_DST + 8))
    store16(at + 56, load32(entry + TUPLE_SPORT))
    store16(at + 58, load32(entry + TUPLE_DPORT))
    store8(at + 60, load32(entry + TUPLE_PROTO))
    store8(at + 61, 4 if load64(entry) == 0 and (load64(entry + 8) >> 32) == 0xFFFF else 6)
    store64(X + CX_LOG_HEAD, head + 1)
    return 1
