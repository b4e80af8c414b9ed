"""The driver: runs a chain over an input, with any engine.

``receive -> parse -> direction -> fragment stage -> engine (split at control input) -> send``. This loop drives all
engines: they see the same packets in the same order.
"""

from __future__ import annotations

import importlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.chain.spec import Chain
from nfuse.engine.api import Control, Engine, RunResult
from nfuse.engine.schedule import Schedule
from nfuse.engine.source import Source, Stages, opened
from nfuse.port.base import Output
from nfuse.port.burst import Burst
from nfuse.port.registry import open_output

ENGINES: dict[str, str] = {
    "reference": "nfuse.engine.reference:ReferenceEngine",
    "fused": "nfuse.engine.fused:FusedEngine",
    "original": "nfuse.engine.fused:OriginalEngine",
}
"""Engines by name: ``module:class``, imported when first asked for."""

Sink = Output | str | Sequence[Output | str] | None
Progress = Callable[[int, int, int], None]
"""Called after each burst with (packets received, position of the input, its size; size 0 if unknown)."""


def engine_class(name: str) -> Callable[[Chain], Engine]:
    """Return the class of the engine of that name.

    Raises:
        ValueError: No such engine.
    """
    if name not in ENGINES:
        raise ValueError(f"no engine {name!r}; there are {', '.join(ENGINES)}")
    module, _, attribute = ENGINES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]


def run(
    chain: Chain,
    source: Source,
    sink: Sink = None,
    engine: str = "fused",
    control: Sequence[Control] = (),
    limit: int | None = None,
    progress: Progress | None = None,
    packets: int = 4096,
) -> RunResult:
    """Run a chain over an input until it ends, the limit is reached, or Ctrl-C.

    Args:
        chain: The chain.
        source: An input port or its URI; a pair (forward, reverse) for a chain between two networks.
        sink: An output port or its URI, a pair (forward, reverse), or None: packets go nowhere.
        engine: One of :data:`ENGINES`.
        control: Changes of parameters while it runs.
        limit: Packets to receive at most.
        progress: Called after each burst.
        packets: Packets per burst.

    Ports are closed at the end, so that a capture is whole, also after Ctrl-C: the run then stops after the burst in
    hand and the result is what was done so far (``interrupted``).

    Raises:
        PortError: A port can't be opened, read or written.
        ValueError: Control input for an NF or a parameter that does not exist.
    """
    names = {node.name for node in chain.nodes}
    for change in control:
        if change.nf not in names:
            raise ValueError(f"control input for {change.nf!r}; the chain has {', '.join(sorted(names))}")
    with ExitStack() as stack:
        burst = Burst(packets)
        port = stack.enter_context(opened(source, burst))
        outputs = [stack.enter_context(output) for output in _outputs(sink)]
        begin = time.perf_counter()
        executor = engine_class(engine)(chain)
        stack.callback(executor.close)
        built = time.perf_counter()
        stages = Stages(chain, port, burst, limit)
        feed = Feed(executor, chain, control)
        interrupted = False
        with _interrupts() as stop:
            try:
                for filled in stages:
                    for order in feed.process(filled):
                        _send(outputs, filled, order)
                    if progress is not None:
                        progress(stages.received, port.position, port.size)
                    if stop.is_set():
                        break
            except KeyboardInterrupt:
                interrupted = True
        executor.finish()
        result = _result(engine, chain, executor, stages)
        result.interrupted = interrupted or stop.is_set()
        result.compile_seconds = built - begin
        result.run_seconds = time.perf_counter() - built
        closing = [port, *outputs]
    result.warnings = [warning for one in closing for warning in one.warnings]
    return result


class Feed:
    """Gives bursts to an engine, in pieces: at control input, and so that packets that are made find room.

    Args:
        engine: The engine.
        chain: Its chain.
        control: Changes, applied when due.
    """

    def __init__(self, engine: Engine, chain: Chain, control: Sequence[Control] = ()) -> None:
        self._engine = engine
        self._schedule = Schedule(control)
        self._most = max(1, len(chain.nodes))  # packets that one packet can cause: each NF may answer it once

    def process(self, burst: Burst) -> Iterator[NDArray[np.int32]]:
        """Run a burst of parsed packets; yield what leaves, piece by piece (each to be sent before the next)."""
        piece = max(1, (burst.capacity - burst.n) // self._most)
        desc: Any = burst.desc
        used, stamps = burst.used, desc["ts"][: burst.n].copy()
        for changes, start, stop in self._schedule.split(stamps):
            for change in changes:
                self._engine.control(change)
            for at in range(start, stop, piece):
                yield self._engine.process(burst, at, min(stop, at + piece))
                burst.used = used


def _outputs(sink: Sink) -> list[Output]:
    if sink is None:
        return []
    ports = [sink] if isinstance(sink, Output | str) else list(sink)
    if len(ports) > 2:
        raise ValueError(f"{len(ports)} outputs; a chain has one, or one for each direction")
    return [open_output(port) if isinstance(port, str) else port for port in ports]


def _send(outputs: list[Output], burst: Burst, order: NDArray[np.int32]) -> None:
    if len(outputs) == 1:
        outputs[0].send(burst, order)
    elif outputs:
        desc: Any = burst.desc
        side = desc["side"][order]
        for number, output in enumerate(outputs):
            output.send(burst, np.ascontiguousarray(order[side == number]))


def _result(name: str, chain: Chain, engine: Engine, stages: Stages) -> RunResult:
    """Collect an engine's results and add the fragment stage's: packets in + made = out + dropped."""
    counters, drops = dict(engine.counters), dict(engine.drops)
    for cause, count in stages.finish().items():
        drops[cause] = drops.get(cause, 0) + count
        counters["dropped"] += count
        counters["packets_in"] += count
    counters["bytes_in"] = stages.received_bytes
    states: dict[str, dict[str, Any]] = {node.name: engine.state(node.name) for node in chain.nodes}
    return RunResult(name, counters, drops, engine.flows().copy(), states, engine.logs().copy())


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn Ctrl-C into an event, so that no burst is left half done; a second Ctrl-C raises."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
