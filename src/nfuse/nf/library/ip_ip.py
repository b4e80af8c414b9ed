"""IpIpEncap and IpIpDecap: IP in IP tunnels (RFC 2003, RFC 2473, RFC 4213)."""

from __future__ import annotations

from nfuse import NF, Address, IpIpHeader, u8


class IpIpEncap(NF):
    """Put each packet of a flow into an outer IP header; the replies' outer header is taken off.

    `src` and `dst` are the tunnel's ends, of one family, which need not be that of the packet. A packet that does not
    fit (head room, 65,535 bytes) is a counted drop of the chain.

    Example:
        IpIpEncap(src="192.0.2.1", dst="192.0.2.2")
    """

    src: Address  # the near end of the tunnel: the outer header's source
    dst: Address  # the far end, of the same family
    ttl: u8 = 64  # outer TTL or hop limit
    tos: u8 = 0  # outer type of service or traffic class (DSCP and ECN)

    def on_start(self):
        """Check that the ends are of one family."""
        if self.src.version != self.dst.version:
            raise ValueError(f"dst: {self.dst} is not of the family of src, IPv{self.src.version}")

    def on_flow(self, pkt, flow):
        """Record the encapsulation."""
        flow.encap(IpIpHeader(src=self.src, dst=self.dst, ttl=self.ttl, tos=self.tos))


class IpIpDecap(NF):
    """Take the outer IP header of a tunnel off, where an earlier NF of the chain has put it on."""

    def on_flow(self, pkt, flow):
        """Record the decapsulation."""
        flow.decap("ipip")
