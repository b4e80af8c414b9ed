"""One packet on its way through the chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nfuse.engine.reference.packet import Packet
from nfuse.engine.reference.session import Session, Tuple

if TYPE_CHECKING:
    from nfuse.engine.reference.observer import Observer


class Dropped(Exception):
    """The packet is dropped.

    Args:
        where: Name of the NF, or "chain".
        reason: Why.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where = where
        self.reason = reason


@dataclass(eq=False)
class Trip:
    """What is known of a packet while it travels.

    Attributes:
        packet: The packet.
        clock: The chain's clock, ns.
        session: Its session, once it has one.
        opening: It belongs to the direction that opened the session (True without a session).
        reverse: ``pkt.reverse``.
        error: It is an ICMP error.
        later: It is a later fragment.
        made: The chain made it.
        matched: Some NF's class has matched on the way.
        classes: Without a session: which NFs' classes matched, by index of the node.
        branches: Without a session: alternative taken, by branch.
        entry: The packet's tuple at the entry; None if it is not IP.
        pushed: Headers that the chain has pushed onto it and not yet removed.
        answers: The packets made in answer to it, in the order of making.
        dropped: Why it did not come out.
        observer: Who wants to know how it fares, if anybody does.
    """

    packet: Packet
    clock: int
    session: Session | None = None
    opening: bool = True
    reverse: bool = False
    error: bool = False
    later: bool = False
    made: bool = False
    matched: bool = False
    classes: dict[int, bool] = field(default_factory=dict)
    branches: dict[int, int] = field(default_factory=dict)
    pushed: int = 0
    answers: list[Trip] = field(default_factory=list)
    dropped: Dropped | None = None
    observer: Observer | None = None

    def __post_init__(self) -> None:
        packet = self.packet
        self.entry: Tuple | None = packet.tuple() if packet.family else None

    @property
    def ms(self) -> int:
        """The chain's clock in whole milliseconds."""
        return self.clock // 1_000_000

    @property
    def normal(self) -> bool:
        """It has an L4 header of its own (as far as its protocol has one) and was not made by the chain."""
        return not (self.error or self.later or self.made)
