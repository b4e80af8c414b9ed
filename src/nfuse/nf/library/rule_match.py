"""First match among thousands of rules, for NFs that decide by a session's first packet."""

from __future__ import annotations

from nfuse import NF, Address, Array, IPv6Address, u32, u64
from nfuse.nf.library.acl import TCP, UDP
from nfuse.nf.library.bit_vectors import NO_PORT, compile_rules
from nfuse.nf.library.bits import lowest_bit


class RuleMatch(NF):
    """The base of NFs with rules as :mod:`nfuse.nf.library.acl` has them: :meth:`lay_out` and :meth:`match` them."""

    class State:
        """The rules as bit vectors (:class:`nfuse.nf.library.bit_vectors.Compiled`)."""

        rows: Array[u64]  # sets of rules, a bit a rule; before each, a bit for each of its words
        edges4: Array[u32]  # where intervals of IPv4 addresses begin: sources, then destinations
        rows4: Array[u32]  # by interval: its row
        edges6: Array[Address]  # the same for IPv6
        rows6: Array[u32]  # by interval: its row
        ports: Array[u32]  # by port, sources then destinations: its row
        kinds: Array[u32]  # by protocol, or 256 + TCP flags: its row
        cut4: u32  # intervals of IPv4 sources
        cut6: u32  # intervals of IPv6 sources
        words: u32  # of 64 bits in a row
        aggregates: u32  # words of a row that tell which others are not 0
        count: u32  # rules

    def lay_out(self, rules):
        """Fill the tables; for on_start and on_update."""
        built = compile_rules(rules)
        for name in ("rows", "edges4", "rows4", "rows6", "ports", "kinds"):
            getattr(self, name).fill(getattr(built, name))
        self.edges6.fill([IPv6Address(edge) for edge in built.edges6])
        self.cut4, self.cut6, self.words, self.aggregates = built.cut4, built.cut6, built.words, built.aggregates
        self.count = len(rules)

    def match(self, src, dst, sport, dport, kind):
        """Return the number of the first rule that matches, or the number of rules if none does."""
        if kind < 256 and kind != UDP:
            sport = NO_PORT
            dport = NO_PORT
        if src.version == 4:
            a = self.rows4[self.search4(0, self.cut4, src.v4)]
            b = self.rows4[self.search4(self.cut4, len(self.edges4), dst.v4)]
        else:
            a = self.rows6[self.search6(0, self.cut6, src)]
            b = self.rows6[self.search6(self.cut6, len(self.edges6), dst)]
        c = self.ports[sport]
        d = self.ports[NO_PORT + 1 + dport]
        e = self.kinds[kind]
        for i in range(self.aggregates):
            some = self.rows[a + i] & self.rows[b + i] & self.rows[c + i] & self.rows[d + i] & self.rows[e + i]
            while some != 0:
                word = i * 64 + lowest_bit(some)
                w = self.aggregates + word
                bits = self.rows[a + w] & self.rows[b + w] & self.rows[c + w] & self.rows[d + w] & self.rows[e + w]
                if bits != 0:
                    return word * 64 + lowest_bit(bits)
                some &= some - 1
        return self.count

    def search4(self, first, end, value):
        """Return the last index in first..end-1 whose edge is at most `value` (binary search without branches)."""
        left = end - first
        while left > 1:
            half = left >> 1
            first = first + half if self.edges4[first + half] <= value else first
            left -= half
        return first

    def search6(self, first, end, value):
        """Do the same for IPv6."""
        left = end - first
        while left > 1:
            half = left >> 1
            first = first + half if self.edges6[first + half] <= value else first
            left -= half
        return first


def first_match(rules, flow, kind):
    """Return the first rule that a flow matches, None if none does. Plain Python, for ``explain``."""
    proto, flags = (TCP, kind - 256) if kind > 255 else (kind, 0)
    packet = (flow.ip_src.version, proto, int(flow.ip_src), int(flow.ip_dst), flow.sport, flow.dport, flags)
    return next((rule for rule in rules if rule.matches(*packet)), None)
