"""What a list of packets may hold."""

from __future__ import annotations

from decimal import Decimal

import dpkt
import numpy as np
import pytest
from scapy.all import IP, UDP, Ether

from nfuse.packet.desc import LINK_ETHERNET, LINK_RAW
from nfuse.port import Frame, ListInput, PortError
from nfuse.port.frames import frames, is_packet

DATA = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2") / UDP())
SECOND = 1_000_000_000


def one(packet: object, **more: int) -> Frame:
    (frame,) = frames([packet], **more)
    return frame


def test_bytes() -> None:
    assert one(DATA) == one(bytearray(DATA)) == one(memoryview(DATA)) == Frame(DATA, 0, 0, len(DATA), LINK_ETHERNET)
    assert one(np.frombuffer(DATA, np.uint8).data).bytes == DATA
    assert [frame.time for frame in frames([DATA, (7, DATA), DATA], step=1_000)] == [0, 7, 2_000]
    assert one(DATA, side=1, link=LINK_RAW) == Frame(DATA, 0, 1, len(DATA), LINK_RAW)


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (7, 7),
        (np.int64(7), 7),
        (7.5, 7_500_000_000),
        (0.1, 100_000_000),
        (1_700_000_000.123456, 1_700_000_000_123_456_000),
        (Decimal("1700000000.123456789"), 1_700_000_000_123_456_789),
        (np.float64(2.5), 2_500_000_000),
        (-1.0, -SECOND),
    ],
)
def test_times_of_pairs(stamp: object, expected: int) -> None:
    assert one((stamp, DATA)).time == expected
    assert one((stamp, DATA, 1500)).wire == 1500


def test_scapy() -> None:
    packet = Ether(DATA)
    packet.time = Decimal("1700000000.5")
    assert one(packet) == Frame(DATA, 1_700_000_000 * SECOND + SECOND // 2)
    packet.time, packet.wirelen = 3, 1500  # scapy's times are seconds, whole ones too
    assert one(packet) == Frame(DATA, 3 * SECOND, 0, 1500)
    assert one((9, packet)).time == 9
    assert one(packet[IP]).link == LINK_RAW


def test_dpkt() -> None:
    assert one(dpkt.ethernet.Ethernet(DATA)) == Frame(DATA)
    assert one(dpkt.ethernet.Ethernet(DATA).data) == Frame(DATA[14:], link=LINK_RAW)


def test_frames_stay_what_they_are() -> None:
    frame = Frame(DATA, 5, 1, 1500, LINK_RAW)
    assert one(frame, side=0) is frame
    assert (bytes(frame), len(frame)) == (DATA, len(DATA))


class Odd:
    def __bytes__(self) -> bytes:
        raise RuntimeError("no length yet")


@pytest.mark.parametrize(
    ("packet", "message"),
    [
        (5, "it is 5 .int.; expected bytes, .time, bytes., or a packet"),
        ([1, 2], "it is .1, 2. .list."),
        (None, "it is None"),
        ("10.0.0.1 > 10.0.0.2", "it is a text; .*nfuse.testing.packets"),
        (("now", DATA), "is no .time, bytes."),
        ((True, DATA), "is no .time, bytes."),
        ((1, DATA, 3, 4), "is no .time, bytes."),
        ((1, "data"), "it is a text"),
        ((float("nan"), DATA), "nan is no time"),
        ((float("inf"), DATA), "inf is no time"),
        (Odd(), "failed: no length yet"),
        (bytes(70_000), "has 70000 bytes; the largest frame has 65549"),
    ],
)
def test_mistakes(packet: object, message: str) -> None:
    with pytest.raises(PortError, match=f"packet 1 of the list:? .*{message}|packet 1 of the list {message}"):
        ListInput([DATA, packet])


def test_what_is_one_packet() -> None:
    assert all(
        map(is_packet, (DATA, (1, DATA), (1.5, DATA, 3), Frame(DATA), Ether(DATA), dpkt.ethernet.Ethernet(DATA)))
    )
    assert not any(map(is_packet, ([DATA], "text", 5, (DATA, DATA), None)))
