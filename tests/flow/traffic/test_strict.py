"""Capture filters mean what they mean to tcpdump."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.flow.traffic import tcpdump
from tests.flow.traffic.frames import filters, frames

from nfuse.flow.traffic import FilterError, pcap_filter
from nfuse.flow.traffic.strict import CaptureFilter
from nfuse.port.burst import Burst
from nfuse.port.registry import open_input

needs_tcpdump = pytest.mark.skipif(not tcpdump.AVAILABLE, reason="tcpdump is not installed")

EXPRESSIONS = """
ip | ip6 | arp | tcp | udp | icmp | icmp6 | not ip | tcp or udp | ip and not tcp | proto 17 | ip proto \\tcp
ip6 proto \\udp | port 80 | port 53 | tcp port 80 | udp port 53 | src port 80 | dst port 80 | tcp dst port 443
port 80 or 443 | port not 80 | src and dst port 53 | portrange 1-1023 | tcp portrange 1024-65535
udp src portrange 50-60 | tcp port http | port domain | net 10.0.0.0/8 | net 10 | net 192.168
src net 172.16.0.0/12 | dst net 0.0.0.0/1 | net 10.0.0.0 mask 255.0.0.0 | host 10.0.0.1 or 10.1.1.1
src host 10.1.1.1 | not src net 10 | ip host 10.1.1.1 | net fe80::/10 | host ff02::1 | src net ::/0 | vlan
vlan and tcp | vlan and vlan | vlan and vlan and tcp | vlan 32 | not vlan | vlan or tcp | tcp or vlan
vlan and arp | vlan and port 80 | (vlan and tcp) or tcp | vlan 1 or vlan 2 | vlan and ether[16:2] = 0x800
tcp[tcpflags] & (tcp-syn|tcp-ack) != 0 | tcp[tcpflags] = tcp-syn | tcp[13] & 1 != 0 | tcp[12] >> 4 > 5
tcp[tcp[12] >> 2] = 71 | ip[6:2] & 0x1fff != 0 | ip[6:2] & 0x3fff != 0 and not port 53 | ip[8] < 64
ip[0] & 0xf > 5 | ip6[6] = 44 | udp[4:2] > 100 | udp port 53 and ip[6:2] & 0x2000 != 0
udp and ip[6:2] & 0x1fff != 0 | port 2152 | udp port 2152 and udp[8] & 0x30 = 0x30 | icmp[icmptype] = icmp-echo
icmp6[icmp6type] = 135 | icmp[0] != 8 and icmp[0] != 0 | less 100 | greater 1000 | len > 60 and len < 70
len - 14 = ip[2:2] | len % 2 = 1 | 1500 < len | (len + 1) * 2 > 300 | ether host 00:00:00:00:00:01 | broadcast
multicast | ip multicast | ip6 multicast | ether[0] & 1 = 1 | ether proto 0x800 | arp[6:2] = 1
ether proto \\arp | tcp and not (port 80 or 22) | !tcp && !udp || arp | igmp or esp or ah or sctp | less 1
"""


def table() -> list[str]:
    return [item.strip() for line in EXPRESSIONS.strip().splitlines() for item in line.split(" | ") if item.strip()]


@pytest.fixture(scope="module")
def corpus(captures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Path, Burst]]:
    """All captures, one file and one burst for each link type; of the large ones the first packets."""
    packets: dict[int, list[tcpdump.Packet]] = {}
    for path in sorted(captures.glob("*.pcap*")):
        port, burst = open_input(f"pcap:{path}"), Burst(300)
        if port.receive(burst):
            for k in range(burst.n):
                record = burst.desc[k]
                packets.setdefault(int(record["link"]), []).append((burst.frame(k), int(record["wire"])))
        port.close()
    folder = tmp_path_factory.mktemp("corpus")
    found = {}
    for link, some in packets.items():
        tcpdump.write(folder / f"{link}.pcap", link, some)
        burst = Burst(len(some), sum(len(frame) + 256 for frame, _ in some))
        for frame, wire in some:
            assert burst.append(frame, link=link, wire=wire)
        found[link] = (folder / f"{link}.pcap", burst)
    return found


def judged(found: CaptureFilter, burst: Burst, link: int) -> list[int]:
    return [k for k in range(burst.n) if found.judge(burst.desc_address + 64 * k, link)]


@needs_tcpdump
@pytest.mark.parametrize("expression", table())
def test_selects_what_tcpdump_selects(expression: str, corpus: dict[int, tuple[Path, Burst]]) -> None:
    for link, (path, burst) in corpus.items():
        try:
            expected = tcpdump.select(path, expression)
        except ValueError as error:
            if "rejects all" in str(error):
                expected = []
            else:
                with pytest.raises(FilterError):
                    CaptureFilter(expression).lines(link)
                continue
        assert judged(CaptureFilter(expression), burst, link) == expected


def test_native_function_selects_the_same(corpus: dict[int, tuple[Path, Burst]]) -> None:
    for link, (_, burst) in corpus.items():
        for expression in ["tcp port 80 or (vlan and tcp[13] & 2 != 0)", "host 10.0.0.1 and not len / ip[0] = 3"]:
            found = CaptureFilter(expression)
            if "vlan" in expression and link != 1:
                continue
            assert found.select(burst, burst.n).tolist() == judged(found, burst, link)
            assert found.select(burst, burst.n).dtype == np.int32


@needs_tcpdump
@given(st.data(), st.sampled_from([1, 1, 1, 2, 3, 4, 5]), filters(strict=True), st.booleans())
def test_runs_like_the_program_of_tcpdump(data: st.DataObject, link: int, expression: str, cut: bool) -> None:
    cut &= "/" not in expression  # masked-out words of an address are loaded, unless optimised away
    rows = tcpdump.program(link, expression, optimised=not cut)
    if rows is None:
        assume(link == 1)
        with pytest.raises(FilterError):
            CaptureFilter(expression)
        return
    found = CaptureFilter(expression)
    for _ in range(8):
        frame = data.draw(frames(link, cut))
        wire = len(frame) + data.draw(st.sampled_from([0, 0, 10]))
        assert found.matches_frame(frame, link, wire) == tcpdump.run(rows, frame, wire), frame.hex()


def test_empty_filter_selects_all() -> None:
    assert pcap_filter("", strict=True).matches_frame(b"")


@pytest.mark.parametrize("text", ["tcp.syn = 1", "ingress lan", "ether"])
def test_what_only_traffic_classes_know_is_an_error(text: str) -> None:
    with pytest.raises(FilterError, match="column 1"):
        CaptureFilter(text)
