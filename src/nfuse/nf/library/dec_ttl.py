"""DecTtl: what a router does to the TTL (RFC 1812 section 5.3.1, RFC 8200 section 3)."""

from __future__ import annotations

from nfuse import NF, boolean


class DecTtl(NF):
    """Decrement the TTL or hop limit of each packet; drop what arrives with 0 or 1.

    With `answer`, the sender of a dropped packet gets ICMP "time exceeded" (RFC 792 type 11 code 0, RFC 4443 section
    3.3), unless none is due: to ICMP errors, later fragments, multicast and broadcast.
    """

    session = None
    answer: boolean = False  # whether the sender of a dropped packet gets ICMP time exceeded

    def on_packet(self, pkt):
        """Decrement or drop."""
        if pkt.ip.ttl > 1:
            pkt.ip.ttl -= 1
            return
        if self.answer:
            pkt.reply("ttl exceeded")
        pkt.drop("TTL exceeded")
