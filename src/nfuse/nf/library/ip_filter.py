"""IPFilter: an access control list, first match."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nfuse import Array, u8, u16, u64
from nfuse.nf.library.acl import ACTIONS, REJECT, load_rules
from nfuse.nf.library.rule_match import RuleMatch, first_match


class IPFilter(RuleMatch):
    """Allow, drop or reject each session by the first rule that its first packet matches.

    Rules are lines of text (see :mod:`nfuse.nf.library.acl`) or the path of a file of them. A rejected session gets an
    RST (TCP) or ICMP "administratively prohibited" for each packet. New rules hold for old sessions too, from their
    next packet on; flags stay those of the session's first packet.

    Example:
        IPFilter(rules=["reject tcp any -> any 23", "drop any 192.0.2.0/24 -> any"], default="allow")
    """

    rules: Path | list[str] = []  # a file of rules, or rules, one a line: the first that matches wins
    default: str = "allow"  # what happens if none matches: allow, drop or reject

    class State(RuleMatch.State):
        """Beside the rules, what each does and how often it decided."""

        actions: Array[u8]  # by rule; the last is the default's
        hits: Array[u64]  # sessions by rule; the last counts those that no rule matched

    class Session:
        """What does not change of the first packet."""

        kind: u16  # its protocol, or 256 + its TCP flags

    def on_start(self):
        """Read the rules and lay them out; new rules start with new counters.

        Raises:
            RuleError: a rule can't be read; the message names file, line and column.
        """
        rules = load_rules(self.rules)
        if self.default not in ACTIONS:
            raise ValueError(f"default: {self.default!r} is none of {', '.join(ACTIONS)}")
        self.lay_out(rules)
        self.actions.fill([rule.action for rule in rules] + [ACTIONS[self.default]])
        self.hits.fill(np.zeros(len(rules) + 1, dtype=np.uint64))

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

    def explain(self, flow):
        """Name the rule that decided, by its line."""
        rule = first_match(load_rules(self.rules), flow, flow.kind)
        return f"{rule.where}: {rule.text}" if rule else f"no rule matches; default: {self.default}"

    def check(self, facts):
        """Find rules that can't be read, that never decide, and that no flow here can match."""
        from nfuse.nf.library.acl_check import AclCheck

        if self.default not in ACTIONS:
            expected = f"expected one of {', '.join(ACTIONS)}"
            yield facts.error("default", f"{self.default!r} is no action", hint=expected, parameter="default")
        yield from AclCheck(self.rules, facts).findings()
