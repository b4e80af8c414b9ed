"""PacketSizeHistogram: how large the packets are."""

from __future__ import annotations

from nfuse import NF, Array, everything, u32, u64
from nfuse.nf.library.bits import count_up_to

POWERS = [1 << i for i in range(6, 17)]


class PacketSizeHistogram(NF):
    """Count packets by their size: bytes of the frame as it is on the wire in the capture.

    `bounds` are the largest sizes of the groups, in rising order; one more group holds what is larger.
    """

    traffic = everything
    session = None
    bounds: list[u32] = POWERS  # the largest size of each group, in rising order; one more holds what is larger

    class State:
        """What the groups are, and had."""

        starts: Array[u32]  # the smallest size of each group but the first, which begins at 0
        packets: Array[u64]  # by group
        bytes: Array[u64]  # by group

    def on_start(self):
        """Lay the groups out."""
        if not self.bounds or self.bounds != sorted(set(self.bounds)) or len(self.bounds) > 1000:
            raise ValueError(
                "bounds: expected 1 to 1000 sizes in rising order, such as [64, 127, 255, 511, 1023, 1518]"
            )
        if self.bounds[-1] == 0xFFFFFFFF:
            raise ValueError("bounds: sizes are less than 4294967295")
        self.starts.fill([bound + 1 for bound in self.bounds])
        self.packets.reserve(len(self.bounds) + 1)
        self.bytes.reserve(len(self.bounds) + 1)

    def on_packet(self, pkt):
        """Count the packet in its group."""
        group = count_up_to(self.starts, pkt.len)
        self.packets[group] += 1
        self.bytes[group] += pkt.len

    def report(self, state):
        """Return a row a group, from the first that has packets to the last: sizes, packets, bytes, share."""
        first, total = [0, *state["starts"]], max(1, sum(state["packets"]))
        last = [*(start - 1 for start in state["starts"]), ""]
        rows = [
            {"from": low, "to": high, "packets": packets, "bytes": size, "share": packets / total}
            for low, high, packets, size in zip(first, last, state["packets"], state["bytes"], strict=True)
        ]
        filled = [number for number, row in enumerate(rows) if row["packets"]]
        return rows[filled[0] : filled[-1] + 1] if filled else []
