"""What ``nfuse check`` finds in lists of rules: some that can't be read, never decide, or never meet a flow."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nfuse import dport, everything, ip, ipv4, ipv6, sport, tcp
from nfuse.nf.library.acl import ALLOW, Rule, RuleError, parse_line
from nfuse.nf.library.acl_anomalies import Anomaly, anomalies

MOST = 25
"""Findings of one kind about one list; what is beyond is counted."""


@dataclass(frozen=True)
class Listed:
    """A rule with its place: the line of a file (from 1) or the item of a list (from 0), and its column."""

    rule: Rule
    text: str
    line: int
    column: int


class AclCheck:
    """Checks the rules of one network function (NF), of which the first that matches decides.

    Args:
        rules: The path of a file, or lines.
        facts: What the NF can ask about its place (:class:`nfuse.nf.findings.Facts`).
        read: Makes a rule of a line and its number, from 1; None of a line that holds none. It raises RuleError.
        page: The page of ``docs/nfs`` that explains the rules.
        noun: What the NF is, in a word or two.
        action: What a rule's number `action` stands for. Rules of the action 0 let flows pass as they are.
    """

    def __init__(
        self,
        rules: Path | Sequence[str],
        facts: Any,
        read: Callable[[str, int], Rule | None] = lambda line, number: parse_line(line, "rule", number),
        page: str = "ip-filter",
        noun: str = "the filter",
        action: str = "action",
    ) -> None:
        self.given, self.facts = rules, facts
        self.read, self.page, self.noun, self.action = read, page, noun, action
        self.file = file_of(rules)
        self.rules: list[Listed] = []

    def findings(self) -> Iterator[Any]:
        """Yield all findings."""
        yield from unreadable(self.given, self.facts, self._keep, self.page)
        never = set()
        counts = {"shadowed-rule": 0, "redundant-rule": 0, "unseen-rule": 0}
        for anomaly in anomalies([listed.rule for listed in self.rules]):
            never.add(anomaly.rule)
            finding = self._anomaly(anomaly)
            counts[finding.kind] += 1
            if counts[finding.kind] <= MOST:
                yield finding
        for number, listed in enumerate(self.rules):
            if number not in never and not self.facts.sees(rule_class(listed.rule)):
                counts["unseen-rule"] += 1
                if counts["unseen-rule"] <= MOST:
                    yield self._unseen(listed)
            elif listed.rule.action == ALLOW:
                yield from self._too_early(listed)
        for kind, count in counts.items():
            if count > MOST:
                yield self.facts.warning(kind, f"{count - MOST} more rules like these", parameter="rules")

    def _keep(self, line: str, number: int) -> None:
        rule = self.read(line, number)
        if rule is not None:
            column = len(line) - len(line.lstrip()) + 1
            self.rules.append(Listed(rule, re.sub(r"\s+", " ", line.partition("#")[0].strip()), number, column))

    def _where(self, number: int, column: int) -> dict[str, Any]:
        return where(self.file, number, column)

    def _name(self, listed: Listed) -> str:
        return f"{'line' if self.file else 'rule'} {listed.line} (`{listed.text}`)"

    def _anomaly(self, anomaly: Anomaly) -> Any:
        listed = self.rules[anomaly.rule]
        by = [self.rules[number] for number in anomaly.by]
        names = " and ".join(self._name(one) for one in by[:3]) + (f" and {len(by) - 3} more" if len(by) > 3 else "")
        same = all(one.rule.action == listed.rule.action for one in by)
        where = self._where(listed.line, listed.column)
        together = "together match" if len(by) > 1 else "matches"
        if anomaly.covered and not same:
            return self.facts.warning(
                "shadowed-rule",
                f"this rule never decides: `{listed.text}`",
                why=f"{names} {together} all of it first",
                hint="move it ahead of them, or remove it" if len(by) > 1 else "move it ahead of that, or remove it",
                **where,
            )
        return self.facts.warning(
            "redundant-rule",
            f"without this rule nothing would change: `{listed.text}`",
            why=f"{names} {together} all of it, with the same {self.action}",
            hint="remove it",
            **where,
        )

    def _unseen(self, listed: Listed) -> Any:
        return self.facts.warning(
            "unseen-rule",
            f"no flow that this rule matches comes here: `{listed.text}`",
            why=self.facts.why_not(rule_class(listed.rule)),
            hint=f"name the addresses and ports that flows have at this place, or move {self.noun}",
            **self._where(listed.line, listed.column),
        )

    def _too_early(self, listed: Listed) -> Iterator[Any]:
        for name, span, word in (("ip_src", listed.rule.src, "source"), ("ip_dst", listed.rule.dst, "destination")):
            if span is None:
                continue
            low, high = (_address(listed.rule.family, end) for end in span)
            later = self.facts.written_later(name, list(ipaddress.summarize_address_range(low, high)))
            if later:
                yield self.facts.warning(
                    "too-early-rule",
                    f"this rule names a {word} that flows get only later: `{listed.text}`",
                    why=f"{later} gives them this address, behind the filter",
                    hint=f"name the address that flows have before {later}, or move the filter behind it",
                    **self._where(listed.line, listed.column),
                )


def unreadable(rules: Path | Sequence[str], facts: Any, read: Callable[[str, int], object], page: str) -> Iterator[Any]:
    """Give all lines to `read`, and yield an error for each that it refuses with RuleError, and for a missing file.

    Args:
        rules: The path of a file, or lines.
        facts: What the network function can ask about its place.
        read: Takes a line and its number, from 1. What it raises is called ``rule``: ``rule:NUMBER:COLUMN: what``.
        page: The page of ``docs/nfs`` that explains the rules.
    """
    file, lines = file_of(rules), rules
    if file:
        try:
            lines = Path(file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            what = getattr(error, "strerror", None) or error
            yield facts.error("rule-file", f"the rule file {file} can't be read: {what}", parameter="rules")
            return
    assert not isinstance(lines, Path)
    for number, line in enumerate(lines, 1):
        try:
            read(line, number)
        except RuleError as error:
            _, _, column, message = str(error).split(":", 3)
            hint = f"see docs/nfs/{page}.md"
            yield facts.error("rule", message.strip(), hint=hint, **where(file, number, int(column)))


def file_of(rules: Path | Sequence[str]) -> str:
    """Return the path of the file that rules are in; empty if they are a list."""
    return str(rules) if isinstance(rules, str | Path) else ""


def where(file: str, number: int, column: int) -> dict[str, Any]:
    """Return the place of a line: in its file, or as an item of the list."""
    return {"place": (file, number, column)} if file else {"parameter": "rules", "item": number - 1}


def rule_class(rule: Rule) -> Any:
    """Return the traffic class of the sessions that a rule matches, flags aside."""
    found: Any = everything if rule.family == 0 else ipv4 if rule.family == 4 else ipv6
    found = found & ip
    if rule.proto is not None:
        found &= ip.proto == rule.proto
    for field, span in ((ip.src, rule.src), (ip.dst, rule.dst)):
        if span is not None:
            found &= field.between(_address(rule.family, span[0]), _address(rule.family, span[1]))
    for field, span in ((sport, rule.sport), (dport, rule.dport)):
        if span is not None:
            found &= field.between(*span)
    return found & tcp if rule.flags is not None else found


def _address(family: int, number: int) -> Any:
    return ipaddress.IPv4Address(number) if family == 4 else ipaddress.IPv6Address(number)
