"""TcpMssClamp: what connections announce, before and after."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine import frames as f
from tests.nf.library.examples import few
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import TcpMssClamp

FOUR, SIX = ("10.0.0.1", "198.18.0.1"), ("2001:db8::1", "2001:db8:1::1")


def syn(
    mss: int | None, hosts: tuple[str, str] = FOUR, flags: str = "S", before: bytes = b"", data: bytes = b""
) -> bytes:
    """A TCP packet that announces an MSS behind other options."""
    options = before + (b"" if mss is None else struct.pack("!BBH", 2, 4, mss))
    return f.ether(f.ip(*hosts, 6, f.tcp_segment(*hosts, 1000, 80, flags, data, options=options)))


@pytest.mark.parametrize("engine", engines())
@given(
    st.lists(
        st.builds(
            syn,
            st.none() | st.sampled_from([0, 1, 1352, 1400, 1401, 1402, 1421, 1460, 65535]) | st.integers(0, 65535),
            st.sampled_from([FOUR, SIX]),
            st.sampled_from(["S", "SA", "A", "PA", "R"]),
            st.sampled_from([b"", b"\1", b"\1\3\3\7", b"\4\2\1"]),
            st.sampled_from([b"", b"odd", b"\2\4\5\xb4"]),
        ),
        max_size=20,
    )
)
@few(25)
def test_against_an_oracle(engine: str, frames: list[bytes]) -> None:
    wire = Wire(TcpMssClamp(mtu=1441), engine)
    changed = 0
    for frame in frames:
        (out,) = wire.frames(frame)
        six = frame[14] >> 4 == 6
        limit, l4 = (1381, 54) if six else (1401, 34)
        options = frame[l4 + 20 : l4 + 4 * (frame[l4 + 12] >> 4)]
        at = options.find(b"\2\4")
        if not frame[l4 + 13] & 2 or at < 0 or int.from_bytes(options[at + 2 : at + 4], "big") <= limit:
            assert out == frame
            continue
        place = l4 + 20 + at + 2
        assert out[place : place + 2] == limit.to_bytes(2, "big")
        assert f.sound(out)
        assert out[: l4 + 16] + out[l4 + 18 : place] == frame[: l4 + 16] + frame[l4 + 18 : place]
        assert out[place + 2 :] == frame[place + 2 :]
        changed += 1
    assert wire.state("tcpmssclamp") == {"clamped": changed}
    assert not wire.dropped()


@pytest.mark.parametrize("engine", engines())
def test_a_limit_of_its_own_and_changes(engine: str) -> None:
    wire = Wire(TcpMssClamp(mss=1200), engine)
    assert wire.frames(syn(1460), syn(1460, SIX, "SA"), syn(1100)) == [syn(1200), syn(1200, SIX, "SA"), syn(1100)]
    wire.set("tcpmssclamp", mss=0, mtu=1000)
    assert wire.frames(syn(1460), syn(1460, SIX)) == [syn(960), syn(940, SIX)]
    with pytest.raises(ValueError, match="mtu: 60 is too small; IPv4 needs at least 68"):
        wire.set("tcpmssclamp", mtu=60)
    assert wire.frames(syn(1460)) == [syn(960)]


@pytest.mark.parametrize("engine", engines())
def test_a_broken_option_stays(engine: str) -> None:
    wire = Wire(TcpMssClamp(mss=100), engine)
    for options in (b"\2\4\5", b"\2\3\5\xb4", b"\3\x28\1\1", b"\2\4"):
        frame = syn(None, before=b"\1" * (-len(options) % 4) + options, data=b"\5\xb4\5\xb4")
        assert wire.frames(frame) == [frame]
    assert wire.state("tcpmssclamp") == {"clamped": 0}


def test_bad_parameters() -> None:
    with pytest.raises(ValueError, match="mtu: 67 is too small"):
        Wire(TcpMssClamp(mtu=67))
    with pytest.raises(ValueError, match="mss"):
        TcpMssClamp(mss=70000)
