"""MacSwap: send each frame back to where it came from, on the Ethernet."""

from __future__ import annotations

from nfuse import NF, eth


class MacSwap(NF):
    """Exchange the source and destination address of each Ethernet frame, whatever it carries."""

    traffic = eth
    session = None

    def on_packet(self, pkt):
        """Exchange the two."""
        target = pkt.eth.dst
        pkt.eth.dst = pkt.eth.src
        pkt.eth.src = target
