"""What the reference engine keeps of a session: plain Python objects, one per session and per NF.

Addresses are :mod:`ipaddress` objects, times whole milliseconds of the chain's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nfuse.packet.address import IPAddress

NEW, ESTABLISHED, CLOSING = 0, 1, 2
"""States of a session, as in :data:`nfuse.engine.api.STATES`."""

TCP, UDP = 6, 17
ICMPS = (1, 58)

TUPLE_FIELDS = ("ip_src", "ip_dst", "sport", "dport")
"""The modify fields that make up the tuple of a flow."""

MIRROR = {"ip_src": "ip_dst", "ip_dst": "ip_src", "sport": "dport", "dport": "sport"}
"""Where a tuple field of one direction stands in packets of the other."""


class Tuple(NamedTuple):
    """The 5-tuple of a flow at some place of the chain (echo identifiers in place of a port)."""

    ip_src: IPAddress
    ip_dst: IPAddress
    sport: int
    dport: int
    proto: int

    def mirror(self) -> Tuple:
        """Return the tuple of the other direction."""
        return Tuple(self.ip_dst, self.ip_src, self.dport, self.sport, self.proto)


class Key(NamedTuple):
    """What a packet is looked up by at the chain's entry."""

    side: int
    flow: Tuple


@dataclass
class Record:
    """The header actions that an NF has recorded for a session: its row of the local MAT.

    Attributes:
        modifies: New value by modify field, in terms of the opening direction.
        was: For each recorded tuple field, the value that it had at the NF's place when it was recorded.
        drop: Reason of a recorded drop.
        reply: Name of the reply that goes with the drop, or "".
        encap: The header to push, or None.
        decap: The kind of header to remove, or "".
        run: Name of the state function chosen, or "" for on_packet.
        turn: The flow is sent out where it came in.
        foreign: A recorded address is not of the session's family.
    """

    modifies: dict[str, Any] = field(default_factory=dict)
    was: dict[str, Any] = field(default_factory=dict)
    drop: str = ""
    reply: str = ""
    encap: Any = None
    decap: str = ""
    run: str = ""
    turn: bool = False
    foreign: bool = False


@dataclass
class Seat:
    """What a session keeps at one NF.

    Attributes:
        matches: Whether the NF's class matched the first packet to reach it; None before.
        reached: on_flow has run.
        pad: The scratchpad: fields of ``class Session`` where it belongs to the flow.
        blocks: Blocks of the coarser sessions, by name.
        record: The recorded header actions.
        armed: One bit for each event.
        pending: on_change is due.
        generation: The NF's generation of parameters that on_flow or on_change has last seen.
    """

    matches: bool | None = None
    reached: bool = False
    pad: dict[str, Any] = field(default_factory=dict)
    blocks: dict[str, Any] = field(default_factory=dict)
    record: Record = field(default_factory=Record)
    armed: list[bool] = field(default_factory=list)
    pending: bool = False
    generation: int = 0


@dataclass(eq=False)
class Session:
    """A session: both directions of a flow, keyed at the chain's entry.

    Attributes:
        number: 1, 2, 3 ... in the order of creation.
        entry: Opening tuple at the entry.
        side: Side of the opening direction.
        family: 4 or 6.
        ports: Which of sport and dport mean something for its packets.
        seats: One for each node of the chain.
        branches: Alternative chosen by branch number (-1: none).
        deadline: When it ends if no packet refreshes it, ms.
        reply_key: Key of the other direction; None until an opening packet has left.
        old_key: The reply key before a re-route.
        dirty: Records have changed since the reply key was last compared.
        replied: A packet of the other direction has left.
        acknowledged: TCP: after that, one without SYN of the opening direction.
        fins: TCP: FIN seen leaving, by direction (0 opening).
        closing: TCP: RST, or both FINs.
        ended: It is over.
        key: Key of the opening direction.
    """

    number: int
    entry: Tuple
    side: int
    family: int
    ports: frozenset[str]
    seats: list[Seat]
    branches: dict[int, int]
    deadline: int = 0
    reply_key: Key | None = None
    old_key: Key | None = None
    dirty: bool = False
    replied: bool = False
    acknowledged: bool = False
    fins: list[bool] = field(default_factory=lambda: [False, False])
    closing: bool = False
    ended: bool = False

    def __post_init__(self) -> None:
        self.key = Key(self.side, self.entry)

    @property
    def state(self) -> int:
        """NEW, ESTABLISHED or CLOSING."""
        if self.closing:
            return CLOSING
        return ESTABLISHED if (self.acknowledged if self.entry.proto == TCP else self.replied) else NEW

    @property
    def turned(self) -> bool:
        """Whether its packets leave where they came in: some NF has recorded it."""
        return any(seat.record.turn for seat in self.seats)

    def travels(self, opening: bool) -> int:
        """Return the side of whose packets those of a direction travel: 0 in chain order, 1 backwards."""
        return self.side if opening else 1 - self.side

    def leaves(self, opening: bool) -> int:
        """Return the side of whose packets those of a direction leave: all others go to where the opener is."""
        return 1 - self.side if self.turned or not opening else self.side

    def timeout(self, timeouts: dict[str, int]) -> int:
        """Milliseconds that the session lives after a packet, by protocol and state."""
        if self.entry.proto == TCP:
            return timeouts[("tcp_new", "tcp_established", "tcp_closing")[self.state]]
        if self.entry.proto in ICMPS:
            return timeouts["icmp"]
        stem = "udp" if self.entry.proto == 17 else "other"
        return timeouts[stem if self.state else f"{stem}_new"]

    def passed(self, opening: bool, tcp_flags: str) -> None:
        """Follow the protocol state: a packet with these TCP flags (as at the entry) of one direction has left.

        Args:
            opening: It belongs to the direction that opened the session.
            tcp_flags: Letters out of "SFR"; "" for other protocols.
        """
        if not opening:
            self.replied = True
        if self.entry.proto != TCP:
            return
        if opening and self.replied and "S" not in tcp_flags:
            self.acknowledged = True
        if "F" in tcp_flags:
            self.fins[0 if opening else 1] = True
        if "R" in tcp_flags or all(self.fins):
            self.closing = True
