"""The shared kernels that generated code calls by address, in the order of ``FAR_NAMES``."""

from __future__ import annotations

from nfuse.engine.fused import consolidate as _consolidate
from nfuse.engine.fused import original, records, rewrite, sessions, support
from nfuse.engine.fused.context import FAR_NAMES, FAR_SHARED, HEAP, NOW_MS, POOL, SIZE, USED, WHEEL
from nfuse.flow import blocks, evict, wheel
from nfuse.memory.cache import load_generated
from nfuse.memory.jit import Entry, entry
from nfuse.memory.raw import i64, load64


def shorten(X, number, before):
    return sessions.shorten(X, number, before)


def find_packet(X, P):
    return sessions.find_packet(X, P)


def find_quoted(X, P):
    return sessions.find_quoted(X, P)


def create(X, P, side, bare):
    return sessions.create(X, P, side, bare)


def release(X, number):
    sessions.release(X, number)
    return i64(0)


def rekey(X, P, number):
    return sessions.rekey(X, P, number)


def consolidate(X, fcb, ext):
    _consolidate.consolidate(X, fcb, ext)
    return i64(0)


def commit(X, fcb, ext, node, M):
    records.commit(X, fcb, ext, node, M)
    return i64(0)


def record_fault(X, fcb, node, line):
    records.record_fault(X, fcb, node, line)
    return i64(0)


def apply_record(X, P, fcb, ext, node, opening):
    return records.apply_record(X, P, fcb, ext, node, opening)


def place(X, fcb, ext, node, T):
    records.place(X, fcb, ext, node, T)
    return i64(0)


def set_entry(X, number):
    support.set_entry(X, number)
    return i64(0)


def drop_recorded(X, node, dropped):
    support.drop_recorded(X, node, dropped)
    return i64(0)


def count_fault(X, node, line, dropped):
    support.count_fault(X, node, line, dropped)
    return i64(0)


def see_changes(X, fcb, gen):
    support.see_changes(X, fcb, gen)
    return i64(0)


def answer(X, P, kind):
    return support.answer(X, P, kind)


def made_leaves(X, Q):
    support.made_leaves(X, Q)
    return i64(0)


def emit_made(X):
    support.emit_made(X)
    return i64(0)


def next_due(X):
    return wheel.next_due(load64(X + WHEEL), load64(X + POOL), load64(X + SIZE), load64(X + NOW_MS))


def victim(X, at, mask):
    return evict.victim(load64(X + HEAP), load64(X + POOL), load64(X + SIZE), load64(X + USED), at, mask)


def block_acquire(B, key, now):
    return blocks.acquire(B, key, now)


def block_release(B, block, now):
    blocks.release(B, block, now)
    return i64(0)


def rewrite_others(P, fcb, point, values):
    rewrite.rewrite_others(P, fcb, point, values)
    return i64(0)


def probe(X, node, number, opening):
    return original.probe(X, node, number, opening)


def remember(X, node, number):
    original.remember(X, node, number)
    return i64(0)


def forget(X, node, number):
    original.forget(X, node, number)
    return i64(0)


_made: dict[str, Entry] = {}


def shared(name: str) -> Entry:
    """Return the compiled kernel of that name (compiled, or loaded from the cache, when first asked for)."""
    if name not in _made:
        _made[name] = entry(globals()[name])
    return _made[name]


def handler_entry(module: str, handler: str) -> Entry:
    """Return a compiled handler, to be called by address. It is cached apart from any chain."""
    source = f'''"""Generated: {handler} by address."""

from nfuse.memory.jit import entry
from {module} import {handler} as handler


@entry
def by_address(S, P, F, M, X):
    return handler(S, P, F, M, X)
'''
    return load_generated(f"{handler}", source).by_address  # type: ignore[no-any-return]


SHARED = FAR_NAMES[:FAR_SHARED]
"""Names of all shared kernels."""
