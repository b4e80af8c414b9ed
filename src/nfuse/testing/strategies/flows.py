"""Flows: 5-tuples of both families that are few enough to meet again, and their packets in a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from nfuse.testing.packet import Packet, packet

HOSTS = ("10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2")
SERVERS = ("192.0.2.1", "2001:db8:1::1")


@dataclass(frozen=True)
class Flow:
    """A flow between two hosts.

    Attributes:
        proto: ``tcp``, ``udp`` or ``icmp`` (an echo, whose identifier is `sport`; `dport` is 0).
        src: Address of the host that opens it.
        sport: Its port.
        dst: Address of the other one.
        dport: Its port.
    """

    proto: str
    src: str
    sport: int
    dst: str
    dport: int

    def line(self, words: str = "", back: bool = False) -> str:
        """Return a packet of the flow as text.

        Args:
            words: What else is said of it; of TCP, its flags come first (default: ``A``).
            back: Whether it goes from the other host to the one that opens.
        """
        arrow = "<" if back else ">"
        if self.proto == "icmp":
            kind = "reply" if back else "request"
            return f"{self.src} {arrow} {self.dst} icmp echo-{kind} id {self.sport} {words}".rstrip()
        src, dst = (f"[{host}]" if ":" in host else host for host in (self.src, self.dst))
        words = words or ("A" if self.proto == "tcp" else "")
        return f"{src}:{self.sport} {arrow} {dst}:{self.dport} {self.proto} {words}".rstrip()

    def packet(self, words: str = "", back: bool = False, at: float = 0) -> Packet:
        """Return a packet of the flow; arguments as for :meth:`line`, and its time in seconds."""
        return packet(self.line(words, back), at)


def flows(
    protocols: Sequence[str] = ("tcp", "udp", "icmp"),
    hosts: Sequence[str] = HOSTS,
    servers: Sequence[str] = SERVERS,
    sports: int = 3,
    dports: Sequence[int] = (80, 53, 8080),
) -> st.SearchStrategy[Flow]:
    """Return a strategy of flows.

    Args:
        protocols: Of ``tcp``, ``udp``, ``icmp``.
        hosts: Addresses that open flows.
        servers: Addresses that they go to; each flow has two of one family.
        sports: How many source ports (from 1 on) and identifiers of echoes there are.
        dports: Destination ports.
    """
    ways = [(a, b) for a in hosts for b in servers if (":" in a) == (":" in b)]
    if not ways:
        raise ValueError("hosts and servers have no IP version in common")

    def make(proto: str, way: tuple[str, str], sport: int, dport: int) -> Flow:
        return Flow(proto, way[0], sport, way[1], 0 if proto == "icmp" else dport)

    return st.builds(
        make, st.sampled_from(protocols), st.sampled_from(ways), st.integers(1, sports), st.sampled_from(dports)
    )
