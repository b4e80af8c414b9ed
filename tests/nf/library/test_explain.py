"""What the library's NFs say of a flow."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.engine import frames as f
from tests.nf.library.examples import few
from tests.nf.library.rule_sets import make, rule_set
from tests.nf.library.test_ip_filter import action_of

from nfuse import NF, Chain
from nfuse.engine.api import Control
from nfuse.engine.reference import ReferenceEngine
from nfuse.nf.library import (
    Classifier,
    DestinationNat,
    Ids,
    IPFilter,
    Maglev,
    MazuNat,
    Monitor,
    Nptv6,
    RateLimiter,
    StaticNat,
)
from nfuse.nf.library.acl import ACTIONS, parse_rules
from nfuse.packet.parse import parse_burst
from nfuse.port.burst import Burst

INSIDE, SERVICE, POOL = "10.0.0.1", "203.0.113.80", "198.51.100.1"


def said(nf: NF, *frames: bytes, update: dict[str, object] | None = None) -> str:
    """What an NF says of the last session, after these packets."""
    engine = ReferenceEngine(Chain(nf))
    burst = Burst(64)
    for number, frame in enumerate(frames):
        burst.append(frame, number)
    parse_burst(burst.desc_address, 0, burst.n)
    engine.process(burst, 0, burst.n)
    if update is not None:
        engine.control(Control(engine.chain.nodes[0].name, update, at_packet=0))
    (place,) = engine.places
    session = list(engine._sessions)[-1]
    return place.explain(session.seats[0], engine.opening_tuple(session, place))


def test_an_nf_has_nothing_to_say_by_default() -> None:
    assert said(Monitor(), f.udp(INSIDE, 1, SERVICE, 2)) == ""


def test_ip_filter_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "acl.txt"
    file.write_text("# web\nallow tcp any -> any 80\n\ndrop   udp any -> any 53   # no DNS\n")
    assert said(IPFilter(rules=file), f.udp(INSIDE, 1, SERVICE, 53)) == f"{file}:4: drop udp any -> any 53"
    assert said(IPFilter(rules=file), f.tcp(INSIDE, 1, SERVICE, 80, "S")) == f"{file}:2: allow tcp any -> any 80"
    assert said(IPFilter(rules=file, default="drop"), f.udp(INSIDE, 1, SERVICE, 54)) == "no rule matches; default: drop"


@given(st.integers(0, 2**32), st.sampled_from([1, 5, 70]))
@few(15)
def test_ip_filter_names_the_rule_of_a_linear_scan(seed: int, count: int) -> None:
    rng = random.Random(seed)
    lines = rule_set(rng, count)
    rules = parse_rules(lines)
    for _ in range(3):
        packet = make(rng, rules)
        if (packet.src, packet.sport) == (packet.dst, packet.dport):
            continue  # its reply key is its own: no session stays
        text = said(IPFilter(rules=lines), packet.frame())
        action = "allow" if text.startswith("no rule") else text.split(": ")[1].split()[0]
        assert ACTIONS[action] == action_of(rules, packet)


def test_maglev_names_the_backend() -> None:
    balancer = Maglev(vip=SERVICE, backends=["192.168.7.1:8080"], size=251)
    web = f.tcp(INSIDE, 1, SERVICE, 80, "S")
    assert said(balancer, web) == "backend 192.168.7.1:8080 (up)"
    assert said(balancer, web, update={"draining": ["192.168.7.1:8080"]}) == "backend 192.168.7.1:8080 (draining)"
    assert said(balancer, f.tcp(INSIDE, 1, INSIDE, 80, "S")) == "no flow to the virtual address"
    assert said(Maglev(vip=SERVICE, backends=[], size=251), web) == "no backend takes flows"


def test_mazu_nat_names_the_mapping() -> None:
    nat = MazuNat(public=POOL, inside="10.0.0.0/8")
    flows = [f.udp(INSIDE, 4000, SERVICE, port) for port in (1, 2)]
    assert said(nat, *flows) == f"{INSIDE}:4000 mapped to {POOL}:1024; its flows: 2"
    assert said(nat, f.udp(SERVICE, 1, POOL, 9)) == "to an address of the pool, without a flow"
    assert said(nat, f.udp(SERVICE, 1, "192.0.2.1", 9)) == "not translated"


def test_static_nat_names_the_pair() -> None:
    nat = StaticNat(pairs={"10.0.0.0/24": "198.51.100.0/24"})
    assert said(nat, f.udp(INSIDE, 1, SERVICE, 2)) == (
        "10.0.0.0/24 is 198.51.100.0/24 outside: the source is translated"
    )
    assert said(nat, f.udp(SERVICE, 1, POOL, 2)) == (
        "10.0.0.0/24 is 198.51.100.0/24 outside: the destination is translated"
    )
    assert said(nat, f.udp(INSIDE, 1, POOL, 2)) == (
        "hairpin: from 10.0.0.0/24 to 198.51.100.0/24, the outside of 10.0.0.0/24"
    )
    assert said(nat, f.udp(SERVICE, 1, "192.0.2.1", 2)) == "in no pair"


def test_destination_nat_names_the_rule() -> None:
    nat = DestinationNat(
        rules=["# ours", "udp 203.0.113.80:53   -> 10.0.0.5:5353  # DNS", "any 203.0.113.80 -> 10.0.0.6"]
    )
    assert said(nat, f.udp(INSIDE, 1, SERVICE, 53)) == "rule:2: udp 203.0.113.80:53 -> 10.0.0.5:5353"
    assert said(nat, f.tcp(INSIDE, 1, SERVICE, 53, "S")) == "rule:3: any 203.0.113.80 -> 10.0.0.6"
    assert said(nat, f.udp(INSIDE, 1, POOL, 53)) == "no rule matches: not translated"


def test_nptv6_names_the_prefix() -> None:
    nat = Nptv6(inside="fd01:203:405::/48", outside="2001:db8:1::/48")
    inside, outside, far = "fd01:203:405:1::1", "2001:db8:1:1::1", "2001:db8:9::1"
    assert said(nat, f.udp(inside, 1, far, 2)) == "the source is in fd01:203:405::/48, outside 2001:db8:1::/48"
    assert said(nat, f.udp(far, 1, outside, 2)) == "the destination is in 2001:db8:1::/48, inside fd01:203:405::/48"
    assert said(nat, f.udp(inside, 1, outside, 2)) == "hairpin: from fd01:203:405::/48 to 2001:db8:1::/48"
    assert said(nat, f.udp(far, 1, far, 2)) == "in neither prefix"


def test_classifier_names_the_class_and_the_rule() -> None:
    classifier = Classifier(rules=["web tcp any -> any 80", "names udp any -> any 53"])
    assert said(classifier, f.udp(INSIDE, 1, SERVICE, 53)) == "class names (rule:2: names udp any -> any 53)"
    assert said(classifier, f.tcp(INSIDE, 1, SERVICE, 81, "S")) == "class other (no rule matches)"


def test_rate_limiter_says_what_is_left() -> None:
    packets = [f.udp(INSIDE, 1, SERVICE, 53, data=bytes(72))] * 2  # 100 bytes of IP each
    assert said(RateLimiter(rate=1, burst=1500), *packets) == "flow: 1,300 of 1,500 bytes left"
    marker = RateLimiter(rate=1, burst=2, excess=5, unit="packets", per="source")
    assert said(marker, *packets, *packets) == f"source {INSIDE}: 0 of 2 packets left; excess: 3 of 5"
    assert said(RateLimiter(rate=1, burst=2000, peak=2, peak_burst=1500), *packets) == (
        "flow: 1,800 of 2,000 bytes left; peak: 1,300 of 1,500"
    )


def test_ids_says_what_a_rule_has_decided() -> None:
    rules = [
        f'{action} udp any any -> any any (content:"{action}"; sid:{n};)'
        for n, action in enumerate(("drop", "pass", "log"), 1)
    ]
    words = {
        "drop": "a rule drops the flow",
        "pass": "a rule lets the flow pass: it is not looked at",
        "log": "rule 3 has each packet logged",
        "none": "no rule has decided about the flow",
    }
    for payload, text in words.items():
        assert said(Ids(rules=rules), f.udp(INSIDE, 1, SERVICE, 53, data=payload.encode())) == text
