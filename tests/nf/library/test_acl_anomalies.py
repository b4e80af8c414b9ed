"""Rules that never decide: by example, and against every packet of a small space."""

from __future__ import annotations

import ipaddress
import itertools
import random

import pytest
from tests.nf.library.rule_sets import rule_set

from nfuse.nf.library.acl import Rule, parse_rules
from nfuse.nf.library.acl_anomalies import anomalies


def found(*lines: str) -> dict[int, tuple[int, ...]]:
    """Numbers of the rules, from 1, with those that make them covered or redundant."""
    return {one.rule + 1: tuple(by + 1 for by in one.by) for one in anomalies(parse_rules(lines))}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["drop any any -> any", "allow tcp any -> any 80"], {2: (1,)}),
        (["allow tcp any -> any 0-1023", "drop tcp 10.0.0.0/8 -> any 22"], {2: (1,)}),
        (["allow any any -> any 80", "drop udp any 9 -> any 80"], {2: (1,)}),  # ports alone mean TCP and UDP
        (["allow tcp any -> any 80", "drop any any -> any 80"], {}),
        (["drop any 10.0.0.0/8 -> any", "allow any any -> any"], {}),
        (["drop tcp any -> any flags S/SA", "drop tcp any -> any flags S/SAF"], {2: (1,)}),
        (["drop tcp any -> any flags S/SA", "allow tcp any -> any flags S/S"], {}),
        (["drop tcp any -> any flags S/SA", "drop tcp any -> any flags S/S"], {1: (2,)}),
        (["drop tcp any -> any flags S/SA", "drop tcp any -> any"], {1: (2,)}),
        (["allow udp any -> any 0-99", "allow udp any -> any 100-900", "drop udp any -> 10.0.0.1 50-150"], {3: (1, 2)}),
        (["allow udp any -> any 0-99", "allow udp any -> any 101-900", "drop udp any -> 10.0.0.1 50-150"], {}),
        (["drop any 0.0.0.0/0 -> any", "drop any ::/0 -> any", "allow any any -> any"], {3: (1, 2)}),
        (["drop tcp any -> any", "drop udp any -> any", "allow any any -> any 80"], {3: (1, 2)}),
        (["allow tcp any -> any 80", "allow any any -> any"], {1: (2,)}),
        (["allow tcp 10.0.0.0/8 -> any", "drop tcp any -> 10.0.0.1 80", "allow any any -> any"], {}),
        (["allow tcp 10.0.0.0/8 -> any", "drop udp any -> 10.0.0.1 80", "allow any any -> any"], {1: (3,)}),
        ([], {}),
    ],
)  # fmt: skip
def test_examples(rules: list[str], expected: dict[int, tuple[int, ...]]) -> None:
    assert found(*rules) == expected


def corners(rules: list[Rule], family: int) -> list[tuple[int, ...]]:
    """Packets at every corner of the rules: where a rule begins or ends, something differs."""

    def ends(name: str, top: int) -> list[int]:
        spans = [getattr(rule, name) for rule in rules if rule.family == family or name.endswith("port")]
        points = {point for span in spans if span for point in (span[0], span[1] + 1)}
        return sorted(point for point in {0, *points} if point <= top)

    top = (1 << (32 if family == 4 else 128)) - 1
    space = itertools.product(
        sorted({6, 17, 47, *(rule.proto for rule in rules if rule.proto)}),
        ends("src", top), ends("dst", top), ends("sport", 65535), ends("dport", 65535), (0, 2, 4, 16, 18),
    )  # fmt: skip
    return [(family, *packet) for packet in space if packet[0] == 6 or packet[5] == 0]


@pytest.mark.parametrize("seed", range(12))
def test_against_every_corner(seed: int) -> None:
    """Covered rules never match first; without a redundant one every packet meets the same action."""
    rng = random.Random(seed)
    rules = parse_rules(rule_set(rng, 7, pool=2, v6=0.1))
    packets = corners(rules, 4)
    first = [next((n for n, rule in enumerate(rules) if rule.matches(*packet)), None) for packet in packets]
    for anomaly in anomalies(rules):
        if anomaly.covered:
            assert anomaly.rule not in first
            continue
        rest = [rule for number, rule in enumerate(rules) if number != anomaly.rule]
        for packet, number in zip(packets, first, strict=True):
            if number == anomaly.rule:
                assert next(rule.action for rule in rest if rule.matches(*packet)) == rules[number].action


@pytest.mark.parametrize("seed", range(6))
def test_no_cover_is_missed(seed: int) -> None:
    """A rule that is first at no corner of the space is found, whatever family (unions here are small)."""
    rng = random.Random(100 + seed)
    rules = [rule for rule in parse_rules(rule_set(rng, 6, pool=2, v6=0)) if not rule.flags]
    packets = [*corners(rules, 4), (6, 6, 0, 0, 0, 0, 0), (6, 17, 0, 0, 80, 80, 0), (6, 47, 0, 0, 0, 0, 0)]
    packets += [(4, proto, 0, 0, 0, 0, 0) for proto in range(256)]
    first = {next((n for n, rule in enumerate(rules) if rule.matches(*packet)), None) for packet in packets}
    covered = {anomaly.rule for anomaly in anomalies(rules) if anomaly.covered}
    assert covered >= {n for n in range(len(rules)) if n not in first and rules[n].family == 4}


def test_thousands_of_rules() -> None:
    nets = [str(ipaddress.ip_network((0x0A000000 + (n << 8), 24))) for n in range(1000)]
    lines = [f"allow tcp {net} -> any {port}" for net in nets for port in (22, 80, 443, 8080)]
    lines += ["drop tcp 10.0.0.0/8 -> any 443", "drop tcp 10.0.7.0/25 -> any 22"]
    assert found(*lines) == {len(lines): (29,)}
