"""Tables of the chain without consolidation: each NF has one of its own, probed for every packet.

The key is the session number and the direction: SpeedyBox's FID (section VI-B). What is found is the session's FCB.
"""

from __future__ import annotations

from nfuse.engine.fused.context import OWN_MASK, OWN_TABLES
from nfuse.engine.fused.sessions import fcb_of
from nfuse.flow import index
from nfuse.flow.header import NUMBER as SESSION
from nfuse.memory.jit import native
from nfuse.memory.raw import i64, load32, load64


@native
def probe(X: int, node: int, number: int, opening: int) -> int:
    """Look a session up in the table of one NF: its FCB number, 0 if the NF does not know it."""
    if number == 0:
        return i64(0)
    session = load64(fcb_of(X, number) + SESSION)
    base = load64(load64(X + OWN_TABLES) + 8 * node)
    mask = load64(X + OWN_MASK)
    h = index.hash4(session, opening, node)
    wanted = index.tag(h)
    bucket = h & mask
    left = mask
    while True:
        at = base + (bucket << 6)
        found = index.matches(at, wanted)
        while found != 0:
            value = load32(index.slot_value(at, found))
            if value & 1 == opening and load64(fcb_of(X, value >> 1) + SESSION) == session:
                return value >> 1
            found &= i64(found - 1)
        if load32(at + 12) == 0 or left == 0:
            return i64(0)
        left -= 1
        bucket = (bucket + 1) & mask


@native
def remember(X: int, node: int, number: int) -> None:
    """Enter both directions of a session into the table of one NF."""
    session = load64(fcb_of(X, number) + SESSION)
    base = load64(load64(X + OWN_TABLES) + 8 * node)
    mask = load64(X + OWN_MASK)
    for opening in range(2):
        index.insert(base, mask, index.hash4(session, opening, node), number << 1 | opening)


@native
def forget(X: int, node: int, number: int) -> None:
    """Take a session that ends out of the table of one NF."""
    session = load64(fcb_of(X, number) + SESSION)
    base = load64(load64(X + OWN_TABLES) + 8 * node)
    mask = load64(X + OWN_MASK)
    for opening in range(2):
        index.remove(base, mask, index.hash4(session, opening, node), number << 1 | opening)
