"""Random traffic: few addresses and ports, so that sessions collide; answers to what a chain lets out; every oddity.

A packet is drawn as a :class:`Step` of small numbers, which Hypothesis can shrink. :func:`converse` makes packets of
steps with the reference engine beside it: what comes out of the chain is what can be answered, quoted, and torn in
pieces.
"""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, NamedTuple

from hypothesis import strategies as st

from nfuse.chain.spec import Chain
from nfuse.engine.driver import Feed
from nfuse.engine.reference import ReferenceEngine
from nfuse.engine.source import Stages
from nfuse.port.burst import Burst
from nfuse.port.memory import ListInput
from nfuse.testing.conversation import fragments, reply
from nfuse.testing.notation.description import Description
from nfuse.testing.notation.words import FLAGS, ICMP
from nfuse.testing.packet import Packet, as_packet, build

CLIENTS = {4: ("10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1"), 6: ("2001:db8::1", "2001:db8::2")}
SERVERS = {4: ("203.0.113.5", "203.0.113.6", "10.9.0.1"), 6: ("2001:db8:1::5", "2001:db8:1::6")}
SPORTS, DPORTS = (1, 2, 3, 4), (80, 53, 23, 7, 8080)
TCP_FLAGS = ("S", "SA", "A", "PA", "FA", "R", "RA", "F")
GAPS = (
    *[0] * 14,
    *[1, 3, 20] * 3,
    *(100, 100, 600, 600, 1_500, 1_500, 6_000, 20_000, 70_000, 400_000),
    *(-1_000, 365 * 86_400_000),
)
"""Milliseconds between two packets: mostly none, sometimes beyond each time-out, once back in time, once a year."""
MSS_OPTIONS = (
    b"\2\4\5\xb4",
    b"\1\2\4\5\xb4",
    b"\3\3\7\4\2\2\4\0\x40",
    b"\3\0\2\4\5\xb4",
    b"\2\6\5\xb4",
)
"""Maximum segment sizes: alone, at an odd place, small; options that are broken."""
KINDS = (
    *("udp",) * 3,
    *("tcp",) * 4,
    *("reply",) * 4,
    *("session",) * 2,
    *("icmp error",) * 2,
    *("echo", "hairpin", "hairpin", "fragments", "answer fragment", "odd", "malformed", "snapped", "vlan"),
)
TCP_TALK = (("tcp", "S"), ("reply", "SA"), ("tcp", "A"), ("reply", "PA"), ("tcp", "FA"), ("reply", "FA"), ("tcp", "A"))
START = 1_700_000_000_000
"""Milliseconds since the epoch at which traffic begins."""


class Step(NamedTuple):
    """One drawn packet: what it is, and small numbers that decide the rest."""

    kind: str
    host: int
    port: int
    server: int
    flags: int
    gap: int
    size: int
    spice: int


steps = st.builds(
    Step,
    st.sampled_from(KINDS),
    st.sampled_from((*[0] * 8, 1, 1, 1, 2, 3, 4, 4, 5)),
    st.sampled_from((*[0] * 6, 1, 1, 2, 3)),
    st.sampled_from((*[0] * 10, 5, 5, 1, 2, 3, 4, 6, 7, 8, 9)),
    st.integers(0, len(TCP_FLAGS) - 1),
    st.integers(0, len(GAPS) - 1),
    st.sampled_from((0, 1, 2, 6, 11, 30)),
    st.integers(0, 255),
)
"""Packets. A list of them, with the chain that answers, becomes traffic by :func:`converse`."""


def traffic(chain: Chain | None = None, min_size: int = 1, max_size: int = 40) -> st.SearchStrategy[list[Packet]]:
    """Return a strategy of traffic.

    It has sessions, datagrams, pings, answers, ICMP errors, fragments in any order, malformed, truncated and tagged
    packets, both families, and time that stands still, leaps, and once runs back.

    Args:
        chain: The answers are to what this chain lets out (translated, say); None: to the packets themselves.
        min_size: Steps at least; a step is one packet or a few.
        max_size: Steps at most.
    """
    return st.lists(steps, min_size=min_size, max_size=max_size).map(lambda drawn: converse(chain, drawn))


def payload(size: int, spice: int) -> bytes:
    """Return bytes that are not all alike."""
    return bytes((spice * 7 + n * 31) & 255 for n in range(size))


def _made(kind: str, ends: tuple[str, int, str, int], data: bytes = b"", **values: Any) -> Description:
    src, sport, dst, dport = ends
    made = Description(kind, ip_address(src), ip_address(dst), values=values, data=data)
    if kind in ("tcp", "udp"):
        made.sport, made.dport = sport, dport
    return made


def _bits(flags: str) -> int:
    return sum(1 << FLAGS.index(letter) for letter in flags)


def plain(step: Step) -> Packet:
    """Return the packet of a step that needs no answer of the chain."""
    family = 6 if step.host >= 4 else 4
    src = CLIENTS[family][step.host % len(CLIENTS[family])]
    dst = SERVERS[family][step.server % len(SERVERS[family])]
    sport, dport = SPORTS[step.port], DPORTS[step.server % len(DPORTS)]
    if step.spice % 5 == 0:  # from the other side
        src, dst, sport, dport = dst, src, dport, sport
    ends = src, sport, dst, dport
    data = payload(step.size, step.spice)
    ttl = (64, 64, 64, 2, 1)[step.spice % 7 % 5]
    if step.kind == "tcp":
        options = MSS_OPTIONS[step.spice % len(MSS_OPTIONS)] if step.spice % 4 == 2 else b""
        flags = _bits(TCP_FLAGS[step.flags])
        return build(_made("tcp", ends, data, flags=flags, seq=1000, ttl=ttl, options=options))
    if step.kind == "echo":
        kind = ICMP[family]["echo-reply" if step.spice % 4 == 0 else "echo-request"]
        return build(_made("icmp", ends, data, icmp=kind, id=sport if step.spice % 3 else 0, seq=step.flags))
    if step.kind == "odd":
        return build(_odd(step, family, ends))
    if step.kind == "vlan":
        return build(_made("udp", ends, data, vlan=((0x8100, step.spice),)))
    if step.kind == "malformed":
        return _malformed(step, build(_made("tcp", ends, data, flags=_bits("A"), seq=1000)))
    values: dict[str, Any] = {"ttl": ttl, "dscp": step.flags >> 2, "ecn": step.flags & 3}
    if step.spice % 6 == 0 and family == 4:
        values["no-checksum"] = True
    return build(_made("udp", ends, data, **values))


def _odd(step: Step, family: int, ends: tuple[str, int, str, int]) -> Description:
    """Return something else than TCP, UDP and ping."""
    match step.spice % 5:
        case 0 if step.port:
            return Description("type", values={"number": 0x0806}, data=bytes(28))
        case 0:
            return Description("arp", ip_address("10.0.0.1"), ip_address("10.0.0.2"), values={"op": 1})
        case 1:
            return Description("type", values={"number": 0x88CC}, data=bytes(46))
        case 2:
            return _made("proto", ends, payload(8, step.spice), number=47)
        case 3:
            return _made("icmp", ends, icmp=(135 if family == 6 else 13, 0))
    tunnel = _made("ipip", ends)
    tunnel.inner = _made("udp", (ends[0], 1, ends[2], 53))
    return tunnel


def _malformed(step: Step, packet: Packet) -> Packet:
    data = packet.bytes
    if step.flags % 2:
        cut = data[: 14 + step.spice % (len(data) - 14)]
        return replace(packet, bytes=cut, wire=len(cut))
    at = 14 + step.spice % 34
    return replace(packet, bytes=data[:at] + bytes([data[at] ^ 1 << step.port]) + data[at + 1 :])


def _mirrored(packet: Packet, step: Step) -> Packet | None:
    """Return an answer to a packet that came out of the chain, as its receiver would send it."""
    try:
        return reply(packet, payload(step.size, step.spice), TCP_FLAGS[step.flags])
    except ValueError:
        return None


def _neighbour(packet: Packet, step: Step) -> Packet | None:
    """Return what another host sends to the source of a packet that came out: to a public address and port."""
    view: Any = packet.view
    if not view.ip or view.vlan or not (view.tcp or view.udp) or packet.bytes[12:14] not in (b"\x08\x00", b"\x86\xdd"):
        return None
    hosts = CLIENTS[view.ip.version]
    ends = (hosts[step.host % len(hosts)], SPORTS[step.port], str(view.ip.src), view.sport)
    data = payload(step.size, step.spice)
    if view.tcp:
        return build(_made("tcp", ends, data, flags=_bits(TCP_FLAGS[step.flags]), seq=1000))
    return build(_made("udp", ends, data))


def _error(packet: Packet, step: Step) -> Packet | None:
    """Return an ICMP error about a packet that came out of the chain, by its receiver or by a router."""
    view: Any = packet.view
    if not view.ip or view.vlan or packet.bytes[12:14] not in (b"\x08\x00", b"\x86\xdd"):
        return None
    version = view.ip.version
    reporter = view.ip.dst if step.spice % 2 else ip_address(SERVERS[version][0])
    most = max((28, 36, 48, 500)[step.port], 48 if version == 6 else 28)
    kind = (1 if version == 6 else 3) if step.spice % 3 else (3 if version == 6 else 11)
    ends = (str(reporter), 0, str(view.ip.src), 0)
    return build(_made("icmp", ends, packet.bytes[14:][:most], icmp=(kind, 1)))


def _place_of_recent(sent: list[Packet], step: Step) -> int:
    """Return where among the packets that have come out the one stands that a step is about."""
    return -1 - step.server % min(len(sent), 6)


def expand(step: Step, sent: list[Packet], number: int) -> list[Packet]:
    """Return the packets of one step, without their times.

    Args:
        step: The step.
        sent: What has come out of the chain so far.
        number: Identification of its fragments.
    """
    recent = sent[_place_of_recent(sent, step)] if sent else None
    packet: Packet | None = None
    if step.kind == "reply" and recent is not None:
        packet = _mirrored(recent, step)
    elif step.kind == "icmp error" and recent is not None:
        packet = _error(recent, step)
    elif step.kind == "hairpin" and recent is not None:
        packet = _neighbour(recent, step)
    elif step.kind in ("fragments", "answer fragment"):
        return _pieces(step, recent, number)
    if packet is None:
        known = step.kind in ("tcp", "udp", "echo", "odd", "vlan", "malformed")
        packet = plain(step if known else step._replace(kind="udp"))
    if step.kind == "snapped":
        packet = replace(packet, bytes=packet.bytes[: 30 + step.spice % 40])
    return [packet]


def _pieces(step: Step, recent: Packet | None, number: int) -> list[Packet]:
    """Return fragments in any order, perhaps not all of them."""
    whole = plain(step._replace(kind="udp" if step.flags % 2 else "tcp", size=40))
    if step.kind == "answer fragment":
        whole = (_mirrored(recent, step._replace(size=40)) if recent is not None else None) or whole
    pieces = fragments(whole, 24, ident=number)
    if step.port:
        random.Random(step.spice).shuffle(pieces)
    return pieces[: 1 + step.server % 4]


def unfold(step: Step) -> list[Step]:
    """Return the steps of a step: a "session" is a TCP session, or the first part of one, perhaps opened again."""
    if step.kind != "session":
        return [step]
    count = 2 + step.size % len(TCP_TALK)
    talk = [*TCP_TALK[:count], *([("tcp", "S")] if step.spice % 3 == 0 else [])]
    spice = step.spice - step.spice % 5 + 1  # never from the other side
    return [
        step._replace(
            kind=kind,
            flags=TCP_FLAGS.index(flags),
            server=step.server if kind == "tcp" else 0,
            gap=step.gap if n == 0 else 4,
            spice=spice,
            size=0,
        )
        for n, (kind, flags) in enumerate(talk)
    ]


class _Beside:
    """A chain that runs beside, in the reference engine; without a chain, packets come out as they are."""

    def __init__(self, chain: Chain | None) -> None:
        self._chain = chain
        if chain is not None:
            self._feed = Feed(ReferenceEngine(chain), chain)
            self._burst = Burst(16)

    def send(self, packet: Packet) -> list[Packet]:
        if self._chain is None:
            return [packet]
        return [
            as_packet(self._burst.packet(index))
            for filled in Stages(self._chain, ListInput([packet]), self._burst)
            for order in self._feed.process(filled)
            for index in order.tolist()
        ]


def converse(chain: Chain | None, drawn: list[Step]) -> list[Packet]:
    """Turn steps into packets; the reference engine runs `chain` beside, so that there is something to answer."""
    beside = _Beside(chain)
    two_sided = chain is not None and chain.two_sided
    packets: list[Packet] = []
    sent: list[Packet] = []
    now = START
    for number, step in enumerate(inner for outer in drawn for inner in unfold(outer)):
        now += GAPS[step.gap]
        answers_by = 1 - sent[_place_of_recent(sent, step)].side if sent and step.host != 3 else step.host % 2
        for made in expand(step, sent, number):
            side = step.spice % 8 == 3  # to a chain with one side, that of the input means nothing
            if two_sided and step.kind in ("reply", "icmp error", "answer fragment"):
                side = bool(answers_by)
            elif two_sided and step.kind == "hairpin":
                side = bool(1 - answers_by)
            elif two_sided:
                side = bool(step.flags >> 2 & 1)
            packet = replace(made, time=now * 1_000_000 + step.spice * 1_000, side=int(side))
            packets.append(packet)
            sent += beside.send(packet)
    return packets
