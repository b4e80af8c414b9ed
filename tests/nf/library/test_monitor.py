"""Monitor against dictionaries of counters."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import FLAGS, Packet
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import Monitor

FLOW = st.builds(
    Packet,
    src=st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1"]),
    sport=st.integers(1, 2),
    proto=st.sampled_from(["tcp", "udp", "icmp"]),
    flags=st.sampled_from(["S", "SA", "A", "PA"]),
    payload=st.binary(max_size=9),
)


def legal(packet: Packet) -> Packet:
    if packet.src.startswith("2001"):
        packet = packet.to(dst="2001:db8::2", proto="icmp6" if packet.proto == "icmp" else packet.proto)
    if packet.proto != "tcp":
        packet = packet.to(flags="")
    return packet.to(dport=0) if "icmp" in packet.proto else packet


@pytest.mark.parametrize("engine", engines())
@given(st.lists(st.tuples(FLOW.map(legal), st.booleans(), st.integers(0, 3_000)), max_size=30))
@few(20)
def test_counts(engine: str, trace: list[tuple[Packet, bool, int]]) -> None:
    wire = Wire(Monitor(), engine)
    expected: dict[tuple[object, ...], dict[str, int | str]] = {}
    openers: dict[tuple[object, ...], int] = {}
    for packet, back, gap in trace:
        wire.wait(gap / 1000)
        key = (packet.proto, packet.src, packet.sport, packet.dst, packet.dport)
        reverse = back
        if key not in openers:
            openers[key] = int(back)
        reverse = int(back) != openers[key]
        sent = packet.back() if back else packet
        frame = sent.frame()
        opening = packet.back() if openers[key] else packet
        row = expected.setdefault(
            key,
            dict.fromkeys(("packets", "bytes", "reverse_packets", "reverse_bytes"), 0)
            | {"src": opening.src, "sport": opening.sport, "first_seen": wire.now, "flags": "", "reverse_flags": ""},
        )
        prefix = "reverse_" if reverse else ""
        row[prefix + "packets"] += 1  # type: ignore[operator]
        row[prefix + "bytes"] += len(frame)  # type: ignore[operator]
        row[prefix + "flags"] = "".join(f for f in FLAGS if f in str(row[prefix + "flags"]) + sent.flags)
        row["last_seen"] = wire.now
        assert wire.frames(frame) == [frame]
    table = Monitor.table(wire.flows())
    assert len(table) == len(expected)
    for row in table:
        want = next(w for w in expected.values() if all(w[c] == row[c] for c in ("src", "sport", "first_seen")))
        assert {c: row[c] for c in want if c != "last_seen"} == {c: v for c, v in want.items() if c != "last_seen"}
        assert 0 <= int(want["last_seen"]) - row["last_seen"] < 1_000_000


def test_export(tmp_path: Path) -> None:
    wire = Wire(Monitor().named("meter"))
    for size in (1, 500, 20):
        wire.send(Packet(sport=size, payload=b"x" * size, flags="PA"))
    path = tmp_path / "flows.csv"
    assert Monitor.write_csv(wire.flows(), path, "meter") == 3
    rows = list(csv.DictReader(path.open()))
    assert [row["sport"] for row in rows] == ["500", "20", "1"]
    assert rows[0]["src"] == "10.0.0.1"
    assert rows[0]["flags"] == "PA"
    lines = Monitor.text(wire.flows(), "meter", limit=2).splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:5] == ["tcp", "10.0.0.1:500", "198.18.0.1:80", "1", "554"]
    with pytest.raises(ValueError, match="no fields of an NF named 'monitor'"):
        Monitor.table(wire.flows())
    assert Monitor.table(np.zeros(0, wire.flows().dtype), "meter") == []
