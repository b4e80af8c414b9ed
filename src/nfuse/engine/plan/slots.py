"""The layout of a flow control block (FCB), slot by slot: what lies where, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfuse.action.points import TUPLE_FIELDS
from nfuse.engine.fused import context as cx
from nfuse.engine.fused.consolidate import POINT_SIZE
from nfuse.engine.fused.layout import ENCAP_SIZE, VALUE_SIZE, ChainPlan, NodePlan
from nfuse.engine.plan.words import listed, modify_words
from nfuse.flow import header

CHAIN = "chain"
"""The owner of what no single network function owns."""

_HEAD = (
    (header.DEADLINE, 8, "deadline, ms"),
    (header.NUMBER, 8, "session number"),
    (header.PREV, 4, "timing wheel: session before"),
    (header.NEXT, 4, "timing wheel: session after"),
    (header.SLOT, 2, "timing wheel: slot"),
    (header.STATE, 1, "protocol state"),
    (cx.FLAGS, 1, "flags"),
    (cx.SEEN_GEN, 4, "generation of the control input"),
    (cx.DROP_OF, 2, "first recorded drop, by direction"),
    (cx.PCLASS, 1, "protocol class"),
    (cx.QUICK, 1, "fast path ready, by direction"),
    (cx.MATCHED, 4, "classes that match, a bit for each NF"),
    (cx.KEY_O, cx.KEY_STRIDE, "key of the opening direction (IPv4)"),
    (cx.KEY_R, cx.KEY_STRIDE, "key of the replies (IPv4)"),
)


@dataclass(frozen=True)
class SlotFacts:
    """One slot.

    Attributes:
        part: ``FCB``, or ``IPv6`` for the extension that only IPv6 sessions have.
        offset, size: In bytes from the start of the part.
        owner: The NF, or ``chain``.
        field: What it holds; ``padding`` for what nobody owns.
    """

    part: str
    offset: int
    size: int
    owner: str
    field: str


def slots_of(plan: ChainPlan) -> list[SlotFacts]:
    """Return all slots of a session, by part and offset; they cover both parts without a gap."""
    found = sorted(_slots(plan), key=lambda slot: (slot.part, slot.offset))
    whole: list[SlotFacts] = []
    for part, size in (("FCB", plan.size), ("IPv6", plan.ext_size)):
        at = 0
        for slot in found:
            if slot.part != part:
                continue
            if slot.offset > at:
                whole.append(SlotFacts(part, at, slot.offset - at, "", "padding"))
            whole.append(slot)
            at = slot.offset + slot.size
        if at < size:
            whole.append(SlotFacts(part, at, size - at, "", "padding"))
    return whole


def _slots(plan: ChainPlan) -> Iterator[SlotFacts]:
    for offset, size, field in _HEAD:
        yield SlotFacts("FCB", offset, size, CHAIN, field)
    for number, field in enumerate(("opening direction", "replies", "old replies")):
        offset = cx.E_KEY_O + number * cx.E_KEY_STRIDE
        yield SlotFacts("IPv6", offset, cx.E_KEY_STRIDE, CHAIN, f"key of the {field}")
    for side, order in ((0, plan.nodes), (1, plan.nodes[::-1])):
        for placed in plan.points[side]:
            point = placed.point
            where = "at the end" if point.before == len(order) else f"before {order[point.before].node.name}"
            where = f"rewrite {where}, {('forward', 'reverse')[side]}"
            yield SlotFacts("FCB", placed.record, POINT_SIZE, CHAIN, f"{where}: fields, checksum sums")
            if placed.values:
                yield SlotFacts("FCB", placed.values, 12, CHAIN, f"{where}: addresses, ports")
                yield SlotFacts("IPv6", placed.values6, 32, CHAIN, f"{where}: addresses")
            if placed.others:
                fields = listed(modify_words(point.fields - set(TUPLE_FIELDS)))
                yield SlotFacts("FCB", placed.others, 24, CHAIN, f"{where}: {fields}")
    yield SlotFacts("FCB", plan.cold + cx.REACHED, 4, CHAIN, "classes judged, a bit for each NF")
    yield SlotFacts("FCB", plan.cold + cx.PENDING, 4, CHAIN, "on_change due, a bit for each NF")
    if plan.events:
        yield SlotFacts("FCB", plan.cold + cx.DISARMED, 4, CHAIN, "events that have fired, a bit for each")
    for number in range(len(plan.chain.branches)):
        yield SlotFacts("FCB", plan.sel + number, 1, CHAIN, f"way through branch {number + 1}")
    for node in plan.nodes:
        yield from _scratchpad(node)
        yield from _record(node)


def _scratchpad(node: NodePlan) -> Iterator[SlotFacts]:
    if node.stateless or not node.scratch_size:
        return
    name = node.node.name
    for number, (session, _, _) in enumerate(node.info.coarse):
        yield SlotFacts("FCB", node.scratch + 4 * number, 4, name, f"place of its block of session {session!r}")
    for slot in node.info.session.slots.values():
        yield SlotFacts("FCB", node.scratch + slot.offset, slot.kind.size, name, f"{slot.name}: {slot.kind.name}")


def _record(node: NodePlan) -> Iterator[SlotFacts]:
    if not node.records:
        return
    name = node.node.name
    yield SlotFacts("FCB", node.local, cx.L_SIZE, name, "its record: fields, drop reason, header, function")
    for title, four, six in (("recorded", node.values, node.values6), ("before it", node.old, node.old6)):
        for field, offset in four.items():
            word = modify_words([field])[0]
            yield SlotFacts("FCB", offset, VALUE_SIZE.get(field, 1), name, f"{word}, {title}")
        for field, offset in six.items():
            yield SlotFacts("IPv6", offset, 16, name, f"{modify_words([field])[0]}, {title}")
    if node.encap:
        yield SlotFacts("FCB", node.encap_at, ENCAP_SIZE, name, "header that it pushes")
