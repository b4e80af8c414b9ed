"""Sides of packets: what an input says of them counts in chains between two networks only."""

from __future__ import annotations

from tests.engine.nfs import Meter

from nfuse import Chain
from nfuse.engine.driver import run
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
