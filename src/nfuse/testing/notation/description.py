"""What a line says of a packet, and what can be said of given bytes: the form between text and bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nfuse.packet.address import IPAddress
from nfuse.testing.notation.words import LAYERS, Word


class Undescribable(Exception):
    """Bytes for which there are no words; they are printed as hexadecimal digits."""


@dataclass
class Description:
    """A packet in words.

    Attributes:
        kind: ``tcp``, ``udp``, ``icmp``, ``ipip``, ``proto`` (any other IP protocol); ``arp``; ``type`` (any other
            EtherType); ``raw`` (a whole frame).
        src: Source address; the sender's, of ARP.
        dst: Destination address; the target's, of ARP.
        sport: Source port of TCP and UDP; None in later fragments.
        dport: Destination port.
        values: The words by name. Beside those of :data:`~nfuse.testing.notation.words.LAYERS`: ``flags`` (TCP, bits),
            ``icmp`` (type, code), ``number`` (protocol or EtherType), ``op`` (ARP), ``is-at`` (ARP).
        data: The payload; all of a ``raw`` frame.
        inner: The packet that an ICMP error quotes or a tunnel carries.
    """

    kind: str
    src: IPAddress | None = None
    dst: IPAddress | None = None
    sport: int | None = None
    dport: int | None = None
    values: dict[str, Any] = field(default_factory=dict)
    data: bytes = b""
    inner: Description | None = None

    @property
    def version(self) -> int:
        """IP version; 0 if it is no IP packet."""
        return self.src.version if self.src is not None and self.kind != "arp" else 0

    @property
    def later(self) -> bool:
        """Whether it is a fragment that is not the first: it has no L4 header."""
        offset, _ = self.values.get("frag") or (0, False)
        return bool(offset)

    @property
    def echo(self) -> bool:
        """Whether it is an ICMP echo."""
        return self.kind == "icmp" and self.values.get("icmp") in ((8, 0), (0, 0), (128, 0), (129, 0))

    @property
    def l4(self) -> str:
        """Name of the layer of words above IP; "" if it has none."""
        if self.later or self.kind not in ("tcp", "udp", "icmp"):
            return ""
        return "echo" if self.echo else self.kind

    def layers(self) -> Iterator[str]:
        """Yield the names of the layers whose words may be said of this packet, in the order of printing."""
        if self.l4:
            yield self.l4
        if self.version:
            yield f"ipv{self.version}"
        if self.kind != "raw":
            yield "ethernet"
        yield "capture"

    def words(self) -> dict[str, Word]:
        """Return the words that may be said of this packet."""
        return {name: word for layer in self.layers() for name, word in LAYERS[layer].items()}

    def get(self, name: str) -> Any:
        """Return what a word says, or its default."""
        if name in self.values:
            return self.values[name]
        word = self.words().get(name)
        return None if word is None else word.default
