"""What the compiler found out about each network function of a chain."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nfuse.chain.spec import Chain
from nfuse.engine.fused.keys import key_words
from nfuse.engine.fused.layout import NodePlan
from nfuse.flow.blocks import stride
from nfuse.nf.effects import PAYLOAD, Effects


@dataclass(frozen=True)
class Block:
    """A coarser session of an NF: its name, its key (in fields), bytes of a block with its key."""

    name: str
    key: list[str]
    bytes: int


@dataclass(frozen=True)
class NodeFacts:
    """One NF at its place, over all its handlers.

    Attributes:
        name, cls: Its name in the chain; its class.
        source: Where the class is written, as ``file:line`` (relative to the working directory if it is below).
        ways: The conditions of the branches around it, outer first.
        parameters: Its parameters that differ from their defaults, as YAML values.
        traffic: Its traffic class.
        stateless: It keeps no sessions: its class is judged on each packet.
        handlers: Its handlers, events as ``event NAME``.
        reads_first, reads_each: Fields that it reads of a session's first packet; of each packet.
        reads, writes, modifies: Fields that any handler reads, stores directly, may record with ``flow.modify``.
        encaps, decaps: Kinds of headers that it may push and remove.
        payload: ``IGNORE``, ``READ`` or ``WRITE``.
        per_packet: The code that runs for each packet: ``on_packet``, state functions, events.
        may_drop, alerts: Texts.
        drops_flow, drops_packet: It may record a drop for a flow; it may drop single packets.
        answers: It may answer a packet.
        state_written: State fields that a handler writes.
        scratchpad: Bytes of its scratchpad in the flow control block.
        blocks: Its coarser sessions.
        opaque: It has handlers that run as ordinary Python; these count as touching everything.
    """

    name: str
    cls: str
    source: str
    ways: list[str]
    parameters: dict[str, Any]
    traffic: str
    stateless: bool
    handlers: list[str]
    reads_first: list[str]
    reads_each: list[str]
    reads: list[str]
    writes: list[str]
    modifies: list[str]
    encaps: list[str]
    decaps: list[str]
    payload: str
    per_packet: list[str]
    may_drop: list[str]
    alerts: list[str]
    drops_flow: bool
    drops_packet: bool
    answers: bool
    state_written: list[str]
    scratchpad: int
    blocks: list[Block]
    opaque: bool


def facts_of(plan: NodePlan, chain: Chain) -> NodeFacts:
    """Return what is known of one node."""
    from nfuse.chain.parameters import parameter_values

    info, node = plan.info, plan.node
    effects = info.effects
    total = info.total()
    each = _joined(effects[name] for name in effects if _runs_per_packet(name))
    first = _joined(effects[name] for name in effects if not _runs_per_packet(name) and name != "on_tick")
    return NodeFacts(
        name=node.name,
        cls=info.name,
        source=_source(info.cls),
        ways=[condition(chain.branches[branch][way]) for branch, way in node.guard],
        parameters={name: _short(value) for name, value in parameter_values(node.nf).items()},
        traffic=bare(str(info.traffic)),
        stateless=info.stateless,
        handlers=sorted(info.handlers) + [f"event {name}" for name, _ in info.events],
        reads_first=sorted(first.reads),
        reads_each=sorted(each.reads),
        reads=sorted(total.reads),
        writes=sorted(total.writes),
        modifies=sorted(total.modifies),
        encaps=sorted(total.encaps) if plan.encap else [],
        decaps=sorted(total.decaps) if plan.decap else [],
        payload=max((e.payload for e in effects.values()), key=PAYLOAD.index, default="IGNORE"),
        per_packet=[
            name.removeprefix("run_").replace("event_", "event ") for name in effects if _runs_per_packet(name)
        ],
        may_drop=list(info.reasons),
        alerts=list(info.signatures),
        drops_flow=total.flow_drops,
        drops_packet=total.drops,
        answers=total.replies,
        state_written=sorted(total.state_writes),
        scratchpad=plan.scratch_size,
        blocks=[
            Block(
                name, [field.full_name for field in fields], stride(layout.size, len(key_words(fields, plan.traffic)))
            )
            for name, fields, layout in info.coarse
        ],
        opaque=bool(info.interpreted_handlers),
    )


def condition(when: object) -> str:
    """Return the condition of one way through a branch, as text of the filter language."""
    text = str(when)
    return "otherwise" if text == "everything" else bare(text)


def bare(text: str) -> str:
    """Return a text of the filter language without parentheses around the whole."""
    inner = text[1:-1]
    return inner if text[:1] == "(" and text[-1:] == ")" and not set("()") & set(inner) else text


def _runs_per_packet(name: str) -> bool:
    return name == "on_packet" or name.startswith(("run_", "event_"))


def _joined(effects: Iterable[Effects]) -> Effects:
    result = Effects()
    for one in effects:
        result = result | one
    return result


def _source(cls: type) -> str:
    try:
        return f"{_short(inspect.getsourcefile(cls))}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return ""


def _short(value: Any) -> Any:
    """Return the path of a file below the working directory relative to it; anything else as it is."""
    if not isinstance(value, str) or not os.path.isabs(value):
        return value
    below = os.path.relpath(value)
    return value if below.startswith("..") else below
