"""Sides of packets: what an input says of them counts in chains between two networks only."""

from __future__ import annotations

import pytest
from tests.engine import frames as f
from tests.engine.nfs import Meter

from nfuse import Chain, pcap_filter
from nfuse.engine.driver import ENGINES, run
from nfuse.engine.verify import verify
from nfuse.nf.library import Monitor
from nfuse.port.memory import ListOutput

SIDES = "gen:?flows=10&packets=200&seed=3&reply=sides"


def test_a_chain_of_one_side_has_one_output():
    sink = ListOutput()
    result = run(Chain(Meter()), SIDES, sink, "reference")
    assert len(sink.frames) == result.counters["packets_out"] == 200
    assert set(result.flows["side"].tolist()) == {0}


def test_verify_with_an_input_that_has_sides():
    for two_sided in (False, True):
        outcome = verify(Chain(Monitor(), two_sided=two_sided), SIDES)
        assert outcome.identical, outcome
        assert outcome.packets == 200
    assert verify(Chain(Monitor()), SIDES).sessions == 10


def test_two_sides():
    outputs = ListOutput(), ListOutput()
    run(Chain(Meter(), two_sided=True), SIDES, outputs, "reference")
    assert outputs[0].frames
    assert outputs[1].frames


@pytest.mark.parametrize("engine", ENGINES)
def test_fragments_follow_the_side_of_their_first(engine: str) -> None:
    """An expression may ask for ports, which later fragments don't have."""
    whole = f.udp("203.0.113.5", 80, "10.0.0.9", 5, bytes(60))
    pieces = f.fragments(whole, 24)
    opener = f.udp("10.0.0.9", 5, "203.0.113.5", 80, b"a")
    for order in (pieces, pieces[::-1]):
        chain = Chain(Monitor()).with_settings(direction=pcap_filter("src port 80"))
        result = run(chain, [opener, *order], None, engine)
        assert result.drops == {}
        assert result.flows["monitor.reverse_packets"].tolist() == [len(pieces)]
