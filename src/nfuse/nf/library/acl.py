"""The rule language of :class:`~nfuse.nf.library.ip_filter.IPFilter`: text to rules.

One rule a line, first match wins, ``#`` starts a comment::

    ACTION PROTOCOL SOURCE [PORTS] -> DESTINATION [PORTS] [flags SET/MASK]

    allow  tcp   10.0.0.0/8        ->  any 80
    reject tcp   any 1024-65535    ->  192.0.2.0/24 22   flags S/SA
    drop   udp   any               ->  2001:db8::/32 53
    drop   any   198.51.100.7      ->  any

ACTION is ``allow``, ``drop`` or ``reject``. PROTOCOL is ``any``, a name (:data:`PROTOCOLS`) or a number. An address is
``any``, an address or a prefix of either family. PORTS is ``any``, a number or ``low-high``; a rule with ports matches
only TCP and UDP. ``flags S/SA`` (as in pf.conf) looks at the flags F S R P A U E W of the session's first packet.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

ALLOW, DROP, REJECT = 0, 1, 2
ACTIONS: dict[str, int] = {"allow": ALLOW, "drop": DROP, "reject": REJECT}
PROTOCOLS: dict[str, int] = {"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51} | {
    "icmp6": 58,
    "ospf": 89,
    "sctp": 132,
}
FLAGS = "FSRPAUEW"
"""Letters of the TCP flags, least significant bit first (RFC 9293 section 3.1, RFC 3168)."""
TCP, UDP = 6, 17
T = TypeVar("T")
TOP4, TOP6, TOP_PORT = (1 << 32) - 1, (1 << 128) - 1, 65535


class RuleError(ValueError):
    """A rule that can't be read: ``file:line:column: what is wrong, what was expected``."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; all ranges include both ends.

    Attributes:
        action: :data:`ALLOW`, :data:`DROP` or :data:`REJECT`.
        proto: IP protocol number, or None for any.
        family: 4, 6, or 0 for both (then both addresses are ``any``).
        src, dst: Address range as integers of the family.
        sport, dport: Port range, or None where the rule says nothing of ports.
        flags: (value, mask) of the TCP flags of the first packet, or None.
        where: Where the rule stands, ``file:line``.
        text: The rule as it is written, with single spaces and without its comment.
    """

    action: int
    proto: int | None = None
    family: int = 0
    src: tuple[int, int] | None = None
    dst: tuple[int, int] | None = None
    sport: tuple[int, int] | None = None
    dport: tuple[int, int] | None = None
    flags: tuple[int, int] | None = None
    where: str = field(default="", compare=False)
    text: str = field(default="", compare=False)

    @property
    def has_ports(self) -> bool:
        """Whether the rule speaks of ports: then it matches nothing but TCP and UDP."""
        return self.sport is not None or self.dport is not None

    def matches(self, family: int, proto: int, src: int, dst: int, sport: int, dport: int, flags: int) -> bool:
        """Judge one packet: addresses as integers of `family`, `flags` those of a TCP packet (the definition)."""
        return (
            self.family in (0, family)
            and self.proto in (None, proto)
            and (self.src is None or self.src[0] <= src <= self.src[1])
            and (self.dst is None or self.dst[0] <= dst <= self.dst[1])
            and (not self.has_ports or proto in (TCP, UDP))
            and (self.sport is None or self.sport[0] <= sport <= self.sport[1])
            and (self.dport is None or self.dport[0] <= dport <= self.dport[1])
            and (self.flags is None or (proto == TCP and flags & self.flags[1] == self.flags[0]))
        )


def load_rules(rules: str | Path | Sequence[str], line: Callable[..., Line[T]] | None = None) -> list[T]:
    """Read rules from a file (a path) or from a list of lines; `line` reads one, by default as a :class:`Rule`.

    Raises:
        RuleError: a line is no rule, or the file can't be read; the message names file, line and column.
    """
    if not isinstance(rules, (str, Path)):
        return parse_rules(rules, "rule", line)
    try:
        text = Path(rules).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{rules}: the rule file can't be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_rules(text.splitlines(), str(rules), line)


def parse_rules(lines: Iterable[str], name: str = "rules", line: Callable[..., Line[T]] | None = None) -> list[T]:
    """Parse one rule a line; empty lines and comments count as lines but make no rule."""
    found: list[T] = []
    for number, text in enumerate(lines, 1):
        rule = parse_line(text, name, number, line)
        if isinstance(rule, Rule):
            rule = replace(rule, where=f"{name}:{number}", text=" ".join(text.partition("#")[0].split()))
        if rule is not None:
            found.append(rule)
    return found


def parse_line(line: str, name: str, number: int, reader: Callable[..., Line[Any]] | None = None) -> Any:
    """Parse line `number` of the rules called `name`; None if it holds no rule. Raises RuleError."""
    if not isinstance(line, str):
        raise RuleError(f"{name}:{number}:1: a rule is text, not {type(line).__name__}")
    words = [(m.start() + 1, m.group()) for m in re.finditer(r"->|[^\s#>]+(?<!-)|>|#.*", line)]
    words = [word for word in words if not word[1].startswith("#")]
    return (reader or RuleLine)(f"{name}:{number}", words, len(line) + 1).rule() if words else None


class Line(Generic[T]):
    """The words of one line, read from left to right; subclasses say what they make."""

    def __init__(self, where: str, words: list[tuple[int, str]], end: int) -> None:
        self.where, self.words, self.at, self.end = where, words, 0, end

    def fail(self, message: str, back: int = 1) -> RuleError:
        at = self.at - back
        column = self.words[at][0] if at < len(self.words) else self.end
        return RuleError(f"{self.where}:{column}: {message}")

    def next(self, expected: str) -> str:
        if self.at >= len(self.words):
            raise self.fail(f"the rule ends too early: expected {expected}", back=0)
        self.at += 1
        return self.words[self.at - 1][1]

    def peek(self) -> str:
        return self.words[self.at][1] if self.at < len(self.words) else ""

    def unknown(self, what: str, word: str, names: Iterable[str]) -> RuleError:
        names = list(names)
        near = difflib.get_close_matches(word, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(names)}"
        return self.fail(f"unknown {what} {word!r}: {hint}")

    def rule(self) -> T:
        """Read the line. Raises RuleError."""
        raise NotImplementedError

    def arrow(self, sides: str) -> None:
        if self.next("'->'") != "->":
            raise self.fail(f"expected '->' between {sides}, got {self.words[self.at - 1][1]!r}")

    def finish(self) -> None:
        if self.peek():
            raise self.fail(f"unexpected {self.peek()!r} after the rule", back=0)

    def protocol(self) -> int | None:
        word = self.next("a protocol")
        if word == "any":
            return None
        if word.isdecimal() and int(word) <= 255:
            return int(word)
        if word not in PROTOCOLS:
            raise self.unknown("protocol", word, ["any", *PROTOCOLS, "0-255"])
        return PROTOCOLS[word]


class RuleLine(Line[Rule]):
    """A line of this module's language."""

    def rule(self) -> Rule:
        action, proto = self.action(), self.protocol()
        family1, src = self.address("a source")
        sport = self.ports(proto)
        self.arrow("source and destination")
        family2, dst = self.address("a destination")
        if family1 and family2 and family1 != family2:
            raise self.fail("source and destination are of different families (IPv4 and IPv6)")
        dport = self.ports(proto)
        flags = self.flags(proto)
        self.finish()
        return Rule(action, proto, family1 or family2, src, dst, sport, dport, flags)

    def action(self) -> int:
        word = self.next("an action")
        if word not in ACTIONS:
            raise self.unknown("action", word, ACTIONS)
        return ACTIONS[word]

    def address(self, what: str) -> tuple[int, tuple[int, int] | None]:
        word = self.next(f"{what} address")
        if word == "any":
            return 0, None
        try:
            net = ipaddress.ip_network(word)
        except ValueError as error:
            hint = " (host bits are set)" if "host bits" in str(error) else ""
            raise self.fail(f"{word!r} is not 'any', an address or a prefix{hint}") from None
        return net.version, (int(net.network_address), int(net.broadcast_address))

    def ports(self, proto: int | None) -> tuple[int, int] | None:
        if self.peek() in ("", "->", "flags"):
            return None
        word = self.next("ports")
        if word == "any":
            return None
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not low <= high <= TOP_PORT:
            raise self.fail(f"{word!r} is not a port (0-65535) or a range low-high")
        if proto not in (None, TCP, UDP):
            raise self.fail("only TCP and UDP have ports")
        return low, high

    def flags(self, proto: int | None) -> tuple[int, int] | None:
        if self.peek() != "flags":
            return None
        self.next("flags")
        if proto != TCP:
            raise self.fail("flags need protocol tcp")
        word = self.next("flags as SET/MASK")
        value, _, mask = word.partition("/")
        if not re.fullmatch(f"[{FLAGS}]*/[{FLAGS}]+", word) or not set(value) <= set(mask):
            raise self.fail(f"{word!r} is not SET/MASK with letters of {FLAGS}, SET part of MASK (as in S/SA)")
        return _bits(value), _bits(mask)


def _bits(letters: str) -> int:
    return sum(1 << FLAGS.index(letter) for letter in set(letters))
