"""Gtsm: the generalized TTL security mechanism."""

from nfuse import NF, boolean, tcp, u8, u16, u64


class Gtsm(NF):
    """Drop packets to a service that come from further away than `hops` routers (RFC 5082).

    Both ends of a protected session send with a TTL of 255, which no router raises: a packet that has less than
    255 - `hops` comes from somebody else. Replies of the service are not judged.

    Example:
        Gtsm(port=179, hops=1)
    """

    traffic = tcp
    port: u16 = 179  # the protected service; 179 is BGP
    hops: u8 = 0  # routers between the two ends

    class State:
        refused: u64  # packets that were dropped

    class Session:
        watched: boolean  # whether the flow is one to `port`

    def on_flow(self, pkt, flow):
        flow.watched = pkt.dport == self.port

    def on_packet(self, pkt, flow):
        if flow.watched and flow.initiator and pkt.ip.ttl < 255 - self.hops:
            self.refused += 1
            pkt.drop("TTL too low")
