"""Monitor against dictionaries of counters."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few

from nfuse.nf.library import Monitor
from nfuse.nf.library.monitor import COLUMNS
from nfuse.testing import assert_equivalent, run
from nfuse.testing.strategies import Flow, flows

START = 1_700_000_000
TRACES = st.lists(
    st.tuples(
        flows(sports=2, dports=(80,)),
        st.sampled_from(["S", "SA", "A", "PA"]),
        st.integers(0, 9),
        st.booleans(),
        st.sampled_from([0, 0.001, 0.5, 3]),
    ),
    max_size=30,
)


@given(TRACES)
@few(20)
def test_counts(trace: list[tuple[Flow, str, int, bool, float]]) -> None:
    rows: dict[Flow, dict[str, Any]] = {}
    openers: dict[Flow, bool] = {}
    sent, now = [], START * 1_000
    for flow, letters, size, back, gap in trace:
        now += int(gap * 1_000)
        flags = letters if flow.proto == "tcp" else ""
        packet = flow.packet(f"{flags} len {size}", back, at=now / 1_000)
        sent.append(packet)
        opener = openers.setdefault(flow, back)
        row = rows.setdefault(flow, dict.fromkeys(COLUMNS[5:9], 0) | {"flags": "", "reverse_flags": ""})
        prefix = "" if back == opener else "reverse_"
        row[prefix + "packets"] += 1
        row[prefix + "bytes"] += len(packet)
        row[prefix + "flags"] = "".join(letter for letter in "FSRPAUEW" if letter in row[prefix + "flags"] + flags)
        row.setdefault("first_seen", packet.time)
        row["last_seen"] = packet.time // 1_000_000 * 1_000_000  # it counts milliseconds
    result = assert_equivalent(Monitor(), sent)
    result.assert_out(sent)
    table = Monitor.table(result.flows)
    assert {tuple(row[column] for column in COLUMNS[:5]) for row in table} == {
        tuple_of(flow, opener) for flow, opener in openers.items()
    }
    for row in table:
        flow = next(flow for flow in rows if tuple_of(flow, openers[flow]) == tuple(row.values())[:5])
        assert rows[flow] == {column: row[column] for column in rows[flow]}


def tuple_of(flow: Flow, back: bool) -> tuple[Any, ...]:
    """The first columns of a flow's row, if its first packet went in this direction."""
    proto = {"tcp": 6, "udp": 17, "icmp": 58 if ":" in flow.src else 1}[flow.proto]
    ends = (flow.src, flow.sport), (flow.dst, flow.dport)
    return (proto, *ends[back], *ends[not back])


def test_export(tmp_path: Path) -> None:
    sizes = (1, 500, 20)
    lines = "\n".join(f"10.0.0.1:{size} > 198.18.0.1:80 tcp PA len {size}" for size in sizes)
    flows = run(Monitor().named("meter"), lines).flows
    path = tmp_path / "flows.csv"
    assert Monitor.write_csv(flows, path, "meter") == 3
    rows = list(csv.DictReader(path.open()))
    assert [row["sport"] for row in rows] == ["500", "20", "1"]
    assert rows[0]["src"] == "10.0.0.1"
    assert rows[0]["flags"] == "PA"
    lines = Monitor.text(flows, "meter", limit=2).splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:5] == ["tcp", "10.0.0.1:500", "198.18.0.1:80", "1", "554"]
    with pytest.raises(ValueError, match="no fields of an NF named 'monitor'"):
        Monitor.table(flows)
    assert Monitor.table(np.zeros(0, flows.dtype), "meter") == []
