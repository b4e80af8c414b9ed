from __future__ import annotations

import pytest
from scapy.all import IP, UDP, Ether

from nfuse.port.errors import PortError
from nfuse.testing import Packet, packet, packets, text

LINE = "10.0.0.1:1 > 192.0.2.1:2 udp"


def times(lines: str, at: float = 0) -> list[int]:
    return [one.time for one in packets(lines, at)]


def test_times() -> None:
    ms = 1_000_000
    assert times(f"{LINE}\n{LINE}\n{LINE}") == [0, ms, 2 * ms]
    assert times(f"{LINE}\n{LINE}", at=0.1) == [100 * ms, 101 * ms]
    assert times(f"+2 {LINE}\n+20ms {LINE}\n+7us {LINE}\n+3ns {LINE}", at=1) == [
        *(3_000 * ms, 3_020 * ms, 3_020_007_000, 3_020_007_003)
    ]
    assert times(f"@1700000000.000000001 {LINE}\n{LINE}\n@2 {LINE}") == [
        *(1_700_000_000_000_000_001, 1_700_000_000_001_000_001, 2_000 * ms)
    ]
    assert packet(LINE, at=1_700_000_000.001).time == packet(LINE).at(1_700_000_000.001).time == 1_700_000_000_001 * ms


def test_lists_are_printed_with_their_gaps() -> None:
    lines = f"{LINE}\n+0.5 {LINE}\n{LINE}\n+0 {LINE}\n@0.1 {LINE}"
    assert text(packets(lines)) == lines
    assert text(packets(lines), times=False) == "\n".join([LINE] * 5)
    assert text(packets(LINE, at=3)) == f"@3 {LINE}"
    assert text([]) == ""


def test_sides() -> None:
    forward, back = packets(f"{LINE}\n192.0.2.1:2 < 10.0.0.1:1 udp")
    assert (forward.side, back.side) == (0, 1)
    assert forward.bytes == back.bytes
    assert back.text == "192.0.2.1:2 < 10.0.0.1:1 udp"
    assert forward != back


def test_views() -> None:
    one = packet(f"{LINE} ttl 9")
    assert (one.view.ip.ttl, one.view.udp.dport, one.view.reverse) == (9, 2, False)
    one.view.ip.ttl = 3
    assert one.view.ip.ttl == 9
    assert repr(one) == f"<Packet 0 s: {LINE} ttl 9>"
    assert repr(one.at(-1.5)) == f"<Packet -1.5 s: {LINE} ttl 9>"


def test_text_of_what_a_run_takes() -> None:
    frame = packet(LINE).bytes
    built = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="192.0.2.1", id=0)
    assert text(frame) == text(bytearray(frame)) == text((5, frame)) == text(built / UDP(sport=1, dport=2)) == LINE
    assert text([frame, (1_500_000, frame)]) == f"{LINE}\n+0.0015 {LINE}"
    with pytest.raises(PortError, match="packet 0 of the list: it is 1"):
        text([1])


def test_packets_are_values() -> None:
    assert packet(LINE) == packet(f"  {LINE}  # comment")
    assert len({packet(LINE), packet(LINE), packet(LINE, at=1)}) == 2
    assert Packet(b"ab").wire == 2
