r"""The rule language of :class:`~nfuse.nf.library.ids.Ids`: a subset of that of Snort and Suricata.

One rule a line; ``#`` starts a comment::

    alert tcp $EXTERNAL any -> $HOME 80 (msg:"passwd"; content:"/etc/passwd"; nocase; sid:1000001; rev:1;)
    drop  udp any any -> any 53 (msg:"beacon"; content:"|07|example|03|com"; sid:1000002;)
    pass  ip  10.0.0.9 any <> any any (content:"scanner"; sid:1000003;)

ACTION PROTOCOL SOURCE PORTS -> DESTINATION PORTS (OPTIONS). ``<>``: either way. An address is ``any``, an address, a
prefix, ``[a,b]``, ``!a``, or a ``$NAME``; ports are ``any``, ``80``, ``1024:``, ``:1023``, ``1:9``, ``[80,8080]``,
``!80``. A content is text with bytes in hex between bars; ``\`` takes the meaning from ``" ; \ |`` and ``:``. A packet
matches if all contents of the rule are in it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from nfuse import Prefix
from nfuse.nf.library.acl import RuleError
from nfuse.nf.library.prefixes import TOP, merged, union, without

ACTIONS = {"pass": 1, "drop": 2, "alert": 3, "log": 4}
PROTOCOLS = {"ip": 0, "icmp": 1, "tcp": 6, "udp": 17}
"""Protocol numbers; 0: any. ``icmp`` holds for ICMPv6 too."""
SAID = ("msg", "rev", "gid", "classtype", "priority", "reference", "metadata")
"""Options that say something of the rule and change nothing of what it matches."""
OPTIONS = dict.fromkeys(("content", "nocase", "sid", *SAID), 0)
ESCAPES = r"write bytes as |0d 0a|, and \" \; \: \\ \| for what has a meaning"
PORTS = 1 << 16
SHAPE = re.compile(
    r"\s*(?P<action>\S+)\s+(?P<proto>\S+)\s+(?P<src>\[[^\]]*\]|!\[[^\]]*\]|\S+)\s+(?P<sport>\[[^\]]*\]|!\[[^\]]*\]|\S+)"
    r"\s+(?P<way>->|<>)\s+(?P<dst>\[[^\]]*\]|!\[[^\]]*\]|\S+)\s+(?P<dport>\[[^\]]*\]|!\[[^\]]*\]|\S+)"
    r"\s+\((?P<options>.*)\)\s*(?:#.*)?$"
)
OPTION = re.compile(r'\s*(?P<name>[a-z_.]+)\s*(?::\s*(?P<value>!?"(?:\\.|[^"\\])*"|(?:\\.|[^;"\\])*))?\s*;')


@dataclass(frozen=True, slots=True)
class Content:
    """A text to look for; `nocase`: A and a are one."""

    text: bytes
    nocase: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """Whom a rule is about: protocol (0: any), addresses and ports as edges of sets (see :func:`prefixes.union`).

    `either` says that source and destination may change places.
    """

    proto: int
    src: tuple[int, ...]
    sport: tuple[int, ...]
    dst: tuple[int, ...]
    dport: tuple[int, ...]
    either: bool = False


@dataclass(frozen=True, slots=True)
class IdsRule:
    """One rule: a number of :data:`ACTIONS`, what it is about, what it looks for, and its names."""

    action: int
    header: Header
    contents: tuple[Content, ...]
    sid: int
    msg: str = ""
    rev: int = 0


def load_ids_rules(rules: str | Path | Sequence[str], variables: Mapping[str, str]) -> list[IdsRule]:
    """Read rules from a file (a path) or from a list of lines; `variables` are the values of ``$NAME``.

    Raises:
        RuleError: a line is no rule, a sid comes twice, or the file can't be read; with file, line and column.
    """
    name, lines = "rule", [] if isinstance(rules, (str, Path)) else rules
    if isinstance(rules, (str, Path)):
        try:
            name, lines = str(rules), Path(rules).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise RuleError(f"{rules}: the rule file can't be read: {why}") from None
    found: dict[int, IdsRule] = {}
    for number, line in enumerate(lines, 1):
        read_line(line, f"{name}:{number}", variables, found)
    return list(found.values())


def read_line(line: str, where: str, variables: Mapping[str, str], found: dict[int, IdsRule]) -> None:
    """Add the rule of a line, if it holds one, to those that were found, by sid.

    Raises:
        RuleError: it is no rule, or its sid is that of another; the message begins with `where` and the column.
    """
    if line.strip() and not line.lstrip().startswith("#"):
        reader = _Reader(where, line, variables)
        rule = reader.rule()
        if rule.sid in found:
            reader.fail(reader.at("sid"), f"sid {rule.sid} is that of another rule too")
        found[rule.sid] = rule


class _Reader:
    """One line."""

    def __init__(self, where: str, line: str, variables: Mapping[str, str]) -> None:
        self.where, self.line, self.variables = where, line, variables
        self.starts: dict[str, int] = {}

    def fail(self, column: int, message: str) -> NoReturn:
        raise RuleError(f"{self.where}:{column + 1}: {message}")

    def at(self, option: str) -> int:
        return self.starts.get(option, 0)

    def one_of(self, what: str, word: str, column: int, names: Mapping[str, int]) -> int:
        if word not in names:
            near = difflib.get_close_matches(word, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(names)}"
            self.fail(column, f"unknown {what} {word!r}: {hint}")
        return names[word]

    def rule(self) -> IdsRule:
        match = SHAPE.match(self.line)
        if not match:
            self.fail(
                len(self.line) - len(self.line.lstrip()),
                "expected ACTION PROTOCOL SOURCE PORTS -> DESTINATION PORTS (OPTIONS)",
            )
        part = match.groupdict()
        action = self.one_of("action", part["action"], match.start("action"), ACTIONS)
        proto = self.one_of("protocol", part["proto"], match.start("proto"), PROTOCOLS)
        sides = [self.addresses(part[side], match.start(side)) for side in ("src", "dst")]
        ports = [self.ports(part[side], match.start(side)) for side in ("sport", "dport")]
        if proto not in (6, 17) and any(one != (0, PORTS) for one in ports):
            self.fail(match.start("proto"), "only TCP and UDP have ports: expected any")
        header = Header(proto, sides[0], ports[0], sides[1], ports[1], part["way"] == "<>")
        contents, said = self.options(part["options"], match.start("options"))
        if not contents:
            self.fail(match.start("options"), "expected a content; to decide by headers alone is what IPFilter is for")
        if not re.fullmatch(r"[1-9]\d{0,8}", said.get("sid", "")):
            self.fail(
                self.at("sid") or match.start("options"), "expected a sid: a number of up to 9 digits, once a rule"
            )
        rev = said.get("rev", "0")
        return IdsRule(
            action, header, contents, int(said["sid"]), said.get("msg", ""), int(rev) if rev.isdecimal() else 0
        )

    def options(self, text: str, start: int) -> tuple[tuple[Content, ...], dict[str, str]]:
        """Read ``name; name:value; ...``; return the contents, and the values of the others."""
        contents: list[Content] = []
        said: dict[str, str] = {}
        end = 0
        while text[end:].strip():
            match = OPTION.match(text, end)
            if not match:
                self.fail(start + end, f"expected NAME; or NAME:VALUE; near {text[end:].strip()[:20]!r}")
            name, value, column = match["name"], (match["value"] or "").strip(), start + match.start("name")
            self.starts[name] = column
            if name == "content":
                contents.append(Content(self.content(value, start + match.start("value"))))
            elif name == "nocase":
                if not contents:
                    self.fail(column, "nocase stands behind a content")
                contents[-1] = Content(contents[-1].text, True)
            elif name == "sid" or name in SAID:
                said[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] == '"' else value
            else:
                self.one_of("option", name, column, OPTIONS)
            end = match.end()
        return tuple(dict.fromkeys(contents)), said

    def content(self, value: str, column: int) -> bytes:
        """Read a content between quotation marks."""
        if len(value) < 3 or value[0] != '"' or value[-1] != '"':
            self.fail(column, f'a content is "text", not empty; got {value or "nothing"}')
        found = bytearray()
        for match in re.finditer(r"\\(.)|\|([^|]*)\||([^\\|]+)|(.)", value[1:-1]):
            escaped, digits, plain, odd = match.groups()
            if odd or (escaped is not None and escaped not in '";:\\|'):
                self.fail(column + 1 + match.start(), f"{match[0]!r} in a content: {ESCAPES}")
            if digits is not None:
                try:
                    found += bytes.fromhex(digits)
                except ValueError:
                    self.fail(column + 1 + match.start(), f"|{digits}| is not bytes in hex, such as |0d 0a|")
            else:
                found += (escaped or plain or "").encode()
        if not found:
            self.fail(column, "the content is empty")
        return bytes(found)

    def items(self, text: str, column: int) -> tuple[list[str], list[str]]:
        """Split ``[a,!b]`` into what is in and what is out, variables put in."""
        text = re.sub(r"\$(\w+)", lambda match: self.variable(match, column), text)
        bare = text[1:] if text.startswith("![") else text
        parts = [part.strip() for part in (bare[1:-1] if bare[:1] == "[" else bare).split(",")]
        taken = [part for part in parts if not part.startswith("!")]
        left = [part[1:].strip() for part in parts if part.startswith("!")]
        if text.startswith("!["):
            if left:
                self.fail(column, f"{text}: '!' in a list that is negated")
            return ["any"], taken
        return taken or ["any"], left

    def variable(self, match: re.Match[str], column: int) -> str:
        if match[1] not in self.variables:
            known = ", ".join(f"${name}" for name in self.variables) or "none"
            self.fail(column, f"{match[0]} has no value: give it in the parameter variables (known: {known})")
        return self.variables[match[1]]

    def addresses(self, text: str, column: int) -> tuple[int, ...]:
        taken, left = ([self.prefix(item, column) for item in items] for items in self.items(text, column))
        whole = [0, TOP]
        sets = [whole if any(one is None for one in taken) else union(one for one in taken if one)]
        sets.append(whole if any(one is None for one in left) else union(one for one in left if one))
        return tuple(without(sets[0], sets[1], TOP)) or self.fail(column, f"{text} holds no address")

    def prefix(self, item: str, column: int) -> Prefix | None:
        if item == "any":
            return None
        try:
            return Prefix(item)
        except ValueError:
            self.fail(column, f"{item!r} is not any, an address, a prefix or a list of them")

    def ports(self, text: str, column: int) -> tuple[int, ...]:
        taken, left = ([self.span(item, column) for item in items] for items in self.items(text, column))
        return tuple(without(merged(taken), merged(left), PORTS)) or self.fail(column, f"{text} holds no port")

    def span(self, item: str, column: int) -> tuple[int, int]:
        if item == "any":
            return 0, PORTS
        match = re.fullmatch(r"(\d*)(:?)(\d*)", item)
        if match and (match[1] or match[3]):
            low = int(match[1] or 0)
            high = int(match[3] or PORTS - 1) if match[2] else low
            if low <= high < PORTS:
                return low, high + 1
        return self.fail(column, f"{item!r} is not any, a port (0-65535), low:high or a list of them")
