"""RateLimiter: token buckets (RFC 2697, RFC 2698) for flows, or for the sources of flows."""

from __future__ import annotations

from typing import Literal

from nfuse import NF, Address, Array, HashMap, boolean, i8, u8, u32, u64
from nfuse.nf.library.bits import masked
from nfuse.nf.library.dscp import parse_dscp
from nfuse.nf.library.prefixes import mask

SECOND = 1_000_000_000
"""Parts of a token. A bucket gains `rate` parts a nanosecond: nothing is rounded, nothing drifts."""
LONGEST = 1500
"""Bytes of a full packet on Ethernet."""
MOST = 10**15
GREEN, YELLOW, RED = 0, 1, 2
PASS, DROP = -1, -2
NONE = 0xFFFFFFFF


class RateLimiter(NF):
    """Meter each flow, or each source, and pass, mark or drop its packets by colour.

    `rate` and `burst` alone are a token bucket: green or red. With `excess` they are the single rate three colour
    marker of RFC 2697 (CIR, CBS, EBS), with `peak` and `peak_burst` the two rate one of RFC 2698 (CIR, CBS, PIR, PBS).
    Bytes are those of IP packets, headers included (section 1 of both).

    Example:
        RateLimiter(rate=125000, burst=15000, per="source")
    """

    rate: u64  # committed information rate (CIR), 1 to 10^15 a second
    burst: u32  # committed burst size (CBS); in bytes at least 1500
    excess: u32 = 0  # excess burst size (EBS): three colours by RFC 2697
    peak: u64 = 0  # peak information rate (PIR), up to 10^15 a second, with `peak_burst`: three colours by RFC 2698
    peak_burst: u32 = 0  # peak burst size (PBS)
    unit: Literal["bytes", "packets"] = "bytes"  # what rates and bursts count; bytes of IP packets, headers included
    per: Literal["flow", "source"] = "flow"  # who has buckets: each flow, or each source of flows
    direction: Literal["both", "sent", "received"] = "both"  # packets that count; sent: by who opened the flow
    green: int | str = "pass"  # what becomes of green packets: pass, drop, or a DSCP (0-63 or a name)
    yellow: int | str = "pass"  # the same for yellow ones
    red: int | str = "drop"  # the same for red ones
    aware: boolean = False  # packets come with the colour that their DSCP says: `yellow`'s, `red`'s, else green
    prefix4: u8 = 32  # bits of an IPv4 address that make a source
    prefix6: u8 = 64  # bits of an IPv6 address that make a source
    buckets: u32 = 65536  # sources that are kept apart, 1 to 65536

    class State:
        """What becomes of colours, how much had them, and by slot the buckets of sources."""

        action: Array[i8, 3]  # by colour: a DSCP, -1 to pass, -2 to drop
        packets: Array[u64, 3]  # by colour
        bytes: Array[u64, 3]  # by colour: bytes of IP packets
        in_packets: boolean  # whether `unit` is packets
        per_source: boolean  # whether sources have the buckets
        sent: boolean  # whether packets of the direction that opened the flow count
        received: boolean  # whether the others count
        mask4: Address  # what an IPv4 source is cut with
        mask6: Address  # what an IPv6 source is cut with
        slots: HashMap[Address, u32]  # source -> slot
        owner: Array[Address]  # by slot: the source
        committed: Array[u64]  # by slot: thousand millionths of tokens
        other: Array[u64]  # by slot: the same in the excess or peak bucket
        since: Array[u64]  # by slot: when they were filled last, ns since the epoch
        recent: Array[boolean]  # by slot: used since the clock's hand went by
        hand: u32  # the clock's hand
        used: u32  # slots that were ever used

    class Session:
        """The flow's buckets, or where its source's are."""

        committed: u64  # thousand millionths of tokens
        other: u64  # the same in the excess or peak bucket
        since: u64  # when they were filled last, ns since the epoch
        source: Address  # with `per: source`: its source
        slot: u32  # that had the source's buckets last

    def on_start(self):
        """Make room for the buckets."""
        if not 1 <= self.buckets <= 65536:
            raise ValueError("buckets: expected 1 to 65536")
        self.mask4, self.mask6 = mask(4, self.prefix4), mask(6, self.prefix6)
        self.in_packets, self.per_source = self.unit == "packets", self.per == "source"
        for container in (self.slots, self.owner, self.committed, self.other, self.since, self.recent):
            container.reserve(self.buckets if self.per_source else 0)
        self.on_update()

    def on_update(self):
        """Take new rates and bursts; buckets keep what is in them, as far as it fits."""
        fixed = (mask(4, self.prefix4), mask(6, self.prefix6), self.unit == "packets", self.per == "source")
        room = self.buckets if self.per_source else 0
        if fixed != (self.mask4, self.mask6, self.in_packets, self.per_source) or room != len(self.owner):
            raise ValueError("unit, per, prefix4, prefix6 and buckets can't change while the chain runs")
        if not 1 <= self.rate <= MOST:
            raise ValueError(f"rate: {self.rate} {self.unit} a second; expected 1 to {MOST}")
        if (self.peak or self.peak_burst) and (self.excess or not self.rate <= self.peak <= MOST):
            raise ValueError(f"peak: expected a rate from {self.rate} to {MOST}, and no excess beside it (RFC 2698)")
        least = 1 if self.in_packets else LONGEST
        for name, needed in (("burst", True), ("excess", self.excess), ("peak_burst", self.peak)):
            if needed and getattr(self, name) < least:
                raise ValueError(
                    f"{name}: {getattr(self, name)}; expected at least {least}, or full packets never pass"
                )
        for number, name in enumerate(("green", "yellow", "red")):
            value = getattr(self, name)
            self.action[number] = (
                {"pass": PASS, "drop": DROP}[value] if value in ("pass", "drop") else parse_dscp(value, name)
            )
        if self.aware and min(self.action[YELLOW], self.action[RED]) < 0:
            raise ValueError("aware: expected DSCPs for yellow and red, to tell the colour that a packet comes with")
        self.sent, self.received = self.direction != "received", self.direction != "sent"

    def on_flow(self, pkt, flow):
        """Give the flow full buckets, or find those of its source."""
        if self.per_source:
            flow.source = masked(pkt.ip.src, self.mask4, self.mask6)
            flow.slot = self.find(flow.source, pkt.time)
        else:
            flow.committed = self.burst * SECOND
            flow.other = (self.peak_burst if self.peak else self.excess) * SECOND
            flow.since = pkt.time

    def on_packet(self, pkt, flow):
        """Meter the packet and do what its colour asks for."""
        if not (self.sent if flow.initiator else self.received):
            return
        size = ip_length(pkt)
        before = self.colour_before(pkt)
        slot = flow.slot
        if self.per_source:
            if self.owner[slot] != flow.source:
                slot = self.find(flow.source, pkt.time)
                flow.slot = slot
            self.recent[slot] = True
            elapsed = pkt.time - self.since[slot]
            committed = self.fill_committed(self.committed[slot], elapsed)
            other = self.fill_other(self.committed[slot], self.other[slot], committed, elapsed)
        else:
            elapsed = pkt.time - flow.since
            committed = self.fill_committed(flow.committed, elapsed)
            other = self.fill_other(flow.committed, flow.other, committed, elapsed)
        amount = (1 if self.in_packets else size) * SECOND
        colour = self.colour(before, committed, other, amount)
        if colour == GREEN:
            committed -= amount
        if colour == YELLOW or (self.peak and colour == GREEN):
            other -= amount
        if self.per_source:
            self.committed[slot] = committed
            self.other[slot] = other
            self.since[slot] = pkt.time
        else:
            flow.committed = committed
            flow.other = other
            flow.since = pkt.time
        self.packets[colour] += 1
        self.bytes[colour] += size
        action = self.action[colour]
        if action == DROP:
            pkt.drop("rate exceeded")
        elif action >= 0:
            pkt.ip.dscp = action

    def colour_before(self, pkt):
        """Return the colour with which the packet comes: green unless `aware` of its DSCP."""
        if not self.aware:
            return GREEN
        return RED if pkt.ip.dscp == self.action[RED] else YELLOW if pkt.ip.dscp == self.action[YELLOW] else GREEN

    def colour(self, before, committed, other, amount):
        """Return the packet's colour (section 3 of both)."""
        if self.peak:
            if before == RED or other < amount:
                return RED
            return YELLOW if before == YELLOW or committed < amount else GREEN
        if before == GREEN and committed >= amount:
            return GREEN
        return YELLOW if before != RED and other >= amount else RED

    def fill_committed(self, committed, elapsed):
        """Return what is in the committed bucket now."""
        return filled(committed, elapsed, self.rate, self.burst * SECOND)

    def fill_other(self, old, other, committed, elapsed):
        """Return what is in the peak bucket now, or in the excess bucket: all that the committed one could not take."""
        if self.peak:
            return filled(other, elapsed, self.peak, self.peak_burst * SECOND)
        both = filled(old + other, elapsed, self.rate, (self.burst + self.excess) * SECOND)
        return min(both - committed, self.excess * SECOND)

    def find(self, source, now):
        """Return the slot of a source; a new one gets full buckets, if need be those of one not seen for long."""
        slot = self.slots.get(source, NONE)
        if slot == NONE:
            slot = self.used
            if slot < len(self.owner):
                self.used += 1
            else:
                slot = self.hand
                while self.recent[slot]:
                    self.recent[slot] = False
                    slot = slot + 1 if slot + 1 < len(self.owner) else 0
                self.hand = slot + 1 if slot + 1 < len(self.owner) else 0
                self.slots.delete(self.owner[slot])
            self.slots[source] = slot
            self.owner[slot] = source
            self.committed[slot] = self.burst * SECOND
            self.other[slot] = (self.peak_burst if self.peak else self.excess) * SECOND
            self.since[slot] = now
        return slot

    def explain(self, flow):
        """Say what the packet has left in the buckets."""
        if self.per_source:
            who, committed, other = f"source {flow.source}", self.committed[flow.slot], self.other[flow.slot]
        else:
            who, committed, other = "flow", flow.committed, flow.other
        text = f"{who}: {committed // SECOND:,} of {self.burst:,} {self.unit} left"
        size, name = (self.peak_burst, "peak") if self.peak else (self.excess, "excess")
        return f"{text}; {name}: {other // SECOND:,} of {size:,}" if size else text

    def report(self, state):
        """Return a row a colour: packets and bytes."""
        rows = zip(("green", "yellow", "red"), state["packets"], state["bytes"], strict=True)
        return [{"colour": colour, "packets": packets, "bytes": size} for colour, packets, size in rows]


def filled(tokens, elapsed, rate, most):
    """Return what is in a bucket of `most` after `elapsed` nanoseconds (no product is above `most`)."""
    return most if elapsed > (most - tokens) // rate else tokens + elapsed * rate


def ip_length(pkt):
    """Return the bytes of the IP packet, header included."""
    if pkt.ipv4:
        return pkt.ipv4.total_length
    if pkt.ipv6:
        return 40 + pkt.ipv6.payload_length
    return 0
