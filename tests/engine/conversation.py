"""Conversations: packets in, the lines that come out, whichever engine runs the chain."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import pytest
from tests.engine.frames import text

from nfuse import Chain
from nfuse.engine.api import Control, RunResult
from nfuse.engine.driver import ENGINES, run
from nfuse.port.memory import ListInput, ListOutput

SECOND = 1_000_000_000


def available() -> list[str]:
    """Names of the engines that can be imported."""
    names = []
    for name, where in ENGINES.items():
        module, _, attribute = where.partition(":")
        try:
            getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError):
            continue
        names.append(name)
    return names


def need(engine: str) -> str:
    """Skip the test if the engine can't be imported."""
    if engine not in available():
        pytest.skip(f"the {engine} engine is not there")
    return engine


class Talk:
    """One conversation through a chain.

    Args:
        engine: Name of the engine.
        graph: The chain, or its graph.
        packets: Frames; ``(seconds, frame)`` to set the clock; ``(seconds, frame, side)`` for two-sided chains.
        control: Control input.
        burst: Packets per burst; only packets of later bursts than their session's first take the fast path.
        settings: Settings of the chain.

    Attributes:
        out: Frames that left.
        lines: The same as text.
        result: The run's result.
    """

    def __init__(
        self,
        engine: str,
        graph: Any,
        packets: Sequence[Any],
        control: Sequence[Control] = (),
        burst: int = 4096,
        **settings: Any,
    ) -> None:
        chain = graph if isinstance(graph, Chain) else Chain(graph, **settings)
        timed: list[tuple[float, bytes, int]] = []
        now = 1000.0
        for packet in packets:
            frame, side = packet, 0
            if isinstance(packet, tuple):
                now, frame = packet[:2]
                side = packet[2] if len(packet) > 2 else 0
            timed.append((now, frame, side))
        sink = ListOutput()
        if chain.two_sided and chain.direction is None:
            inputs = [
                ListInput([(round(at * SECOND), frame) for at, frame, side in timed if side == which])
                for which in (0, 1)
            ]
            self.result: RunResult = run(chain, inputs, sink, engine, control, packets=burst)
        else:
            source = ListInput([(round(at * SECOND), frame) for at, frame, _ in timed])
            self.result = run(chain, source, sink, engine, control, packets=burst)
        assert self.result.conserved, self.result.counters
        self.records = sink.records
        self.out = [record[1] for record in sink.records]
        self.lines = [text(frame) for frame in self.out]
        self.drops = {f"{nf}: {reason}": count for (nf, reason), count in self.result.drops.items()}
        self.counters = self.result.counters
