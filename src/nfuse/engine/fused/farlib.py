"""The shared kernels that generated code calls by address, in the order of ``FAR_NAMES``."""

from __future__ import annotations

from nfuse.engine.fused import consolidate as _consolidate
from nfuse.engine.fused import original, records, rewrite, sessions, support
from nfuse.engine.fused.context import FAR_NAMES, FAR_SHARED, HEAP, NOW_MS, POOL, SIZE, USED, WHEEL
from nfuse.flow import blocks, evict, wheel
from nfuse.memory.cache import write_generated
from nfuse.memory.jit import Entry, entry
from nfuse.memory.raw import i64, load64
from nfuse.packet.parse import parse as parse_packet


def shorten(X: int, number: int, before: int) -> int:
    """See the kernel of this name."""
    return sessions.shorten(X, number, before)


def find_packet(X: int, P: int) -> int:
    """See the kernel of this name."""
    return sessions.find_packet(X, P)


def find_quoted(X: int, P: int) -> int:
    """See the kernel of this name."""
    return sessions.find_quoted(X, P)


def create(X: int, P: int, side: int, bare: int) -> int:
    """See the kernel of this name."""
    return sessions.create(X, P, side, bare)


def release(X: int, number: int) -> int:
    """See the kernel of this name."""
    sessions.release(X, number)
    return i64(0)


def rekey(X: int, P: int, number: int) -> int:
    """See the kernel of this name."""
    return sessions.rekey(X, P, number)


def expect_reply(X: int, P: int, number: int) -> int:
    """See the kernel of this name."""
    sessions.expect_reply(X, P, number)
    return i64(0)


def consolidate(X: int, fcb: int, ext: int) -> int:
    """See the kernel of this name."""
    _consolidate.consolidate(X, fcb, ext)
    return i64(0)


def commit(X: int, fcb: int, ext: int, node: int, M: int) -> int:
    """See the kernel of this name."""
    records.commit(X, fcb, ext, node, M)
    return i64(0)


def record_fault(X: int, fcb: int, node: int, line: int) -> int:
    """See the kernel of this name."""
    records.record_fault(X, fcb, node, line)
    return i64(0)


def apply_record(X: int, P: int, fcb: int, ext: int, node: int, opening: int) -> int:
    """See the kernel of this name."""
    return records.apply_record(X, P, fcb, ext, node, opening)


def place(X: int, fcb: int, ext: int, node: int, T: int) -> int:
    """See the kernel of this name."""
    records.place(X, fcb, ext, node, T)
    return i64(0)


def set_entry(X: int, number: int) -> int:
    """See the kernel of this name."""
    support.set_entry(X, number)
    return i64(0)


def drop_recorded(X: int, node: int, dropped: int) -> int:
    """See the kernel of this name."""
    support.drop_recorded(X, node, dropped)
    return i64(0)


def count_fault(X: int, node: int, line: int, dropped: int) -> int:
    """See the kernel of this name."""
    support.count_fault(X, node, line, dropped)
    return i64(0)


def see_changes(X: int, fcb: int, gen: int) -> int:
    """See the kernel of this name."""
    support.see_changes(X, fcb, gen)
    return i64(0)


def answer(X: int, P: int, kind: int) -> int:
    """See the kernel of this name."""
    return support.answer(X, P, kind)


def made_leaves(X: int, Q: int) -> int:
    """See the kernel of this name."""
    support.made_leaves(X, Q)
    return i64(0)


def emit_made(X: int) -> int:
    """See the kernel of this name."""
    support.emit_made(X)
    return i64(0)


def next_due(X: int) -> int:
    """See the kernel of this name."""
    return wheel.next_due(load64(X + WHEEL), load64(X + POOL), load64(X + SIZE), load64(X + NOW_MS))


def victim(X: int, at: int, mask: int) -> int:
    """See the kernel of this name."""
    return evict.victim(load64(X + HEAP), load64(X + POOL), load64(X + SIZE), load64(X + USED), at, mask)


def block_acquire(B: int, key: int, now: int) -> int:
    """See the kernel of this name."""
    return blocks.acquire(B, key, now)


def block_release(B: int, block: int, now: int) -> int:
    """See the kernel of this name."""
    blocks.release(B, block, now)
    return i64(0)


def rewrite_others(P: int, fcb: int, point: int, values: int) -> int:
    """See the kernel of this name."""
    rewrite.rewrite_others(P, fcb, point, values)
    return i64(0)


def parse(P: int) -> int:
    """See the kernel of this name."""
    return parse_packet(P)


def probe(X: int, node: int, number: int, opening: int) -> int:
    """See the kernel of this name."""
    return original.probe(X, node, number, opening)


def remember(X: int, node: int, number: int) -> int:
    """See the kernel of this name."""
    original.remember(X, node, number)
    return i64(0)


def forget(X: int, node: int, number: int) -> int:
    """See the kernel of this name."""
    original.forget(X, node, number)
    return i64(0)


_made: dict[str, Entry] = {}


def shared(name: str) -> Entry:
    """Return the compiled kernel of that name (compiled, or loaded from the cache, when first asked for)."""
    if name not in _made:
        _made[name] = entry(globals()[name])
    return _made[name]


def kernel(name: str) -> str:
    """Return how the compilation of a shared kernel is named among the jobs of :func:`~.build.build`."""
    return f"{__name__}:shared:{name}"


def handler_module(module: str, handler: str) -> str:
    """Write the module that makes a compiled handler callable by address; return its name. It belongs to no chain."""
    return write_generated(
        handler,
        f'''"""Generated: {handler} by address."""

from nfuse.memory.jit import entry
from {module} import {handler} as handler


@entry
def by_address(S, P, F, M, X):
    return handler(S, P, F, M, X)
''',
    )


SHARED = FAR_NAMES[:FAR_SHARED]
"""Names of all shared kernels."""
