"""DosGuard: drop flows, and flows of sources, that send too many SYNs (SpeedyBox, Fig. 3)."""

from __future__ import annotations

from nfuse import NF, event, five_tuple, ip, tcp, u32, u64

SECOND = 1_000_000_000


class DosGuard(NF):
    """Drop a flow once it has sent more than `threshold` SYNs, or its source more than `source_threshold`.

    SYNs without ACK count (RFC 9293 section 3.5: requests to connect). A source's count is over all its flows and
    starts anew every `window` seconds (0: never). A flow that was cut off stays so until its session ends.

    Example:
        DosGuard(threshold=100, source_threshold=1000, window=10)
    """

    traffic = tcp
    session = {"flow": five_tuple, "source": (ip.src,)}
    threshold: u32 = 100  # SYNs that a flow may send in its life
    source_threshold: u32 = 1000  # SYNs that a source address may send in a window
    window: u32 = 10  # seconds; a source's count starts anew with the first SYN after its window; 0: never

    class Session:
        """What the flow has sent."""

        syns: u32  # SYNs in its life

    class Source:
        """What the source has sent in its current window."""

        since: u64  # when the window began, ns since the epoch
        syns: u32  # SYNs in it

    def on_packet(self, pkt, flow):
        """Count the SYNs of the direction that opened the flow."""
        if flow.initiator and pkt.tcp.syn and not pkt.tcp.ack:
            flow.syns += 1
            if self.window and pkt.time - flow.source.since >= self.window * SECOND:
                flow.source.since = pkt.time
                flow.source.syns = 0
            flow.source.syns += 1

    @event
    def flood(self, flow):
        """Say when the flow has sent too many."""
        return flow.syns > self.threshold

    @flood.then
    def block(self, flow):
        """Cut the flow off, from this packet on."""
        self.alert("SYN flood", flow.syns)
        flow.drop("SYN flood")

    @event
    def source_flood(self, flow):
        """Say when the flow's source has sent too many."""
        return flow.source.syns > self.source_threshold

    @source_flood.then
    def block_source(self, flow):
        """Cut this flow of the source off, from this packet on."""
        self.alert("SYN flood from source", flow.source.syns)
        flow.drop("SYN flood from source")
