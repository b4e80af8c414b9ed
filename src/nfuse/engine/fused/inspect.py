"""What the fused engine has consolidated for a session: its row of the global match-action table, read from its FCB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfuse.action.points import MIRROR
from nfuse.engine.fused import context as cx
from nfuse.engine.fused.consolidate import P_MASK
from nfuse.engine.fused.layout import ChainPlan, NodePlan
from nfuse.packet.fields import MODIFY_FIELDS


@dataclass(frozen=True)
class Rewrite:
    """The consolidated rewrite of one point of application.

    Attributes:
        place: Where it is applied: "at the end" or "before <NF>".
        fields: Fields that are written, by their names in ``flow.modify``.
        nfs: The NFs whose records are consolidated in it.
        before: Position (in the order of travel) of the NF before which it is applied.
    """

    place: str
    fields: tuple[str, ...]
    nfs: tuple[str, ...]
    before: int


@dataclass(frozen=True)
class Consolidated:
    """What a session's packets of one direction of travel get on the fast path.

    Attributes:
        ready: They may take the fast path.
        waiting: Why not, if not.
        rewrites: In the order of travel.
        headers: NFs that push or remove a header, which is done at their place.
        drop: The NF whose recorded drop comes first, or "".
    """

    ready: bool
    waiting: str
    rewrites: tuple[Rewrite, ...]
    headers: tuple[str, ...]
    drop: str


def consolidated(plan: ChainPlan, fcb: bytes, side: int) -> Consolidated:
    """Read the consolidated actions of a session.

    Args:
        plan: The chain's plan.
        fcb: The session's flow control block (:meth:`nfuse.engine.fused.engine.FusedEngine.fcb`).
        side: Direction of travel: 0 in chain order, 1 against it.
    """
    order = plan.order(side)
    stop = fcb[cx.DROP_OF + side]
    ready = bool(fcb[cx.QUICK] >> side & 1)
    reach = [node.index for node in order].index(stop - 1) if stop else len(order)  # a recorded drop ends the way
    rewrites = []
    for placed in plan.points[side]:
        if placed.point.before > reach:
            break
        mask = _word(fcb, placed.record + P_MASK, 2)
        fields = tuple(name for bit, name in enumerate(MODIFY_FIELDS) if mask >> bit & 1)
        if not fields:
            continue
        opening = side == (fcb[cx.FLAGS] & cx.FL_SIDE != 0)
        recorded = {name if opening else MIRROR.get(name, "") for name in fields}
        nodes = [order[position] for position in placed.point.stages]
        nfs = tuple(node.node.name for node in nodes if recorded & set(_recorded(fcb, node)))
        before = placed.point.before
        place = "at the end" if before == len(order) else f"before {order[before].node.name}"
        rewrites.append(Rewrite(place, fields, nfs, before))
    headers = tuple(
        node.node.name
        for node in order[:reach]
        if node.local and fcb[node.local + cx.L_MORE] & (cx.L_ENCAP | cx.L_DECAP)
    )
    drop = plan.nodes[stop - 1].node.name if stop else ""
    return Consolidated(ready, "" if ready else _waiting(plan, fcb, side), tuple(rewrites), headers, drop)


def _word(fcb: bytes, at: int, size: int) -> int:
    return int.from_bytes(fcb[at : at + size], "little")


def _recorded(fcb: bytes, node: NodePlan) -> Iterator[str]:
    """Yield the fields that an NF has recorded."""
    if node.local:
        mask = _word(fcb, node.local + cx.L_MASK, 2)
        yield from (name for bit, name in enumerate(MODIFY_FIELDS) if mask >> bit & 1)


def _waiting(plan: ChainPlan, fcb: bytes, side: int) -> str:
    """Say what keeps packets of a direction from the fast path: the first cause in the order of travel."""
    if plan.never_quick:
        return "the chain can't be consolidated: header fields change below a pushed header, or per packet"
    if fcb[cx.FLAGS] & cx.FL_NEVER_QUICK:
        return "ICMP messages with and without an identifier share the session"
    reached, pending = (_word(fcb, plan.cold + at, 4) for at in (cx.REACHED, cx.PENDING))
    for node in plan.order(side):
        if node.stateless:
            continue
        if not reached >> node.index & 1:
            return f"the session has not reached {node.node.name}"
        if pending >> node.index & 1:
            return f"on_change of {node.node.name} is due"
        if node.local and _word(fcb, node.local + cx.L_DROP, 2):
            return f"{node.node.name} answers each packet that it drops"
    if not fcb[cx.FLAGS] & cx.FL_HAS_REPLY_KEY:
        return "no packet of the session has left yet"
    return "its actions have changed"
