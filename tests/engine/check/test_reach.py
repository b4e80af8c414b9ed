"""Which flows can come to each NF: what is said to be impossible never happens."""

from __future__ import annotations

import random

import pytest

from nfuse import NF, Chain, IPv4Address, branch, dport, everything, ip, load_chain, pcap_filter, run, tcp, udp
from nfuse.engine.check.reach import Reach
from nfuse.nf.compile import analyse
from nfuse.nf.library import (
    CheckIPHeader,
    DestinationNat,
    DosGuard,
    IPFilter,
    IpIpDecap,
    IpIpEncap,
    Maglev,
    MazuNat,
    Monitor,
    Nptv6,
    StaticNat,
)
from nfuse.nf.library.acl import parse_rules
from nfuse.nf.library.acl_check import rule_class


def reach(chain: Chain) -> Reach:
    return Reach(chain, {node.name: analyse(type(node.nf)).total() for node in chain.nodes})


def nat(public: str = "198.51.100.0/28") -> MazuNat:
    return MazuNat(inside="10.0.0.0/8", public=public)


def balancer(vip: str = "203.0.113.80/32") -> Maglev:
    return Maglev(vip=vip, backends=["192.168.7.1:8080"])


def sees(chain: Chain, name: str, text: str) -> bool:
    return reach(chain).sees(chain.node(name), pcap_filter(text))


def why(chain: Chain, name: str, text: str) -> str:
    return reach(chain).why_not(chain.node(name), pcap_filter(text))


def test_a_nat_hides_the_inside() -> None:
    chain = Chain(nat() >> Monitor())
    assert not sees(chain, "monitor", "tcp and src net 10.0.0.0/8")
    assert why(chain, "monitor", "tcp and src net 10.0.0.0/8") == (
        "mazunat has given them a source address of 198.51.100.0/28 by then"
    )
    assert sees(chain, "mazunat", "tcp and src net 10.0.0.0/8")
    assert sees(chain, "monitor", "tcp and src host 198.51.100.3")
    assert sees(chain, "monitor", "tcp and src host 192.0.2.1")
    assert sees(chain, "monitor", "ip proto 47 and src net 10.0.0.0/8")  # no class of the NAT's
    assert sees(chain, "monitor", "icmp and src net 10.0.0.0/8")  # only echo is translated


def test_a_nat_drops_what_comes_to_its_pool() -> None:
    chain = Chain(nat() >> Monitor())
    assert why(chain, "monitor", "udp and dst host 198.51.100.3") == "mazunat drops them (unsolicited)"


def test_a_balancer_hides_the_virtual_address() -> None:
    chain = Chain(balancer() >> Monitor())
    assert not sees(chain, "monitor", "tcp and dst host 203.0.113.80")
    assert sees(chain, "monitor", "tcp and dst host 192.168.7.1")
    assert "destination address 192.168.7.1" in why(chain, "monitor", "tcp and dst host 203.0.113.80")
    assert why(chain, "monitor", "dst host 192.168.7.1") == ""


def test_branches_and_classes() -> None:
    chain = Chain(branch((tcp & (dport == 80), DosGuard()), (udp, Monitor()), (everything, Monitor().named("rest"))))
    assert not sees(chain, "dosguard", "dst port 81")
    assert why(chain, "dosguard", "udp") == "dosguard is for `tcp` only"
    assert why(chain, "monitor", "tcp") == "the condition of its branch excludes them"
    assert not sees(chain, "rest", "udp")
    assert sees(chain, "rest", "tcp and dst port 443")
    assert not sees(chain, "rest", "tcp and dst port 80")


def test_two_causes_together() -> None:
    chain = Chain(nat() >> balancer() >> branch((udp, Monitor())))
    assert why(chain, "monitor", "tcp and src net 10.0.0.0/8 and dst host 203.0.113.80") == (
        "the NFs and branches before it leave no such flow"
    )


def test_flows_opened_from_the_other_side_come_the_other_way() -> None:
    chain = Chain(balancer() >> Monitor() >> nat(), two_sided=True)
    assert sees(chain, "monitor", "tcp and dst host 203.0.113.80")  # from outside: the balancer comes later
    assert not sees(chain, "monitor", "tcp and dst host 198.51.100.3 and ingress outside")
    assert sees(chain, "monitor", "tcp and src net 10.0.0.0/8")


def test_after_a_header_was_pushed_all_is_possible() -> None:
    chain = Chain(nat() >> IpIpEncap(src="192.0.2.1", dst="192.0.2.2") >> Monitor() >> IpIpDecap())
    assert sees(chain, "monitor", "tcp and src net 10.0.0.0/8")


class Rewriter(NF):
    """Says nothing of its outcomes."""

    target: IPv4Address = IPv4Address("192.0.2.9")

    def on_flow(self, pkt, flow):
        flow.modify(ip_dst=self.target)


def test_an_nf_that_says_nothing_may_write_any_value() -> None:
    chain = Chain(branch((ip.dst == "192.0.2.0/24", Rewriter() >> Monitor())))
    assert sees(chain, "monitor", "dst host 203.0.113.5")
    assert not sees(chain, "rewriter", "dst host 203.0.113.5")


class Stamp(NF):
    """Without session: it sees each packet, replies too."""

    session = None
    traffic = tcp & (ip.src == "192.168.7.0/24")

    def on_packet(self, pkt):
        pkt.ip.ttl = 64


def test_an_nf_without_session_sees_replies() -> None:
    chain = Chain(nat() >> balancer() >> branch((dport == 8080, Stamp())))
    assert reach(chain).reached(chain.node("stamp"))
    assert sees(chain, "stamp", "src host 192.168.7.1")
    assert not sees(chain, "stamp", "udp")


def test_who_writes_a_value_later() -> None:
    chain = Chain(IPFilter() >> nat() >> Monitor())
    found = reach(chain)
    assert found.written_later(chain.node("ipfilter"), "ip_src", "198.51.100.3") == "mazunat"
    assert found.written_later(chain.node("ipfilter"), "ip_src", "198.51.100.99") == ""
    assert found.written_later(chain.node("monitor"), "ip_src", "198.51.100.3") == ""


NETS = ("any", "10.0.0.0/8", "10.0.0.0/17", "198.51.100.0/28", "203.0.113.80", "203.0.113.81", "192.168.7.0/24")
TRAFFIC = "gen:?flows=60&packets=120&proto=mixed&inside=10.0.0.0/16&outside=203.0.113.80/31&dport=80&seed={seed}"
CAME: dict[str, list[tuple[int, ...]]] = {}


class Recorder(NF):
    """Notes the first packet of each flow as it comes."""

    compiled = False
    place: str

    def on_flow(self, pkt, flow):
        ends = (int(pkt.ip.src), int(pkt.ip.dst), int(pkt.sport), int(pkt.dport), 0)
        CAME.setdefault(self.place, []).append((4, int(pkt.ip.proto), *ends))

    def outcomes(self):
        return ()


@pytest.mark.parametrize("seed", range(6))
def test_what_is_said_to_be_impossible_never_happens(seed: int) -> None:
    rng = random.Random(seed)
    lines = []
    for _ in range(40):
        proto, ports = rng.choice([("tcp", " 80"), ("udp", " 8080"), ("any", ""), ("tcp", ""), ("icmp", "")])
        lines.append(f"allow {proto} {rng.choice(NETS)} -> {rng.choice(NETS)}{ports}")
    parts = [nat(), balancer()]
    rng.shuffle(parts)
    first, middle, way, last = (Recorder(place=place).named(place) for place in ("first", "middle", "way", "last"))
    chain = Chain([first, parts[0], middle, parts[1], branch((tcp & (dport == 8080), way)), last])
    found = reach(chain)
    CAME.clear()
    run(chain, TRAFFIC.format(seed=seed), engine="reference")
    said = 0
    for name in ("first", "middle", "way", "last"):
        assert len(CAME[name]) > 3
        for rule in parse_rules(lines):
            if not found.sees(chain.node(name), rule_class(rule)):
                said += 1
                assert not any(rule.matches(*packet) for packet in CAME[name]), (name, rule)
    assert said > 5


OTHERS = [
    lambda: StaticNat(pairs={"10.0.0.0/17": "192.0.0.0/17", "192.168.7.9": "203.0.113.81"}),
    lambda: DestinationNat(rules=["tcp 203.0.113.80:80 -> 192.168.7.9:8080", "any 203.0.113.81 -> 192.168.7.10"]),
    lambda: DestinationNat(
        rules=[f"tcp 203.0.113.{80 + n // 50}:{n} -> 192.168.7.{9 + n % 5}:{8000 + n}" for n in range(66, 140)]
    ),
    lambda: CheckIPHeader(bad_sources=["10.0.0.0/17"]),
    nat,
    balancer,
]


@pytest.mark.parametrize("seed", range(8))
def test_what_the_other_nfs_say_to_be_impossible_never_happens(seed: int) -> None:
    rng = random.Random(seed)
    ports = ("", " 80", " 8080", " 8080-8100")
    lines = [f"allow any {rng.choice(NETS)} -> {rng.choice(NETS)}{rng.choice(ports)}" for _ in range(60)]
    lines += [f"allow any {net} -> any" for net in ("10.0.0.0/17", "192.0.0.0/17", "10.0.128.0/17")]
    first, second = (one() for one in rng.sample(OTHERS[:4] if seed < 4 else OTHERS, 2))
    middle, last = (Recorder(place=place).named(place) for place in ("middle", "last"))
    chain = Chain([first, middle, second.named("second"), last])
    found = reach(chain)
    CAME.clear()
    run(chain, TRAFFIC.format(seed=seed), engine="reference")
    said = 0
    for name in ("middle", "last"):
        for rule in parse_rules(lines):
            if not found.sees(chain.node(name), rule_class(rule)):
                said += 1
                assert not any(rule.matches(*packet) for packet in CAME.get(name, ())), (name, rule)
    assert said


def test_a_static_nat_moves_its_pairs() -> None:
    chain = Chain(StaticNat(pairs={"10.1.0.0/24": "198.51.100.0/24", "fd00:1::/64": "2001:db8:1::/64"}) >> Monitor())
    assert why(chain, "monitor", "src net 10.1.0.0/24") == (
        "staticnat has given them a source address of 198.51.100.0/24 by then"
    )
    assert why(chain, "monitor", "ip6 and dst net 2001:db8:1::/64")
    assert not sees(chain, "monitor", "src net 198.51.100.0/24 and dst net 198.51.100.0/24")
    assert sees(chain, "monitor", "src net 10.2.0.0/24")
    assert sees(chain, "monitor", "dst net 10.1.0.0/24")


def test_a_destination_nat_leaves_what_no_rule_matches() -> None:
    chain = Chain(DestinationNat(rules=["tcp 203.0.113.1:80-81 -> 10.0.0.5:8080"]) >> Monitor())
    assert not sees(chain, "monitor", "tcp and dst host 203.0.113.1 and dst port 80")
    assert sees(chain, "monitor", "tcp and dst host 203.0.113.1 and dst port 82")
    assert sees(chain, "monitor", "udp and dst host 203.0.113.1 and dst port 80")
    behind = Chain(
        DestinationNat(rules=["any 203.0.113.1 -> 10.0.0.5"]) >> branch((ip.dst == "203.0.113.1", Monitor()))
    )
    assert not reach(behind).reached(behind.node("monitor"))


def test_nptv6_moves_its_prefix() -> None:
    chain = Chain(Nptv6(inside="fd01:203:405::/48", outside="2001:db8:1::/48") >> Monitor())
    assert "nptv6 has given them" in why(chain, "monitor", "ip6 and src net fd01:203:405::/48")
    assert sees(chain, "monitor", "ip6 and src net 2001:db8:1::/48")
    assert sees(chain, "monitor", "tcp and src net 10.0.0.0/8")


def test_bad_sources_do_not_pass() -> None:
    chain = Chain(CheckIPHeader() >> Monitor())
    assert why(chain, "monitor", "src net 127.0.0.0/8") == "checkipheader drops them (bad source)"
    assert sees(Chain(CheckIPHeader(bad_sources=[]) >> Monitor()), "monitor", "src net 127.0.0.0/8")


def test_the_examples_have_no_impossible_nf(root) -> None:
    for file in (root / "examples").glob("*.yaml"):
        chain = load_chain(file)
        found = reach(chain)
        assert all(found.reached(node) for node in chain.nodes)
