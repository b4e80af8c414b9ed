"""DestinationNat: port forwarding, and public addresses of inside servers."""

from __future__ import annotations

from pathlib import Path

from nfuse import Address, Array, boolean, i32
from nfuse.nf.library.acl import load_rules
from nfuse.nf.library.forwards import ForwardLine
from nfuse.nf.library.rule_match import RuleMatch


class DestinationNat(RuleMatch):
    """Send flows to public addresses and ports on to inside ones; replies are translated back.

    The first rule that a flow's first packet matches holds for the flow (see :mod:`nfuse.nf.library.forwards`). What no
    rule matches passes as it is.

    Example:
        DestinationNat(rules=["tcp 203.0.113.1:80 -> 10.0.0.5:8080", "any 203.0.113.9 -> 10.0.0.9"])
    """

    rules: Path | list[str]  # a file of rules, or rules, one a line: the first that matches wins

    class State(RuleMatch.State):
        """Beside the rules what each does."""

        inside: Array[Address]  # by rule: the new destination
        shift: Array[i32]  # by rule: what is added to the destination port
        has_port: Array[boolean]  # by rule: whether the port changes

    def on_start(self):
        """Read the rules and lay them out.

        Raises:
            RuleError: a rule can't be read; the message names file, line and column.
        """
        forwards = load_rules(self.rules, ForwardLine)
        self.lay_out([forward.rule for forward in forwards])
        self.inside.fill([forward.inside for forward in forwards])
        self.has_port.fill([forward.port is not None for forward in forwards])
        self.shift.fill([0 if f.port is None else f.port - f.rule.dport[0] for f in forwards])

    def on_flow(self, pkt, flow):
        """Translate a flow to a public address."""
        self.translate(flow, pkt.ip.src, pkt.ip.dst, pkt.sport, pkt.dport, pkt.ip.proto)

    def on_change(self, flow):
        """Translate by the new rules, or not any more."""
        self.translate(flow, flow.ip_src, flow.ip_dst, flow.sport, flow.dport, flow.proto)

    def translate(self, flow, src, dst, sport, dport, proto):
        """Record the destination of the first rule that matches."""
        rule = self.match(src, dst, sport, dport, 256 if proto == 6 else proto)
        if rule == self.count:
            flow.forward()
        elif self.has_port[rule]:
            flow.modify(ip_dst=self.inside[rule], dport=dport + self.shift[rule])
        else:
            flow.modify(ip_dst=self.inside[rule])
