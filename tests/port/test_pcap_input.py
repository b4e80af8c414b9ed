from __future__ import annotations

import gzip
import os
import random
import stat
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import dpkt
import pytest
from tests.port.files import Record, drain, pcap, write

from nfuse.packet.desc import LINK_ETHERNET, LINK_NULL, LINK_RAW, LINK_SLL, LINK_SLL2
from nfuse.port import MAX_FRAME, Burst, CaptureError, PortError, open_input
from nfuse.port.pcap import LARGEST_PCAP, PcapInput

RECORDS: list[Record] = [
    (1_600_000_000_123_456_000, b"a" * 60, 60),
    (1_600_000_000_000_001_000, b"b" * 1514, 9000),
    (0, b"", 60),
    (4_294_967_295_999_999_000, bytes(range(256)) * 100, 25600),
]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("unit", [1, 1000])
def test_byte_orders_and_precisions(tmp_path: Path, order: str, unit: int) -> None:
    records = [(ts + (7 if unit == 1 else 0), data, wire) for ts, data, wire in RECORDS]
    path = write(tmp_path / "a.pcap", pcap(records, order, unit))
    port = open_input(path)
    assert drain(port) == records
    assert not port.warnings
    assert not port.truncated
    assert port.position == port.size == os.path.getsize(path)
    burst = Burst()
    PcapInput(path).receive(burst)
    assert burst.tick == unit


@pytest.mark.parametrize("packets", [1, 2, 3, 4, 5])
def test_every_way_to_split_the_input(tmp_path: Path, packets: int) -> None:
    path = write(tmp_path / "a.pcap", pcap(RECORDS))
    assert drain(open_input(path), packets, 1) == RECORDS
    zipped = write(tmp_path / "a.pcap.gz", gzip.compress(pcap(RECORDS)))
    assert drain(open_input(zipped), packets, 1) == RECORDS


@pytest.mark.parametrize(
    ("number", "link"),
    [
        (0, LINK_NULL),
        (1, LINK_ETHERNET),
        (12, LINK_RAW),
        (14, LINK_RAW),
        (101, LINK_RAW),
        (108, LINK_NULL),
        (113, LINK_SLL),
        (228, LINK_RAW),
        (276, LINK_SLL2),
        (1 | 0x24000000, LINK_ETHERNET),  # with the length of a frame check sequence
    ],
)
def test_link_types(tmp_path: Path, number: int, link: int) -> None:
    burst = Burst()
    assert open_input(write(tmp_path / "a.pcap", pcap(RECORDS, link=number))).receive(burst) == 4
    assert set(burst.desc[:4]["link"]) == {link}


def test_real_captures_as_dpkt_reads_them(captures: Path) -> None:
    for path in sorted(captures.glob("*.pcap")):
        with path.open("rb") as file:
            reader = dpkt.pcap.Reader(file)
            unit = 10 ** (9 if reader._divisor == 10**9 else 6)
            expected = [(round(ts * unit) * (10**9 // unit), bytes(data)) for ts, data in reader]
        got = drain(open_input(str(path)))
        assert [(ts, data) for ts, data, _ in got] == expected, path.name
        assert all(wire >= len(data) for _, data, wire in got)


def test_cut_off_at_every_byte(tmp_path: Path) -> None:
    records = [(0, b"abc", 3), (1000, b"", 0), (2000, b"defgh", 90)]
    whole = pcap(records)
    ends = [24, 24 + 19, 24 + 19 + 16, len(whole)]
    for size in range(24, len(whole) + 1):
        for name, data in (("a.pcap", whole[:size]), ("a.gz", gzip.compress(whole[:size], 1))):
            port = open_input(write(tmp_path / name, data))
            assert drain(port) == records[: sum(end <= size for end in ends[1:])]
            assert port.truncated == bool(port.warnings) == (size not in ends)
            if port.truncated and name == "a.pcap":
                at = max(end for end in ends if end <= size)
                assert port.warnings == [
                    f"{tmp_path / name}: breaks off at byte {at:,}; all whole records before that were read"
                ]
    for size in range(1, 24):
        with pytest.raises(CaptureError, match=r"cut off|is no capture"):
            open_input(write(tmp_path / "a.pcap", whole[:size]))


def test_a_gzip_stream_cut_off_anywhere(tmp_path: Path) -> None:
    rng = random.Random(1)
    records = [(i * 1000, rng.randbytes(50), 50) for i in range(40)]
    whole = gzip.compress(pcap(records), 6, mtime=0)
    for size in range(20, len(whole), 37):
        path = write(tmp_path / "a.gz", whole[:size])
        if len(zlib.decompressobj(31).decompress(whole[:size])) < 24:
            with pytest.raises(CaptureError, match=r"cut off|breaks off"):
                open_input(path)
            continue
        port = open_input(path)
        got = drain(port)
        assert got == records[: len(got)]
        assert port.truncated
        assert "the gzip stream breaks off" in port.warnings[0]
    spoiled = bytearray(whole)
    spoiled[len(whole) // 2] ^= 0xFF
    port = open_input(write(tmp_path / "b.gz", bytes(spoiled)))
    got = drain(port)
    assert port.truncated
    assert [ts for ts, _, _ in got] == [ts for ts, _, _ in records[: len(got)]]


def test_gzip_members_padding_and_rubbish(tmp_path: Path) -> None:
    data = pcap(RECORDS)
    two = gzip.compress(data[:100]) + gzip.compress(data[100:])
    assert drain(open_input(write(tmp_path / "two.gz", two))) == RECORDS
    assert drain(open_input(write(tmp_path / "zeros.gz", two + bytes(3000)))) == RECORDS
    port = open_input(write(tmp_path / "rubbish.gz", two + b"rubbish"))
    assert drain(port) == RECORDS
    assert "corrupt" in port.warnings[0]


def test_records_that_are_too_large(tmp_path: Path) -> None:
    large, small = bytes(MAX_FRAME + 1), bytes(MAX_FRAME)
    path = write(tmp_path / "a.pcap", pcap([(0, b"x", 1), (0, large, 70000), (0, small, 1), (0, b"y", 1)]))
    port = open_input(path)
    assert [len(data) for _, data, _ in drain(port)] == [1, MAX_FRAME, 1]
    assert port.skipped == 1
    assert not port.truncated
    assert "1 packets were passed over: larger than 65,549 bytes" in port.warnings[0]


def test_a_length_that_is_nonsense_ends_the_capture(tmp_path: Path) -> None:
    data = pcap([(0, b"x", 1)]) + struct.pack("<IIII", 0, 0, LARGEST_PCAP + 1, 60) + bytes(LARGEST_PCAP + 100)
    port = open_input(write(tmp_path / "a.pcap", data))
    assert drain(port) == [(0, b"x", 1)]
    assert port.truncated
    assert "is corrupt at byte 41" in port.warnings[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\x1f\x8b", "gzip"),
        (gzip.compress(b""), "is empty"),
        (b"GIF89a" + bytes(100), "is no capture: it starts with 47 49 46 38"),
        (pcap(RECORDS, link=105), "link type 105 can't be read; known: 1 Ethernet"),
    ],
)
def test_what_is_no_capture(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(CaptureError, match=message) as caught:
        open_input(write(tmp_path / "a.pcap", data))
    assert "a.pcap" in str(caught.value)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(PortError, match=r"none\.pcap: there is no such file"):
        open_input(str(tmp_path / "none.pcap"))
    with pytest.raises(PortError, match="is a folder"):
        open_input(str(tmp_path))
    with pytest.raises(PortError, match="needs a file"):
        open_input("pcap:")
    path = tmp_path / "secret.pcap"
    path.write_bytes(pcap(RECORDS))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("runs as root: every file can be read")
    with pytest.raises(PortError, match="Permission denied"):
        open_input(str(path))


def test_reads_from_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert stat.S_ISFIFO(path.stat().st_mode)

    def feed() -> None:
        with path.open("wb") as pipe:
            for byte in pcap(RECORDS):
                pipe.write(bytes([byte]))

    thread = threading.Thread(target=feed)
    thread.start()
    assert drain(open_input(str(path))) == RECORDS
    thread.join()


def test_reads_standard_input(tmp_path: Path) -> None:
    code = (
        "from nfuse.port import *\n"
        "with open_input('-') as port:\n"
        "    burst = Burst()\n"
        "    print(port.receive(burst), port.receive(burst), port.truncated)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=gzip.compress(pcap(RECORDS)), capture_output=True, check=True
    )
    assert done.stdout == b"4 0 False\n", done.stderr


def test_passed_pages_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nfuse.port.source.RELEASE", 1 << 14)
    records = [(i * 1000, bytes([i % 256]) * 1000, 1000) for i in range(200)]
    assert drain(open_input(write(tmp_path / "a.pcap", pcap(records))), 7) == records


def test_stamps_may_run_backwards_and_jump(tmp_path: Path) -> None:
    year = 31_536_000 * 10**9
    records = [(ts, b"x", 1) for ts in (year, 0, 50 * year, 2000, 1000)]
    assert drain(open_input(write(tmp_path / "a.pcap", pcap(records)))) == records


@pytest.mark.parametrize("name", ["eth0", "lo", "enp3s0", "wlan1"])
def test_interfaces_are_not_captures(name: str) -> None:
    with pytest.raises(
        PortError, match=rf"{name} is a network interface.*live ports are not there yet(?s:.*)tcpdump -i {name}"
    ):
        open_input(name)


def test_a_missing_capture_names_the_nearest(tmp_path: Path) -> None:
    for name in ("trace.pcap.gz", "trace.py"):
        (tmp_path / name).touch()
    with pytest.raises(PortError, match=r"there is no such file\n  did you mean '.*/trace\.pcap\.gz'\?"):
        open_input(str(tmp_path / "trace.pcp"))
    with pytest.raises(PortError, match=r"there is no such file$"):
        open_input(str(tmp_path / "other" / "trace.pcap"))


def test_nothing_on_standard_input() -> None:
    script = "from nfuse.port.registry import open_input; open_input('-')"
    done = subprocess.run([sys.executable, "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert "CaptureError: standard input: is empty" in done.stderr
