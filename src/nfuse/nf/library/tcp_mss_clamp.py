"""TcpMssClamp: lowers the segment size that TCP connections announce to what fits a path."""

from __future__ import annotations

from nfuse import NF, tcp, u16, u64


class TcpMssClamp(NF):
    """Lower the maximum segment size (MSS) in each SYN and SYN/ACK to at most `mss`, or to what fits `mtu`.

    The MSS that fits is the MTU less the IP and TCP headers without options: 40 bytes for IPv4, 60 for IPv6 (RFC 6691).
    A smaller value stays. Where a host announces none, none is added: its peer then sends at most 536 bytes (IPv4) or
    1220 (IPv6) a segment (RFC 9293, section 3.7.1).
    """

    traffic = tcp
    session = None
    mtu: u16 = 1500  # of the path, in bytes: the MSS is at most what fits it
    mss: u16 = 0  # the most itself, in bytes; 0: by `mtu`

    class State:
        """How many packets were changed."""

        clamped: u64

    def on_start(self):
        """Check the parameters."""
        if self.mss == 0 and self.mtu < 68:
            raise ValueError(f"mtu: {self.mtu} is too small; IPv4 needs at least 68 (RFC 791)")

    def on_update(self):
        """Check the parameters."""
        self.on_start()

    def on_packet(self, pkt):
        """Look at the option where a connection begins, in both directions."""
        if pkt.tcp.syn:
            most = self.mss if self.mss else self.mtu - (40 if pkt.ip.version == 4 else 60)
            if pkt.tcp.mss > most:
                pkt.tcp.mss = most
                self.clamped += 1
