"""PacketSizeHistogram against a list of sizes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import PacketSizeHistogram


@pytest.mark.parametrize("engine", engines())
@given(
    st.lists(st.sampled_from([0, 1, 21, 22, 23, 86, 87, 500]), max_size=20),
    st.lists(st.sampled_from([0, 41, 42, 43, 63, 64, 65, 128, 4_000_000_000]), min_size=1, unique=True).map(sorted),
)
@few(20)
def test_groups(engine: str, payloads: list[int], bounds: list[int]) -> None:
    histogram = PacketSizeHistogram(bounds=bounds)
    wire = Wire(histogram, engine)
    sizes = []
    for size in payloads:
        frame = Packet(proto="udp", payload=b"x" * size).frame()
        assert wire.frames(frame) == [frame]
        sizes.append(len(frame))
    rows = histogram.report(wire.state("packetsizehistogram"))
    assert sum(row["packets"] for row in rows) == len(sizes)
    for row in rows:
        group = [size for size in sizes if row["from"] <= size and (row["to"] == "" or size <= row["to"])]
        assert (row["packets"], row["bytes"]) == (len(group), sum(group))
        assert row["share"] == pytest.approx(len(group) / len(sizes))
    assert not rows or (rows[0]["packets"] and rows[-1]["packets"])


def test_powers_of_two() -> None:
    wire = Wire(PacketSizeHistogram())
    for size in (64, 65, 1500):
        wire.send(Packet(proto="udp", payload=b"x" * (size - 42)))
    rows = PacketSizeHistogram().report(wire.state("packetsizehistogram"))
    assert [(row["from"], row["to"], row["packets"]) for row in rows if row["packets"]] == [
        (0, 64, 1),
        (65, 128, 1),
        (1025, 2048, 1),
    ]


@pytest.mark.parametrize("bounds", [[], [64, 64], [65, 64], [2**32 - 1], list(range(1001)), ["many"]])
def test_bad_parameters(bounds: list[Any]) -> None:
    with pytest.raises(ValueError, match="bounds"):
        Wire(PacketSizeHistogram(bounds=bounds))
