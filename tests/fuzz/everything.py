"""What is fuzzed: chains of the whole library, traffic between any bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from tests.engine.test_random_chains import (
    BACKENDS,
    CLASSES_OF_FLOWS,
    FORWARDS,
    IDS_RULES,
    PAIRS,
    RULES,
    chains,
    controls,
)
from tests.fuzz.case import Case

from nfuse import Chain
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
from nfuse.packet.desc import LINK_ETHERNET, LINK_NULL, LINK_RAW, LINK_SLL, LINK_SLL2
from nfuse.testing import Packet
from nfuse.testing.strategies import converse, damaged, packets, steps
from nfuse.testing.strategies.chains import SHORT

LINKS = (LINK_ETHERNET, LINK_RAW, LINK_NULL, LINK_SLL, LINK_SLL2)


def whole() -> Chain:
    """All network functions of the library in one chain."""
    graph = (
        CheckIPHeader(bad_sources=["10.0.0.3", "2001:db8::2/128"])
        >> Classifier(rules=CLASSES_OF_FLOWS, dscp={"web": "AF21"})
        >> DosGuard(threshold=2, source_threshold=6)
        >> StaticNat(pairs=PAIRS)
        >> MazuNat(public="192.0.2.20", ports="2000-2005")
        >> OverloadNat(public="192.0.2.30", inside="10.0.0.2/31", ports="3000-3003", flows=40)
        >> DestinationNat(rules=FORWARDS)
        >> Maglev(vip="203.0.113.5/32", backends=BACKENDS, size=13)
        >> Nptv6(inside="2001:db8::/48", outside="2001:db8:77::/48")
        >> IPFilter(rules=RULES)
        >> Ids(rules=IDS_RULES)
        >> RateLimiter(rate=9, burst=9, unit="packets", yellow="AF12")
        >> TcpMssClamp(mtu=700)
        >> DecTtl(answer=True)
        >> Counter()
        >> Monitor()
        >> HeavyHitters(size=3, prefix4=31)
        >> PacketSizeHistogram(bounds=[60, 61, 70])
        >> IpIpEncap(src="198.51.100.7", dst="198.51.100.8", ttl=5)
        >> IpIpDecap()
        >> Gateway(eth_dst="02:00:00:00:00:99", ttl=7, dscp="EF")
        >> MacSwap()
    )
    return Chain(graph, capacity=24, timeouts=SHORT)


def noise() -> st.SearchStrategy[Packet]:
    """Packets that lie, that suffered, and any bytes behind any link header."""
    anything = st.builds(
        lambda data, link, more: Packet(data, 0, 0, len(data) + more, link),
        st.binary(max_size=120),
        st.sampled_from(LINKS),
        st.sampled_from([0, 0, 1, 1400]),
    )
    return st.one_of(packets(lies=True), damaged(), anything)


@st.composite
def cases(draw: Any, chain: Any = None) -> Case:
    """Draw a case: sessions through a chain, its answers among them, and noise between its packets."""
    made = draw(chains) if chain is None else chain()
    talk = converse(made, draw(st.lists(steps, min_size=1, max_size=25)))
    for at, one in draw(st.lists(st.tuples(st.integers(0, 60), noise()), max_size=8)):
        at = min(at, len(talk) - 1)
        talk.insert(at, replace(one, time=talk[at].time))
    return Case(made, talk, controls(draw, made, len(talk)), draw(st.sampled_from([1, 3, 64])))
