"""IPFilter: an access control list, first match."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nfuse import NF, Address, Array, IPv6Address, u8, u16, u32, u64
from nfuse.nf.library.acl import ACTIONS, REJECT, UDP, load_rules
from nfuse.nf.library.bit_vectors import NO_PORT, compile_rules
from nfuse.nf.library.bits import lowest_bit


class IPFilter(NF):
    """Allow, drop or reject each session by the first rule that its first packet matches.

    Rules are lines of text (see :mod:`nfuse.nf.library.acl`) or the path of a file of them. A rejected session gets an
    RST (TCP) or ICMP "administratively prohibited" for each packet. New rules hold for old sessions too, from their
    next packet on; flags stay those of the session's first packet.
    """

    rules: Path | list[str] = []
    default: str = "allow"

    class State:
        """The rules as bit vectors (:class:`nfuse.nf.library.bit_vectors.Compiled`), and a counter for each."""

        rows: Array[u64]
        edges4: Array[u32]
        rows4: Array[u32]
        edges6: Array[Address]
        rows6: Array[u32]
        ports: Array[u32]
        kinds: Array[u32]
        actions: Array[u8]
        hits: Array[u64]  # sessions by rule; the last counts those that no rule matched
        cut4: u32
        cut6: u32
        words: u32
        aggregates: u32
        count: u32

    class Session:
        """Protocol, or 256 + TCP flags of the first packet."""

        kind: u16

    def on_start(self):
        """Read the rules and lay them out; new rules start with new counters.

        Raises:
            RuleError: a rule can't be read; the message names file, line and column.
        """
        rules = load_rules(self.rules)
        if self.default not in ACTIONS:
            raise ValueError(f"default: {self.default!r} is none of {', '.join(ACTIONS)}")
        built = compile_rules(rules)
        actions = [rule.action for rule in rules] + [ACTIONS[self.default]]
        for name in ("rows", "edges4", "rows4", "rows6", "ports", "kinds"):
            getattr(self, name).fill(getattr(built, name))
        self.edges6.fill([IPv6Address(edge) for edge in built.edges6])
        self.actions.fill(actions)
        self.hits.fill(np.zeros(len(actions), dtype=np.uint64))
        self.cut4, self.cut6, self.words, self.aggregates = built.cut4, built.cut6, built.words, built.aggregates
        self.count = len(rules)

    def on_flow(self, pkt, flow):
        """Judge the session by its first packet."""
        flow.kind = pkt.ip.proto
        if pkt.tcp:
            flow.kind = 256 + pkt.tcp.flags
        self.decide(flow, pkt.ip.src, pkt.ip.dst, pkt.sport, pkt.dport)

    def on_change(self, flow):
        """Judge the session again: the rules, or what an earlier NF makes of its addresses, have changed."""
        self.decide(flow, flow.ip_src, flow.ip_dst, flow.sport, flow.dport)

    def decide(self, flow, src, dst, sport, dport):
        """Record the action of the first rule that matches."""
        rule = self.match(src, dst, sport, dport, flow.kind)
        self.hits[rule] += 1
        action = self.actions[rule]
        if action == 0:
            flow.forward()
        elif action == REJECT:
            flow.drop("rejected", reply="reject")
        else:
            flow.drop("denied")

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

    def check(self, facts):
        """Find rules that can't be read, that never decide, and that no flow here can match."""
        from nfuse.nf.library.acl_check import AclCheck

        if self.default not in ACTIONS:
            expected = f"expected one of {', '.join(ACTIONS)}"
            yield facts.error("default", f"{self.default!r} is no action", hint=expected, parameter="default")
        yield from AclCheck(self.rules, facts).findings()
