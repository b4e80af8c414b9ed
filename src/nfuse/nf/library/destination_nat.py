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
    """

    rules: Path | list[str]

    class State(RuleMatch.State):
        """By rule: the inside address, what is added to the destination port, and whether ports are changed."""

        inside: Array[Address]
        shift: Array[i32]
        has_port: Array[boolean]

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
