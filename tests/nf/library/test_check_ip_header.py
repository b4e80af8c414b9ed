"""CheckIPHeader against ``ipaddress`` and a checksum computed anew."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet, checksum
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import CheckIPHeader, MazuNat

BAD = ["10.0.0.0/30", "10.0.0.2/31", "10.0.1.255/32", "0.0.0.0/8", "255.255.255.255/32", "2001:db8::/127", "::/1"]
SOURCES = st.sampled_from(
    [
        *("10.0.0.0", "10.0.0.3", "10.0.0.4", "9.255.255.255", "10.0.1.254", "10.0.1.255", "10.0.2.0", "0.0.0.0"),
        *("255.255.255.255", "255.255.255.254", "2001:db8::1", "2001:db8::2", "8000::", "7fff:ffff::", "ff02::1"),
    ]
)


@pytest.mark.parametrize("engine", engines())
@given(st.lists(st.tuples(SOURCES, st.sampled_from([0, 1, 0x8000, 0xFFFF])), max_size=20), st.booleans())
@few(20)
def test_checks(engine: str, packets: list[tuple[str, int]], check: bool) -> None:
    wire = Wire(CheckIPHeader(checksum=check, bad_sources=BAD), engine)
    drops = {"bad checksum": 0, "bad source": 0}
    for source, damage in packets:
        address = ipaddress.ip_address(source)
        frame = bytearray(Packet(source, "10.9.9.9" if address.version == 4 else "2001:db8:9::9", "udp").frame())
        if address.version == 4:
            frame[24] ^= damage >> 8
            frame[25] ^= damage & 255
        reason = ""
        if address.version == 4 and check and checksum(bytes(frame[14:34])) != 0:
            reason = "bad checksum"
        elif any(
            address in ipaddress.ip_network(bad) for bad in BAD if ipaddress.ip_network(bad).version == address.version
        ):
            reason = "bad source"
        assert wire.frames(bytes(frame)) == ([] if reason else [bytes(frame)])
        if reason:
            drops[reason] += 1
    assert wire.dropped() == {reason: count for reason, count in drops.items() if count}


@pytest.mark.parametrize("engine", engines())
def test_behind_a_nat(engine: str) -> None:
    """A checksum that arrived wrong is still wrong behind an NF that has changed the header."""
    wire = Wire(MazuNat(public="203.0.113.1") >> CheckIPHeader(), engine)
    frame = bytearray(Packet(proto="udp").frame())
    assert len(wire.frames(bytes(frame))) == 1
    frame[24] ^= 1
    assert wire.frames(bytes(frame)) == []
    assert wire.dropped() == {"bad checksum": 1}


def test_options_and_defaults() -> None:
    wire = Wire(CheckIPHeader())
    frame = Packet(proto="udp").frame()
    head = b"\x46" + frame[15:16] + (32).to_bytes(2) + frame[18:24] + b"\0\0" + frame[26:34] + b"\1\1\1\0"
    right = frame[:14] + head[:10] + checksum(head).to_bytes(2) + head[12:] + frame[34:]
    assert wire.frames(right) == [right]
    assert wire.frames(right[:35] + b"\2" + right[36:]) == []
    for source in ("127.0.0.1", "0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1"):
        assert wire.send(Packet(source)) is None
    for source in ("::", "::1", "ff02::1"):
        assert wire.send(Packet(source, "2001:db8::1")) is None
    assert wire.dropped() == {"bad checksum": 1, "bad source": 8}


def test_bad_parameters() -> None:
    with pytest.raises(ValueError, match="bad_sources: 'somewhere' is not valid; expected a prefix"):
        CheckIPHeader(bad_sources=["somewhere"])
