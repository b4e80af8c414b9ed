"""Gateway: what is given is written, in one direction; all else stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet, checksum, read
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import Gateway

GIVEN = st.fixed_dictionaries(
    {},
    optional={
        "eth_src": st.just("02:00:00:00:00:aa"),
        "eth_dst": st.just("02:00:00:00:00:bb"),
        "vlan_vid": st.integers(0, 4094),
        "vlan_pcp": st.integers(0, 7),
        "ttl": st.integers(1, 255),
        "dscp": st.one_of(st.integers(0, 63), st.sampled_from(["EF", "af21", "46"])),
    },
)
NAMED = {"EF": 46, "af21": 18, "46": 46}


def expected(frame: bytes, given: dict[str, Any]) -> bytes:
    """Write the fields with slices of bytes."""
    out = bytearray(frame)
    for name, at in (("eth_dst", 0), ("eth_src", 6)):
        if name in given:
            out[at : at + 6] = bytes.fromhex(given[name].replace(":", ""))
    tagged = frame[12:14] == b"\x81\x00"
    if tagged:
        tag = int.from_bytes(out[14:16])
        tag = given.get("vlan_pcp", tag >> 13) << 13 | tag & 0x1000 | given.get("vlan_vid", tag & 0xFFF)
        out[14:16] = tag.to_bytes(2)
    ip = 18 if tagged else 14
    dscp = NAMED.get(given.get("dscp", ""), given.get("dscp"))
    if out[ip] >> 4 == 4:
        if dscp is not None:
            out[ip + 1] = dscp << 2 | out[ip + 1] & 3
        out[ip + 8] = given.get("ttl", out[ip + 8])
        out[ip + 10 : ip + 12] = b"\0\0"
        out[ip + 10 : ip + 12] = checksum(bytes(out[ip : ip + 20])).to_bytes(2)
    else:
        word = int.from_bytes(out[ip : ip + 4])
        if dscp is not None:
            word = word & ~(0x3F << 22) | dscp << 22
        out[ip : ip + 4] = word.to_bytes(4)
        out[ip + 7] = given.get("ttl", out[ip + 7])
    return bytes(out)


@pytest.mark.parametrize("engine", engines())
@given(GIVEN)
@few(20)
def test_rewriting(engine: str, given: dict[str, Any]) -> None:
    wire = Wire(Gateway(**given), engine)
    four, six = Packet().frame(), Packet("2001:db8::1", "2001:db8::2", "udp").frame()
    for frame in (four, six):
        tagged = frame[:12] + b"\x81\x00\x70\x05" + frame[12:]
        for one in (frame, tagged):
            assert wire.frames(one) == [expected(one, given)]
    back = Packet().back().frame()
    assert wire.frames(back) == [back]  # the other direction stays as it is


@pytest.mark.parametrize("engine", engines())
def test_new_values_hold_for_live_sessions(engine: str) -> None:
    wire = Wire(Gateway(ttl=9), engine)
    assert wire.send(Packet()) == Packet(ttl=9)
    wire.set("gateway", ttl=None, dscp="CS1")
    (out,) = wire.frames(Packet().frame())
    assert read(out) == Packet()
    assert out[15] == 8 << 2
    wire.set("gateway", dscp=None)
    assert wire.frames(Packet().frame()) == [Packet().frame()]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"eth_src": "02:00"}, "eth_src: '02:00' is not valid"),
        ({"ttl": 256}, "ttl: 256 is not valid"),
        ({"ttl": 0}, "ttl: 0 is for packets that must not be sent"),
        ({"dscp": 64}, "dscp: 64 is not a DSCP: expected 0-63"),
        ({"dscp": "fast"}, "dscp: 'fast' is not a DSCP"),
        ({"vlan_vid": 4095}, "vlan_vid: 4095 is more than 4094"),
        ({"vlan_pcp": 8}, "vlan_pcp: 8 is more than 7"),
    ],
)
def test_bad_parameters(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Wire(Gateway(**given))
