"""From a line to its description. Strict: each word must be known, fit the packet, and stand there once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from nfuse.packet.address import IPAddress
from nfuse.testing.notation.cursor import OTHERS, Cursor
from nfuse.testing.notation.description import Description
from nfuse.testing.notation.lexer import Token, tokens
from nfuse.testing.notation.words import FLAGS, ICMP, KINDS, LAYERS, PAYLOAD, Word

_WORDS = {name: word for table in LAYERS.values() for name, word in table.items()}

_FLAG_WORD = re.compile(f"[{FLAGS}]+|-")


@dataclass
class Line:
    """What a line says.

    Attributes:
        packet: The packet.
        side: 1 where the arrow points to the left.
        time: ``+`` or ``@`` and nanoseconds; None: it says nothing.
        start: The line's first piece, for errors about the packet as a whole.
    """

    packet: Description
    side: int
    time: tuple[str, int] | None
    start: Token


def read(source: str, number: int) -> Line | None:
    """Read a line; None if there is nothing but a comment.

    Args:
        source: The line.
        number: Its number, for errors.

    Raises:
        PacketSyntaxError: It is wrong.
    """
    reader = _Reader(tokens(source, number))
    start = reader.here
    if start.kind == "end":
        return None
    time = reader.time()
    packet, side = reader.packet()
    if reader.here.kind != "end":
        raise reader.here.error(f"unexpected {reader.here.text!r}")
    return Line(packet, side, time, start)


class _Reader(Cursor):
    """The grammar of a line."""

    # ---- packets

    def packet(self, inner: bool = False) -> tuple[Description, int]:
        """Take a packet; returns it and its side."""
        side = 0
        if self.here.text == "<" and not inner:
            self.next()
            side = 1
        if self.here.text in OTHERS and not inner:
            return self._rest(self._other(self.next())), side
        if side:
            raise self.here.error("an arrow without an endpoint before it", f"< and {', '.join(OTHERS)}")
        ends = [self.endpoint()]
        arrow = self.word("> or <")
        if arrow.text not in (">", "<"):
            raise arrow.error(f"unexpected {arrow.text!r}", "> or <")
        second = self.here
        ends.append(self.endpoint())
        if ends[0][0].version != ends[1][0].version:
            raise second.error("the endpoints are of different IP versions")
        if arrow.text == "<":
            ends.reverse()
            side = 1
        return self._ip(ends, second, inner), side

    def _ip(self, ends: list[tuple[IPAddress, int | None]], place: Token, inner: bool) -> Description:
        kind = self.word("a protocol: " + ", ".join(KINDS))
        if kind.text not in KINDS:
            raise kind.error(f"no protocol {kind.text!r}", ", ".join(KINDS), KINDS)
        (src, sport), (dst, dport) = ends
        packet = Description(kind.text, src, dst, sport, dport)
        if kind.text == "proto":
            packet.values["number"] = self.number(Word("proto", "number", "", 8))
        elif kind.text in ("tcp", "icmp") and not self._at_word():
            self._flags(packet) if kind.text == "tcp" else self._icmp(packet)
        if self.here.text == "(":
            self._inner(packet)
        self._rest(packet, inner)
        self._check(packet, kind, place)
        return packet

    def _at_word(self) -> bool:
        """Whether the payload or a word comes next, as in a later fragment."""
        return self.here.kind == "text" or self.here.text in _WORDS or self.here.text in PAYLOAD

    @staticmethod
    def _check(packet: Description, kind: Token, place: Token) -> None:
        """Check that an IP packet has the ports, flags and types that it needs, and no others."""
        with_ports = packet.kind in ("tcp", "udp") and not packet.later
        if with_ports and (packet.sport is None or packet.dport is None):
            raise place.error(f"{packet.kind} needs both ports", "10.0.0.1:1234 > 192.0.2.1:80")
        if not with_ports and (packet.sport is not None or packet.dport is not None):
            raise place.error(f"{'a later fragment' if packet.later else packet.kind} has no ports")
        if packet.later and (packet.inner or packet.values.keys() & {"flags", "icmp"}):
            raise kind.error("a later fragment has no L4 header", f"{packet.kind} frag 24+ and a payload")
        if packet.version == 4 and packet.values.get("frag") == (0, False):
            raise kind.error("`frag 0` says that the packet is no fragment", "0+ for a first fragment")
        for needed, what, example in (
            ("tcp", "flags", "tcp S, or tcp - for none"),
            ("icmp", "icmp", "icmp echo-request"),
        ):
            if packet.kind == needed and not packet.later and what not in packet.values:
                raise kind.error(f"{needed} needs its {'flags' if what == 'flags' else 'type'}", example)
        if packet.kind == "ipip" and not packet.later and packet.inner is None:
            raise kind.error("ipip needs the inner packet", "ipip (10.0.0.1:1 > 10.0.0.2:2 udp)")

    def _icmp(self, packet: Description) -> None:
        names = ICMP[packet.version]
        token = self.word("an ICMP type: " + ", ".join(names))
        numbers = re.fullmatch(r"(\d{1,3})/(\d{1,3})", token.text)
        if token.text in names:
            packet.values["icmp"] = names[token.text]
        elif numbers and max(int(numbers[1]), int(numbers[2])) <= 255:
            packet.values["icmp"] = (int(numbers[1]), int(numbers[2]))
        else:
            raise token.error(f"no ICMP type {token.text!r}", f"{', '.join(names)}, or TYPE/CODE", names)

    def _flags(self, packet: Description) -> None:
        token = self.word(f"TCP flags, letters of {FLAGS}, or -")
        if not _FLAG_WORD.fullmatch(token.text) or len(set(token.text)) < len(token.text):
            raise token.error(f"{token.text!r} are no TCP flags", f"letters of {FLAGS}, each once, or - for none")
        packet.values["flags"] = sum(1 << FLAGS.index(letter) for letter in token.text if letter != "-")

    def _inner(self, packet: Description) -> None:
        mark = self.next()
        if packet.kind not in ("icmp", "ipip") or packet.echo:
            raise mark.error(f"{packet.kind} holds no packet", "the payload in quotes, or hex")
        packet.inner, side = self.packet(inner=True)
        if side:
            raise mark.error("a packet in parentheses has no side", ">")
        if packet.kind == "icmp" and packet.inner.version != packet.version:
            raise mark.error("an ICMP error quotes a packet of its own IP version")
        if self.here.text != ")":
            raise self.here.error("the parenthesis does not end", ")")
        self.next()

    def _other(self, first: Token) -> Description:
        """Take what stands behind ``raw``, ``type`` or ``arp``."""
        if first.text == "raw":
            return Description("raw", data=self.hex())
        if first.text == "type":
            token = self.here
            number = self.number(Word("type", "number", "", 16))
            if number < 1536:
                raise token.error(f"{token.text} is no EtherType", "0x0600 to 0xffff")
            return Description("type", values={"number": number})
        token = self.word("who-has, or an address")
        if token.text == "who-has":
            target = self._v4()
            self.literal("tell")
            return Description("arp", self._v4(), target, values={"op": 1})
        sender = self._v4(token)
        self.literal("is-at")
        mac = self.mac(self.word("a MAC address"))
        self.literal("to")
        return Description("arp", sender, self._v4(), values={"op": 2, "is-at": mac})

    def _v4(self, token: Token | None = None) -> IPv4Address:
        token = token or self.word("an IPv4 address")
        try:
            return IPv4Address(token.text)
        except ValueError:
            raise token.error(f"{token.text!r} is no IPv4 address", "10.0.0.1", ["who-has"]) from None

    # ---- words

    def _rest(self, packet: Description, inner: bool = False) -> Description:
        """Take the payload and all words that follow."""
        said: dict[str, Token] = {}
        while self.here.kind in ("word", "text"):
            token = self.next()
            name = "text" if token.kind == "text" else token.text
            if name in said:
                raise token.error(f"{name!r} stands twice")
            said[name] = token
            if name in ("text", "hex"):
                self._payload(packet, token, said)
            else:
                self._word(packet, token, inner)
        length = packet.values.pop("len", None)
        if length is not None:
            if length < len(packet.data):
                raise said["len"].error(f"the payload has {len(packet.data)} bytes, more than `len {length}`")
            packet.data += bytes(length - len(packet.data))
        self._fit(packet, said)
        return packet

    def _payload(self, packet: Description, token: Token, said: dict[str, Token]) -> None:
        if "text" in said and "hex" in said:
            raise token.error("two payloads", "either a text in quotes or hex")
        packet.data = token.bytes() if token.kind == "text" else self.hex()

    def _word(self, packet: Description, token: Token, inner: bool) -> None:
        name = token.text
        if name not in _WORDS and name not in PAYLOAD:
            raise token.error(f"no word {name!r}", None, [*_WORDS, *PAYLOAD])
        if name == "len":
            packet.values["len"] = self.number(Word("len", "number", "", 16))
            return
        if inner and (name in LAYERS["ethernet"] or name in LAYERS["capture"]):
            raise token.error(f"`{name}` is for the whole frame, not for a packet in parentheses")
        word = packet.words().get(name, _WORDS[name])
        packet.values[name] = self.value(word)

    def _fit(self, packet: Description, said: dict[str, Token]) -> None:
        """Check that each word fits the packet, now that all are known."""
        words = packet.words()
        for name, token in said.items():
            if name in ("text", *PAYLOAD):
                if packet.kind == "raw" or (packet.kind == "ipip" and not packet.later):
                    raise token.error(f"{packet.kind} has no payload of its own")
                continue
            if name not in words:
                raise token.error(f"`{name}` is no word of {_title(packet)}", ", ".join(words))
            if name in ("bad-checksum", "no-checksum") and {"bad-checksum", "no-checksum", "checksum"} & (
                said.keys() - {name}
            ):
                raise token.error(f"`{name}` and another word for the checksum", "one of them")
        if "quote" in said and packet.inner is None:
            raise said["quote"].error("`quote` without a packet", "a packet in parentheses behind the ICMP type")
        if "mtu" in said and "rest" in said:
            raise said["rest"].error("`rest` and `mtu` are the same bytes", "one of them")
        if "wire" in said and packet.kind != "raw":
            raise said["wire"].error("`wire` is for raw frames", "cut N")
        if "cut" in said and packet.kind == "raw":
            raise said["cut"].error("`cut` is not for raw frames", "fewer digits, and wire N")
        if packet.kind != "raw" and packet.values.get("link", "ethernet") not in ("ethernet", "raw"):
            raise said["link"].error("frames of this link type are written as raw")
        if packet.values.get("link") == "raw" and (not packet.version and packet.kind != "raw"):
            raise said["link"].error("`link raw` is for IP packets")


def _title(packet: Description) -> str:
    if packet.later:
        return "a later fragment"
    return f"{packet.kind} over IPv{packet.version}" if packet.version else packet.kind
