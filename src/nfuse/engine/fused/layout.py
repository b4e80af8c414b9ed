"""What the fused engine knows of a chain before it runs: the order of nodes, the points of application, the layout of
a flow control block (FCB).

The layout is computed over all NFs (MiddleClick section II-D). What the fast path touches comes first, so that a packet
costs two cache lines: the fixed head, the keys, the point records, the scratchpads of NFs with per-packet code.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

from nfuse.action.points import MIRROR, TUPLE_FIELDS, Point, Stage, apply_points, inverse_fields, modify_fields
from nfuse.chain.spec import Chain, Node
from nfuse.engine.fused.consolidate import POINT_SIZE
from nfuse.engine.fused.context import COLD_SIZE, E_SIZE, HOT_SIZE, L_SIZE
from nfuse.nf.compile import NFInfo, analyse
from nfuse.packet.fields import MODIFY_FIELDS

MAX_NODES = 32
MAX_EVENTS = 32
ENCAP_SIZE = 40

VALUE_SIZE = {"ip_src": 4, "ip_dst": 4, "sport": 2, "dport": 2, "eth_src": 8, "eth_dst": 8, "vlan_vid": 2}
"""Bytes of a recorded value in the FCB; 1 for the others."""


@dataclass
class NodePlan:
    """One NF at its place, as the code generator sees it."""

    node: Node
    info: NFInfo
    traffic: Any
    stateless: bool
    needs_l4: bool
    modifies: frozenset[str]
    records: bool
    encap: bool
    decap: bool
    turns: bool
    replies: bool
    packet_effects: Any
    reads_at_setup: frozenset[str]
    first_event: int = 0
    scratch: int = 0
    scratch_size: int = 0
    local: int = 0
    encap_at: int = 0
    partner: int = -1
    values: dict[str, int] = field(default_factory=dict)
    values6: dict[str, int] = field(default_factory=dict)
    old: dict[str, int] = field(default_factory=dict)
    old6: dict[str, int] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """Place in chain order."""
        return self.node.index

    @property
    def per_packet(self) -> bool:
        """Whether code of this NF runs for each packet."""
        return bool(self.info.functions) or "on_packet" in self.info.handlers or bool(self.info.events)


@dataclass
class PlacedPoint:
    """A point of application with the places of its record: offsets in the FCB, addresses in the extension."""

    point: Point
    record: int
    values: int
    values6: int
    others: int


@dataclass
class ChainPlan:
    """Everything that the code generator and the engine need to know; `touched` bytes of an FCB are the fast path's."""

    chain: Chain
    nodes: list[NodePlan]
    points: tuple[list[PlacedPoint], list[PlacedPoint]]
    size: int
    touched: int
    ext_size: int
    cold: int
    sel: int
    never_quick: bool
    events: int

    @property
    def last_points(self) -> tuple[int, int] | None:
        """Offsets of the last points' records by side (0: none), if nothing is applied but the tuple, at the end."""
        found = [0, 0]
        if any(p.encap or p.decap for p in self.nodes):
            return None
        for side, placed in enumerate(self.points):
            for point in placed:
                if point.values or point.others or point.point.before != len(self.nodes):
                    return None
                found[side] = point.record
        return found[0], found[1]

    def order(self, side: int) -> list[NodePlan]:
        """Return the nodes in order of travel for a side."""
        return self.nodes if side == 0 else self.nodes[::-1]


def joined(info: NFInfo, names: list[str]) -> Any:
    """Join the effects of several handlers of an NF (those that exist)."""
    from nfuse.nf.effects import Effects

    result = Effects()
    for name in names:
        if name in info.effects:
            result = result | info.effects[name]
    return result


def describe(node: Node) -> NodePlan:
    """Gather what matters of one node."""
    info = analyse(type(node.nf))
    recording = joined(info, ["on_flow", "on_change", *(f"then_{name}" for name, _ in info.events)])
    per_packet = joined(
        info, ["on_packet", *(f"run_{name}" for name in info.functions), *(f"event_{name}" for name, _ in info.events)]
    )
    stateless = info.stateless
    setup = joined(info, ["on_flow"])
    return NodePlan(
        node=node,
        info=info,
        traffic=info.traffic,
        stateless=stateless,
        needs_l4=info.traffic.needs_l4,
        modifies=recording.modifies,
        records=not stateless
        and bool(recording.records or info.functions or _may_fault(info, "on_flow") or _may_fault(info, "on_change")),
        encap=_uses(info, recording, "encap"),
        decap=_uses(info, recording, "decap"),
        turns=recording.turns,
        replies=per_packet.replies,
        packet_effects=per_packet,
        reads_at_setup=modify_fields(setup.reads | ({"*"} if setup.opaque else set())),
    )


def _may_fault(info: NFInfo, handler: str) -> bool:
    """Tell whether a handler that sets a flow up may fault, which drops the flow."""
    if handler not in info.handlers:
        return False
    if handler in info.interpreted_handlers:
        return True
    body = info.text.partition(f"\ndef {handler}(")[2].partition("\n@native")[0]
    return "return -" in body or "CX_FAULT" in body


def _uses(info: NFInfo, recording: Any, what: str) -> bool:
    """Tell whether an NF may push or remove a header; interpreted handlers must name the call themselves."""
    if not recording.opaque:
        return bool(getattr(recording, f"{what}s"))
    return any(
        f"flow.{what}(" in inspect.getsource(getattr(info.cls, handler)) for handler in info.interpreted_handlers
    )


def stage(plan: NodePlan, chain: Chain, side: int) -> Stage:
    """Say what a node does to packets of one direction of travel."""
    modifies: frozenset[str] = frozenset()
    if chain.two_sided or side == 0:
        modifies |= plan.modifies
    if chain.two_sided or side == 1:
        modifies |= inverse_fields(plan.modifies)
    effects = plan.packet_effects
    touches = modify_fields(effects.reads | {w for w in effects.writes if not w.endswith(".checksum")})
    if plan.stateless:
        touches |= modify_fields(plan.traffic.fields)
    if effects.payload == "WRITE":
        pass  # a payload store updates the L4 checksum incrementally: it commutes with the prepared sums
    barrier = plan.encap or plan.decap or plan.replies
    if plan.encap or plan.decap:
        modifies = frozenset()  # applied at its place, whole
    return Stage(modifies, touches, barrier)


def extent(info: NFInfo) -> tuple[int, int]:
    """Return the bytes that an NF's scratchpad really takes, and its alignment."""
    slots = info.session.slots.values()
    ends = [slot.offset + slot.kind.size for slot in slots]
    aligns = [slot.kind.align for slot in slots]
    blocks = len(info.coarse)
    return max([4 * blocks, *ends]), max([4 if blocks else 1, *aligns])


class _Room:
    """Hands out offsets, aligned."""

    def __init__(self, start: int) -> None:
        self.at = start

    def take(self, size: int, align: int = 0) -> int:
        align = align or min(size, 8)
        self.at = -(-self.at // align) * align
        at = self.at
        self.at += size
        return at


def plan_chain(chain: Chain) -> ChainPlan:
    """Lay out the FCB of a chain and compute its points of application.

    Raises:
        ValueError: More NFs or events than the engine's masks hold; a header removed that the chain did not push.
    """
    nodes = [describe(node) for node in chain.nodes]
    if len(nodes) > MAX_NODES:
        raise ValueError(f"the chain has {len(nodes)} network functions; at most {MAX_NODES} are supported")
    events = 0
    for plan in nodes:
        plan.first_event = events
        events += len(plan.info.events)
    if events > MAX_EVENTS:
        raise ValueError(f"the chain has {events} events; at most {MAX_EVENTS} are supported")
    _pair_headers(nodes)
    disturbed = any(p.stateless and modify_fields(p.packet_effects.writes) & set(TUPLE_FIELDS) for p in nodes)
    never_quick = disturbed or _modifies_below_headers(nodes)
    tunnels = any(p.encap for p in nodes)
    keep_old = {
        (p.index, f)
        for p in nodes
        for f in p.modifies & set(TUPLE_FIELDS)
        if disturbed or _shared(nodes if chain.two_sided or tunnels else nodes[: p.index], p, f)
    }

    hot = _Room(HOT_SIZE)
    ext = _Room(E_SIZE)
    points: tuple[list[PlacedPoint], list[PlacedPoint]] = ([], [])
    for side in (0, 1):
        order = nodes if side == 0 else nodes[::-1]
        for point in apply_points([stage(plan, chain, side) for plan in order]):
            record = hot.take(POINT_SIZE, 2)
            last = point.before == len(nodes)
            here = bool(point.fields & set(TUPLE_FIELDS)) and not last
            values = hot.take(12, 4) if here else 0
            values6 = ext.take(32, 8) if here else 0
            others = hot.take(24, 8) if point.fields - set(TUPLE_FIELDS) else 0
            points[side].append(PlacedPoint(point, record, values, values6, others))
    touched = hot.at
    for plan in sorted(nodes, key=lambda p: not p.per_packet):
        if not plan.stateless:
            plan.scratch_size, align = extent(plan.info)
            plan.scratch = hot.take(plan.scratch_size, align) if plan.scratch_size else hot.at
        if plan.per_packet:
            touched = hot.at
    cold = hot.take(COLD_SIZE + (4 if events else 0), 4)
    sel = hot.take(len(chain.branches), 1) if chain.branches else 0
    for plan in nodes:
        if not plan.records:
            continue
        plan.local = hot.take(L_SIZE, 2)
        only_v4 = "ipv4" in plan.traffic.proves and not tunnels  # else it may see the IPv4 header around an IPv6 packet
        for name in MODIFY_FIELDS:
            if name not in plan.modifies:
                continue
            size = VALUE_SIZE.get(name, 1)
            address = name in ("ip_src", "ip_dst") and not only_v4
            plan.values[name] = hot.take(size, min(size, 4))
            if address:
                plan.values6[name] = ext.take(16, 8)
            if (plan.index, name) in keep_old:
                plan.old[name] = hot.take(size, min(size, 4))
                if address:
                    plan.old6[name] = ext.take(16, 8)
        if plan.encap:
            plan.encap_at = hot.take(ENCAP_SIZE, 8)
    if any(p.info.functions or p.info.events or p.encap or p.decap or (p.stateless and p.node.guard) for p in nodes):
        touched = hot.at  # local records, armed events, branches
    size = -(-hot.at // 64) * 64 if hot.at > 128 else -(-hot.at // 8) * 8  # whole cache lines
    return ChainPlan(chain, nodes, points, size, touched, -(-ext.at // 8) * 8, cold, sel, never_quick, events)


def _shared(nodes: list[NodePlan], plan: NodePlan, name: str) -> bool:
    """Tell whether another of `nodes` may modify the same field: the value before may change after it was recorded."""
    return any(other is not plan and name in other.modifies for other in nodes)


def _pair_headers(nodes: list[NodePlan]) -> None:
    stack: list[int] = []
    for plan in nodes:
        if plan.decap:
            if not stack:
                raise ValueError(
                    f"{plan.node.name} removes a header that no network function before it pushes; a second "
                    "classification behind a decapsulation is not supported"
                )
            plan.partner = stack.pop()
        if plan.encap:
            stack.append(plan.index)


def _modifies_below_headers(nodes: list[NodePlan]) -> bool:
    """Tell whether an NF may modify tuple fields while a header is pushed: such chains go NF by NF."""
    depth = 0
    for plan in nodes:
        if depth and plan.modifies & set(MIRROR):
            return True
        if plan.decap and depth:
            depth -= 1
        if plan.encap:
            if plan.modifies & set(MIRROR):
                return True
            depth += 1
    return False
