"""What a trace says about a packet: plain data, numbers and texts only, ready to be shown or written as JSON.

Addresses are texts, MAC addresses texts with colons, times nanoseconds since the epoch, deadlines milliseconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

Value = int | str | bool | None
"""A field's value; None where the field is not there."""


@dataclass
class Change:
    """A field that has changed: of a header (``tcp.dport``), of a Session, of State."""

    name: str
    before: Value
    after: Value


@dataclass
class Drop:
    """Where and why a packet was dropped.

    Attributes:
        nf: Name of the NF, or "chain".
        reason: The counted reason.
        where: Where the NF's source says so, ``file:line``; several if there are; "" for reasons of the chain.
    """

    nf: str
    reason: str
    where: str = ""


@dataclass
class Step:
    """What one NF did with a packet.

    Attributes:
        nf: Its name in the chain.
        place: Its class and where that stands, ``Monitor (nfuse/nf/library/monitor.py:24)``.
        ran: Handlers that ran, in order.
        events: Events that fired.
        header: Header fields that changed, checksums among them.
        pushed, popped: The header that was put on or taken off, in words.
        session: Session fields that changed; of a coarser session as ``name.field``.
        state: State that changed: scalars, items of arrays, ``len(...)`` of other containers.
        recorded: The header actions that were recorded at this packet, in words; "" if none were.
        explained: What the NF's ``explain`` says of the flow.
        alerts: Signature and value of each alert.
        dropped: Why it dropped the packet.
    """

    nf: str
    place: str
    ran: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    header: list[Change] = field(default_factory=list)
    pushed: str = ""
    popped: str = ""
    session: list[Change] = field(default_factory=list)
    state: list[Change] = field(default_factory=list)
    recorded: str = ""
    explained: str = ""
    alerts: list[str] = field(default_factory=list)
    dropped: Drop | None = None


@dataclass
class Passed:
    """An NF that a packet passed without being looked at."""

    nf: str
    why: str


@dataclass
class Journey:
    """A packet's way through the chain.

    Attributes:
        packet: The packet as its way begins, in words.
        made_by: The NF that made it and the kind of reply, ``ipfilter: rst``; "" for a packet of the input.
        steps: The NFs that took it, in the order of travel.
        passed: The NFs on its way that did not.
        leaves: The packet as it leaves, in words; "" if it does not.
        bytes: Its length on the wire as it leaves; 0 if it does not.
        side: By which side it leaves: 0 forward, 1 reverse.
        dropped: Why it does not leave.
    """

    packet: str = ""
    made_by: str = ""
    steps: list[Step] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    leaves: str = ""
    bytes: int = 0
    side: int = 0
    dropped: Drop | None = None


@dataclass
class SessionFacts:
    """The session of a packet.

    Attributes:
        number: 1, 2, 3 ... in the order of creation.
        flow: The opening tuple at the chain's entry, in words.
        opened: This packet opened it.
        opening: The packet belongs to the direction that opened it.
        state: ``new``, ``established`` or ``closing``, once the packet has left.
        deadline: When it ends if no packet comes, ms since the epoch.
    """

    number: int
    flow: str
    opened: bool
    opening: bool
    state: str
    deadline: int


@dataclass
class Ended:
    """A session that ended because of this packet, or before it, as time went on."""

    number: int
    flow: str
    cause: str


@dataclass
class Rewritten:
    """One consolidated rewrite: its place, the fields by their names in ``flow.modify``, the NFs that recorded them."""

    place: str
    fields: list[str]
    nfs: list[str]


@dataclass
class FusedFacts:
    """What the fused engine did with the same packet.

    Attributes:
        path: ``fast``, ``slow`` (NF by NF), or ``fast, then slow``.
        why: Why it was not the fast path, or what left it.
        rewrites: On the fast path: the consolidated rewrites that were applied.
        headers: On the fast path: NFs whose pushing or removing of a header was applied at their place.
        early_drop: On the fast path: the NF whose recorded drop was known before any NF ran.
        consolidated: The session's actions were consolidated (anew) after this packet.
        next: What the next packet of this direction can expect: ``fast path``, or why it can't take it; "" without
            session.
        identical: All that left is the reference engine's, byte for byte, and so are drops and alerts.
        difference: Where it is not, the explanation.
    """

    path: str
    why: str = ""
    rewrites: list[Rewritten] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    early_drop: str = ""
    consolidated: bool = False
    next: str = ""
    identical: bool = True
    difference: str = ""


@dataclass
class TracedPacket:
    """The story of one packet.

    Attributes:
        number: Its number in the input, from 1 (as Wireshark counts).
        time: Its time stamp, ns since the epoch.
        since: Nanoseconds since the first packet of the input.
        side: The side it came in by: 0 forward, 1 reverse.
        bytes: Its length on the wire.
        packet: It, in words.
        held: Of a fragment that came before the first of its datagram, the number of the packet with which it was let
            go; 0 for all others.
        unmatched: No NF's traffic class matched it.
        session: Its session, if it has one.
        ticks: NFs whose ``on_tick`` ran before it.
        ended: Sessions that ended.
        journey: Its way.
        made: The packets that the chain made in answer to it, with their ways back.
        fused: What the fused engine did; None if the packet did not reach the engines.
    """

    number: int
    time: int
    since: int
    side: int
    bytes: int
    packet: str
    held: int = 0
    unmatched: bool = False
    session: SessionFacts | None = None
    ticks: list[str] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    journey: Journey = field(default_factory=Journey)
    made: list[Journey] = field(default_factory=list)
    fused: FusedFacts | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return asdict(self)
