"""CheckIPHeader: drop packets whose IP header can't be meant so (after Click's element of that name)."""

from __future__ import annotations

from nfuse import NF, Address, Array, Outcome, Prefix, boolean, ip
from nfuse.nf.library.bits import count_up_to
from nfuse.nf.library.prefixes import addresses, union

MARTIANS = [
    *("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"),
    *("::/128", "::1/128", "ff00::/8"),
]
"""What no packet on a network has as its source: RFC 1122 section 3.2.1.3, RFC 6890, RFC 4291 section 2.7."""


class CheckIPHeader(NF):
    """Drop packets with a wrong IPv4 header checksum (RFC 1812 section 5.2.2) or an impossible source (5.3.7).

    Versions, lengths and header lengths need no check here: the chain drops what is malformed before the first NF.
    """

    session = None
    checksum: boolean = True  # whether the IPv4 header checksum must be right
    bad_sources: list[Prefix] = MARTIANS  # source addresses that no packet has

    class State:
        """The bad sources."""

        edges: Array[Address]  # where they begin and end, in turn

    def on_start(self):
        """Lay the bad sources out."""
        self.edges.fill(addresses(union(self.bad_sources)))

    def on_packet(self, pkt):
        """Check the packet."""
        if pkt.ipv4 and self.checksum and not pkt.ipv4.checksum_ok:
            pkt.drop("bad checksum")
        elif count_up_to(self.edges, pkt.ip.src) & 1:
            pkt.drop("bad source")

    def outcomes(self):
        """Packets of bad sources are dropped."""
        if self.bad_sources:
            yield Outcome(ip.src.within(self.bad_sources), drop="bad source")
