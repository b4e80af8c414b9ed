"""Random rule sets for tests and benchmarks: overlapping prefixes, port ranges and flags, as ClassBench makes them."""

from __future__ import annotations

import ipaddress
import random

from tests.nf.library.frames import FLAGS, NAMES, Packet

from nfuse.nf.library.acl import TCP, UDP, Rule

Judged = tuple[int, int, int, int, int, int, int]
"""Family, protocol, source, destination, ports, TCP flags: what :meth:`Rule.matches` takes."""

ACTIONS = ("allow", "drop", "reject")
PORTS = ("", " any", " 80", " 443", " 53", " 0-1023", " 1024-65535", " 22-25", " 65535")


def prefix(rng: random.Random, family: int, wide: float = 0.3) -> str:
    """Return a prefix, mostly in a few nets, so that prefixes nest."""
    bits = 32 if family == 4 else 128
    length = rng.choice((bits, bits, bits * 7 // 8, bits * 3 // 4, bits * 3 // 4 - 3, bits // 2, bits // 4))
    high = rng.choice((10, 172, 192, 203)) if family == 4 else 0x2001
    value = high << (bits - (8 if family == 4 else 16)) | rng.getrandbits(bits - 16)
    if rng.random() < wide:
        value &= ~(0xFF << (bits - 24))
    value = value >> (bits - length) << (bits - length)
    kind = ipaddress.IPv4Network if family == 4 else ipaddress.IPv6Network
    return str(kind((value, length)))


def rule_set(rng: random.Random, count: int, pool: int = 0, v6: float = 0.2) -> list[str]:
    """Return `count` rules over `pool` prefixes a family (default: a third of `count`)."""
    pool = pool or max(4, count // 3)
    prefixes = {family: [prefix(rng, family) for _ in range(pool)] for family in (4, 6)}
    rules = []
    for _ in range(count):
        nets = prefixes[6 if rng.random() < v6 else 4]
        src, dst = (rng.choice(nets) if rng.random() < 0.85 else "any" for _ in range(2))
        proto = rng.choice(("tcp", "tcp", "tcp", "udp", "udp", "any", "icmp", "icmp6", "47"))
        sport, dport = rng.choice(PORTS[:2] + PORTS[5:7]), rng.choice(PORTS)
        if proto in ("icmp", "icmp6", "47"):
            sport = dport = ""
        flags = rng.choice((" flags S/SA", " flags /R", " flags A/A")) if proto == "tcp" and rng.random() < 0.2 else ""
        rules.append(f"{rng.choice(ACTIONS)} {proto} {src}{sport} -> {dst}{dport}{flags}")
    return rules


def filter_benchmark_rules(count: int = 100) -> list[str]:
    """Return rules that differ in prefixes and ports, none of which matches 10/8 to 198.18/15 (chain 1)."""
    rng = random.Random(7)
    rules = []
    for i in range(count):
        length = rng.choice((16, 20, 24, 28, 32))
        net = ipaddress.IPv4Network((0xCB000000 | i << 16 | rng.getrandbits(16) >> (32 - length) << (32 - length), 32))
        src = ipaddress.IPv4Network(f"{net.network_address}/{length}", strict=False)
        port = f"{1000 + 10 * i}-{1009 + 10 * i}" if i % 2 else str(2000 + i)
        rules.append(f"drop {'tcp' if i % 3 else 'udp'} {src} -> 192.0.{i % 256}.0/24 {port}")
    return rules


def packet_for(rng: random.Random, rules: list[Rule]) -> Judged:
    """Make a packet at the edges of some rule's ranges, so that matches and near misses are common."""
    rule = rng.choice(rules) if rules else Rule(0)
    family = rule.family or rng.choice((4, 6))
    top = (1 << (32 if family == 4 else 128)) - 1

    def pick(span: tuple[int, int] | None, top: int) -> int:
        low, high = span or (0, top)
        return min(top, max(0, rng.choice((low, high, low - 1, high + 1, rng.randint(low, high)))))

    proto = rule.proto if rule.proto is not None and rng.random() < 0.9 else rng.choice((1, 6, 17, 47, 58))
    flags = rng.choice((2, 16, 18, 4, rng.randrange(256))) if proto == TCP else 0
    ports = [pick(span, 65535) if proto in (TCP, UDP) else 0 for span in (rule.sport, rule.dport)]
    return family, proto, pick(rule.src, top), pick(rule.dst, top), ports[0], ports[1], flags


def make(rng: random.Random, rules: list[Rule]) -> Packet:
    """Make a frame's description in the same way, of a protocol that :class:`Packet` knows."""
    while True:
        family, proto, src, dst, sport, dport, flags = packet_for(rng, rules)
        if proto in NAMES and (proto != 58 or family == 6) and (proto != 1 or family == 4):
            break
    kind = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    letters = "".join(letter for bit, letter in enumerate(FLAGS) if flags >> bit & 1)
    return Packet(str(kind(src)), str(kind(dst)), NAMES[proto], sport, dport, letters if proto == 6 else "")
