"""DosGuard against counters in dictionaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import DosGuard, Monitor

STEP = st.tuples(
    st.sampled_from(["10.0.0.1", "10.0.0.2"]),
    st.integers(1, 4),
    st.sampled_from(["S", "S", "S", "SA", "A", "back"]),
    st.sampled_from([0, 0, 0, 1, 3]),
)


@pytest.mark.parametrize("engine", engines())
@given(st.lists(STEP, max_size=60), st.integers(0, 4), st.integers(1, 9), st.sampled_from([0, 3]))
@few(25)
def test_counts(engine: str, steps: list[tuple[str, int, str, int]], threshold: int, most: int, window: int) -> None:
    wire = Wire(DosGuard(threshold=threshold, source_threshold=most, window=window), engine, idle=10_000)
    flows: dict[tuple[str, int], int] = {}
    cut: dict[tuple[str, int], str] = {}
    since: dict[str, int] = {}
    counts: dict[str, int] = {}
    drops: dict[str, int] = {}
    answered: set[tuple[str, int]] = set()
    fired: set[tuple[str, int, str]] = set()
    for src, sport, flags, gap in steps:
        wire.wait(gap)
        key = (src, sport)
        if flags == "back" and key not in answered:  # no packet has left that it could answer
            continue
        packet = Packet(src, sport=sport, flags=flags)
        if flags == "back":
            packet = packet.to(flags="SA").back()
        flows.setdefault(key, 0)
        if flags == "S":
            flows[key] += 1
            if window and wire.now - since.get(src, 0) >= window * 1_000_000_000:
                since[src], counts[src] = wire.now, 0
            counts[src] = counts.get(src, 0) + 1
        for reason, true in (
            ("SYN flood", flows[key] > threshold),
            ("SYN flood from source", counts.get(src, 0) > most),
        ):
            if true and (*key, reason) not in fired:  # an event fires once a flow; the last to fire decides
                fired.add((*key, reason))
                cut[key] = reason
        out = wire.send(packet)
        assert (out is None) == (key in cut)
        if out is not None:
            answered.add(key)
        if key in cut:
            drops[cut[key]] = drops.get(cut[key], 0) + 1
    assert wire.dropped() == drops
    assert len(wire.engine.logs()) == len(fired)


@pytest.mark.parametrize("engine", engines())
def test_figure_3(engine: str) -> None:
    """The packet that exceeds the threshold is dropped, those of other flows are not."""
    wire = Wire(DosGuard(threshold=100) >> Monitor(), engine)
    syn = Packet(flags="S")
    assert [wire.send(syn) for _ in range(100)] == [syn] * 100
    assert [wire.send(syn) for _ in range(5)] == [None] * 5
    assert wire.send(syn.to(sport=9)) == syn.to(sport=9)
    assert wire.dropped() == {"SYN flood": 5}
    assert [row["packets"] for row in Monitor.table(wire.flows())] == [100, 1]
    assert len(wire.engine.logs()) == 1


def test_bad_parameters() -> None:
    for values in ({"threshold": -1}, {"threshold": "many"}, {"window": 2**32}, {"limit": 3}):
        with pytest.raises(ValueError, match=next(iter(values))):
            DosGuard(**values)
