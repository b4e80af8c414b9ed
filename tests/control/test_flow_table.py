"""The table of flows: order, selection, rows; against a plain sort and the filter's own judgement of frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.engine import frames as f

from nfuse import Chain, ChainError, load_chain, pcap_filter, run
from nfuse.control.flow_table import COLUMNS, FlowTable
from nfuse.nf.library import Monitor
from nfuse.packet.view import PacketView
from nfuse.port.memory import ListInput

ROOT = Path(__file__).resolve().parents[2]
A, B, A6, B6 = "10.0.0.1", "192.0.2.7", "2001:db8::1", "2001:db8::2"
FRAMES = [
    f.tcp(A, 40000, B, 80, "S"),
    f.tcp(A, 40001, B, 443, "S", b"x" * 100),
    f.udp(A, 53, B, 53),
    f.udp(B, 5, A, 6000, b"y" * 10),
    f.tcp(A6, 1, B6, 80, "S"),
    f.udp(A6, 1024, B6, 53),
    f.echo(A, B, 77),
    f.echo(A6, B6, 78),
    f.echo(A, "192.0.2.8", 79, reply=True),
    f.ether(f.ip(A, B, 47, bytes(8))),
]


@pytest.fixture(scope="module")
def table() -> FlowTable:
    chain = load_chain(ROOT / "examples" / "branches.yaml")
    result = run(chain, ListInput([(n * 1_000_000_000, frame) for n, frame in enumerate(FRAMES)]))
    assert len(result.flows) == len(FRAMES)
    return FlowTable(chain, result.flows, "all")


def numbers(table: FlowTable) -> list[int]:
    return table.flows["number"].tolist()


@pytest.mark.parametrize(
    "text",
    [
        *("tcp", "udp", "icmp", "icmp6", "ip", "ip6", "tcp and dst port 80", "port 53", "src net 10.0.0.0/8"),
        *("dst host 192.0.2.7 and not udp", "ip proto 47", "src port 77", "dst port 79", "src net 2001:db8::/32"),
        *("dst portrange 1-1023", "everything", "nothing", "not tcp"),
    ],
)
def test_a_filter_selects_as_it_would_the_first_packets(table: FlowTable, text: str) -> None:
    expr = pcap_filter(text)
    expected = [n for n, frame in enumerate(FRAMES, 1) if expr.matches(PacketView(bytearray(frame)))]
    assert numbers(table.select(text)) == expected


@pytest.mark.parametrize(
    "column", ["number", "sport", "dport", "src", "dst", "deadline", "state", "all.bytes", "bytes"]
)
@pytest.mark.parametrize("ascending", [False, True])
def test_order(table: FlowTable, column: str, ascending: bool) -> None:
    def key(row: np.void) -> object:
        if column == "bytes":
            return int(row["all.bytes"]) + int(row["all.reverse_bytes"])
        return bytes(row[column]) if column in ("src", "dst") else int(row[column])

    rows = sorted(table.flows, key=key, reverse=not ascending)  # stable, as the table: equal ones by their numbers
    assert numbers(table.sort(column, ascending)) == [int(row["number"]) for row in rows]


def test_rows(table: FlowTable) -> None:
    assert table.columns[: len(COLUMNS)] == list(COLUMNS)
    row = dict(zip(table.columns, next(table.top(1).rows()), strict=True))
    assert (str(row["src"]), row["sport"], str(row["dst"]), row["dport"], row["proto"]) == (A, 40000, B, 80, 6)
    assert row["state"] == "new"
    assert row["all.packets"] == 1
    assert len(table.top(3)) == 3


def test_totals(table: FlowTable) -> None:
    assert table.total("packets").tolist() == [1] * len(FRAMES)
    assert table.total("bytes", "forward").tolist() == [len(frame) for frame in FRAMES]
    assert not table.total("bytes", "reverse").any()
    assert not table.total("duration").any()


def test_mistakes(table: FlowTable) -> None:
    with pytest.raises(ChainError, match="no column 'bites'") as caught:
        table.sort("bites")
    assert caught.value.near == "bytes"
    with pytest.raises(ChainError, match="did you mean port"):
        table.select("tcp prt 80")
    with pytest.raises(ChainError, match="may differ between packets"):
        table.select("tcp.syn = 1")
    with pytest.raises(ChainError, match="no Monitor 'al'") as caught:
        FlowTable.empty(table.chain, "al")
    assert caught.value.near == "all"


def test_before_the_run() -> None:
    empty = FlowTable.empty(Chain(Monitor()))
    assert empty.monitor == "monitor"
    assert len(empty.select("tcp").sort("bytes").top(3)) == 0
    assert list(empty.rows()) == []
