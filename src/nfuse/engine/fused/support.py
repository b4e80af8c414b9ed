"""What generated chain code needs besides the kernels of sessions and records: counting, made packets, output."""

from __future__ import annotations

from nfuse.engine.fused.context import (
    C_BYTES_OUT,
    C_MADE,
    C_OUT,
    COLD,
    COUNTERS,
    DESCS,
    DROPS,
    E_KEY_O,
    FAULT_SLOTS,
    FAULTS,
    FL_V6,
    FLAGS,
    FRAME_LIMIT,
    KEY_O,
    LAST_BYTE,
    LAST_DESC,
    MADE_COUNT,
    MADE_QUEUE,
    MATCHED,
    N_HAS_CHANGE,
    N_REASONS,
    NEXT_BYTE,
    NEXT_DESC,
    NODE_GEN,
    NODES,
    ORDER,
    ORDER_COUNT,
    PENDING,
    QUICK,
    R_MTU,
    REACHED,
    SEEN_GEN,
    TWO_SIDED,
)
from nfuse.engine.fused.records import FAULT_BIT, node_of
from nfuse.engine.fused.sessions import ext_of, fcb_of
from nfuse.engine.fused.tuples import tuple_from_key
from nfuse.memory.jit import inlined, native
from nfuse.memory.raw import copy, i64, load8, load16, load32, load64, store8, store16, store32, store64, zero
from nfuse.nf.abi import CX_ENTRY, CX_PLACE, MAT_VALUES, TUPLE_SIZE
from nfuse.packet.desc import ADDR, DESC_SIZE, L3, ROOM, SIDE, WIRE
from nfuse.packet.native import make_reply

MADE_BYTES = 2048
MADE_HEADROOM = 128


@inlined
def count(X: int, offset: int) -> None:
    """Add one to a counter of the chain."""
    at = load64(X + COUNTERS) + offset
    store64(at, load64(at) + 1)


@inlined
def count_drop(X: int, reason: int) -> None:
    """Count a dropped packet under a global reason number."""
    at = load64(X + DROPS) + 8 * reason
    store64(at, load64(at) + 1)


@native
def count_fault(X: int, node: int, line: int, dropped: int) -> None:
    """Count a fault of a node's handler at a source line: `dropped` 1 if a packet was dropped for it, else 0."""
    wanted = (node << 33) | (line << 1) | dropped | (i64(1) << 62)
    table = load64(X + FAULTS)
    slot = i64((node * 613 + line * 7 + dropped) % FAULT_SLOTS)
    tries = i64(0)
    while tries < FAULT_SLOTS:
        at = table + 16 * slot
        found = load64(at)
        if found == 0:
            store64(at, wanted)
            found = wanted
        if found == wanted:
            store64(at + 8, load64(at + 8) + 1)
            return
        slot = (slot + 1) % FAULT_SLOTS
        tries += 1


@native
def emit(X: int, P: int, index: int) -> None:
    """Put a packet into the output order."""
    n = load64(X + ORDER_COUNT)
    store32(load64(X + ORDER) + 4 * n, index)
    store64(X + ORDER_COUNT, n + 1)
    counters = load64(X + COUNTERS)
    store64(counters + C_OUT, load64(counters + C_OUT) + 1)
    store64(counters + C_BYTES_OUT, load64(counters + C_BYTES_OUT) + load32(P + WIRE))


@inlined
def too_long(X: int, P: int) -> int:
    """Tell whether a packet exceeds the chain's MTU."""
    limit = load64(X + FRAME_LIMIT)
    if limit == 0:
        return False
    return load32(P + WIRE) - load16(P + L3) > limit


@native
def set_entry(X: int, number: int) -> None:
    """Put the session's opening tuple at the entry where handlers find it; also as the tuple at the place."""
    fcb = fcb_of(X, number)
    if load8(fcb + FLAGS) & FL_V6:
        tuple_from_key(ext_of(X, number) + E_KEY_O, 1, X + CX_ENTRY)
    else:
        tuple_from_key(fcb + KEY_O, 0, X + CX_ENTRY)
    copy(X + CX_PLACE, X + CX_ENTRY, TUPLE_SIZE)


@native
def clear_record(M: int) -> None:
    """Empty the temporary record that a handler fills (values count only where its head says so)."""
    zero(M, MAT_VALUES)


@native
def answer(X: int, P: int, kind: int) -> int:
    """Make the packet that answers `P` as it is now: its descriptor, or 0 where none is due."""
    index = load64(X + NEXT_DESC)
    at = ((load64(X + NEXT_BYTE) + 63) & ~63) + MADE_HEADROOM
    if index >= load64(X + LAST_DESC) or at + MADE_BYTES > load64(X + LAST_BYTE):
        return i64(0)
    Q = load64(X + DESCS) + index * DESC_SIZE
    zero(Q, DESC_SIZE)
    store64(Q + ADDR, at)
    store16(Q + ROOM, MADE_HEADROOM)
    if make_reply(P, Q, kind) == 0:
        return i64(0)
    if load64(X + TWO_SIDED):
        store8(Q + SIDE, 1 - load8(P + SIDE))
    store64(X + NEXT_DESC, index + 1)
    store64(X + NEXT_BYTE, at + MADE_BYTES)
    count(X, C_MADE)
    return Q


@native
def made_leaves(X: int, Q: int) -> None:
    """A made packet leaves, right after the packet that it answers; longer than the MTU it is dropped."""
    if too_long(X, Q):
        count_drop(X, R_MTU)
        return
    n = load64(X + MADE_COUNT)
    store64(load64(X + MADE_QUEUE) + 8 * n, (Q - load64(X + DESCS)) // DESC_SIZE)
    store64(X + MADE_COUNT, n + 1)


@native
def emit_made(X: int) -> None:
    """Put the made packets that wait into the output order."""
    n = load64(X + MADE_COUNT)
    for each in range(n):
        index = load64(load64(X + MADE_QUEUE) + 8 * each)
        emit(X, load64(X + DESCS) + index * DESC_SIZE, index)
    store64(X + MADE_COUNT, 0)


@native
def drop_recorded(X: int, node: int, dropped: int) -> None:
    """Count a drop that a session's record of `node` asks for: a reason of the NF, or a fault of its set-up."""
    if dropped & FAULT_BIT:
        count_fault(X, node, dropped & 0x7FFF, 1)
    else:
        count_drop(X, load64(node_of(X, node) + N_REASONS) - 1 + dropped)


@native
def see_changes(X: int, fcb: int, gen: int) -> None:
    """The session meets control input that it has not seen: on_change is due at the NFs whose parameters changed."""
    cold = fcb + load64(X + COLD)
    seen = load32(fcb + SEEN_GEN)
    matched = load32(fcb + MATCHED) & load32(cold + REACHED)
    pending = load32(cold + PENDING)
    nodes = load64(X + NODES)
    node = i64(0)
    while node < nodes:
        if matched >> node & 1 and load64(load64(X + NODE_GEN) + 8 * node) > seen:
            if load64(node_of(X, node) + N_HAS_CHANGE):
                pending |= i64(1) << node
        node += 1
    store32(cold + PENDING, pending)
    store32(fcb + SEEN_GEN, gen)
    store8(fcb + QUICK, 0)
