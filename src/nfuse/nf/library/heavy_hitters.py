"""HeavyHitters: the addresses that send or receive most, in fixed memory."""

from __future__ import annotations

import ipaddress
from typing import Literal

from nfuse import NF, Address, Array, HashMap, boolean, u8, u16, u32, u64
from nfuse.nf.library.bits import masked
from nfuse.nf.library.prefixes import mask

NONE = 0xFFFFFFFF


class HeavyHitters(NF):
    """Find the sources or destinations of most bytes or packets: Space-Saving (Metwally et al., ICDT 2005).

    `size` addresses are counted. One that is not among them takes the place, and the count, of the smallest; so a count
    is too high by at most its error, and whatever has more than the total divided by `size` is in the table. With
    `prefix4` and `prefix6`, prefixes of these lengths are counted in place of addresses.

    Example:
        HeavyHitters(size=1000, key="source", prefix4=24, top=10)
    """

    session = None
    size: u16 = 1024  # addresses that are counted, at least 1
    key: Literal["source", "destination"] = "source"  # which address of each packet counts
    unit: Literal["bytes", "packets"] = "bytes"  # what is counted; bytes are those of frames on the wire
    prefix4: u8 = 32  # count IPv4 prefixes of this length in place of addresses
    prefix6: u8 = 128  # the same for IPv6
    top: u16 = 20  # rows of the report

    class State:
        """A slot for each address that is counted, and a heap of the slots."""

        slots: HashMap[Address, u32]  # address -> slot
        address: Array[Address]  # by slot
        count: Array[u64]  # by slot
        error: Array[u64]  # by slot: how much of the count may be other addresses'
        place: Array[u32]  # by slot: where it is in the heap
        heap: Array[u32]  # slots, the smallest count first
        total: u64  # of all packets, counted or not
        by_destination: boolean  # whether `key` is the destination
        by_packets: boolean  # whether `unit` is packets
        mask4: Address  # what an IPv4 address is cut with
        mask6: Address  # what an IPv6 address is cut with

    def on_start(self):
        """Make room; all counts are 0."""
        if not 1 <= self.size <= 65535:
            raise ValueError("size: expected 1 to 65535 addresses")
        self.mask4, self.mask6 = mask(4, self.prefix4), mask(6, self.prefix6)
        self.by_destination, self.by_packets = self.key == "destination", self.unit == "packets"
        for container in (self.slots, self.address, self.count, self.error):
            container.reserve(self.size)
        self.place.fill(range(self.size))
        self.heap.fill(range(self.size))
        self.total = 0

    def on_packet(self, pkt):
        """Count the packet for its address."""
        address = masked(pkt.ip.dst if self.by_destination else pkt.ip.src, self.mask4, self.mask6)
        weight = 1 if self.by_packets else pkt.len
        self.total += weight
        slot = self.slots.get(address, NONE)
        if slot == NONE:
            slot = self.heap[0]
            if self.count[slot]:
                self.slots.delete(self.address[slot])
            self.error[slot] = self.count[slot]
            self.address[slot] = address
            self.slots[address] = slot
        self.count[slot] += weight
        self.sink(slot)

    def sink(self, slot):
        """Move a slot whose count has grown down the heap."""
        at = self.place[slot]
        child = 2 * at + 1
        while child < len(self.heap):
            if child + 1 < len(self.heap) and self.count[self.heap[child + 1]] < self.count[self.heap[child]]:
                child += 1
            other = self.heap[child]
            if self.count[other] >= self.count[slot]:
                break
            self.heap[at] = other
            self.place[other] = at
            at = child
            child = 2 * at + 1
        self.heap[at] = slot
        self.place[slot] = at

    def report(self, state):
        """Return a row for each of the `top` largest: address, count, error (count - error to count is true), share."""
        rows = zip(state["address"], state["count"], state["error"], strict=True)
        found = sorted((-count, self.label(address), error) for address, count, error in rows if count)
        return [
            {self.key: label, self.unit: -count, "error": error, "share": -count / state["total"]}
            for count, label, error in found[: self.top]
        ]

    def label(self, address):
        """Return an address as text, with the length of its prefix if that is not whole. Plain Python."""
        length = self.prefix4 if address.version == 4 else self.prefix6
        return str(address) if length == address.max_prefixlen else str(ipaddress.ip_network((address, length)))
