"""IP in IP: the outer header, and that what is put on comes off again."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet, checksum
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import IpIpDecap, IpIpEncap, Monitor

ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8:f::1", "2001:db8:f::2")}
HOSTS = {4: ("10.0.0.1", "198.18.0.1"), 6: ("2001:db8::1", "2001:db8::2")}


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("outer", [4, 6])
@pytest.mark.parametrize("inner", [4, 6])
def test_the_outer_header(engine: str, outer: int, inner: int) -> None:
    src, dst = ENDS[outer]
    wire = Wire(IpIpEncap(src=src, dst=dst, ttl=9, tos=0x48), engine)
    packet = Packet(*HOSTS[inner], "udp", payload=b"x" * 100)
    frame = packet.frame()
    (out,) = wire.frames(frame)
    assert out[:12] == frame[:12]
    assert out[12:14] == (b"\x08\x00" if outer == 4 else b"\x86\xdd")
    head = 20 if outer == 4 else 40
    assert out[14 + head :] == frame[14:]
    ip = out[14 : 14 + head]
    number = 4 if inner == 4 else 41
    if outer == 4:
        assert checksum(ip) == 0
        assert (ip[0], ip[1], ip[8], ip[9]) == (0x45, 0x48, 9, number)
        assert int.from_bytes(ip[2:4], "big") == len(frame) - 14 + 20
        assert (ip[12:16], ip[16:20]) == tuple(ipaddress.ip_address(a).packed for a in (src, dst))
    else:
        assert int.from_bytes(ip[:4], "big") >> 20 == 0x648 >> 0 & 0xFFF | 0x600
        assert (ip[6], ip[7]) == (number, 9)
        assert int.from_bytes(ip[4:6], "big") == len(frame) - 14
        assert (ip[8:24], ip[24:40]) == tuple(ipaddress.ip_address(a).packed for a in (src, dst))


@pytest.mark.parametrize("engine", engines())
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from([4, 6]), st.booleans(), st.integers(0, 60)),
        min_size=1,
        max_size=15,
    ),
    st.sampled_from([4, 6]),
    st.booleans(),
)
@few(15)
def test_on_and_off_again(engine: str, trace: list[tuple[int, int, bool, int]], outer: int, between: bool) -> None:
    src, dst = ENDS[outer]
    middle = [Monitor()] if between else []
    wire = Wire([IpIpEncap(src=src, dst=dst), *middle, IpIpDecap()], engine)
    opened: set[tuple[int, int]] = set()
    for sport, family, back, size in trace:
        packet = Packet(*HOSTS[family], "udp", sport, payload=b"y" * size)
        if back and (sport, family) in opened:
            packet = packet.back()
        opened.add((sport, family))
        assert wire.frames(packet.frame()) == [packet.frame()]
    assert not wire.dropped()


@pytest.mark.parametrize("engine", engines())
def test_too_long(engine: str) -> None:
    wire = Wire(IpIpEncap(src="192.0.2.1", dst="192.0.2.2"), engine)
    assert wire.frames(Packet(proto="udp", payload=b"z" * (65535 - 28)).frame()) == []
    assert wire.dropped() == {"too long": 1}


def test_bad_parameters() -> None:
    with pytest.raises(ValueError, match="not of the family of src, IPv4"):
        Wire(IpIpEncap(src="192.0.2.1", dst="2001:db8::1"))
    with pytest.raises(ValueError, match="ttl"):
        IpIpEncap(src="192.0.2.1", dst="192.0.2.2", ttl=256)
