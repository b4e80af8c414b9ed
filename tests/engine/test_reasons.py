"""Drop reasons that interpreted handlers make while they run: so many, then "other", in all engines."""

from __future__ import annotations

from tests.engine import frames as f

from nfuse import NF, Chain
from nfuse.engine.driver import run
from nfuse.engine.reasons import LATE_REASONS, OTHER, place_of
from nfuse.engine.verify import verify
from nfuse.port.memory import ListInput


class Wordy(NF):
    compiled = False

    def on_flow(self, pkt, flow):
        if flow.sport == 7:
            flow.drop("seven")
        flow.drop(f"port {flow.sport}")


FRAMES = [f.udp("10.0.0.1", port, "192.0.2.1", 53, b"x") for port in range(1, 101)]


def test_place_of():
    assert place_of("a", ["a", "", ""]) == (0, "a")
    assert place_of("b", ["a", "", ""]) == (1, "b")
    assert place_of("c", ["a", "b", ""]) == (2, OTHER)
    assert place_of(OTHER, ["a", "", ""]) == (2, OTHER)
    assert place_of("c", [OTHER, "b", ""]) == (0, OTHER)


def test_many_reasons():
    results = [run(Chain(Wordy()), ListInput(FRAMES), None, engine) for engine in ("reference", "fused")]
    assert results[0].drops == results[1].drops
    assert results[0].drops["wordy", OTHER] == 100 - (LATE_REASONS - 1)
    assert results[0].drops["wordy", "port 1"] == 1
    assert results[0].conserved
    assert verify(Chain(Wordy()), lambda: ListInput(FRAMES)).identical
