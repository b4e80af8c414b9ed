from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.port.files import block, drain, enhanced, interface, obsolete, option, section, simple, write

from nfuse.memory.arena import View
from nfuse.packet.desc import LINK_ETHERNET, LINK_RAW
from nfuse.port import Burst, CaptureError, UriError, open_input
from nfuse.port import pcap_read as reader
from nfuse.port.pcapng import scale

US = 1000


@pytest.mark.parametrize("order", "<>")
def test_all_packet_blocks(tmp_path: Path, order: str) -> None:
    data = (
        section(order)
        + block(0x0BAD, b"custom" * 5, order)
        + interface(1, order, snap=4)
        + enhanced(10, b"enhanced", order=order, wire=99, options=option(1, b"a comment", order))
        + block(5, bytes(20), order)
        + simple(b"simp", wire=9, order=order)
        + obsolete(20, b"obsolete", order=order)
        + simple(b"sim", order=order)
    )
    port = open_input(write(tmp_path / "a.pcapng", data))
    assert drain(port) == [
        (10 * US, b"enhanced", 99),
        (10 * US, b"simp", 9),
        (20 * US, b"obsolete", 8),
        (20 * US, b"sim", 3),
    ]
    assert not port.warnings


def test_sections_of_both_byte_orders_with_interfaces_of_their_own(tmp_path: Path) -> None:
    data = (
        section("<")
        + interface(1, "<", options=option(9, b"\x09"))
        + interface(101, "<", options=option(9, b"\x00") + option(14, struct.pack("<q", 5)))
        + enhanced(1, b"nano")
        + enhanced(2, b"secs", 1)
        + section(">")
        + interface(101, ">", options=option(9, b"\x8a", ">") + option(14, struct.pack(">q", -1), ">"))
        + enhanced(1024 + 512, b"pow2", order=">")
    )
    path = write(tmp_path / "a.pcapng", data)
    assert drain(open_input(path)) == [(1, b"nano", 4), (7 * 10**9, b"secs", 4), (500_000_000, b"pow2", 4)]
    burst = Burst()
    open_input(path).receive(burst)
    assert list(burst.desc[:3]["link"]) == [LINK_ETHERNET, LINK_RAW, LINK_RAW]


@given(st.integers(0, 255), st.integers(0, 2**64 - 1), st.integers(-(10**9), 10**9))
def test_stamps_of_any_resolution(resolution: int, ticks: int, offset: int) -> None:
    kind, value = scale(resolution)
    record = np.array([1, kind, value, offset * 10**9, 0, 0, 0, 0], dtype=np.int64)
    view = View(record)
    unit = Fraction(1, (2 if resolution & 0x80 else 10) ** (resolution & 0x7F))
    exact = int(ticks * unit * 10**9)
    got = reader.nanoseconds(ticks - (1 << 64) if ticks >> 63 else ticks, view.address)
    if resolution & 0x7F > (63 if resolution & 0x80 else 27):
        assert got == offset * 10**9  # units so small that all stamps count as 0
    elif exact > reader.LATEST - 10**10:
        assert got >= reader.LATEST - 10**10 - 10**18 * (offset < 0)
    else:
        assert got == min(reader.LATEST, exact + offset * 10**9)


def test_the_supplied_capture_with_several_interfaces(captures: Path) -> None:
    port = open_input(str(captures / "pcapng-multi-interface.pcapng"))
    raw = (captures / "pcapng-multi-interface.pcapng").read_bytes()
    expected, at = [], 0
    while at < len(raw):
        kind, total = struct.unpack_from("<II", raw, at)
        if kind == 6:
            size, wire = struct.unpack_from("<II", raw, at + 20)
            expected.append((raw[at + 28 : at + 28 + size], wire))
        at += total
    got = drain(port)
    assert [(data, wire) for _, data, wire in got] == expected
    assert len(port.interfaces) > 1


def test_cut_off_at_every_byte(tmp_path: Path) -> None:
    parts = [section(), interface(), enhanced(1, b"abc"), block(5, b"statistics"), enhanced(2, b""), simple(b"z")]
    whole = b"".join(parts)
    ends = [sum(map(len, parts[:i])) for i in range(1, len(parts) + 1)]
    packets = {ends[2]: (1 * US, b"abc", 3), ends[4]: (2 * US, b"", 0), ends[5]: (2 * US, b"z", 1)}
    for size in range(4, len(whole) + 1):
        path = write(tmp_path / "a.pcapng", whole[:size])
        if size < ends[0]:
            with pytest.raises(CaptureError, match="section header is corrupt or cut off"):
                open_input(path)
            continue
        port = open_input(path)
        assert drain(port) == [packet for end, packet in packets.items() if end <= size]
        assert port.truncated == bool(port.warnings) == (size not in ends)


@pytest.mark.parametrize(
    "bad",
    [
        struct.pack("<II", 6, 13) + bytes(100),
        struct.pack("<II", 6, 8) + bytes(100),
        struct.pack("<II", 6, 0xFFFFFFFC) + bytes(100),
        block(6, bytes(8)),
        block(3, b""),
        enhanced(1, b"abcd")[:-4] + b"\0\0\0\0",
        block(6, struct.pack("<IIIII", 0, 0, 0, 60, 60) + bytes(40)),
        block(1, b"1234"),
        block(0x0A0D0D0A, bytes(16)),
    ],
)
def test_nonsense_ends_the_capture_with_a_warning(tmp_path: Path, bad: bytes) -> None:
    data = section() + interface() + enhanced(1, b"good") + bad + enhanced(2, b"never")
    port = open_input(write(tmp_path / "a.pcapng", data))
    assert drain(port) == [(US, b"good", 4)]
    assert port.truncated
    assert "is corrupt at byte 84" in port.warnings[0]


def test_packets_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    data = (
        section()
        + interface(147)
        + interface(1)
        + enhanced(1, b"unknown link", 0)
        + enhanced(2, b"good", 1)
        + enhanced(3, b"undeclared", 2)
        + enhanced(3, b"undeclared", 0xFFFFFFFF)
        + enhanced(4, bytes(65_550), 1)
        + enhanced(5, b"good", 1)
    )
    port = open_input(write(tmp_path / "a.pcapng", data))
    assert drain(port) == [(2 * US, b"good", 4), (5 * US, b"good", 4)]
    assert port.skipped == 4
    assert not port.truncated
    assert len(port.warnings) == 3


def test_no_interface_that_can_be_read(tmp_path: Path) -> None:
    port = open_input(write(tmp_path / "a.pcapng", section() + interface(147) + enhanced(1, b"x")))
    with pytest.raises(CaptureError, match="link type 147"):
        port.receive(Burst())


def test_a_huge_block_of_no_interest_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nfuse.port.pcap.LARGEST", 1000)
    data = section() + interface() + enhanced(1, b"a") + block(0xABC, bytes(50_000)) + enhanced(2, b"b")
    expected = [(US, b"a", 1), (2 * US, b"b", 1)]
    assert drain(open_input(write(tmp_path / "a.pcapng", data))) == expected
    import gzip

    assert drain(open_input(write(tmp_path / "a.gz", gzip.compress(data)))) == expected


@pytest.mark.parametrize(
    ("reverse", "sides"),
    [("1", [0, 1, 1, 0]), ("wan", [0, 1, 1, 0]), ("lan,wan", [1, 1, 1, 1]), ("outbound", [0, 0, 1, 1])],
)
def test_sides_by_interface_or_flags(tmp_path: Path, reverse: str, sides: list[int]) -> None:
    inbound, outbound = (option(1, b"note") + option(2, struct.pack("<I", v)) for v in (1, 2))
    data = (
        section()
        + interface(options=option(2, b"lan"))
        + interface(options=option(2, b"wan"))
        + enhanced(1, b"a", 0, options=inbound)
        + enhanced(2, b"b", 1)
        + enhanced(3, b"c", 1, options=outbound)
        + enhanced(4, b"d", 0, options=outbound)
    )
    burst = Burst()
    open_input(f"pcap:{write(tmp_path / 'a.pcapng', data)}?reverse={reverse}").receive(burst)
    assert list(burst.desc[:4]["side"]) == sides


def test_pcap_has_no_interfaces(captures: Path) -> None:
    with pytest.raises(UriError, match="'reverse' needs interfaces"):
        open_input(f"pcap:{captures / 'wikipedia.pcap'}?reverse=1")
