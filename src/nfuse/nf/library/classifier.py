"""Classifier: put each flow into a named class; count, mark and export by class."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from nfuse import Array, u8, u16, u64
from nfuse.nf.library.acl import RuleLine, load_rules, parse_line
from nfuse.nf.library.dscp import parse_dscp
from nfuse.nf.library.rule_match import RuleMatch, first_match


class ClassLine(RuleLine):
    """A rule with the name of a class in place of an action."""

    def __init__(self, *line, classes):
        super().__init__(*line)
        self.classes = classes

    def action(self):
        word = self.next("the name of a class")
        if not re.fullmatch(r"[A-Za-z][\w.-]*", word):
            raise self.fail(f"{word!r} is no name of a class: expected letters, digits, '-', '_' and '.'")
        return self.classes.setdefault(word, len(self.classes))


class Classifier(RuleMatch):
    """Put each session into the class of the first rule that its first packet matches.

    A class is numbered in the order in which it comes up in the rules, from 0; `default`, the class of what no rule
    matches, is last unless a rule names it. Packets of the direction that opened the session get the DSCP of their
    class, if `dscp` has one. Nothing is dropped.

    Example:
        Classifier(rules=["web tcp any -> any 443", "names udp any -> any 53"], dscp={"web": "AF21"})
    """

    rules: Path | list[str] = []  # a file of rules, or rules, one a line: the first that matches wins
    default: str = "other"  # the class of what no rule matches
    dscp: dict[str, int | str] = {}  # by class: what its packets are marked with, 0-63 or a name: EF, AF21, ...

    class State(RuleMatch.State):
        """Beside the rules their classes, and what the classes had."""

        label: Array[u16]  # class by rule; the last is the default's
        mark: Array[u8]  # DSCP + 1 by class; 0: none
        flows: Array[u64]  # sessions by class, counted again when they are classified again
        packets: Array[u64]  # by class, both directions
        bytes: Array[u64]  # by class: bytes of frames

    class Session:
        """The class, and what does not change of the first packet."""

        label: u16  # number of the class
        kind: u16  # protocol of the first packet, or 256 + its TCP flags

    def read(self):
        """Read the rules; return them and the classes' numbers by name. Plain Python."""
        classes = {}
        rules = load_rules(self.rules, partial(ClassLine, classes=classes))
        classes.setdefault(self.default, len(classes))
        return rules, classes

    def on_start(self):
        """Lay the rules out; new rules start with new counters.

        Raises:
            ValueError: a rule, or a DSCP, can't be read; DSCPs are given for a class that there is not.
        """
        rules, classes = self.read()
        self.lay_out(rules)
        self.label.fill([*(rule.action for rule in rules), classes[self.default]])
        for array in (self.mark, self.flows, self.packets, self.bytes):
            array.reserve(len(classes))
        for name, value in self.dscp.items():
            if name not in classes:
                raise ValueError(f"dscp: no rule has the class {name!r}: expected {', '.join(classes)}")
            self.mark[classes[name]] = 1 + parse_dscp(value, f"dscp of {name}")

    def on_flow(self, pkt, flow):
        """Classify the session by its first packet."""
        flow.kind = pkt.ip.proto
        if pkt.tcp:
            flow.kind = 256 + pkt.tcp.flags
        self.classify(flow, pkt.ip.src, pkt.ip.dst, pkt.sport, pkt.dport)

    def on_change(self, flow):
        """Classify the session again: the rules, or what an earlier NF makes of its addresses, have changed."""
        self.classify(flow, flow.ip_src, flow.ip_dst, flow.sport, flow.dport)

    def classify(self, flow, src, dst, sport, dport):
        """Set the class and record its mark."""
        flow.label = self.label[self.match(src, dst, sport, dport, flow.kind)]
        self.flows[flow.label] += 1
        flow.forward()
        if self.mark[flow.label]:
            flow.modify(ip_dscp=self.mark[flow.label] - 1)

    def on_packet(self, pkt, flow):
        """Count the packet, of either direction."""
        if flow.label < len(self.packets):
            self.packets[flow.label] += 1
            self.bytes[flow.label] += pkt.len

    def explain(self, flow):
        """Name the class, and the rule that decided."""
        rules, classes = self.read()
        rule = first_match(rules, flow, flow.kind)
        why = f"{rule.where}: {rule.text}" if rule else "no rule matches"
        return f"class {list(classes)[flow.label]} ({why})"

    def check(self, facts):
        """Find rules that can't be read, that never decide, and that no flow here can match."""
        from nfuse.nf.library.acl_check import AclCheck

        line = partial(ClassLine, classes={})

        def read(text, number):
            rule = parse_line(text, "rule", number, line)
            return rule and replace(rule, action=1 + rule.action)

        yield from AclCheck(self.rules, facts, read, "classifier", "the classifier", "class").findings()

    def report(self, state):
        """Return a row a class: its name, flows, packets, bytes, share of bytes."""
        total = max(1, sum(state["bytes"]))
        columns = zip(self.read()[1], state["flows"], state["packets"], state["bytes"], strict=True)
        return [
            {"class": name, "flows": flows, "packets": packets, "bytes": size, "share": size / total}
            for name, flows, packets, size in columns
        ]
