from __future__ import annotations

import hashlib
import ipaddress
import struct
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw
from tests.port.files import drain

from nfuse.port import Burst, UriError, open_input
from nfuse.port.gen import frame_sizes, heavy_quantiles


def internet_checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frames(options: str) -> list[bytes]:
    return [data for _, data, _ in drain(open_input(f"gen:?{options}"))]


def flow(frame: bytes) -> tuple[str, str, int, int, int]:
    """Naive 5-tuple of a generated frame."""
    at = 18 if frame[12:14] == b"\x81\x00" else 14
    if frame[at] >> 4 == 4:
        proto, pair, l4 = frame[at + 9], frame[at + 12 : at + 20], at + 20
    else:
        proto, pair, l4 = frame[at + 6], frame[at + 8 : at + 40], at + 40
    half = len(pair) // 2
    ports = (
        struct.unpack_from(">HH", frame, l4) if proto in (6, 17) else (struct.unpack_from(">H", frame, l4 + 4)[0], 0)
    )
    return str(ipaddress.ip_address(pair[:half])), str(ipaddress.ip_address(pair[half:])), proto, *ports


@pytest.mark.parametrize("ip", ["4", "6"])
@pytest.mark.parametrize("proto", ["tcp", "udp", "icmp", "mixed"])
@pytest.mark.parametrize("vlan", [0, 7])
def test_headers_and_checksums_are_right(ip: str, proto: str, vlan: int) -> None:
    for frame in frames(f"ip={ip}&proto={proto}&vlan={vlan}&reply=yes&flows=7&packets=40&size=1-200"):
        at = 18 if vlan else 14
        if ip == "4":
            total = struct.unpack_from(">H", frame, at + 2)[0]
            assert internet_checksum(frame[at : at + 20]) == 0
            pseudo, l4, number = frame[at + 12 : at + 20], at + 20, frame[at + 9]
        else:
            total = 40 + struct.unpack_from(">H", frame, at + 4)[0]
            pseudo, l4, number = frame[at + 8 : at + 40], at + 40, frame[at + 6]
        assert at + total == len(frame)
        body = frame[l4:]
        if number != 1:
            body = pseudo + struct.pack(">II", len(body), number) + body
        if number == 17:
            assert frame[l4 + 6 : l4 + 8] != b"\0\0"
            assert struct.unpack_from(">H", frame, l4 + 4)[0] == len(frame) - l4
        assert internet_checksum(body) == 0
        assert Ether(frame).haslayer(Dot1Q) == bool(vlan)


def test_scapy_reads_the_layers_that_were_asked_for() -> None:
    for proto, layer in (("tcp", TCP), ("udp", UDP), ("icmp", ICMP)):
        assert all(Ether(f).haslayer(layer) and Ether(f).haslayer(IP) for f in frames(f"proto={proto}&packets=9"))
    assert all(Ether(f).haslayer(IPv6) for f in frames("ip=6&packets=9"))


@pytest.mark.parametrize(
    ("options", "digest"),
    [
        ("flows=50", "a15f17b4c94b7067"),
        ("flows=50&dist=zipf&size=imix&ip=mixed", "7f27dd7d8f54e86e"),
        ("flows=20&dist=heavy&tcp=sessions&reply=yes", "435d7538291b7f07"),
        ("flows=30&new=1000&vlan=5&reply=sides&seed=-9", "30cf0181839db322"),
    ],
)
def test_the_same_in_all_modes_and_for_all_bursts(options: str, digest: str) -> None:
    for size in (64, 7):
        total = hashlib.sha256()
        for ts, data, _ in drain(open_input(f"gen:?{options}&packets=300"), size):
            total.update(struct.pack("<q", ts) + data)
        assert total.hexdigest()[:16] == digest


def test_seeds_give_other_packets() -> None:
    assert frames("packets=20&seed=1") == frames("packets=20&seed=1") != frames("packets=20&seed=2")


def test_stamps_advance_evenly() -> None:
    stamps = [ts for ts, _, _ in drain(open_input("gen:?packets=1000&rate=3&start=10"))]
    assert stamps == [10 * 10**9 + i * 10**9 // 3 for i in range(1000)]


def test_sizes() -> None:
    assert {len(f) for f in frames("packets=200&size=100,200&proto=tcp")} == {100, 200}
    assert {len(f) for f in frames("packets=60&size=imix")} == {64, 594, 1518}
    assert {len(f) for f in frames("packets=3&size=65549&proto=tcp")} == {65_549}
    assert {len(f) for f in frames("packets=9&size=1&proto=udp")} == {42}
    assert frame_sizes("60-63") == [60, 61, 62, 63]
    for wrong in ("0", "70000", "x", "9-1", "", "1-2-3"):
        with pytest.raises(UriError, match="expected frame sizes"):
            frame_sizes(wrong)


def test_flows_are_distinct_and_live_in_their_prefixes() -> None:
    options = "flows=500&dist=round&packets=500&inside=192.0.2.0/28&outside=203.0.113.9/32&dport=81&proto=tcp"
    seen = [flow(f) for f in frames(options)]
    assert len({(src, sport) for src, _, _, sport, _ in seen}) == 500
    assert {dst for _, dst, *_ in seen} == {"203.0.113.9"}
    assert {src for src, *_ in seen} <= {str(a) for a in ipaddress.ip_network("192.0.2.0/28").hosts()}
    assert {dport for *_, dport in seen} == {81}
    assert seen == [flow(f) for f in frames(options)]
    sixes = [flow(f) for f in frames("flows=50&packets=50&ip=6&inside6=2001:db8:5::/64")]
    assert all(ipaddress.ip_address(s[0]) in ipaddress.ip_network("2001:db8:5::/64") for s in sixes)


def test_shares_of_protocols_and_families() -> None:
    seen = [flow(f) for f in frames("flows=2000&dist=round&packets=2000&ip=mixed")]
    protos = Counter(proto for _, _, proto, *_ in seen)
    assert 1350 < protos[6] < 1650
    assert 330 < protos[17] < 550
    assert protos[1] + protos[58] > 20
    assert 850 < sum(":" in src for src, *_ in seen) < 1150


def test_distributions() -> None:
    uniform = Counter(flow(f) for f in frames("flows=20&packets=4000"))
    assert len(uniform) == 20
    assert 120 < min(uniform.values()) <= max(uniform.values()) < 290
    zipf = [n for _, n in Counter(flow(f) for f in frames("flows=20&packets=4000&dist=zipf")).most_common()]
    share = 4000 / sum(1 / i for i in range(1, 21))
    assert all(abs(n - share / i) < 5 * (share / i) ** 0.5 for i, n in enumerate(zipf, 1))
    assert Counter(flow(f) for f in frames("flows=10&packets=95&dist=round")).most_common()[0][1] == 10


def test_heavy_tailed_flows() -> None:
    lengths = heavy_quantiles()
    assert np.mean(lengths <= 10) > 0.79
    assert np.sort(lengths)[-len(lengths) // 10 :].sum() > 0.9 * lengths.sum()
    port = open_input("gen:?flows=100&packets=5000&dist=heavy")
    drain(port)
    assert port.flows_begun > 300


def test_new_flows_replace_old_ones() -> None:
    port = open_input("gen:?flows=100&new=0.5&rate=1000&packets=2000")
    drain(port)
    assert port.flows_begun in range(190, 202)
    port = open_input("gen:?flows=10&length=5&packets=500&dist=round")
    drain(port)
    assert port.flows_begun == 100


def tcp_flags(packet: Packet) -> str:
    return str(packet[TCP].flags)


def test_sessions_one_way() -> None:
    packets = [Ether(f) for f in frames("tcp=sessions&proto=tcp&flows=1&length=6&packets=12&size=100")]
    assert [tcp_flags(p) for p in packets] == ["S", "A", "PA", "PA", "PA", "FA"] * 2
    assert [len(bytes(p)) for p in packets[:6]] == [60, 60, 100, 100, 100, 60]
    first = packets[:6]
    for a, b in pairwise(first):
        used = len(a[Raw].load) if a.haslayer(Raw) and a[IP].len > 40 else 0
        assert b[TCP].seq == (a[TCP].seq + used + ("S" in tcp_flags(a))) % 2**32


def test_sessions_both_ways() -> None:
    packets = [Ether(f) for f in frames("tcp=sessions&proto=tcp&flows=1&length=30&packets=30&reply=yes&size=99")]
    client = packets[0][IP].src
    assert [(p[IP].src == client, tcp_flags(p)) for p in packets[:3]] == [(True, "S"), (False, "SA"), (True, "A")]
    assert [(p[IP].src == client, tcp_flags(p)) for p in packets[-3:]] == [(True, "FA"), (False, "FA"), (True, "A")]
    following: dict[str, int] = {}
    for p in packets:
        src, flags = p[IP].src, tcp_flags(p)
        if src in following:
            assert p[TCP].seq == following[src]
        if "A" in flags:
            assert p[TCP].ack == following[p[IP].dst]
        data = p[IP].len - 40
        following[src] = (p[TCP].seq + data + ("S" in flags) + ("F" in flags)) % 2**32
    assert {p[IP].src == client for p in packets[3:-3]} == {True, False}
    assert {(p.src, p[IP].src, p[TCP].sport) for p in packets} == {(p.dst, p[IP].dst, p[TCP].dport) for p in packets}


def test_sides() -> None:
    burst = Burst()
    for reply, sides in (("no", {0}), ("yes", {0}), ("sides", {0, 1})):
        open_input(f"gen:?flows=1&packets=40&reply={reply}").receive(burst)
        assert set(burst.desc[: burst.n]["side"].tolist()) == sides
    backward = [flow(burst.frame(i)) for i in range(burst.n) if burst.desc[i]["side"]]
    forward = [flow(burst.frame(i)) for i in range(burst.n) if not burst.desc[i]["side"]]
    src, dst, proto, sport, dport = forward[0]
    assert set(forward) == {forward[0]}
    assert set(backward) == {(dst, src, proto, dport, sport)}
    assert flow(burst.frame(0)) == forward[0]


def test_no_end() -> None:
    port, burst = open_input("gen:?packets=0"), Burst(100)
    assert [port.receive(burst) for _ in range(5)] == [100] * 5
    assert (port.position, port.size) == (0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("flows=0", "flows=0: expected 1 to"),
        ("rate=0", "rate=0"),
        ("inside=10.0.0.0/33", "inside=10.0.0.0/33: expected an IPv4 prefix"),
        ("inside6=10.0.0.0/8", "expected an IPv6 prefix"),
        ("proto=sctp", "expected one of tcp, udp, icmp, mixed"),
        ("flows=100000&inside=10.0.0.1/32", "1 sources have room for 64,512 flows, not 100,000"),
        ("flow=3", r"did you mean 'flows'\?"),
    ],
)
def test_options_without_sense(options: str, message: str) -> None:
    with pytest.raises(UriError, match=message):
        open_input(f"gen:?{options}")
