"""Rules as bit vectors against the linear scan that defines them."""

from __future__ import annotations

import bisect
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.rule_sets import Judged, packet_for, rule_set

from nfuse.nf.library.acl import TCP, UDP, Rule, parse_rules
from nfuse.nf.library.bit_vectors import NO_PORT, Compiled, compile_rules


def linear(rules: list[Rule], packet: Judged) -> int:
    return next((i for i, rule in enumerate(rules) if rule.matches(*packet)), len(rules))


def vectors(built: Compiled, count: int, packet: Judged) -> int:
    """Look up as the handler does, word by word, with the aggregates."""
    family, proto, src, dst, sport, dport, flags = packet
    kind = 256 + flags if proto == TCP else proto
    if proto not in (TCP, UDP):
        sport = dport = NO_PORT
    edges = built.edges4.tolist() if family == 4 else built.edges6
    rows, cut = (built.rows4, built.cut4) if family == 4 else (built.rows6, built.cut6)
    starts = [
        int(rows[bisect.bisect_right(edges, src, 0, cut) - 1]),
        int(rows[bisect.bisect_right(edges, dst, cut) - 1]),
        int(built.ports[sport]),
        int(built.ports[NO_PORT + 1 + dport]),
        int(built.kinds[kind]),
    ]

    def word(i: int) -> int:
        both = (1 << 64) - 1
        for start in starts:
            both &= int(built.rows[start + i])
        return both

    for w in range(built.words):
        bits = word(built.aggregates + w)
        if bits:
            assert word(w // 64) >> (w % 64) & 1, "an aggregate hides a word"
            return w * 64 + (bits & -bits).bit_length() - 1
    return count


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 3, 64, 65, 200]))
@few(40)
def test_first_match_equals_the_linear_scan(seed: int, count: int) -> None:
    rng = random.Random(seed)
    rules = parse_rules(rule_set(rng, count))
    built = compile_rules(rules)
    for _ in range(60):
        packet = packet_for(rng, rules)
        assert vectors(built, count, packet) == linear(rules, packet)


def test_ten_thousand_rules() -> None:
    rng = random.Random(3)
    rules = parse_rules(rule_set(rng, 10_000))
    begin = time.perf_counter()
    built = compile_rules(rules)
    print(f"10,000 rules: {time.perf_counter() - begin:.2f} s, {built.rows.nbytes / 1e6:.1f} MB of rows")
    for _ in range(200):
        packet = packet_for(rng, rules)
        assert vectors(built, len(rules), packet) == linear(rules, packet)


@pytest.mark.parametrize(
    "line",
    [
        "drop any any -> any",
        "drop any any 0-65535 -> any",
        "drop tcp 0.0.0.0/0 -> any",
        "drop udp ::/0 65535 -> ::/0",
        "drop tcp any -> 255.255.255.255 0",
        "drop 6 any -> any flags /FSRPAUEW",
    ],
)
def test_ranges_at_the_ends(line: str) -> None:
    rules = parse_rules([line])
    built = compile_rules(rules)
    for family, top in ((4, 2**32 - 1), (6, 2**128 - 1)):
        for proto in (1, 6, 17, 255):
            for address in (0, 1, top):
                for port in (0, 1, 65535) if proto in (6, 17) else (0,):
                    packet = (family, proto, address, top - address, port, 65535 - port, 0)
                    assert vectors(built, 1, packet) == linear(rules, packet)
