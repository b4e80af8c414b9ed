"""Random chains, random traffic, random control input: all engines give what the reference engine gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine import nfs
from tests.engine.conversation import need
from tests.engine.traffic import SidedInput, Step, converse, steps

from nfuse import Chain, Prefix, Timeouts, branch, dport, icmp, ip, ipv4, ipv6, tcp, udp
from nfuse.chain.graph import as_graph
from nfuse.engine.api import Control
from nfuse.engine.driver import ENGINES
from nfuse.engine.verify import verify
from nfuse.memory.jit import JIT
from nfuse.nf.library import (
    DosGuard,
    IPFilter,
    IpIpDecap,
    IpIpEncap,
    Maglev,
    MazuNat,
    Monitor,
    OverloadNat,
    TcpMssClamp,
)

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

LIBRARY_NFS: list[Any] = [
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
    "IPFilter": [{"rules": ["drop udp any -> any 53"]}, {"default": "reject"}],
}

SHORT = Timeouts(tcp_new=2, tcp_established=30, tcp_closing=1, udp_new=2, udp=8, icmp=1, other_new=2)

CLASSES = [tcp, udp, ipv4, ipv6, icmp, tcp & (dport == 80), ip.src == "10.0.0.0/31", ~udp]


def one_of(makers: list[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, len(makers) - 1).map(lambda number: makers[number]())


node = one_of(TEST_NFS) | one_of(LIBRARY_NFS)


@st.composite
def graphs(draw: Any) -> Any:
    """One to five NFs, perhaps with a branch or a tunnel among them."""
    graph = as_graph(draw(st.lists(node, min_size=1, max_size=4)))
    shape = draw(st.integers(0, 9))
    if shape == 0:
        ways = draw(st.lists(st.tuples(st.sampled_from(CLASSES), node), min_size=1, max_size=3))
        graph = graph >> branch(*ways) >> as_graph(draw(st.lists(node, max_size=1)))
    elif shape == 1:
        inner = branch((draw(st.sampled_from(CLASSES)), draw(node)))
        graph = graph >> branch((draw(st.sampled_from(CLASSES)), as_graph(draw(node)) >> inner), (udp, draw(node)))
    elif shape == 2:
        graph = graph >> nfs.Tunnel() >> nfs.Meter()
    elif shape == 3:
        graph = graph >> nfs.Tunnel() >> nfs.Hops() >> nfs.Meter() >> nfs.TunnelEnd() >> draw(node)
    elif shape == 4:
        ends = {"src": "198.51.100.7", "dst": "198.51.100.8"}
        graph = graph >> IpIpEncap(**ends) >> as_graph(draw(st.lists(node, max_size=2))) >> IpIpDecap() >> draw(node)
    elif shape == 5:
        way = branch((draw(st.sampled_from(CLASSES)), IpIpEncap(src="2001:db8:9::7", dst="2001:db8:9::8")))
        graph = graph >> way >> as_graph(draw(st.lists(node, max_size=1))) >> IpIpDecap()
    return graph


@st.composite
def chains(draw: Any) -> Chain:
    return Chain(
        draw(graphs()),
        capacity=draw(st.sampled_from([64, 64, 5, 2])),
        timeouts=draw(st.sampled_from([Timeouts(), SHORT])),
        unmatched=draw(st.sampled_from(["pass", "pass", "drop"])),
        malformed=draw(st.sampled_from(["drop", "drop", "pass"])),
        mtu=draw(st.sampled_from([None, None, 68])),
        idle=draw(st.sampled_from([60, 1, 0])),
        two_sided=draw(st.integers(0, 3)) == 0,
    )


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
    chain = draw(chains())
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
    result = verify(chain, lambda: SidedInput(frames, most), ("reference", need(engine)), control, packets=64)
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


FIXED = [large, mixed, sided, stateful, tunnelled]
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
    result = verify(chain, SidedInput(frames, most), ("reference", need(engine)), control, packets=64)
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
        result = run(chain, SidedInput(frames, most), sink, "reference", control)
        assert result.conserved
        runs.append((sink.records, result.counters, result.drops, result.states, result.flows.tobytes()))
    assert runs[0] == runs[1] == runs[2]
