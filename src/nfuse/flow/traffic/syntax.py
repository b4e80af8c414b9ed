"""The parser of the pcap-filter language: text to a tree of primitives.

The tree says what was written, not what it means: `nfuse.flow.traffic.loose` gives it the meaning of a traffic class,
`nfuse.flow.traffic.strict` that of ``tcpdump``. As in pcap-filter(7): ``and`` and ``or`` have one precedence and
associate to the left, ``not`` binds closest; a bare value takes the qualifiers of the primitive before it (``port 80 or
443``).

Beyond pcap-filter(7) it reads fields by name (``tcp.syn = 1``, ``ip.ttl < 5``), ``everything``, ``nothing`` and
``ingress NAME``: what traffic classes print.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from nfuse.flow.traffic import values
from nfuse.flow.traffic.arithmetic import Bytes, Fault, Length, Node, Number, Operation, fold
from nfuse.flow.traffic.lexer import FilterError, Token, nearest, words

# --------------------------------------------------------------------------------------------------------- the tree


class Tree:
    """A node of the syntax tree."""


@dataclass(frozen=True)
class All(Tree):
    """And (``word`` "and") or Or of two trees, in the order of the text."""

    word: str
    left: Tree
    right: Tree


@dataclass(frozen=True)
class Negation(Tree):
    """Not."""

    part: Tree


@dataclass(frozen=True)
class Truth(Tree):
    """``everything`` (also the empty filter) or ``nothing``."""

    value: bool


@dataclass(frozen=True)
class Protocol(Tree):
    """A protocol's name alone: ``tcp``, ``ip6``, ``arp``."""

    name: str
    column: int


@dataclass(frozen=True)
class Proto(Tree):
    """``[ip | ip6 | ether] proto N``; `layer` is None where no layer is given."""

    layer: str | None
    number: int
    column: int


@dataclass(frozen=True)
class Net(Tree):
    """A host or net primitive: `address` under `mask` (ints), in the family `version`."""

    protocol: str | None
    direction: str
    version: int
    address: int
    mask: int
    column: int


@dataclass(frozen=True)
class Ether(Tree):
    """``ether src|dst|host MAC``."""

    direction: str
    address: int
    column: int


@dataclass(frozen=True)
class Ports(Tree):
    """A port or portrange primitive; `protocols` is the list that the name or the qualifier leaves."""

    protocols: tuple[str, ...]
    direction: str
    low: int
    high: int
    column: int


@dataclass(frozen=True)
class Vlan(Tree):
    """``vlan [N]``."""

    number: int | None
    column: int


@dataclass(frozen=True)
class Cast(Tree):
    """``[ether | ip | ip6] broadcast | multicast``."""

    layer: str
    kind: str
    column: int


@dataclass(frozen=True)
class Compare(Tree):
    """Arithmetic, an operator, arithmetic."""

    operator: str
    left: Node
    right: Node
    column: int


@dataclass(frozen=True)
class Field(Tree):
    """A field by name, compared with a value: int, MAC or text of an address or prefix."""

    name: str
    operator: str
    value: int | str
    column: int


@dataclass(frozen=True)
class Port(Tree):
    """``ingress NAME``."""

    name: str | int


# -------------------------------------------------------------------------------------------------------- the words

PROTOCOL_NUMBERS = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "icmp6": 58, "pim": 103, "vrrp": 112, "sctp": 132,
}  # fmt: skip
ETHER_TYPES = {"ip": 0x0800, "arp": 0x0806, "rarp": 0x8035, "ip6": 0x86DD}
PROTOCOLS = (*ETHER_TYPES, *PROTOCOL_NUMBERS)
LINK_WORDS = ("ether", "link")
DIRECTIONS = ("src", "dst")
KINDS = ("host", "net", "port", "portrange")
PORT_PROTOCOLS = ("tcp", "udp", "sctp")
UNSUPPORTED = (
    "mpls", "pppoes", "pppoed", "geneve", "inbound", "outbound", "protochain", "gateway", "llc", "wlan", "fddi", "tr",
    "decnet", "iso", "stp", "ipx", "netbeui", "atalk", "aarp", "lat", "moprc", "mopdl", "igrp", "carp", "ifname", "on",
    "rnr", "rulenum", "reason", "rset", "ruleset", "srnr", "subrulenum", "action", "type", "subtype", "dir", "addr1",
)  # fmt: skip
WORDS = (
    *PROTOCOLS, *LINK_WORDS, *DIRECTIONS, *KINDS, "proto", "vlan", "less", "greater", "len", "broadcast", "multicast",
    "mask", "and", "or", "not", "everything", "nothing", "ingress",
)  # fmt: skip
RELATIONS = ("=", "!=", "<", "<=", ">", ">=")
CONSTANTS = {
    "tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64,
    "tcp-cwr": 128,
    "tcpflags": 13, "icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1,
    "icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
    "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13,
    "icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,
    "icmp6-destinationunreach": 1, "icmp6-destinationrunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
    "icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130,
    "icmp6-multicastlistenerreportv1": 131, "icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133,
    "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
    "icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139, "icmp6-nodeinformationresponse": 140,
    "icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142,
    "icmp6-multicastlistenerreportv2": 143, "icmp6-homeagentdiscoveryrequest": 144,
    "icmp6-homeagentdiscoveryreply": 145, "icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147,
    "icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149, "icmp6-multicastrouteradvert": 151,
    "icmp6-multicastroutersolicit": 152, "icmp6-multicastrouterterm": 153,
}  # fmt: skip
BYTES_OF = {"ether": "eth", "link": "eth", "ip": "ipv4", "ip6": "ipv6"}
LEVELS = {"|": 1, "&": 2, "<<": 3, ">>": 3, "+": 4, "-": 4, "*": 5, "/": 5}
ALWAYS_SHIFT = ("^", "%")
"""Operators without a precedence in pcap's grammar: whatever follows one belongs to its right side."""


@dataclass(frozen=True)
class Qualifiers:
    """What stands before a value: protocol, direction, kind."""

    protocol: str | None = None
    direction: str = "either"
    kind: str = "host"


T = TypeVar("T")

# ------------------------------------------------------------------------------------------------------- the parser


def parse(text: str) -> Tree:
    """Parse a filter.

    Raises:
        FilterError: With the column, what was expected, and the nearest word.
    """
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = words(text)
        self.at = 0
        self.qualifiers: Qualifiers | None = None

    # ---- the cursor

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def ahead(self, count: int = 1) -> Token:
        return self.tokens[min(self.at + count, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.token
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def accept(self, *texts: str) -> bool:
        if self.token.is_(*texts):
            self.take()
            return True
        return False

    def fail(self, problem: str, token: Token | None = None) -> FilterError:
        return FilterError(self.text, (token or self.token).column, problem)

    def expected(self, what: str, known: tuple[str, ...] = ()) -> FilterError:
        token = self.token
        got = "the filter ends" if token.kind == "end" else f"got {token.text!r}"
        return self.fail(f"expected {what}, {got}{nearest(token.text, known) if token.kind == 'name' else ''}")

    def attempt(self, parse_it: Callable[[], T]) -> T | FilterError:
        """Try one way to read on; on failure stay where we were and return the error."""
        start, qualifiers = self.at, self.qualifiers
        try:
            return parse_it()
        except FilterError as error:
            self.at, self.qualifiers = start, qualifiers
            return error

    # ---- and, or, not, parentheses

    def whole(self) -> Tree:
        if self.token.kind == "end":
            return Truth(True)
        tree = self.expression()
        if self.token.kind != "end":
            raise self.expected("`and`, `or` or the end", WORDS)
        return tree

    def expression(self) -> Tree:
        tree = self.term()
        while self.token.is_("and", "or"):
            word = self.take().text
            tree = All(word, tree, self.term())
        return tree

    def term(self) -> Tree:
        if self.accept("not"):
            return Negation(self.term())
        if self.begins_arithmetic():
            found = self.attempt(self.relation)
            if isinstance(found, Tree):
                self.qualifiers = None
                return found
            if not self.token.is_("("):
                raise found
            inner = self.attempt(self.parenthesis)
            if isinstance(inner, Tree):
                return inner
            raise max(found, inner, key=lambda error: error.column)
        if self.token.is_("("):
            return self.parenthesis()
        if self.token.kind in ("number", "v4", "v6", "mac", "range"):
            if self.qualifiers is None:
                raise self.expected("a primitive before a bare value, such as `host` or `port`")
            return self.value(self.qualifiers)
        return self.primitive()

    def parenthesis(self) -> Tree:
        self.take()
        tree = self.expression()
        if not self.accept(")"):
            raise self.expected("`and`, `or` or `)`", WORDS)
        return tree

    # ---- arithmetic

    def begins_arithmetic(self) -> bool:
        token, following = self.token, self.ahead()
        if token.is_("-") or token.is_("len") or token.text in CONSTANTS:
            return True
        if token.kind == "number":
            return following.kind == "op" and not following.is_(")", "(", "[", "]")
        if token.is_("("):
            depth, index = 0, self.at  # arithmetic in parentheses is followed by an operator
            while index < len(self.tokens):
                depth += self.tokens[index].is_("(") - self.tokens[index].is_(")")
                if depth == 0:
                    after = self.tokens[min(index + 1, len(self.tokens) - 1)]
                    return after.kind == "op" and not after.is_(")", "]", ":")
                index += 1
            return False
        return token.kind == "name" and following.is_("[")

    def relation(self) -> Tree:
        start = self.token
        left = self.arithmetic()
        if not self.token.is_(*RELATIONS):
            raise self.expected("a comparison (= != < <= > >=)")
        operator = self.take().text
        right = self.arithmetic()
        try:
            left, right = fold(left), fold(right)
        except Fault as fault:
            raise self.fail(str(fault), start) from None
        return Compare(operator, left, right, start.column)

    def arithmetic(self, least: int = 0) -> Node:
        left = self.operand()
        while True:
            token = self.token
            if token.is_(*ALWAYS_SHIFT):
                self.take()
                left = Operation(token.text, left, self.arithmetic())
            elif token.kind == "op" and LEVELS.get(token.text, -1) >= least and token.text in LEVELS:
                self.take()
                left = Operation(token.text, left, self.arithmetic(LEVELS[token.text] + 1))
            else:
                return left

    def operand(self) -> Node:
        token = self.token
        if token.kind == "number":
            return Number(self.number("a number", 0xFFFF_FFFF))
        if self.accept("-"):
            return Operation("-", Number(0), self.operand())
        if self.accept("("):
            inner = self.arithmetic()
            if not self.accept(")"):
                raise self.expected("an operator or `)`")
            return inner
        if token.kind != "name":
            raise self.expected("a number, `len`, or bytes such as tcp[13]")
        self.take()
        if token.text == "len":
            return Length()
        if token.text in CONSTANTS:
            return Number(CONSTANTS[token.text])
        if token.text not in (*PROTOCOLS, *LINK_WORDS):
            raise self.fail(
                f"expected a protocol or a constant, got {token.text!r}"
                f"{nearest(token.text, (*PROTOCOLS, *LINK_WORDS, *CONSTANTS))}",
                token,
            )
        if not self.accept("["):
            raise self.expected("`[`")
        index = self.arithmetic()
        size = 1
        if self.accept(":"):
            size = self.number("1, 2 or 4 bytes", 4)
            if size not in (1, 2, 4):
                raise self.fail("expected 1, 2 or 4 bytes", self.tokens[self.at - 1])
        if not self.accept("]"):
            raise self.expected("`]`")
        return Bytes(BYTES_OF.get(token.text, token.text), index, size)

    def number(self, what: str, maximum: int) -> int:
        token = self.token
        if token.kind != "number":
            raise self.expected(what)
        text = token.text.lower()
        try:
            number = int(text, 16 if text.startswith("0x") else 8 if text.startswith("0") and len(text) > 1 else 10)
        except ValueError:
            raise self.fail(f"{token.text} is not an octal number (it starts with 0)") from None
        if number > maximum:
            raise self.fail(f"expected {what}: {token.text} is above {maximum}")
        self.take()
        return number

    # ---- primitives

    def primitive(self) -> Tree:
        token = self.token
        if token.kind != "name":
            raise self.expected("a primitive")
        word = token.text
        if word == "egress":
            raise self.fail(
                "`egress` can't be judged: by which output a packet leaves follows from its direction; use `ingress`"
            )
        if word in UNSUPPORTED:
            raise self.fail(f"`{word}` is not supported")
        if "." in word and word not in WORDS:
            return self.field()
        if word in ("sport", "dport") or (word == "len" and self.ahead().is_(*RELATIONS)):
            return self.field()
        if word in ("everything", "nothing"):
            self.take()
            self.qualifiers = None
            return Truth(word == "everything")
        if word == "ingress":
            return self.ingress()
        if word in ("less", "greater"):
            self.take()
            self.qualifiers = None
            operator = "<=" if word == "less" else ">="
            return Compare(operator, Length(), Number(self.number("a length in bytes", 0xFFFF_FFFF)), token.column)
        if word == "vlan":
            self.take()
            self.qualifiers = None
            tag = self.number("a VLAN id", 4095) if self.token.kind == "number" else None
            return Vlan(tag, token.column)
        if word in ("broadcast", "multicast"):
            self.take()
            self.qualifiers = None
            return Cast("ether", word, token.column)
        if word not in WORDS or word in ("and", "or", "mask", "len"):
            raise self.expected("a primitive", WORDS)
        return self.qualified()

    def qualified(self) -> Tree:
        start = self.token
        protocol = self.take().text if self.token.is_(*PROTOCOLS, *LINK_WORDS) else None
        if protocol in LINK_WORDS:
            protocol = "ether"
        if self.token.is_("proto"):
            return self.proto(protocol, start)
        if self.token.is_("protochain", "gateway"):
            raise self.fail(f"`{self.token.text}` is not supported")
        if self.token.is_("broadcast", "multicast") and protocol in ("ether", "ip", "ip6"):
            self.qualifiers = None
            return Cast(protocol, self.take().text, start.column)
        direction = self.direction()
        kind = self.take().text if self.token.is_(*KINDS) else None
        if direction is None and kind is None:
            self.qualifiers = None
            if protocol == "ether" and (self.token.kind == "end" or self.token.is_("and", "or", ")")):
                return Protocol("eth", start.column)
            if protocol is None or protocol == "ether":
                raise self.expected("`src`, `dst`, `host`, `proto`, `broadcast` or `multicast`", WORDS)
            return Protocol(protocol, start.column)
        qualifiers = Qualifiers(protocol, direction or "either", kind or "host")
        self.qualifiers = qualifiers
        if self.token.is_("("):
            return self.parenthesis()
        if self.accept("not"):
            return Negation(self.value(qualifiers))
        return self.value(qualifiers)

    def direction(self) -> str | None:
        if not self.token.is_(*DIRECTIONS):
            return None
        first = self.take().text
        if self.token.is_("and", "or") and self.ahead().is_(*DIRECTIONS) and self.ahead().text != first:
            word = self.take().text
            self.take()
            return "both" if word == "and" else "either"
        return first

    def proto(self, layer: str | None, start: Token) -> Tree:
        self.take()
        if layer not in (None, "ether", "ip", "ip6"):
            raise self.fail(f"`proto` does not go with {layer!r}: expected ip, ip6 or ether", start)
        self.qualifiers = None
        table = ETHER_TYPES if layer == "ether" else PROTOCOL_NUMBERS
        if self.token.kind != "name":
            return Proto(
                layer, self.number("a protocol number or name", 0xFFFF if layer == "ether" else 255), start.column
            )
        name = self.token.text.removeprefix("\\")
        number = table.get(name)
        if number is None and layer != "ether":
            try:
                number = socket.getprotobyname(name)
            except OSError:
                number = None
        if number is None:
            raise self.expected("a protocol number or name", tuple(table))
        self.take()
        return Proto(layer, number, start.column)

    def ingress(self) -> Tree:
        self.take()
        self.qualifiers = None
        if self.token.kind == "number":
            return Port(self.number("a port's index", 255))
        if self.token.kind != "name":
            raise self.expected("an input port's name or index")
        return Port(self.take().text)

    def field(self) -> Tree:
        token = self.take()
        self.qualifiers = None
        if not self.token.is_(*RELATIONS):
            return Field(token.text, "!=", 0, token.column)
        operator = self.take().text
        value: int | str
        if self.token.kind == "number" and not self.ahead().is_("/"):
            value = self.number("a number", (1 << 64) - 1)
        elif self.token.kind in ("v4", "v6", "mac", "number"):
            value = self.take().text
            if self.accept("/"):
                value += f"/{self.number('a prefix length', 128)}"
        else:
            raise self.expected("a number, an address or a prefix")
        return Field(token.text, operator, value, token.column)

    # ---- values: addresses, nets, ports

    def value(self, qualifiers: Qualifiers) -> Tree:
        if self.token.is_("not"):
            self.take()
            return Negation(self.value(qualifiers))
        if qualifiers.kind in ("port", "portrange"):
            return self.ports(qualifiers)
        if self.token.kind == "name" and self.token.text not in WORDS and nearest(self.token.text, KINDS):
            raise self.expected("an address, `host`, `net`, `port` or `portrange`", KINDS)
        if self.token.kind == "mac" or qualifiers.protocol == "ether":
            return self.ether(qualifiers)
        if qualifiers.protocol in PROTOCOL_NUMBERS:
            raise self.fail(
                f"`{qualifiers.protocol}` does not go with `{qualifiers.kind}`: expected ip, ip6, arp or rarp"
            )
        if self.token.kind == "v6":
            return self.net6(qualifiers)
        return self.net4(qualifiers)

    def ether(self, qualifiers: Qualifiers) -> Tree:
        token = self.token
        if token.kind != "mac":
            raise self.expected("a MAC address such as 02:00:00:00:00:01")
        if qualifiers.protocol != "ether" or qualifiers.kind != "host":
            raise self.fail("a MAC address needs `ether src`, `ether dst` or `ether host`")
        self.take()
        return Ether(qualifiers.direction, values.mac_number(token.text, "ether"), token.column)

    def net6(self, qualifiers: Qualifiers) -> Tree:
        token = self.take()
        if qualifiers.protocol not in (None, "ip6"):
            raise self.fail(f"`{qualifiers.protocol}` does not go with an IPv6 address", token)
        address, length = int(ipaddress.IPv6Address(token.text)), 128
        if self.accept("/"):
            length = self.number("a prefix length", 128)
        mask = (1 << 128) - (1 << 128 - length)
        if address & ~mask:
            raise self.fail(f"{token.text}/{length} has bits set beyond its prefix", token)
        return Net(qualifiers.protocol, qualifiers.direction, 6, address, mask, token.column)

    def net4(self, qualifiers: Qualifiers) -> Tree:
        token = self.token
        if token.kind not in ("v4", "number"):
            hint = " (names are not looked up)" if token.kind == "name" and token.text not in WORDS else ""
            raise self.expected(f"an address{' or a net' if qualifiers.kind == 'net' else ''}{hint}")
        if token.kind == "number" and qualifiers.kind != "net" and not self.ahead().is_("/"):
            raise self.expected("an address")
        if qualifiers.protocol == "ip6":
            raise self.fail("`ip6` does not go with an IPv4 address")
        parts = [int(part) for part in self.take().text.split(".")] if token.kind == "v4" else [
            self.number("a net such as 10 or 10.1", 255)
        ]  # fmt: skip
        if any(part > 255 for part in parts):
            raise self.fail(f"not an IPv4 address: {token.text}", token)
        address = int.from_bytes(bytes([*parts, *[0] * (4 - len(parts))]), "big")
        mask = 0xFFFF_FFFF << 8 * (4 - len(parts)) & 0xFFFF_FFFF
        if self.accept("/"):
            length = self.number("a prefix length", 32)
            mask = 0xFFFF_FFFF << 32 - length & 0xFFFF_FFFF
        elif self.accept("mask"):
            if self.token.kind != "v4" or self.token.text.count(".") != 3:
                raise self.expected("a mask such as 255.255.0.0")
            try:
                mask = int(ipaddress.IPv4Address(self.take().text))
            except ValueError as error:
                raise self.fail(str(error), self.tokens[self.at - 1]) from None
        if address & ~mask:
            raise self.fail(f"{token.text} has bits set beyond its prefix", token)
        return Net(qualifiers.protocol, qualifiers.direction, 4, address, mask, token.column)

    def ports(self, qualifiers: Qualifiers) -> Tree:
        token = self.token
        if qualifiers.protocol is not None and qualifiers.protocol not in PORT_PROTOCOLS:
            raise self.fail(f"`{qualifiers.protocol}` has no ports: expected tcp, udp or sctp")
        protocols: tuple[str, ...] = (qualifiers.protocol,) if qualifiers.protocol else PORT_PROTOCOLS
        if token.kind == "range":
            if qualifiers.kind != "portrange":
                raise self.fail("a range of ports needs `portrange`")
            low, high = sorted(int(part) for part in self.take().text.split("-"))
            if high > 65535:
                raise self.fail(f"expected a range of ports: {high} is above 65535", token)
            return Ports(protocols, qualifiers.direction, low, high, token.column)
        if token.kind == "name":
            protocols, number = self.service(protocols)
        else:
            number = self.number("a port number or name", 65535)
        return Ports(protocols, qualifiers.direction, number, number, token.column)

    def service(self, protocols: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
        token = self.token
        name = token.text.removeprefix("\\")
        found: dict[str, int] = {}
        for protocol in ("tcp", "udp"):
            try:
                found[protocol] = socket.getservbyname(name, protocol)
            except OSError:
                continue
        if not found:
            raise self.expected("a port number or name", ("http", "https", "domain", "ssh", "smtp", "ntp", "ftp"))
        self.take()
        if len(protocols) == 1:
            number = found.get(protocols[0]) if protocols[0] != "sctp" else next(iter(found.values()))
            if number is None:
                raise self.fail(f"the port {name!r} belongs to {next(iter(found))}", token)
            return protocols, number
        if len(found) == 2 and len(set(found.values())) == 1:
            return protocols, found["tcp"]
        protocol = "tcp" if "tcp" in found else "udp"
        return (protocol,), found[protocol]
