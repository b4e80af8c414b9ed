"""ICMP errors: the quoted tuple, and rewriting with all the checksums inside."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from scapy.all import ICMP, IP, TCP, UDP, Ether, IPv6, Raw
from tests.packet.frames import Frame, ether, renewed
from tests.packet.traffic import error4, error6, frames, v4_hosts, v6_hosts

from nfuse.packet.action import err_set_dport, err_set_dst, err_set_sport, err_set_src
from nfuse.packet.address import pack
from nfuse.packet.quoted import quoted_dst, quoted_l4, quoted_src, quoted_tuple
from nfuse.packet.read import get_ip_dst, get_ip_src

ports = st.integers(0, 65535)


def inner(frame: Frame) -> Frame:
    """The quoted packet as a frame of its own; its lengths tell of more than was quoted."""
    return Frame(frame.data[frame["pay"] :], link=2, wire=4000)


def icmp_sum_is_right(frame: Frame) -> bool:
    """Sum the ICMP message as it stands: all ones, if the checksum is right."""
    packet: Any = Ether(frame.data)
    body = frame.data[frame["l4"] :]
    if "IP6" in frame.flags:
        body = packet[IPv6].src and _pseudo(frame) + body
    total = sum(int.from_bytes(body[i : i + 2].ljust(2, b"\0"), "big") for i in range(0, len(body), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def _pseudo(frame: Frame) -> bytes:
    size = len(frame.data) - frame["l4"]
    return frame.data[frame["l3"] + 8 : frame["l3"] + 40] + size.to_bytes(4, "big") + b"\0\0\0\x3a"


def check(data: bytes, source: str, destination: str, sport: int, dport: int) -> None:
    frame = Frame(data)
    assert "ICMP_ERROR" in frame.flags
    assert icmp_sum_is_right(frame)
    before = inner(frame)
    same = get_ip_src(frame.P) == quoted_dst(frame.P)
    outer_source = get_ip_src(frame.P)
    assert quoted_tuple(frame.P) == (before["proto"], *ports_of(before))
    assert quoted_src(frame.P) == get_ip_src(before.P)
    has_sport, has_dport = has_ports(before)

    assert err_set_src(frame.P, *pack(source)) == 1
    assert err_set_dst(frame.P, *pack(destination)) == 1
    assert err_set_sport(frame.P, sport) == 1
    assert err_set_dport(frame.P, dport) == 1

    assert icmp_sum_is_right(frame)
    assert get_ip_dst(frame.P) == quoted_src(frame.P) == pack(destination)
    assert quoted_dst(frame.P) == pack(source)
    assert get_ip_src(frame.P) == (pack(source) if same else outer_source)
    _, found_sport, found_dport = quoted_tuple(frame.P)
    assert found_sport == (dport if has_sport else 0)
    assert found_dport == (sport if has_dport else 0)
    if "IP4" in frame.flags:
        head = frame.data[frame["l3"] : frame["l4"]]
        quoted: Any = IP(frame.data[frame["pay"] :])
        assert renewed(head, IP)[:20] == head[:20]
        quoted_head = frame.data[frame["pay"] : frame["pay"] + 4 * quoted.ihl]
        assert renewed(quoted_head, IP)[: len(quoted_head)] == quoted_head
    whole = inner(frame)
    total = Frame(whole.data, link=2)
    if total.reason == "":  # the whole packet was quoted: its L4 checksum can be judged
        from tests.packet.test_write import zeros_alike

        layer = IP if "IP4" in frame.flags else IPv6
        assert zeros_alike(total.data, renewed(total.data, layer), total)


def ports_of(quoted: Frame) -> tuple[int, int]:
    """The session ports of a quoted packet of which only the first bytes are there."""
    at, here = quoted["l4"], has_ports(quoted)
    if quoted["proto"] in (6, 17):
        return tuple(int.from_bytes(quoted.data[i : i + 2], "big") for i in (at, at + 2))  # type: ignore[return-value]
    identifier = int.from_bytes(quoted.data[at + 4 : at + 6], "big")
    return identifier * here[0], identifier * here[1]


def has_ports(quoted: Frame) -> tuple[bool, bool]:
    both = bool(quoted["proto"] in (6, 17))
    at = quoted["l4"]
    kind = quoted.data[at] if quoted["proto"] in (1, 58) else -1
    return both or kind in (8, 128), both or (kind == 0 and quoted["proto"] == 1) or kind == 129


@given(frames(error4()), v4_hosts, v4_hosts, ports, ports)
def test_errors_of_ipv4(data: bytes, source: str, destination: str, sport: int, dport: int) -> None:
    check(data, source, destination, sport, dport)


@given(frames(error6()), v6_hosts, v6_hosts, ports, ports)
def test_errors_of_ipv6(data: bytes, source: str, destination: str, sport: int, dport: int) -> None:
    check(data, source, destination, sport, dport)


def error(quoted: Any, source: str = "192.0.2.1") -> Frame:
    return Frame(ether() / IP(src=source, dst="10.0.0.1") / ICMP(type=3, code=1) / Raw(bytes(quoted)))


def test_wrong_family_changes_nothing() -> None:
    frame = error(IP(src="10.0.0.1", dst="10.0.0.2") / UDP())
    before = frame.data
    assert err_set_src(frame.P, *pack("::1")) == 0
    assert err_set_dst(frame.P, *pack("::1")) == 0
    assert frame.data == before


def test_router_keeps_its_address() -> None:
    frame = error(IP(src="10.0.0.1", dst="10.0.0.2") / UDP())
    err_set_src(frame.P, *pack("10.0.0.9"))
    assert get_ip_src(frame.P) == pack("192.0.2.1")
    frame = error(IP(src="10.0.0.1", dst="10.0.0.2") / UDP(), source="10.0.0.2")
    err_set_src(frame.P, *pack("10.0.0.9"))
    assert get_ip_src(frame.P) == pack("10.0.0.9")


def test_quoted_later_fragment_has_no_ports() -> None:
    frame = error(IP(src="10.0.0.1", dst="10.0.0.2", frag=5, proto=17) / Raw(b"12345678"))
    assert "ICMP_ERROR" in frame.flags
    assert quoted_l4(frame.P) == (0, 17)
    assert quoted_tuple(frame.P) == (17, 0, 0)
    err_set_sport(frame.P, 9)
    err_set_dport(frame.P, 9)
    assert frame.data[-8:] == b"12345678"


def test_checksum_outside_the_quote_is_left_alone() -> None:
    """Eight bytes of TCP hold no checksum: what follows the quote must not change."""
    frame = Frame(bytes(error(bytes(IP(src="10.0.0.1", dst="10.0.0.2") / TCP())[:28]).data) + b"\x11" * 12)
    err_set_dst(frame.P, *pack("10.0.0.7"))
    err_set_dport(frame.P, 7)
    assert frame.data[-12:] == b"\x11" * 12
