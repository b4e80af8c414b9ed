"""Traffic in a line: whole conversations of two hosts, the answer to a packet, a packet in fragments.

The packets of the first host travel forward (side 0), those of the second back (side 1): to a chain between two
networks they come in by its two inputs, to any other chain sides mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from nfuse.testing.notation.builder import ip
from nfuse.testing.notation.cursor import addresses
from nfuse.testing.notation.description import Description, Undescribable
from nfuse.testing.notation.words import FLAGS, ICMP
from nfuse.testing.packet import STEP, Packet, build, describe, given, packet, packets

Data = bytes | str
SHARED = ("ttl", "dscp", "ecn", "label", "mac", "vlan", "link")
"""Words that all fragments have from the whole packet."""
ECHO_REQUESTS = ((8, 0), (128, 0))
FIN, SYN = FLAGS.index("F"), FLAGS.index("S")


def tcp_conversation(
    client: str,
    server: str,
    request: Data = b"",
    response: Data = b"",
    *,
    close: Literal["fin", "rst"] | None = "fin",
    mss: int = 1460,
    at: float = 0,
    words: str = "",
) -> list[Packet]:
    """Return a TCP conversation: handshake, request, response, end (RFC 9293, section 3.5 and 3.6).

    Args:
        client: Endpoint that opens, ``10.0.0.1:1234`` or ``[2001:db8::1]:1234``.
        server: The other one.
        request: What the client says, in segments of at most `mss` bytes; the server acknowledges each.
        response: What the server answers; the client acknowledges each segment.
        close: ``"fin"``: the client closes, then the server; ``"rst"``: the client resets; None: it stays open.
        mss: Bytes of a segment, at most.
        at: Time of the first packet, seconds; each further one is 1 ms later.
        words: More words for each packet: ``"ttl 3 vlan 7"``.

    Raises:
        PacketSyntaxError: An endpoint or a word is wrong.
    """
    if mss < 1:
        raise ValueError(f"mss={mss}: expected 1 or more")
    addresses([client, server])
    numbers = {">": 1000, "<": 5000}
    lines: list[str] = []

    def say(arrow: str, flags: str, data: bytes = b"") -> None:
        back = "<" if arrow == ">" else ">"
        ack = f" ack {numbers[back]}" if "A" in flags else ""
        text = f" hex {data.hex()}" if data else ""
        lines.append(f"{client} {arrow} {server} tcp {flags} seq {numbers[arrow]}{ack}{text} {words}")
        numbers[arrow] += len(data) + ("S" in flags or "F" in flags)

    say(">", "S")
    say("<", "SA")
    say(">", "A")
    for arrow, back, data in ((">", "<", _bytes(request)), ("<", ">", _bytes(response))):
        for start in range(0, len(data), mss):
            say(arrow, "PA", data[start : start + mss])
            say(back, "A")
    if close == "fin":
        say(">", "FA")
        say("<", "FA")
        say(">", "A")
    elif close == "rst":
        say(">", "R")
    elif close is not None:
        raise ValueError(f"close={close!r}: expected 'fin', 'rst' or None")
    return packets("\n".join(lines), at)


def udp_exchange(
    client: str, server: str, request: Data = b"", response: Data | None = b"", *, at: float = 0, words: str = ""
) -> list[Packet]:
    """Return a UDP datagram and its answer.

    Args:
        client: Endpoint that asks.
        server: Endpoint that answers.
        request: Payload of the datagram.
        response: Payload of the answer, 1 ms later; None: there is none.
        at: Time of the datagram, seconds.
        words: More words for each packet.

    Raises:
        PacketSyntaxError: An endpoint or a word is wrong.
    """
    addresses([client, server])
    lines = [f"{client} > {server} udp {_hex(request)} {words}"]
    if response is not None:
        lines.append(f"{client} < {server} udp {_hex(response)} {words}")
    return packets("\n".join(lines), at)


def ping(
    host: str,
    target: str,
    count: int = 1,
    *,
    id: int = 1,
    data: Data = b"ping",
    answered: bool = True,
    interval: float = 1,
    at: float = 0,
    words: str = "",
) -> list[Packet]:
    """Return ICMP or ICMPv6 echo requests with their replies (RFC 792, RFC 4443).

    Args:
        host: Address that asks.
        target: Address that answers, 1 ms later.
        count: Requests; their sequence numbers begin with 1.
        id: Identifier.
        data: Payload.
        answered: Whether there are replies.
        interval: Seconds between two requests.
        at: Time of the first one, seconds.
        words: More words for each packet.

    Raises:
        PacketSyntaxError: An address or a word is wrong.
    """
    addresses([host, target])
    lines: list[str] = []
    for number in range(count):
        tail = f"id {id} seq {number + 1} {_hex(data)} {words}"
        stamp = f"@{at + number * interval:.9f}"
        lines.append(f"{stamp} {host} > {target} icmp echo-request {tail}")
        if answered:
            lines.append(f"{host} < {target} icmp echo-reply {tail}")
    return packets("\n".join(lines))


def reply(to: Packet | str, data: Data = b"", flags: str | None = None) -> Packet:
    """Return what the receiver of a packet answers, 1 ms later, from the other side.

    Useful behind a translation: ``reply(result.out[0])`` goes to the address that the chain has put there.

    Args:
        to: A TCP or UDP packet, an echo request, or one of these in IP in IP (the inner packet is answered).
        data: Payload of the answer; a reply to an echo request has the payload of the request.
        flags: TCP flags; by default ``SA`` to a SYN, ``FA`` to a FIN, else ``A``.

    Raises:
        ValueError: Nothing answers that packet.
    """
    asked = packet(to) if isinstance(to, str) else to
    try:
        found = describe(asked)
        answer = _answer(found, _bytes(data), flags)
    except Undescribable:
        raise ValueError(f"nothing answers {asked.text}") from None
    answer.values |= {name: found.values[name] for name in ("link",) if name in found.values}
    return build(answer, asked.time + STEP, 1 - asked.side)


def _answer(asked: Description, data: bytes, flags: str | None) -> Description:
    if asked.kind == "ipip" and asked.inner is not None:
        return _answer(asked.inner, data, flags)
    answer = Description(asked.kind, asked.dst, asked.src, asked.dport, asked.sport, data=data)
    if asked.l4 == "tcp":
        said = asked.values["flags"]
        seq = asked.get("seq") + len(asked.data) + (said >> SYN & 1) + (said >> FIN & 1)
        answer.values = {"seq": asked.get("ack"), "ack": seq & 0xFFFFFFFF, "flags": _bits(flags, said)}
    elif asked.l4 == "echo" and asked.values["icmp"] in ECHO_REQUESTS:
        answer.values = {"icmp": ICMP[asked.version]["echo-reply"], "id": asked.get("id"), "seq": asked.get("seq")}
        answer.data = asked.data
    elif asked.l4 != "udp":
        raise Undescribable
    return answer


def _bits(flags: str | None, asked: int) -> int:
    """Return the flags of an answer to a segment with the flags `asked`."""
    if flags is None:
        flags = "SA" if asked >> SYN & 1 else "FA" if asked >> FIN & 1 else "A"
    if set(flags) - set(FLAGS):
        raise ValueError(f"flags={flags!r}: expected letters of {FLAGS}")
    return sum(1 << FLAGS.index(letter) for letter in set(flags))


def fragments(whole: Packet | str, size: int = 24, ident: int | None = None) -> list[Packet]:
    """Return an IP packet in fragments (RFC 791, RFC 8200 section 4.5), all at its time.

    Args:
        whole: An unfragmented IP packet.
        size: Bytes of IP payload in each, a multiple of 8.
        ident: Identification; None: the packet's own ``ip-id`` (of IPv6, which has none: 1).

    Raises:
        ValueError: It is no such packet, or `size` does not fit.
    """
    source = packet(whole) if isinstance(whole, str) else whole
    if size < 8 or size % 8:
        raise ValueError(f"size={size}: expected a multiple of 8")
    try:
        found = describe(source)
    except Undescribable:
        found = Description("raw")
    if not found.version or {"frag", "cut"} & found.values.keys():
        raise ValueError(f"it can't be fragmented: {source.text}")
    number, body = _ip_payload(found)
    if ident is None:
        ident = found.values.get("ip-id", 0) if found.version == 4 else 1
    shared = {name: value for name, value in found.values.items() if name in SHARED}
    pieces = []
    for at in range(0, len(body), size):
        values = {**shared, "number": number, "ip-id": ident, "frag": (at, at + size < len(body))}
        piece = Description("proto", found.src, found.dst, values=values, data=body[at : at + size])
        pieces.append(build(piece, source.time, source.side))
    return pieces


def together(*conversations: Iterable[Any]) -> list[Packet]:
    """Return several lists of packets as one, in the order of time; what is simultaneous stays in the order given."""
    return sorted((each for one in conversations for each in given(one)), key=lambda each: each.time)


def _ip_payload(found: Description) -> tuple[int, bytes]:
    """Return the protocol number and the bytes behind the IP header."""
    data = ip(found)
    return (data[9], data[(data[0] & 15) * 4 :]) if found.version == 4 else (data[6], data[40:])


def _bytes(data: Data) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _hex(data: Data) -> str:
    return f"hex {_bytes(data).hex()}" if data else ""
