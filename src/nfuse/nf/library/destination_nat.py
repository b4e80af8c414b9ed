"""DestinationNat: port forwarding, and public addresses of inside servers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nfuse import Address, Array, Outcome, PortRange, boolean, i32, ip
from nfuse.nf.library.acl import load_rules, parse_line
from nfuse.nf.library.forwards import ForwardLine
from nfuse.nf.library.rule_match import RuleMatch, first_match

MANY = 64
"""Up to so many rules, ``nfuse check`` follows what each does."""


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
        self.has_port.fill([forward.shift is not None for forward in forwards])
        self.shift.fill([forward.shift or 0 for forward in forwards])

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

    def explain(self, flow):
        """Name the rule that decided, by its line."""
        rules = [forward.rule for forward in load_rules(self.rules, ForwardLine)]
        rule = first_match(rules, flow, 256 if flow.proto == 6 else flow.proto)
        return f"{rule.where}: {rule.text}" if rule else "no rule matches: not translated"

    def check(self, facts):
        """Find rules that can't be read, that never decide, and that no flow here can match."""
        from nfuse.nf.library.acl_check import AclCheck

        translations = {}

        def read(text, number):
            forward = parse_line(text, "rule", number, ForwardLine)
            if forward is None:
                return None
            kind = translations.setdefault((forward.inside, forward.shift), len(translations))
            return replace(forward.rule, action=1 + kind)

        yield from AclCheck(self.rules, facts, read, "destination-nat", "this NAT", "translation").findings()

    def outcomes(self):
        """A flow to a public address goes to the inside one of its rule."""
        from nfuse.nf.library.acl_check import rule_class

        forwards = load_rules(self.rules, ForwardLine)
        if len(forwards) > MANY:
            for version in (4, 6):
                ours = [forward for forward in forwards if forward.inside.version == version]
                publics, insides = [forward.public for forward in ours], [forward.inside for forward in ours]
                if ours:
                    yield Outcome(ip.dst.within(publics), {"ip_dst": publics + insides, "dport": None})
            return
        for forward in forwards:
            modify = {"ip_dst": forward.inside}
            if forward.shift is not None:
                modify["dport"] = PortRange(*(port + forward.shift for port in forward.rule.dport))
            yield Outcome(rule_class(forward.rule), modify)

    def owns(self):
        """The public addresses."""
        return {"rules": list({forward.public for forward in load_rules(self.rules, ForwardLine)})}
