"""The rule language of :class:`~nfuse.nf.library.destination_nat.DestinationNat`: text to rules.

One rule a line, first match wins, ``#`` starts a comment::

    PROTOCOL PUBLIC[:PORT[-PORT]] -> INSIDE[:PORT]

    tcp 203.0.113.1:80              ->  10.0.0.5:8080
    udp 203.0.113.1:6000-6100       ->  10.0.0.6:7000        # 6000 to 7000, 6001 to 7001, ...
    any 203.0.113.9                 ->  10.0.0.9
    tcp [2001:db8::1]:443           ->  [2001:db8:1::5]:8443
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from nfuse.nf.library.acl import TCP, TOP_PORT, UDP, Line, Rule

Endpoint = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, tuple[int, int] | None]


@dataclass(frozen=True, slots=True)
class Forward:
    """One rule.

    Attributes:
        rule: What it matches.
        inside: The new destination.
        port: Its port for the lowest public one; None: the packet's own stays.
    """

    rule: Rule
    inside: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int | None

    @property
    def public(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """The public address."""
        assert self.rule.dst
        return type(self.inside)(self.rule.dst[0])

    @property
    def shift(self) -> int | None:
        """What is added to the destination port; None: ports stay as they are."""
        return None if self.port is None or self.rule.dport is None else self.port - self.rule.dport[0]


class ForwardLine(Line[Forward]):
    """A line of this module's language."""

    def rule(self) -> Forward:
        proto = self.protocol()
        public, ports = self.endpoint("a public address", proto)
        self.arrow("public and inside address")
        inside, target = self.endpoint("an inside address", proto)
        if public.version != inside.version:
            raise self.fail("public and inside address are of different families (IPv4 and IPv6)")
        port = target[0] if target else None
        if target and target[0] != target[1]:
            raise self.fail("the inside port is one port: the public range is mapped from there on")
        if port is not None and ports is None:
            raise self.fail("an inside port needs a public port, or a range of them")
        if port is not None and ports and port + ports[1] - ports[0] > TOP_PORT:
            raise self.fail(f"the range does not fit from port {port} on: the last would be above {TOP_PORT}")
        self.finish()
        words = " ".join(word for _, word in self.words)
        match = Rule(
            0, proto, public.version, None, (int(public), int(public)), None, ports, where=self.where, text=words
        )
        return Forward(match, inside, port)

    def endpoint(self, what: str, proto: int | None) -> Endpoint:
        """Read ``ADDRESS[:PORT[-PORT]]``, an IPv6 address with ports in brackets (RFC 3986)."""
        word = self.next(what)
        bare = word if word.count(":") > 1 and word[0] != "[" else ""
        match = re.fullmatch(r"(?:\[([^\]]+)\]|([\d.]+))(?::(\d+)(?:-(\d+))?)?", word)
        try:
            if not (bare or match):
                raise ValueError
            address = ipaddress.ip_address(bare or (match and (match[1] or match[2])) or "")
        except ValueError:
            raise self.fail(
                f"{word!r} is not ADDRESS[:PORT[-PORT]], such as 192.0.2.1:80 or [2001:db8::1]:80"
            ) from None
        if not match or not match[3]:
            return address, None
        low, high = int(match[3]), int(match[4] or match[3])
        if not low <= high <= TOP_PORT:
            raise self.fail(f"{word!r}: the ports are not 0-{TOP_PORT}, low-high")
        if proto not in (None, TCP, UDP):
            raise self.fail("only TCP and UDP have ports")
        return address, (low, high)
