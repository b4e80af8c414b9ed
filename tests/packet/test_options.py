"""The maximum segment size among TCP options: found where a naive reader finds it, stored without a byte beside it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.all import IP, TCP
from tests.engine import frames as f
from tests.packet.frames import Frame, ether, renewed

from nfuse.packet.options import get_tcp_mss, mss_at, set_tcp_mss
from nfuse.packet.view import PacketView


def frame_of(options: bytes, six: bool, payload: bytes = b"") -> bytes:
    """A TCP packet whose header has exactly these option bytes (a multiple of 4, at most 40)."""
    src, dst = ("2001:db8::1", "2001:db8::2") if six else ("10.0.0.1", "10.0.0.2")
    head = struct.pack("!HHIIBBHHH", 1, 2, 3, 4, (5 + len(options) // 4) << 4, 2, 5, 0, 0)
    return summed(f.ether(f.ip(src, dst, 6, head + options + payload)))


def summed(frame: bytes) -> bytes:
    """The frame with the right TCP checksum."""
    l4 = 54 if frame[14] >> 4 == 6 else 34
    addresses = frame[22:54] if l4 == 54 else frame[26:34]
    segment = frame[l4 : l4 + 16] + b"\0\0" + frame[l4 + 18 :]
    covered = f.pseudo(addresses[: len(addresses) // 2], addresses[len(addresses) // 2 :], 6, len(segment)) + segment
    return frame[: l4 + 16] + struct.pack("!H", f.ones(covered)) + frame[l4 + 18 :]


def naive(options: bytes) -> tuple[int, int] | None:
    """The place among the options and the value of the first maximum segment size."""
    rest = options
    while rest:
        if rest[0] == 0:
            return None
        if rest[0] == 1:
            rest = rest[1:]
            continue
        if len(rest) < 2 or rest[1] < 2 or rest[1] > len(rest):
            return None
        if rest[0] == 2:
            return (len(options) - len(rest) + 2, rest[2] << 8 | rest[3]) if rest[1] == 4 else None
        rest = rest[rest[1] :]
    return None


OPTION = st.one_of(
    st.just(b"\1"),
    st.just(b"\0"),
    st.builds(lambda mss: b"\2\4" + struct.pack("!H", mss), st.integers(0, 65535)),
    st.builds(lambda kind, body: bytes([kind, 2 + len(body)]) + body, st.integers(3, 255), st.binary(max_size=8)),
    st.binary(min_size=1, max_size=5),
)
OPTIONS = (
    st.lists(OPTION, max_size=8).map(b"".join).map(lambda data: data[:40].ljust(-(-len(data[:40]) // 4) * 4, b"\1"))
)


@given(options=OPTIONS, six=st.booleans(), payload=st.sampled_from([b"", b"\2\4\5\xb4"]), value=st.integers(0, 65535))
def test_against_a_naive_reader(options: bytes, six: bool, payload: bytes, value: int) -> None:
    data = frame_of(options, six, payload)
    frame, found = Frame(data), naive(options)
    start = (54 if six else 34) + 20
    assert mss_at(frame.P) == (start + found[0] if found else 0)
    assert get_tcp_mss(frame.P) == (found[1] if found else 0)
    assert set_tcp_mss(frame.P, value | 1 << 20) == 1
    if found is None:
        assert frame.data == data
    else:
        at = start + found[0]
        assert frame.data == summed(data[:at] + struct.pack("!H", value) + data[at + 2 :])
        assert get_tcp_mss(frame.P) == value


@pytest.mark.parametrize(
    "options",
    [
        b"",
        b"\2\4",  # cut off (where the payload begins, an option goes on)
        b"\2",
        b"\1\1\1\2",
        b"\2\3\5\1",
        b"\2\6\5\xb4\0\0\1\1",
        b"\2\0\5\xb4",
        b"\2\1\5\xb4",
        b"\3\0\1\1\2\4\5\xb4",
        b"\3\xff\1\1\2\4\5\xb4",
        b"\0\1\1\1\2\4\5\xb4",
    ],
)
def test_malformed_options_have_none(options: bytes) -> None:
    options = options if len(options) % 4 == 0 else b"\1" * (4 - len(options) % 4) + options
    data = frame_of(options, six=False, payload=b"\2\4\5\xb4\2\4\5\xb4")
    view = PacketView(bytearray(data))
    assert view.tcp.mss == 0
    view.tcp.mss = 7
    assert view.frame == data


def test_as_real_stacks_send_it() -> None:
    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]
    data = bytes(ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="S", options=options))
    view = PacketView(bytearray(data))
    assert view.tcp.mss == 1460
    view.tcp.mss = 1400
    assert view.frame == renewed(view.frame) != data
