"""HeavyHitters against Space-Saving with a dictionary, and against the true counts."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import HeavyHitters

HOSTS = [*(f"10.0.{i // 3}.{i}" for i in range(7)), "2001:db8::1", "2001:db8::2", "2001:db8:1::1"]


@pytest.mark.parametrize("engine", engines())
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 60)), max_size=60),
    st.integers(1, 6),
    st.sampled_from(["source", "destination"]),
    st.sampled_from(["bytes", "packets"]),
    st.sampled_from([(32, 128), (24, 48), (0, 0)]),
)
@few(25)
def test_bounds(
    engine: str, trace: list[tuple[int, int, int]], size: int, key: str, unit: str, lengths: tuple[int, int]
) -> None:
    nf = HeavyHitters(size=size, key=key, unit=unit, prefix4=lengths[0], prefix6=lengths[1], top=size)
    wire = Wire(nf, engine)
    true: dict[Any, int] = {}
    for a, b, length in trace:
        src, dst = HOSTS[a], HOSTS[b]
        if ipaddress.ip_address(src).version != ipaddress.ip_address(dst).version:
            dst = src
        frame = Packet(src, dst, "udp", payload=b"x" * length).frame()
        assert wire.frames(frame) == [frame]
        address = ipaddress.ip_address(src if key == "source" else dst)
        bits = lengths[0] if address.version == 4 else lengths[1]
        network = ipaddress.ip_network((address, bits), strict=False)
        true[network] = true.get(network, 0) + (len(frame) if unit == "bytes" else 1)
    rows = nf.report(wire.state("heavyhitters"))
    total = sum(true.values())
    assert len(rows) == min(size, len(true))
    assert sum(row[unit] for row in rows) == total  # no count is ever lost: Metwally et al., lemma 3.1
    assert rows == sorted(rows, key=lambda row: -row[unit])
    found = {ipaddress.ip_network(row[key]): row for row in rows}
    for network, row in found.items():
        assert row[unit] - row["error"] <= true[network] <= row[unit]
        assert row["error"] <= total / size
        assert row["share"] == pytest.approx(row[unit] / total)
    assert all(network in found for network, count in true.items() if count > total / size)  # theorem 3.5


class Naive:
    """Space-Saving with a dictionary and a search for the smallest count."""

    def __init__(self, size: int) -> None:
        self.size, self.counts, self.errors = size, {}, {}

    def add(self, key: str, weight: int) -> None:
        if key not in self.counts and len(self.counts) == self.size:
            smallest = min(self.counts, key=lambda other: self.counts[other])
            self.errors[key] = self.counts[key] = self.counts.pop(smallest)
        self.counts[key] = self.counts.get(key, 0) + weight


@pytest.mark.parametrize("engine", engines())
def test_the_algorithm_where_no_counts_are_equal(engine: str) -> None:
    wire, naive = Wire(HeavyHitters(size=3), engine), Naive(3)
    for turn in range(60):
        host, length = HOSTS[turn * turn % 7], 1 << (turn % 11)
        frame = Packet(host, proto="udp", payload=b"x" * length).frame()
        wire.frames(frame)
        naive.add(host, len(frame))
        assert len(set(naive.counts.values())) == len(naive.counts), "the trace is to have no equal counts"
    rows = HeavyHitters(size=3).report(wire.state("heavyhitters"))
    assert {row["source"]: row["bytes"] for row in rows} == naive.counts
    assert {row["source"]: row["error"] for row in rows if row["error"]} == {
        k: v for k, v in naive.errors.items() if k in naive.counts
    }


def test_prefixes_are_named() -> None:
    wire = Wire(HeavyHitters(prefix4=24))
    wire.send(Packet("10.1.2.3"))
    wire.send(Packet("10.1.2.4"))
    (row,) = HeavyHitters(prefix4=24).report(wire.state("heavyhitters"))
    assert row == {"source": "10.1.2.0/24", "bytes": 108, "error": 0, "share": 1.0}
    assert HeavyHitters().report(Wire(HeavyHitters()).state("heavyhitters")) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 0}, "size: expected 1 to 65535"),
        ({"size": 70_000}, "size"),
        ({"key": "sources"}, "did you mean 'source'"),
        ({"unit": "bits"}, "one of bytes, packets"),
        ({"prefix4": 33}, "prefix4: 33 is more than the 32 bits"),
        ({"prefix6": 129}, "prefix6: 129 is more"),
    ],
)
def test_bad_parameters(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Wire(HeavyHitters(**given))
