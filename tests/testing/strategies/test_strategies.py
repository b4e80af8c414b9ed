"""What is drawn: enough of everything, and only what fits."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nfuse import Chain
from nfuse.nf.library import DosGuard, MazuNat, Monitor
from nfuse.testing import Packet, assert_equivalent, packets, text
from nfuse.testing.strategies import Flow, chains, converse, flows, steps, traffic
from nfuse.testing.strategies import packets as any_packet

PARTS = [Monitor, DosGuard, lambda: MazuNat(public="198.51.100.1", inside="10.0.0.0/8", ports="2000-2003")]


def drawn(strategy: st.SearchStrategy[list[Packet]] | st.SearchStrategy[Packet], count: int) -> list[Packet]:
    found: list[Packet] = []

    @given(strategy)
    @settings(max_examples=count, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def draw(one: list[Packet] | Packet) -> None:
        found.extend(one if isinstance(one, list) else [one])

    draw()
    return found


def kinds(found: list[Packet]) -> Counter[str]:
    """Count the packets that have a header, by its name, and the malformed ones."""
    names: Counter[str] = Counter()
    for one in found:
        view = one.view
        names.update(
            name for name in ("vlan", "arp", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmp6") if getattr(view, name)
        )
        names["malformed"] += bool(view.malformed)
        names["fragment"] += " frag " in one.text
        names["captured in part"] += one.wire > len(one)
    return names


def test_packets_have_every_header_and_none_is_malformed() -> None:
    names = kinds(drawn(any_packet(), 120))
    assert not names["malformed"]
    assert all(names[name] for name in ("vlan", "arp", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmp6")), names


def test_lies() -> None:
    assert kinds(drawn(any_packet(lies=True), 60))["malformed"]


def test_traffic_has_everything() -> None:
    found = drawn(traffic(min_size=30), 12)
    names = kinds(found)
    wanted = ("vlan", "ipv4", "ipv6", "tcp", "udp", "icmp", "malformed", "fragment", "captured in part")
    assert all(names[name] for name in wanted), names
    gaps = [after.time - before.time for before, after in pairwise(found)]
    assert min(gaps) < 0 < 60 * 10**9 < max(gaps)


@given(st.lists(steps, min_size=10, max_size=20))
@settings(max_examples=10)
def test_traffic_through_a_chain_has_answers_to_what_it_lets_out(step_list: list) -> None:
    """The NAT's address never comes up, unless somebody answers it."""
    chain = Chain(MazuNat(public="198.51.100.7"))
    without, behind = (text(converse(one, step_list)) for one in (None, chain))
    assert "198.51.100.7" not in without
    if "198.51.100.7" in behind:
        out = assert_equivalent(chain, packets(behind), engines=["reference", "reference"])
        assert out.counters["sessions_created"]


@given(flows(), flows(protocols=["udp"], hosts=["2001:db8::5"]))
def test_flows(flow: Flow, six: Flow) -> None:
    there, back = flow.packet("S" if flow.proto == "tcp" else "", at=2), flow.packet(back=True)
    assert (there.side, back.side, there.time) == (0, 1, 2 * 10**9)
    assert str(there.view.ip.src) == flow.src == str(back.view.ip.dst)
    assert (there.view.sport, there.view.dport) == (flow.sport, flow.dport) == (back.view.dport, back.view.sport)
    assert six.line("ttl 3").startswith(f"[2001:db8::5]:{six.sport} > [2001:db8:1::1]:")


@given(chains(of=PARTS), st.data())
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
def test_chains(chain: Chain, data: st.DataObject) -> None:
    names = {type(node.nf).__name__ for node in chain.nodes}
    assert names
    assert names <= {"Monitor", "DosGuard", "MazuNat"}
    assert_equivalent(chain, data.draw(traffic(chain)), engines=["reference", "reference"])


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="chains of nothing"):
        drawn(chains(of=[]), 1)
    with pytest.raises(TypeError, match=r"expected a class or a function, such as lambda: Monitor\(\)"):
        drawn(chains(of=[Monitor()]), 1)
    with pytest.raises(ValueError, match="no IP version in common"):
        flows(hosts=["10.0.0.1"], servers=["2001:db8::1"])


def test_without_hypothesis() -> None:
    """The rest of nfuse.testing works without it, and what does not says what to install."""
    code = """
import sys
sys.modules["hypothesis"] = sys.modules["scapy"] = sys.modules["dpkt"] = None
import nfuse.testing
print(nfuse.testing.packet("10.0.0.1:1 > 10.0.0.2:2 udp").text)
try:
    import nfuse.testing.strategies
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [
        "10.0.0.1:1 > 10.0.0.2:2 udp",
        "nfuse.testing.strategies needs the package hypothesis: pip install 'nfuse[testing]'",
    ], done.stderr
