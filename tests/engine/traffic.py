"""Random traffic for chains: few addresses and ports, so that sessions collide, and answers to what has come out."""

from __future__ import annotations

import ipaddress
import random
from typing import NamedTuple

from hypothesis import strategies as st
from tests.engine import frames as f

from nfuse import Chain
from nfuse.engine.driver import Feed
from nfuse.engine.reference import ReferenceEngine
from nfuse.engine.source import Stages
from nfuse.port.base import Input
from nfuse.port.burst import Burst

CLIENTS = {4: ("10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1"), 6: ("2001:db8::1", "2001:db8::2")}
SERVERS = {4: ("203.0.113.5", "203.0.113.6", "10.9.0.1"), 6: ("2001:db8:1::5", "2001:db8:1::6")}
SPORTS, DPORTS = (1, 2, 3, 4), (80, 53, 23, 7, 8080)
TCP_FLAGS = ("S", "SA", "A", "PA", "FA", "R", "RA", "F")
GAPS = (
    *[0] * 14,
    *[1, 3, 20] * 3,
    100,
    100,
    600,
    600,
    1_500,
    1_500,
    6_000,
    20_000,
    70_000,
    400_000,
    -1_000,
    365 * 86_400_000,
)
MSS_OPTIONS = (
    b"\2\4\5\xb4",
    b"\1\2\4\5\xb4",
    b"\3\3\7\4\2\2\4\0\x40",
    b"\3\0\2\4\5\xb4",
    b"\2\6\5\xb4",
)
"""Maximum segment sizes: alone, at an odd place, small; options that are broken."""
KINDS = (
    *(
        "udp",
        "udp",
        "udp",
        "tcp",
        "tcp",
        "tcp",
        "tcp",
        "echo",
        "reply",
        "reply",
        "reply",
        "reply",
        "hairpin",
        "hairpin",
    ),
    *(
        "session",
        "session",
        "icmp error",
        "icmp error",
        "fragments",
        "odd",
        "malformed",
        "snapped",
        "vlan",
        "answer fragment",
    ),
)


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
"""Packets. A list of them, with the chain that answers, becomes frames by :func:`converse`."""


class Frame(NamedTuple):
    """A frame of the input."""

    ts: int
    data: bytes
    wire: int
    side: int


class SidedInput(Input):
    """Frames that bring their side."""

    def __init__(self, frames: list[Frame], most: int = 1 << 30) -> None:
        super().__init__("frames")
        self._frames, self._next, self._most = frames, 0, most

    def receive(self, burst: Burst) -> int:
        burst.reset()
        while self._next < len(self._frames) and burst.n < self._most:
            frame = self._frames[self._next]
            if not burst.append(frame.data, frame.ts, 1, frame.wire, frame.side):
                break
            self._next += 1
        return burst.n


def payload(size: int, spice: int) -> bytes:
    return bytes((spice * 7 + n * 31) & 255 for n in range(size))


def plain(step: Step) -> bytes:
    """The frame of a step that needs no answer of the chain."""
    family = 6 if step.host >= 4 else 4
    src = CLIENTS[family][step.host % len(CLIENTS[family])]
    dst = SERVERS[family][step.server % len(SERVERS[family])]
    sport, dport = SPORTS[step.port], DPORTS[step.server % len(DPORTS)]
    if step.spice % 5 == 0:  # from the other side
        src, dst, sport, dport = dst, src, dport, sport
    data = payload(step.size, step.spice)
    ttl = (64, 64, 64, 2, 1)[step.spice % 7 % 5]
    if step.kind == "tcp" and step.spice % 4 == 2:
        options = MSS_OPTIONS[step.spice % len(MSS_OPTIONS)]
        flags = TCP_FLAGS[step.flags]
        return f.ether(f.ip(src, dst, 6, f.tcp_segment(src, dst, sport, dport, flags, data, options=options), ttl=ttl))
    if step.kind == "tcp":
        return f.tcp(src, sport, dst, dport, TCP_FLAGS[step.flags], data, ttl=ttl)
    if step.kind == "echo":
        return f.echo(src, dst, sport if step.spice % 3 else 0, step.spice % 4 == 0, data, seq=step.flags)
    if step.kind == "odd":
        return odd(step, src, dst)
    if step.kind == "vlan":
        return f.ether(f.udp(src, sport, dst, dport, data)[14:], vlan=step.spice)
    if step.kind == "malformed":
        return malformed(step, f.tcp(src, sport, dst, dport, "A", data))
    checksum = step.spice % 6 != 0 or family == 6
    return f.ether(f.ip(src, dst, 17, f.udp_datagram(src, dst, sport, dport, data, checksum), ttl=ttl, tos=step.flags))


def odd(step: Step, src: str, dst: str) -> bytes:
    """Something else than TCP, UDP and ping."""
    match step.spice % 5:
        case 0:
            return f.ether(bytes(28), etype=0x0806) if step.port else f.ether(ARP, etype=0x0806)
        case 1:
            return f.ether(bytes(46), etype=0x88CC)
        case 2:
            return f.ether(f.ip(src, dst, 47, payload(8, step.spice)))
        case 3:
            six = ":" in src
            return f.ether(f.ip(src, dst, 58 if six else 1, f.icmp_message(src, dst, 135 if six else 13)))
    inner = f.udp(src, 1, dst, 53)[14:]
    return f.ether(f.ip(src, dst, 41 if ":" in src else 4, inner))


ARP = bytes.fromhex("0001080006040001020000000001") + bytes([10, 0, 0, 1]) + bytes(6) + bytes([10, 0, 0, 2])


def malformed(step: Step, frame: bytes) -> bytes:
    if step.flags % 2:
        return frame[: 14 + step.spice % (len(frame) - 14)]
    data = bytearray(frame)
    data[14 + step.spice % 34] ^= 1 << step.port
    return bytes(data)


def mirrored(frame: bytes, step: Step) -> bytes | None:
    """An answer to a frame that came out of the chain, as its receiver would send it."""
    found = parts(frame)
    if found is None:
        return None
    src, dst, proto, body = found
    data = payload(step.size, step.spice)
    if proto in (6, 17):
        sport, dport = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")
        if proto == 6:
            return f.tcp(dst, dport, src, sport, TCP_FLAGS[step.flags], data)
        return f.udp(dst, dport, src, sport, data)
    if proto in (1, 58) and body[0] in (8, 128):
        return f.echo(dst, src, int.from_bytes(body[4:6], "big"), True, data)
    if proto in (4, 41):
        return mirrored(f.ether(body), step)
    return None


def neighbour(frame: bytes, step: Step) -> bytes | None:
    """What another host sends to the source of a frame that came out of the chain: to a public address and port."""
    found = parts(frame)
    if found is None or found[2] not in (6, 17):
        return None
    dst, _, proto, body = found
    hosts = CLIENTS[6 if ":" in dst else 4]
    src, dport = hosts[step.host % len(hosts)], int.from_bytes(body[:2], "big")
    data = payload(step.size, step.spice)
    if proto == 6:
        return f.tcp(src, SPORTS[step.port], dst, dport, TCP_FLAGS[step.flags], data)
    return f.udp(src, SPORTS[step.port], dst, dport, data)


def answer(frame: bytes, data: bytes) -> bytes:
    """What the receiver of a TCP or UDP packet sends back."""
    found = parts(frame)
    assert found is not None
    src, dst, proto, body = found
    sport, dport = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")
    if proto == 6:
        return f.tcp(dst, dport, src, sport, "SA" if body[13] == 2 else "A", data)
    return f.udp(dst, dport, src, sport, data)


def parts(frame: bytes) -> tuple[str, str, int, bytes] | None:
    """Addresses, protocol and payload of an untagged IP packet without fragment or extension headers."""
    if frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
        return None
    packet = frame[14:]
    if len(packet) < 28:
        return None
    if packet[0] >> 4 == 6:
        addresses, proto, body = (packet[8:24], packet[24:40]), packet[6], packet[40:]
    else:
        if int.from_bytes(packet[6:8], "big") & 0x3FFF or packet[0] != 0x45:
            return None
        addresses, proto, body = (packet[12:16], packet[16:20]), packet[9], packet[20:]
    if len(body) < 8:
        return None
    src, dst = (str(ipaddress.ip_address(address)) for address in addresses)
    return src, dst, proto, body


def place_of_recent(sent: list[bytes], step: Step) -> int:
    """Where among the frames that have come out the one stands that a step is about."""
    return -1 - step.server % min(len(sent), 6)


def expand(step: Step, sent: list[bytes], number: int) -> list[tuple[bytes, int]]:
    """The frames (and lengths on the wire) of one step; `sent` is what has come out so far."""
    recent = sent[place_of_recent(sent, step)] if sent else None
    frame: bytes | None = None
    if step.kind == "reply" and recent is not None:
        frame = mirrored(recent, step)
    elif step.kind == "icmp error" and recent is not None:
        found = parts(recent)
        if found is not None:
            reporter = found[1] if step.spice % 2 else SERVERS[6 if ":" in found[0] else 4][0]
            most = (28, 36, 48, 500)[step.port]
            kind = None if step.spice % 3 else (3 if ":" in found[0] else 11)
            frame = f.icmp_error(reporter, found[0], recent[14:], kind, most=max(most, 48 if ":" in found[0] else 28))
    elif step.kind == "hairpin" and recent is not None:
        frame = neighbour(recent, step)
    elif step.kind in ("fragments", "answer fragment"):
        whole = plain(step._replace(kind="udp" if step.flags % 2 else "tcp", size=40))
        if step.kind == "answer fragment":
            whole = (mirrored(recent, step._replace(size=40)) if recent is not None else None) or whole
        pieces = f.fragments(whole, 24, ident=number)
        shuffler = random.Random(step.spice)
        if step.port:
            shuffler.shuffle(pieces)
        return [(piece, len(piece)) for piece in pieces[: 1 + step.server % 4]]
    if frame is None:
        frame = plain(
            step if step.kind in ("tcp", "udp", "echo", "odd", "vlan", "malformed") else step._replace(kind="udp")
        )
    if step.kind == "snapped":
        return [(frame[: 30 + step.spice % 40], len(frame))]
    return [(frame, len(frame))]


TCP_TALK = (("tcp", "S"), ("reply", "SA"), ("tcp", "A"), ("reply", "PA"), ("tcp", "FA"), ("reply", "FA"), ("tcp", "A"))


def unfold(step: Step) -> list[Step]:
    """A "session" step is a TCP session, or the first part of one, perhaps opened again."""
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


def converse(chain: Chain, drawn: list[Step]) -> list[Frame]:
    """Turn steps into frames: the reference engine runs beside, so that there is something to answer."""
    engine = ReferenceEngine(chain)
    feed = Feed(engine, chain)
    frames: list[Frame] = []
    sent: list[bytes] = []
    sides: list[int] = []
    now = 1_700_000_000_000
    burst = Burst(16)
    for number, step in enumerate(inner for outer in drawn for inner in unfold(outer)):
        now += GAPS[step.gap]
        answer_side = 1 - sides[place_of_recent(sent, step)] if sent and step.host != 3 else step.host % 2
        for data, wire in expand(step, sent, number):
            side = step.flags >> 2 & 1 if chain.two_sided and step.kind not in ("reply", "icmp error") else 0
            if chain.two_sided and step.kind in ("reply", "icmp error", "answer fragment"):
                side = answer_side
            elif chain.two_sided and step.kind == "hairpin":
                side = 1 - answer_side
            elif not chain.two_sided:
                side = step.spice % 8 == 3  # the input's side means nothing to such a chain
            frame = Frame(now * 1_000_000 + step.spice * 1_000, data, wire, side)
            frames.append(frame)
            for filled in Stages(chain, SidedInput([frame]), burst):
                for order in feed.process(filled):
                    sent += [filled.frame(index) for index in order.tolist()]
                    sides += [int(filled.desc["side"][index]) for index in order.tolist()]
    return frames
