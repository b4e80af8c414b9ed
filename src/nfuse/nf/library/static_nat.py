"""StaticNat: one outside address for each inside address, both ways."""

from __future__ import annotations

import ipaddress

from nfuse import NF, Address, Array, Outcome, Prefix, boolean, ip, tcp, udp
from nfuse.nf.library.bits import count_up_to
from nfuse.nf.library.prefixes import span


class StaticNat(NF):
    """Translate addresses one to one: the sources of flows from inside, the destinations of flows from outside.

    `pairs` maps inside prefixes to outside prefixes of the same family and length; host bits stay (RFC 2663 section
    4.1.1, basic NAT with a fixed mapping). Ports stay, so all protocols pass. What is in no pair passes as it is.

    Example:
        StaticNat(pairs={"10.0.0.5": "203.0.113.5", "10.1.0.0/24": "198.51.100.0/24"})
    """

    pairs: dict[Prefix, Prefix]  # inside prefix to outside prefix, of one family and length; host bits stay

    class State:
        """Two tables sorted by their first address: ``out`` by inside, ``in`` by outside prefix."""

        out_first: Array[Address]  # first address of an inside prefix
        out_last: Array[Address]  # its last address
        out_flip: Array[Address]  # XOR of the two prefixes: turns an address of one into that of the other
        in_first: Array[Address]  # first address of an outside prefix
        in_last: Array[Address]  # its last address
        in_flip: Array[Address]  # XOR of the two prefixes

    class Session:
        """Which way the flow goes."""

        outer: boolean  # whether it was opened from the outer side of a chain between two networks

    def on_start(self):
        """Check the pairs and lay them out."""
        for inside, outside in self.pairs.items():
            if (inside.version, inside.length) != (outside.version, outside.length):
                raise ValueError(f"pairs: {inside} and {outside} are not of one family and length")
            if inside.version == 6 and inside.length < 8:
                raise ValueError(f"pairs: {inside} and {outside} are too large: expected prefixes of at least 8 bits")
        self.table(self.pairs.items(), "inside", self.out_first, self.out_last, self.out_flip)
        turned = [(outside, inside) for inside, outside in self.pairs.items()]
        self.table(turned, "outside", self.in_first, self.in_last, self.in_flip)

    def table(self, pairs, side, first, last, flip):
        """Fill one of the tables. Plain Python."""
        rows, end = sorted((*span(key), span(key)[0] ^ span(value)[0]) for key, value in pairs), 0
        for row in rows:
            if row[0] < end:
                raise ValueError(f"pairs: the {side} prefixes overlap")
            end = row[1]
        first.fill([ipaddress.IPv6Address(row[0]) for row in rows])
        last.fill([ipaddress.IPv6Address(row[1] - 1) for row in rows])
        flip.fill([ipaddress.IPv6Address(row[2]) for row in rows])

    def on_flow(self, pkt, flow):
        """Translate the flow."""
        flow.outer = pkt.reverse
        self.translate(flow, pkt.ip.src, pkt.ip.dst)

    def on_change(self, flow):
        """Translate it by the new pairs, or not any more."""
        self.translate(flow, flow.ip_src, flow.ip_dst)

    def translate(self, flow, src, dst):
        """Record the new source, or the new destination."""
        source = count_up_to(self.out_first, src) - 1
        target = count_up_to(self.in_first, dst) - 1
        from_inside = not flow.outer and source >= 0 and src <= self.out_last[source]
        to_outside = target >= 0 and dst <= self.in_last[target]
        if from_inside and to_outside:
            flow.drop("hairpin")
        elif from_inside:
            flow.modify(ip_src=Address(src.hi ^ self.out_flip[source].hi, src.lo ^ self.out_flip[source].lo))
        elif to_outside:
            flow.modify(ip_dst=Address(dst.hi ^ self.in_flip[target].hi, dst.lo ^ self.in_flip[target].lo))
        else:
            flow.forward()

    def explain(self, flow):
        """Name the pair."""
        source = next((pair for pair in self.pairs.items() if flow.ip_src in pair[0] and not flow.outer), None)
        target = next((pair for pair in self.pairs.items() if flow.ip_dst in pair[1]), None)
        if source and target:
            return f"hairpin: from {source[0]} to {target[1]}, the outside of {target[0]}"
        if source or target:
            inside, outside = source or target
            return f"{inside} is {outside} outside: the {'source' if source else 'destination'} is translated"
        return "in no pair"

    def check(self, facts):
        """Find inside prefixes that no flow here comes from."""
        for inside, outside in self.pairs.items():
            from_inside = (tcp | udp) & (ip.src == inside)
            if not facts.sees(from_inside):
                message = f"no TCP or UDP flow from {inside} comes here"
                hint = f"name the addresses that flows have here (flows to {outside} are translated all the same)"
                why = facts.why_not(from_inside)
                yield facts.warning("unseen-inside", message, why=why, hint=hint, parameter="pairs")

    def outcomes(self):
        """Flows from inside get a source outside, flows to outside a destination inside; both: dropped."""
        yield Outcome(
            ip.src.within(list(self.pairs)) & ip.dst.within(list(self.pairs.values())), drop="hairpin", reverse=False
        )
        for version in (4, 6):
            inside = [prefix for prefix in self.pairs if prefix.version == version]
            outside = [self.pairs[prefix] for prefix in inside]
            if inside:
                yield Outcome(ip.src.within(inside), {"ip_src": outside}, reverse=False)
                yield Outcome(ip.dst.within(outside), {"ip_dst": inside})

    def owns(self):
        """The outside prefixes."""
        return {"pairs": list(self.pairs.values())}
