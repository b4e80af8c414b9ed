"""Nptv6: IPv6-to-IPv6 network prefix translation (RFC 6296)."""

from __future__ import annotations

from nfuse import NF, Address, Outcome, Prefix, boolean, ip, ipv6, tcp, u8, u16, u64, udp


class Nptv6(NF):
    """Translate an inside prefix to an outside one, and back, without touching L4 checksums.

    Another 16-bit word of the address takes up the difference (RFC 6296 section 3): bits 48 to 63 where the prefixes
    have up to 48 bits (3.4), else the first word of the interface identifier that is not 0xffff (3.5).

    Example:
        Nptv6(inside="fd01:203:405::/48", outside="2001:db8:1::/48")
    """

    traffic = ipv6
    inside: Prefix  # the IPv6 prefix of the inner network, up to /64
    outside: Prefix  # what it is seen as from outside, of the same length

    class State:
        """The two prefixes as numbers."""

        inside_hi: u64  # the high 64 bits of the inside prefix
        outside_hi: u64  # the high 64 bits of the outside prefix
        host_bits: u64  # those of the high 64 bits that are behind the prefix
        adjustment: u16  # what is added to the word on the way out, in one's complement
        length: u8  # of both prefixes

    class Session:
        """Which way the flow goes."""

        outer: boolean  # whether it was opened from the outer side of a chain between two networks

    def on_start(self):
        """Compute the adjustment (section 3.1).

        Raises:
            ValueError: the prefixes are not of IPv6, not of one length, longer than 64 bits, or overlap.
        """
        pair = f"inside {self.inside} and outside {self.outside}"
        if (self.inside.version, self.outside.version) != (6, 6):
            raise ValueError(f"{pair}: expected IPv6 prefixes")
        if self.inside.length != self.outside.length or self.inside.length > 64:
            raise ValueError(f"{pair}: expected one length for both, up to /64 (write zeros to make one longer)")
        if self.inside == self.outside:
            raise ValueError(f"{pair} are the same")
        self.length = self.inside.length
        self.host_bits = (1 << (64 - self.length)) - 1
        self.inside_hi, self.outside_hi = (int(p.address) >> 64 for p in (self.inside, self.outside))
        self.adjustment = (word_sum(int(self.inside.address)) - word_sum(int(self.outside.address))) % 0xFFFF

    def on_flow(self, pkt, flow):
        """Translate the source of a flow from inside, the destination of one from outside."""
        flow.outer = pkt.reverse
        self.translate(flow, pkt.ip.src, pkt.ip.dst)

    def on_change(self, flow):
        """Translate it by the new prefixes."""
        self.translate(flow, flow.ip_src, flow.ip_dst)

    def translate(self, flow, src, dst):
        """Record the new address (sections 3.2 and 3.3)."""
        from_inside = not flow.outer and src in self.inside
        to_outside = dst in self.outside
        if from_inside and to_outside:
            flow.drop("hairpin")
        elif from_inside:
            self.record(flow, True, self.neutral(src, self.outside_hi, self.adjustment))
        elif to_outside:
            self.record(flow, False, self.neutral(dst, self.inside_hi, 0xFFFF - self.adjustment))
        else:
            flow.forward()

    def record(self, flow, source, address):
        """Record an address, or that there is none."""
        if address == Address(0, 0):
            flow.drop("address can't be mapped", reply="unreachable")
        elif source:
            flow.modify(ip_src=address)
        else:
            flow.modify(ip_dst=address)

    def neutral(self, address, prefix, adjustment):
        """Return the address with another prefix and the same sum of words, or ``::`` if no word can be changed."""
        hi = prefix | address.hi & self.host_bits
        if self.length <= 48:
            if hi & 0xFFFF == 0xFFFF:
                return Address(0, 0)
            return Address(hi & ~0xFFFF | adjusted(hi & 0xFFFF, adjustment), address.lo)
        for number in range(4):
            at = 48 - 16 * number
            word = address.lo >> at & 0xFFFF
            if word != 0xFFFF:
                return Address(hi, address.lo & ~(0xFFFF << at) | adjusted(word, adjustment) << at)
        return Address(0, 0)

    def explain(self, flow):
        """Say which of the two prefixes the flow meets."""
        from_inside, to_outside = not flow.outer and flow.ip_src in self.inside, flow.ip_dst in self.outside
        if from_inside and to_outside:
            return f"hairpin: from {self.inside} to {self.outside}"
        if from_inside:
            return f"the source is in {self.inside}, outside {self.outside}"
        return f"the destination is in {self.outside}, inside {self.inside}" if to_outside else "in neither prefix"

    def check(self, facts):
        """Find an inside prefix that no flow here comes from."""
        from_inside = (tcp | udp) & (ip.src == self.inside)
        if not facts.sees(from_inside):
            message = f"no TCP or UDP flow from {self.inside} comes here"
            hint = f"name the addresses that flows have here (flows to {self.outside} are translated all the same)"
            why = facts.why_not(from_inside)
            yield facts.warning("unseen-inside", message, why=why, hint=hint, parameter="inside")

    def outcomes(self):
        """Flows from inside get a source outside, flows to outside a destination inside; both: dropped."""
        inside, outside = ip.src == self.inside, ip.dst == self.outside
        yield Outcome(inside & outside, drop="hairpin", reverse=False)
        yield Outcome(inside, {"ip_src": self.outside}, reverse=False)
        yield Outcome(outside, {"ip_dst": self.inside})

    def owns(self):
        """The outside prefix."""
        return {"outside": self.outside}


def adjusted(word, adjustment):
    """Add in one's complement; 0xffff becomes 0."""
    return (word + adjustment) % 0xFFFF


def word_sum(value):
    """Add the 16-bit words of a number. Plain Python."""
    return sum(value >> shift & 0xFFFF for shift in range(0, 128, 16))
