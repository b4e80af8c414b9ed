"""Counter: how many packets and bytes pass."""

from __future__ import annotations

from nfuse import NF, everything, u64


class Counter(NF):
    """Count packets and bytes (of frames on the wire), by direction, whatever they carry. Nothing is kept per flow."""

    traffic = everything
    session = None

    class State:
        """The counts; ``reverse_*`` are those of packets for which ``pkt.reverse`` is true."""

        packets: u64  # forward
        bytes: u64  # of frames
        reverse_packets: u64  # reverse
        reverse_bytes: u64  # of frames

    def on_packet(self, pkt):
        """Count the packet for its direction."""
        if pkt.reverse:
            self.reverse_packets += 1
            self.reverse_bytes += pkt.len
        else:
            self.packets += 1
            self.bytes += pkt.len

    def report(self, state):
        """Return the counts as two rows: forward, reverse."""
        return [
            {"direction": direction, "packets": state[f"{prefix}packets"], "bytes": state[f"{prefix}bytes"]}
            for direction, prefix in (("forward", ""), ("reverse", "reverse_"))
        ]
