"""Runs on packets of a program: what goes in, what comes out, and how results and chains are shown."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scapy.all import IP, PacketList

import nfuse
from nfuse import Chain, ip, verify
from nfuse.nf.library import DosGuard, IPFilter, Monitor
from nfuse.port.errors import PortError
from nfuse.testing import packets, tcp_conversation

TALK = tcp_conversation("10.0.0.1:1234", "192.0.2.1:80", "question", "answer", at=1_700_000_000)
CAPTURE = "gen:?flows=3&packets=9"


def chain(**settings: Any) -> Chain:
    return Chain(Monitor(), **settings)


def test_lists_of_every_kind() -> None:
    frames = [packet.bytes for packet in TALK]
    stamped = [(packet.time, packet.bytes) for packet in TALK]
    for source in (
        frames,
        tuple(frames),
        iter(frames),
        (frame for frame in frames),
        stamped,
        TALK,
        np.array(TALK, object),
    ):
        result = chain().run(source, engine="reference")
        assert result.packets == frames
    result = nfuse.run(chain(), PacketList([IP(frame[14:]) for frame in frames]), engine="reference")
    assert result.packets == [frame[14:] for frame in frames]
    assert chain().run([], engine="reference").packets == []
    assert verify(chain(), TALK).identical


def test_arrays() -> None:
    result = chain(two_sided=True).run(TALK)
    assert result.lengths.tolist() == [len(packet) for packet in TALK]
    assert result.times.tolist() == [packet.time for packet in TALK]
    assert result.sides.tolist() == [packet.side for packet in TALK]
    assert (result.lengths.dtype, result.times.dtype, result.sides.dtype) == (np.int64, np.int64, np.uint8)
    assert str(result.times.astype("datetime64[ns]")[1]) == "2023-11-14T22:13:20.001000000"
    assert result.flows["monitor.packets"].tolist() == [sum(packet.side == 0 for packet in TALK)]


def test_a_pair_of_lists_is_one_for_each_direction() -> None:
    sides: list[list[Any]] = [[], []]
    for packet in TALK:
        sides[packet.side].append((packet.time, packet.bytes))
    result = chain(two_sided=True).run(sides, engine="reference")
    assert [frame.side for frame in result.sent or ()] == [packet.side for packet in TALK]
    assert chain(two_sided=True).run([sides[0], []], engine="reference").sides.max() == 0


def test_directions() -> None:
    """An expression says where packets come from; what the packets say of it does not count."""
    result = Chain(Monitor(), direction=ip.src == "192.0.2.0/24").run([packet.bytes for packet in TALK])
    assert result.sides.tolist() == [packet.side for packet in TALK]


def test_paths_and_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "trace.pcap"
    written = chain().run(TALK, str(path), engine="reference")
    assert written.sent is None
    read = chain().run(path, engine="reference", keep=True)
    assert read.packets == [packet.bytes for packet in TALK]
    for result in (written, chain().run(path, engine="reference"), chain().run(TALK, engine="reference", keep=False)):
        with pytest.raises(ValueError, match="run the chain with keep=True"):
            result.packets
    assert chain().run([CAPTURE], engine="reference").sent is None
    assert len(chain().run([path, path], engine="reference", keep=True).packets) == 2 * len(TALK)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (TALK[0], "one packet where a list"),
        (TALK[0].bytes, "one packet where a list"),
        ((1, b"data"), "one packet where a list"),
        (5, "5 is no input"),
        (None, "None is no input"),
        ([1, 2], "packet 0 of the list: it is 1"),
        ([b"data", "trace.pcap"], "packet 1 of the list: it is a text"),
        ([b"data", Path("trace.pcap")], "packet 1 of the list: it is PosixPath"),
        ("nowhere.pcap", "nowhere.pcap: there is no such file"),
    ],
)
def test_what_is_no_input(source: Any, message: str) -> None:
    with pytest.raises(PortError, match=message):
        chain().run(source, engine="reference")


def test_three_inputs() -> None:
    with pytest.raises(ValueError, match="3 inputs; a chain has one"):
        chain().run([[b""], [b""], [b""]], engine="reference")


def test_results_are_shown() -> None:
    lines = "10.0.0.1:1 > 192.0.2.1:53 udp\n" + "10.0.0.1:1 > 192.0.2.1:80 tcp S\n" * 2
    graph = DosGuard(threshold=1) >> IPFilter(rules=["reject udp any -> any 53"])
    result = Chain(graph.parts[0] >> graph.parts[1].named("<wall>")).run(packets(lines), engine="reference")
    assert repr(result).splitlines() == [
        "<RunResult of the reference engine: 3 packets in, 2 out, 1 made, 2 dropped, 2 live sessions, 1 alert>",
        "  dropped by <wall>: rejected: 1",
        "  dropped by dosguard: SYN flood: 1",
    ]
    page = result._repr_html_()
    assert "3 packets in, 2 out" in page
    assert "&lt;wall&gt;</td><td style='text-align:left'>rejected</td><td style='text-align:right'>1</td>" in page
    result.failed, result.interrupted, result.alerts_lost, result.warnings = "disk full", True, 3, ["a <break>"]
    assert [line.strip() for line in repr(result).splitlines()[3:]] == [
        "note: stopped: disk full",
        "note: stopped by Ctrl-C",
        "note: 3 alerts lost: more than the ring holds came at once",
        "note: a <break>",
    ]
    assert "<p>a &lt;break&gt;</p>" in result._repr_html_()


def test_chains_are_shown() -> None:
    rules = [f"drop tcp any -> any {port}" for port in range(1, 9)]
    page = Chain(DosGuard(threshold=3) >> IPFilter(rules=rules), capacity=9, name="<edge>")._repr_html_()
    assert page.startswith("<p><b>Chain &lt;edge&gt;</b>: dosguard &gt;&gt; ipfilter</p><table>")
    assert ">dosguard</td>" in page
    assert ">tcp</td>" in page
    assert ">threshold=3</td>" in page
    assert "...</td>" in page
    assert page.endswith("<p>capacity 9</p>")
    assert Chain(Monitor())._repr_html_().startswith("<p><b>Chain</b>: monitor</p>")
    assert Chain(None)._repr_html_()


CELL = """
from nfuse import NF, tcp, u32

class Counted(NF):
    traffic = tcp

    class Session:
        packets: u32

    def on_packet(self, pkt, flow):
        flow.packets += STEP
"""


@pytest.fixture
def cell() -> Iterator[Any]:
    """Runs source as notebooks do: not in a file, the lines in linecache."""
    names = []

    def run(source: str) -> dict[str, Any]:
        name = f"<ipython-input-{len(names)}-abc>"
        names.append(name)
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        scope: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(source, name, "exec", dont_inherit=True), scope)
        return scope

    yield run
    for name in names:
        del linecache.cache[name]


def test_a_network_function_in_a_cell(cell: Any) -> None:
    for step in (1, 2):  # the cell is changed and runs again
        counted = cell(CELL.replace("STEP", str(step)))["Counted"]
        for engine in ("reference", "fused"):
            result = Chain(counted()).run(TALK, engine=engine)
            assert result.flows["counted.packets"].tolist() == [step * len(TALK)]
