from __future__ import annotations

import gzip
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import dpkt
import numpy as np
import pytest
from tests.port.files import Record, drain, fill, pcap, write

from nfuse.packet.desc import LINK_ETHERNET, LINK_NULL, LINK_RAW, LINK_SLL, LINK_SLL2
from nfuse.port import Burst, PortError, UriError, open_input, open_output

US: list[Record] = [(1_600_000_000_123_456_000, b"a" * 60, 60), (5_000, b"b" * 1514, 9000), (6_000, b"", 60)]
NS: list[Record] = [(ts + 7, data, wire) for ts, data, wire in US]


def links(path: Path) -> list[int]:
    burst, found = Burst(), []
    with open_input(str(path)) as port:
        while n := port.receive(burst):
            found += burst.desc[:n]["link"].tolist()
    return found


@pytest.mark.parametrize("name", ["a.pcap", "a.pcap.gz", "a.pcapng", "a.pcapng.gz"])
@pytest.mark.parametrize("link", [LINK_ETHERNET, LINK_RAW, LINK_NULL, LINK_SLL, LINK_SLL2])
def test_what_is_written_is_read_back(tmp_path: Path, name: str, link: int) -> None:
    path = tmp_path / name
    with open_output(str(path)) as out:
        for _ in range(3):
            out.send(*fill(NS, link))
        assert (out.packets, out.bytes) == (9, 3 * 9120)
    assert drain(open_input(str(path))) == NS * 3
    assert set(links(path)) == {link}
    start = (gzip.decompress if name.endswith(".gz") else bytes)(path.read_bytes())[:4].hex()
    assert start == ("0a0d0d0a" if "ng" in name else "4d3cb2a1")


def test_order_and_choice_are_the_senders(tmp_path: Path) -> None:
    burst, _ = fill(NS)
    path = tmp_path / "a.pcap"
    with open_output(str(path)) as out:
        out.send(burst, np.array([2, 0], dtype=np.int32))
        out.send(burst, np.array([], dtype=np.int32))
        out.send(burst, np.array([1, 1], dtype=np.int32))
    assert drain(open_input(str(path))) == [NS[2], NS[0], NS[1], NS[1]]


def test_microseconds_stay_microseconds(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with open_output(str(path)) as out:
        out.send(*fill(US, tick=1000))
    assert path.read_bytes() == pcap(US, snap=262_144)
    with open_output(f"pcap:{path}?precision=ns") as out:
        out.send(*fill(US, tick=1000))
    assert path.read_bytes() == pcap(US, unit=1, snap=262_144)
    with open_output(f"pcap:{path}?precision=us") as out:
        out.send(*fill(NS))
    assert path.read_bytes() == pcap(US, snap=262_144)


@pytest.mark.parametrize("name", ["a.pcap", "a.pcap.gz"])
def test_finer_stamps_make_it_pcapng(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with open_output(str(path)) as out:
        out.send(*fill(US, tick=1000))
        out.send(*fill(NS, tick=1))
        out.send(*fill(US, tick=1000))
        assert out.packets == 9
    assert drain(open_input(str(path))) == US + NS + US
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.pcap", "a.pcap.gz", "a.pcapng"])
def test_mixed_link_types_make_it_pcapng(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    burst = Burst()
    order = [LINK_RAW, LINK_RAW, LINK_ETHERNET, LINK_SLL, LINK_RAW]
    for i, link in enumerate(order):
        burst.append(bytes([i]) * (50 + i), i, link)
    with open_output(str(path)) as out:
        out.send(burst, np.arange(5, dtype=np.int32))
        out.send(burst, np.arange(5, dtype=np.int32))
        assert (out.packets, out.bytes) == (10, 520)
    assert drain(open_input(str(path))) == [(i, bytes([i]) * (50 + i), 50 + i) for i in range(5)] * 2
    assert links(path) == order * 2
    assert os.listdir(tmp_path) == [name]


def test_mixed_link_types_where_the_file_cannot_be_rewritten(tmp_path: Path) -> None:
    for uri in ("pcap:/dev/null", f"pcap:{tmp_path / 'a'}?format=pcap"):
        with open_output(uri) as out:
            out.send(*fill(US, LINK_RAW))
            with pytest.raises(PortError, match=r"several link types.*format=pcapng"):
                out.send(*fill(US, LINK_ETHERNET))
    with open_output("pcap:/dev/null?format=pcapng") as out:
        out.send(*fill(US, LINK_RAW))
        out.send(*fill(US, LINK_ETHERNET))


def test_no_packet_at_all_is_a_valid_capture(tmp_path: Path) -> None:
    for name in ("a.pcap", "a.pcapng", "a.gz"):
        open_output(str(tmp_path / name)).close()
        assert drain(open_input(str(tmp_path / name))) == []


def test_other_readers_agree(tmp_path: Path, captures: Path) -> None:
    from scapy.utils import RawPcapNgReader

    for source in ("http-vlan-0.pcap", "tunnels-gtp-gtp1_gn_normal_incl_fragmentation.pcap"):
        records = drain(open_input(str(captures / source)))
        for name in ("a.pcap", "a.pcapng"):
            with open_output(str(tmp_path / name)) as out:
                out.send(*fill(records))
        with (tmp_path / "a.pcap").open("rb") as file:
            assert [bytes(data) for _, data in dpkt.pcap.Reader(file)] == [data for _, data, _ in records]
        with RawPcapNgReader(str(tmp_path / "a.pcapng")) as packets:
            got = [(int((meta.tshigh << 32) + meta.tslow), bytes(data), meta.wirelen) for data, meta in packets]
        assert got == records


def test_large_output_crosses_many_buffers(tmp_path: Path) -> None:
    records = [(i, bytes([i]) * (1 + 6000 * i % 65_549), 70_000) for i in range(60)]
    for name in ("a.pcap", "a.pcapng"):
        with open_output(str(tmp_path / name)) as out:
            for record in records:
                out.send(*fill([record]))
        assert drain(open_input(str(tmp_path / name))) == records


def test_the_file_that_is_read_is_not_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pcap", pcap(US))
    os.link(path, tmp_path / "b.pcap")
    port = open_input(path)
    with pytest.raises(PortError, match="is being read"):
        open_output(str(tmp_path / "b.pcap"))
    assert drain(port) == US
    open_output(path).close()


def test_errors_come_early(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="can't be written: No such file or directory"):
        open_output(str(tmp_path / "none" / "a.pcap"))
    with pytest.raises(PortError, match="can't be written: Is a directory"):
        open_output(str(tmp_path))
    with pytest.raises(UriError, match="expected one of auto, pcap, pcapng"):
        open_output("pcap:x?format=erf")
    with pytest.raises(UriError, match="expected 1 to 9"):
        open_output("pcap:x?level=10")
    locked = tmp_path / "locked.pcap"
    locked.write_bytes(b"")
    locked.chmod(0o400)
    if os.access(locked, os.W_OK):
        pytest.skip("runs as root: every file can be written")
    with pytest.raises(PortError, match="Permission denied"):
        open_output(str(locked))


def test_a_full_disk() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    out = open_output("/dev/full")
    burst, order = fill([(0, bytes(65_000), 65_000)] * 20)
    with pytest.raises(PortError, match="writing failed: No space left on device"):
        out.send(burst, order)
    out.close()


def test_a_disk_that_fills_up_leaves_a_valid_capture(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    limit = 2_500_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    burst, order = fill([(i, bytes(60_000), 60_000) for i in range(60)])
    out = open_output(str(path))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(PortError, match="File too large"):
            out.send(burst, order)
        out.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    port = open_input(str(path))
    assert len(drain(port)) > 20
    assert not port.truncated


def test_ctrl_c_leaves_a_valid_capture(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    code = (
        "import sys, numpy as np\n"
        "from nfuse.port import *\n"
        "burst = Burst(64)\n"
        "with open_output(sys.argv[1]) as out:\n"
        "    try:\n"
        "        print('ready', flush=True)\n"
        "        while True:\n"
        "            port = open_input('gen:?packets=64&size=900')\n"
        "            out.send(burst, np.arange(port.receive(burst), dtype=np.int32))\n"
        "            if out.packets == 640: print('going', flush=True)\n"
        "    except KeyboardInterrupt:\n"
        "        pass\n"
        "print(out.packets)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert process.stdout.readline() == "going\n"
    process.send_signal(signal.SIGINT)
    written = process.communicate(timeout=120)[0].split()
    port = open_input(str(path))
    assert [str(len(drain(port)))] == written[-1:]
    assert not port.truncated


def test_ctrl_c_waits_for_a_write_to_end(tmp_path: Path) -> None:
    from nfuse.port.capture_output import uninterrupted

    done = []

    def write_all() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        write_all()
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_standard_output() -> None:
    code = (
        "from nfuse.port import *\n"
        "import numpy as np\n"
        "burst = Burst()\n"
        "burst.append(b'x' * 60, 5)\n"
        "with open_output('-') as out:\n"
        "    out.send(burst, np.arange(1, dtype=np.int32))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == pcap([(5, b"x" * 60, 60)], unit=1, snap=262_144)
