"""Random chains, random traffic, random control input: all engines give what the reference engine gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine import frames as frames_module
from tests.engine import nfs
from tests.engine.conversation import need

from nfuse import Chain, Prefix, branch, pcap_filter, tcp, udp
from nfuse.chain.graph import as_graph
from nfuse.engine.api import Control
from nfuse.engine.driver import ENGINES, run
from nfuse.engine.verify import verify
from nfuse.memory.jit import JIT
from nfuse.nf.library import (
    CheckIPHeader,
    Classifier,
    Counter,
    DecTtl,
    DestinationNat,
    DosGuard,
    Gateway,
    HeavyHitters,
    Ids,
    IPFilter,
    IpIpDecap,
    IpIpEncap,
    MacSwap,
    Maglev,
    MazuNat,
    Monitor,
    Nptv6,
    OverloadNat,
    PacketSizeHistogram,
    RateLimiter,
    StaticNat,
    TcpMssClamp,
)
from nfuse.port.memory import ListInput, ListOutput
from nfuse.testing.strategies import Step, converse, steps
from nfuse.testing.strategies import chains as chains_of
from nfuse.testing.strategies import graphs as graphs_of
from nfuse.testing.strategies.chains import CLASSES, SHORT, parts

EXAMPLES = settings.default.max_examples if settings.default is not None else 100

TEST_NFS: list[Any] = [
    lambda: nfs.Snat(),
    lambda: nfs.Snat(public="192.0.2.77", low=5000, many=3),
    lambda: nfs.Balancer(),
    lambda: nfs.Balancer(backend="2001:db8:1::99"),
    lambda: nfs.Rerouter(),
    lambda: nfs.Rerouter(after=2, second="10.9.0.1"),
    lambda: nfs.Meter(),
    lambda: nfs.Sources(),
    lambda: nfs.PerHost(),
    lambda: nfs.Hops(),
    lambda: nfs.Echoer(),
    lambda: nfs.Listener(),
    lambda: nfs.Scrubber(),
    lambda: nfs.Watcher(),
    lambda: nfs.Picky(),
    lambda: nfs.Chooser(),
    lambda: nfs.Rejecter(),
    lambda: nfs.Painter(),
    lambda: nfs.Reader(),
    lambda: nfs.Clock(),
    lambda: nfs.Ledger(),
    lambda: nfs.Spinner(),
    lambda: nfs.Interpreted(),
    lambda: nfs.Picket(),
    lambda: nfs.Rewriter(),
    lambda: nfs.Turncoat(),
    lambda: nfs.Turner(),
    lambda: nfs.Stubborn(),
    lambda: nfs.Runner(),
    lambda: nfs.Fragile(),
    lambda: nfs.Levels(),
    lambda: nfs.Services(),
    lambda: nfs.Hoarder(),
    lambda: nfs.Cipher(),
    lambda: nfs.Stamper(),
]

BACKENDS = ["10.9.0.1:8080", "10.9.0.2:8080", "10.9.0.3:9000"]
RULES = [
    "drop tcp 10.0.0.2 -> any 23",
    "reject udp any -> any 7",
    "reject tcp any -> any 53 flags S/SA",
    "allow any any -> any",
]

CLASSES_OF_FLOWS = ["web tcp any -> any 80", "tests udp 10.0.0.2 -> any", "web tcp 2001:db8::/32 -> any flags S/S"]
FORWARDS = [
    "tcp 203.0.113.5:80-99 -> 10.9.0.1:8080",
    "udp 203.0.113.6 -> 10.9.0.2",
    "any [2001:db8:1::5]:53 -> 2001:db8:1::6",
]
PAIRS = {"10.0.0.2/31": "192.0.2.40/31", "10.9.0.1": "192.0.2.50", "2001:db8::/64": "2001:db8:7::/64"}
IDS_RULES = [
    'alert tcp any any -> any 80 (msg:"a"; content:"e"; nocase; sid:1;)',
    'drop ip 10.0.0.0/31 any <> any any (content:"|62|"; content:"c"; sid:2;)',
    'pass udp any any -> any [7,8080] (content:"d"; sid:3;)',
    'log tcp any any -> any ![80,53] (content:"|00|"; sid:4;)',
]

LIBRARY_NFS: list[Any] = [
    lambda: CheckIPHeader(bad_sources=["10.0.0.3", "2001:db8::2/128"]),
    lambda: Classifier(rules=CLASSES_OF_FLOWS, dscp={"web": "AF21", "other": 3}),
    lambda: Counter(),
    lambda: DecTtl(answer=True),
    lambda: DestinationNat(rules=FORWARDS),
    lambda: Gateway(eth_dst="02:00:00:00:00:99", vlan_vid=9, ttl=7, dscp="EF"),
    lambda: HeavyHitters(size=3, prefix4=31),
    lambda: HeavyHitters(size=2, key="destination", unit="packets"),
    lambda: Ids(rules=IDS_RULES),
    lambda: MacSwap(),
    lambda: Nptv6(inside="2001:db8::/48", outside="2001:db8:77::/48"),
    lambda: Nptv6(inside="2001:db8:1::/56", outside="fd00:1:2:300::/56"),
    lambda: PacketSizeHistogram(bounds=[60, 61, 70]),
    lambda: RateLimiter(rate=2, burst=3, excess=2, unit="packets", yellow="AF12", direction="sent"),
    lambda: RateLimiter(
        rate=90, burst=1500, peak=200, peak_burst=2000, per="source", buckets=2, yellow=7, red=8, aware=True
    ),
    lambda: RateLimiter(rate=1, burst=2, unit="packets", per="source", prefix4=31, direction="received"),
    lambda: StaticNat(pairs=PAIRS),
    lambda: Monitor(),
    lambda: MazuNat(public="192.0.2.10", inside=Prefix("10.0.0.0/24"), ports="2000-2005"),
    lambda: MazuNat(public=["192.0.2.20", "192.0.2.21"], ports="2000-2003"),
    lambda: Maglev(vip=Prefix("203.0.113.5/32"), backends=BACKENDS, size=13),
    lambda: DosGuard(threshold=2, source_threshold=4),
    lambda: IPFilter(rules=RULES, default="drop"),
    lambda: IPFilter(rules=RULES[1:3]),
    lambda: IpIpEncap(src="198.51.100.7", dst="198.51.100.8", ttl=3),
    lambda: IpIpEncap(src="2001:db8:9::7", dst="2001:db8:9::8", tos=4),
    lambda: TcpMssClamp(mtu=700),
    lambda: OverloadNat(public=["192.0.2.60", "192.0.2.61"], inside=Prefix("10.0.0.0/24"), ports="1-3", flows=9),
]

CHANGES: dict[str, list[dict[str, Any]]] = {
    "Balancer": [{"backend": "10.9.0.9"}, {"backend": "2001:db8:1::98", "port": 9}, {"port": 81}],
    "Rejecter": [{"kind": 3}, {"kind": 5}],
    "Painter": [{"ttl": 3}],
    "Clock": [{"budget": 3}],
    "Sources": [{"most": 1}],
    "Rerouter": [{"second": "10.8.0.9"}],
    "Maglev": [{"down": BACKENDS[:1]}, {"down": BACKENDS}, {"draining": BACKENDS[1:2]}],
    "MazuNat": [{"public": "192.0.2.30"}],
    "Fragile": [{"bad": 1}, {"bad": 0}, {"bad": 2}],
    "Snat": [{"public": "192.0.2.99"}],
    "Turner": [{"to": "10.0.0.2"}],
    "Levels": [{"most": 2}],
    "Services": [{}],
    "Hoarder": [{"keep": 2}, {"keep": 7}],
    "Cipher": [{"key": 1}],
    "TcpMssClamp": [{"mss": 20}],
    "OverloadNat": [{"inside": "10.0.0.0/31"}],
    "IpIpEncap": [{"ttl": 9}, {"src": "198.51.100.9", "dst": "198.51.100.10"}],
    "CheckIPHeader": [{"checksum": False}, {"bad_sources": ["10.0.0.0/8"]}],
    "Classifier": [{"rules": ["late any any -> any"], "dscp": {"late": 1}}, {"dscp": {}}],
    "DecTtl": [{"answer": False}],
    "DestinationNat": [{"rules": FORWARDS[1:]}, {"rules": ["any 203.0.113.5 -> 10.9.0.3"]}],
    "Gateway": [{"ttl": None}, {"eth_src": "02:00:00:00:00:98", "vlan_pcp": 3}],
    "HeavyHitters": [{"size": 5}],
    "Ids": [{"rules": IDS_RULES[:1]}, {"prevent": False}, {"rules": []}],
    "Nptv6": [{"inside": "2001:db8::/48", "outside": "2001:db8:78::/48"}],
    "PacketSizeHistogram": [{"bounds": [80]}],
    "RateLimiter": [{"rate": 60}, {"green": "CS1"}, {"direction": "both"}],
    "StaticNat": [{"pairs": {}}, {"pairs": {"10.0.0.1": "192.0.2.60"}}],
    "IPFilter": [{"rules": ["drop udp any -> any 53"]}, {"default": "reject"}],
}

NFS = [*TEST_NFS, *LIBRARY_NFS * 4]  # about as many of these as of those
node = parts(NFS)


@st.composite
def graphs(draw: Any) -> Any:
    """One to five NFs, perhaps with a branch or a tunnel among them."""
    shape = draw(st.integers(0, 9))
    if shape < 3:
        return draw(graphs_of(NFS))
    graph = as_graph(draw(st.lists(node, min_size=1, max_size=4)))
    if shape == 3:
        graph = graph >> nfs.Tunnel() >> nfs.Meter()
    elif shape == 4:
        graph = graph >> nfs.Tunnel() >> nfs.Hops() >> nfs.Meter() >> nfs.TunnelEnd() >> draw(node)
    elif shape == 5:
        ends = {"src": "198.51.100.7", "dst": "198.51.100.8"}
        graph = graph >> IpIpEncap(**ends) >> as_graph(draw(st.lists(node, max_size=2))) >> IpIpDecap() >> draw(node)
    elif shape == 6:
        way = branch((draw(st.sampled_from(CLASSES)), IpIpEncap(src="2001:db8:9::7", dst="2001:db8:9::8")))
        graph = graph >> way >> as_graph(draw(st.lists(node, max_size=1))) >> IpIpDecap()
    return graph


chains = chains_of(graph=graphs())


def controls(draw: Any, chain: Chain, packets: int) -> list[Control]:
    """Up to three changes of parameters."""
    control = []
    changeable = [n for n in chain.nodes if type(n.nf).__name__ in CHANGES]
    if changeable:
        for _ in range(draw(st.integers(0, 3))):
            target = draw(st.sampled_from(changeable))
            change = draw(st.sampled_from(CHANGES[type(target.nf).__name__]))
            control.append(Control(target.name, change, at_packet=draw(st.integers(0, packets))))
    return control


@st.composite
def cases(draw: Any) -> tuple[Chain, list[Step], list[Control]]:
    chain = draw(chains)
    least = draw(st.sampled_from([1, 8, 20, 35]))
    drawn = draw(st.lists(steps, min_size=least, max_size=least + 10))
    return chain, drawn, controls(draw, chain, len(drawn))


@pytest.mark.skipif(JIT and EXAMPLES <= 100, reason="each chain takes seconds to compile: FIXED are compiled instead")
@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "reference"])
@settings(
    max_examples=EXAMPLES if not JIT else max(1, EXAMPLES // 50),  # compiled, each chain takes seconds to build
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(case=cases(), most=st.sampled_from([1, 3, 64]))
def test_engines_agree(engine: str, case: tuple[Chain, list[Step], list[Control]], most: int) -> None:
    chain, drawn, control = case
    frames = converse(chain, drawn)
    result = verify(chain, lambda: ListInput(frames, most=most), ("reference", need(engine)), control, packets=64)
    assert result.identical, f"{chain}\n{chain.settings()}\n{control}\n{result}"


def large() -> Chain:
    """The chain of the benchmark, small."""
    graph = (
        MazuNat(public=["192.0.2.20", "192.0.2.21"], inside=Prefix("10.0.0.0/24"), ports="2000-2009")
        >> Maglev(vip=Prefix("203.0.113.5/32"), backends=BACKENDS, size=13)
        >> Monitor()
        >> IPFilter(rules=RULES)
    )
    return Chain(graph, capacity=16, timeouts=SHORT)


def mixed() -> Chain:
    """Events, faults, coarser sessions, payload, answers."""
    graph = nfs.Meter() >> nfs.Snat() >> nfs.Hops() >> nfs.Sources() >> nfs.Rerouter() >> nfs.Reader() >> nfs.Picky()
    return Chain(graph >> nfs.Scrubber() >> nfs.Turncoat() >> nfs.Clock(), capacity=16, timeouts=SHORT)


def sided() -> Chain:
    """Two sides, branches, a tunnel, ordinary Python."""
    ways = branch((tcp, nfs.Rejecter() >> nfs.Chooser()), (udp, nfs.Tunnel() >> nfs.Meter() >> nfs.TunnelEnd()))
    return Chain(
        nfs.Picket() >> ways >> nfs.Turner() >> nfs.Interpreted() >> nfs.Ledger() >> nfs.Painter(),
        two_sided=True,
        capacity=16,
    )


def stateful() -> Chain:
    """Sessions of many kinds, containers fed by each packet, payload written, records that come and go."""
    graph = DosGuard(threshold=2, source_threshold=6) >> nfs.Levels() >> nfs.Balancer() >> nfs.Services()
    graph = graph >> OverloadNat(public="192.0.2.60", inside=Prefix("10.0.0.0/24"), ports="1-3", flows=9)
    graph = graph >> nfs.Hoarder() >> nfs.Cipher() >> nfs.Runner() >> nfs.Fragile() >> nfs.Stubborn()
    return Chain(graph, capacity=24, timeouts=SHORT, idle=1)


def tunnelled() -> Chain:
    """Stateless NFs, and a tunnel whose ends lie apart."""
    ends = {"src": "198.51.100.7", "dst": "198.51.100.8"}
    graph = (
        TcpMssClamp(mtu=700)
        >> nfs.Echoer()
        >> nfs.Listener()
        >> nfs.Rewriter()
        >> nfs.Stamper()
        >> nfs.PerHost()
        >> nfs.Watcher()
    )
    graph = graph >> nfs.Spinner() >> IpIpEncap(**ends, ttl=5) >> nfs.Hops() >> nfs.Meter() >> IpIpDecap()
    return Chain(graph, capacity=24, unmatched="drop", malformed="pass", mtu=90)


def translated() -> Chain:
    """The NATs of the library, and what looks at packets around them."""
    graph = (
        CheckIPHeader(bad_sources=["10.0.0.3", "2001:db8::2/128"])
        >> Classifier(rules=CLASSES_OF_FLOWS, dscp={"web": "AF21"})
        >> StaticNat(pairs=PAIRS)
        >> Ids(rules=IDS_RULES)
        >> Nptv6(inside="2001:db8::/56", outside="fd00:1:2:300::/56")
        >> DestinationNat(rules=FORWARDS)
        >> DecTtl(answer=True)
    )
    return Chain(graph, two_sided=True, capacity=24, timeouts=SHORT)


def counted() -> Chain:
    """What limits, counts and rewrites each packet."""
    graph = (
        Counter()
        >> RateLimiter(rate=2, burst=3, excess=2, unit="packets", per="source", prefix4=31, buckets=2, yellow="AF12")
        >> Gateway(eth_dst="02:00:00:00:00:99", vlan_vid=9, ttl=7, dscp="EF")
        >> HeavyHitters(size=3, prefix4=31)
        >> PacketSizeHistogram(bounds=[60, 61, 70])
        >> MacSwap()
    )
    return Chain(graph, capacity=24, timeouts=SHORT)


FIXED = [large, mixed, sided, stateful, tunnelled, translated, counted]
"""Chains that stay the same, so that they are compiled once."""


def test_the_fixed_chains_have_every_nf() -> None:
    used = {type(node.nf) for make in FIXED for node in make().nodes}
    assert used >= {IpIpDecap} | {type(maker()) for maker in (*TEST_NFS, *LIBRARY_NFS)}


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "reference"])
@pytest.mark.parametrize("make", FIXED)
@settings(max_examples=max(5, EXAMPLES // 4), suppress_health_check=list(HealthCheck))
@given(drawn=st.lists(steps, min_size=20, max_size=60), most=st.sampled_from([3, 64]), data=st.data())
def test_fixed_chains_on_random_traffic(
    engine: str, make: Any, drawn: list[Step], most: int, data: st.DataObject
) -> None:
    """The same for chains that stay the same."""
    chain = make()
    control = controls(data.draw, chain, len(drawn))
    frames = converse(chain, drawn)
    result = verify(chain, ListInput(frames, most=most), ("reference", need(engine)), control, packets=64)
    assert result.identical, f"{control}\n{result}"


@settings(max_examples=max(10, EXAMPLES // 3), suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_bursts_do_not_matter(case: tuple[Chain, list[Step], list[Control]]) -> None:
    """However the input is split into bursts, the reference engine gives the same; and packets are conserved."""
    from nfuse.engine.driver import run
    from nfuse.port.memory import ListOutput

    chain, drawn, control = case
    frames = converse(chain, drawn)
    runs = []
    for most in (1, 2, 1000):
        sink = ListOutput()
        result = run(chain, ListInput(frames, most=most), sink, "reference", control)
        assert result.conserved
        runs.append((sink.records, result.counters, result.drops, result.states, result.flows.tobytes()))
    assert runs[0] == runs[1] == runs[2]


DIRECTIONS = [
    "src net 203.0.113.0/24 or src net 2001:db8:1::/48",
    "udp",
    "src port 80 or src port 53",
    "not (tcp or udp)",
]


@pytest.mark.skipif(JIT and EXAMPLES <= 100, reason="each chain is compiled anew: interpreted, or NFUSE_EXAMPLES > 100")
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=EXAMPLES)
@given(cases(), st.sampled_from([1, 2, 7, 16, 64]), st.sampled_from([None, *DIRECTIONS]))
def test_runs_agree(case: Any, most: int, direction: str | None) -> None:
    """Whole runs, as a user runs them: the fused engine parses and stops at fragments, whatever the bursts are."""
    chain, drawn, control = case
    if direction is not None and chain.two_sided:
        chain = chain.with_settings(direction=pcap_filter(direction))
    frames = converse(chain, drawn)
    found = []
    for engine in ("reference", "fused"):
        sink = ListOutput()
        result = run(chain, ListInput(frames), sink, engine, control=control, packets=most)
        found.append((sink.records, result.counters, result.drops, result.states, result.flows.tobytes()))
        assert result.conserved
    for first, second in zip(*found, strict=True):
        assert first == second


def test_a_run_that_begins_with_a_later_fragment() -> None:
    """The chain's clock starts with the first packet that is processed, not with one that waits."""
    pieces = frames_module.fragments(frames_module.udp("10.0.0.1", 1, "203.0.113.5", 53, bytes(64)), 24)
    frames = [(9_000_000_000, pieces[1]), (1_000_000_000, pieces[0]), (2_000_000_000, pieces[2])]
    for most in (1, 2, 8):
        results = [run(Chain(nfs.Clock() >> Monitor()), frames, None, one, packets=most) for one in ENGINES]
        assert all(result.states == results[0].states for result in results)
        assert all(result.counters == results[0].counters for result in results)
