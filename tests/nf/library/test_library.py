"""All NFs of the library: they compile, their scratchpads are small, and their pages say all that they do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire

from nfuse import from_yaml, load_chain, to_yaml
from nfuse.nf.compile import analyse
from nfuse.nf.library import LIBRARY

PAGES = {name: re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=IP)(?=[A-Z][a-z])", "-", name).lower() for name in LIBRARY} | {
    "IpIpEncap": "ip-ip",
    "IpIpDecap": "ip-ip",
}
LARGEST = {"Monitor": 40, "MazuNat": 16, "Maglev": 8, "IPFilter": 8, "DosGuard": 16, "IpIpEncap": 0, "IpIpDecap": 0}
LARGEST |= {"TcpMssClamp": 0, "OverloadNat": 16}
LARGEST |= {"Classifier": 8, "DestinationNat": 0, "Gateway": 0, "Ids": 8, "Nptv6": 8, "RateLimiter": 48, "StaticNat": 8}
LARGEST |= dict.fromkeys(("CheckIPHeader", "Counter", "DecTtl", "HeavyHitters", "MacSwap", "PacketSizeHistogram"), 0)
MODIFIES = {
    "MazuNat": {"ip_src", "ip_dst", "sport", "dport"},
    "Maglev": {"ip_dst", "dport"},
    "OverloadNat": {"ip_src", "sport"},
    "DestinationNat": {"ip_dst", "dport"},
    "StaticNat": {"ip_src", "ip_dst"},
    "Nptv6": {"ip_src", "ip_dst"},
    "Classifier": {"ip_dscp"},
    "Gateway": {"eth_src", "eth_dst", "vlan_vid", "vlan_pcp", "ip_ttl", "ip_dscp"},
}
WRITES = {
    "DecTtl": {"ip.ttl", "ipv4.checksum"},
    "RateLimiter": {"ip.dscp", "ipv4.checksum"},
    "MacSwap": {"eth.src", "eth.dst"},
    "TcpMssClamp": {"tcp.mss", "tcp.checksum"},
}


def test_names() -> None:
    assert all(cls.__name__ == name for name, cls in LIBRARY.items())
    assert set(LIBRARY) == set(LARGEST)


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_scratchpads_are_small(name: str) -> None:
    assert analyse(LIBRARY[name]).session.size <= LARGEST[name]


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_the_page_names_every_parameter_and_reason(name: str, root: Path) -> None:
    text = (root / "docs" / "nfs" / f"{PAGES[name]}.md").read_text()
    info = analyse(LIBRARY[name])
    for word in [*info.params, *info.reasons, *info.signatures]:
        assert f"`{word}`" in text, f"{PAGES[name]}.md says nothing of {word!r}"
    index = (root / "docs" / "nfs" / "README.md").read_text()
    assert f"({PAGES[name]}.md)" in index


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_effects_are_exact(name: str) -> None:
    """What the compiler finds is what the NF does: the basis of consolidation."""
    total = analyse(LIBRARY[name]).total()
    assert total.turns == (name == "MazuNat")
    assert total.modifies == MODIFIES.get(name, set())
    assert total.payload == ("READ" if name == "Ids" else "IGNORE")
    assert total.writes == WRITES.get(name, set())
    assert total.encaps == ({"ipip"} if name == "IpIpEncap" else set())
    assert total.decaps == ({"ipip"} if name == "IpIpDecap" else set())


def test_chain_files(tmp_path: Path) -> None:
    (tmp_path / "acl.txt").write_text("drop tcp any -> any 22\n")
    (tmp_path / "edge.yaml").write_text(
        """
chain:
  - MazuNat: {public: [203.0.113.0/30, 198.51.100.9], inside: 10.0.0.0/8, ports: 2000-3000}
  - Maglev: {vip: 198.18.0.1, ports: 80, backends: ["192.168.1.1:8080", "192.168.1.2:8080 weight=2"], size: 251}
  - DosGuard: {threshold: 5}
  - Monitor
  - IPFilter: {rules: acl.txt, default: reject}
  - IpIpEncap: {src: "2001:db8::1", dst: "2001:db8::2"}
  - IpIpDecap
"""
    )
    chain = load_chain(tmp_path / "edge.yaml")
    assert [node.name for node in chain.nodes][:3] == ["mazunat", "maglev", "dosguard"]
    assert chain.node("ipfilter").nf.rules == tmp_path / "acl.txt"
    assert from_yaml(to_yaml(chain)) == chain
    wire = Wire(chain)
    assert wire.send(Packet(dport=22)) is None
    assert wire.dropped() == {"denied": 1}


def test_all_in_one_chain_file(tmp_path: Path) -> None:
    (tmp_path / "ids.rules").write_text('drop tcp any any -> any 80 (msg:"no"; content:"evil"; sid:7;)\n')
    (tmp_path / "edge.yaml").write_text(
        """
chain:
  - CheckIPHeader: {bad_sources: [192.0.2.0/24]}
  - Counter
  - PacketSizeHistogram: {bounds: [64, 1518]}
  - HeavyHitters: {size: 9, key: destination}
  - Classifier: {rules: [web tcp any -> any 80], dscp: {web: AF21}}
  - RateLimiter: {rate: 1000, burst: 1500, per: source, red: CS1}
  - Ids: {rules: ids.rules, variables: {HOME: 10.0.0.0/8}}
  - StaticNat: {pairs: {10.0.0.1: 203.0.113.1}}
  - Nptv6: {inside: "fd00::/48", outside: "2001:db8::/48"}
  - DestinationNat: {rules: ["tcp 198.18.0.1:80 -> 10.9.9.9:8080"]}
  - Gateway: {eth_dst: "02:00:00:00:00:09", ttl: 9, dscp: 5}
  - DecTtl: {answer: true}
  - MacSwap
"""
    )
    chain = load_chain(tmp_path / "edge.yaml")
    assert from_yaml(to_yaml(chain)) == chain
    wire = Wire(chain)
    out = wire.send(Packet())
    assert out == Packet(src="203.0.113.1", dst="10.9.9.9", dport=8080, ttl=8)
    assert wire.send(Packet(payload=b"evil")) is None
    assert wire.dropped() == {"intrusion": 1}


def test_a_wrong_rule_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "edge.yaml").write_text("chain:\n  - IPFilter: {rules: acl.txt}\n")
    with pytest.raises(ValueError, match=r"acl\.txt: the rule file can't be read: No such file"):
        Wire(load_chain(tmp_path / "edge.yaml"))
