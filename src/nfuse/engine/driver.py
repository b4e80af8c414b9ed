"""The driver: runs a chain over an input, with any engine.

``receive -> parse -> direction -> fragment stage -> engine (split at control input) -> send``. This loop drives all
engines: they see the same packets in the same order.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.chain.spec import Chain, Node
from nfuse.engine.api import Control, Engine, RunResult
from nfuse.engine.flows import coarser_sessions
from nfuse.engine.schedule import Schedule
from nfuse.engine.source import Source, Stages, in_memory, opened
from nfuse.engine.start import ENGINES as ENGINES
from nfuse.engine.start import check_control, located, started
from nfuse.engine.start import engine_class as engine_class
from nfuse.memory.compiling import Compiling
from nfuse.nf.abi import CX_LOG_LOST, LOG_DTYPE
from nfuse.nf.compile import analyse
from nfuse.nf.poke import peek
from nfuse.packet.desc import F_FRAG
from nfuse.port.base import Output
from nfuse.port.burst import Burst
from nfuse.port.errors import PortError
from nfuse.port.memory import ListOutput
from nfuse.port.registry import open_output

Sink = Output | str | Sequence[Output | str] | None
Progress = Callable[[int, int, int], None]
"""Called after each burst with (packets received, position of the input, its size; size 0 if unknown)."""
Alerts = Callable[[NDArray[np.void]], object]
"""Called with log records (``nfuse.nf.abi.LOG_DTYPE``), in order, soon after they were written."""


def run(
    chain: Chain,
    source: Source,
    sink: Sink = None,
    engine: str = "fused",
    control: Sequence[Control] = (),
    limit: int | None = None,
    progress: Progress | None = None,
    packets: int = 4096,
    alerts: Alerts | None = None,
    states: bool | Collection[str] = True,
    keep: bool | None = None,
) -> RunResult:
    """Run a chain over an input until it ends, the limit is reached, or Ctrl-C.

    Args:
        chain: The chain.
        source: An input port, its URI, the path of a capture, or packets (a list of bytes, ``(time, bytes)``, packets
            of scapy or dpkt: :func:`nfuse.port.frames.frames`); a pair (forward, reverse) for a chain between two
            networks.
        sink: An output port or its URI, a pair (forward, reverse), or None: packets go nowhere.
        engine: One of :data:`nfuse.engine.start.ENGINES`.
        control: Changes of parameters while it runs.
        limit: Packets to receive at most.
        progress: Called after each burst.
        packets: Packets per burst.
        alerts: Takes the alerts while the chain runs; without it they are collected in the result.
        states: Whether the result has the contents of the NFs' containers, as Python values, and the blocks of coarser
            sessions (which takes time where they are large), or the names of those whose containers it has; it always
            has the other fields of State.
        keep: Whether the result has the packets that left; None: if `source` is packets and there is no `sink`.

    Ports are closed at the end, so that a capture is whole, also after Ctrl-C: the run then stops after the burst in
    hand and the result is what was done so far (``interrupted``). An output that fails (a full disk, a reader that has
    gone) ends the run in the same way (``failed``).

    Raises:
        PortError: A port can't be opened or read.
        ChainError: Control input for an NF or a parameter that does not exist; an NF that refuses its parameters.
    """
    check_control(chain, control)
    kept = ListOutput() if keep or (keep is None and sink is None and in_memory(source)) else None
    with ExitStack() as stack:
        burst = Burst(packets)
        port = stack.enter_context(opened(source, burst))
        outputs = [stack.enter_context(output) for output in _outputs(sink)]
        begin = time.perf_counter()
        executor = started(chain, engine)
        stack.callback(executor.close)
        stages = Stages(chain, port, burst, limit)
        log = Log(executor, alerts)
        stages.prepare()
        for output in outputs:
            output.prepare()
        built = time.perf_counter()
        feed = Feed(executor, chain, control)
        interrupted, failed = False, ""
        with _interrupts() as stop, Compiling() as compiling:
            try:
                for filled in stages.received_bursts():
                    for order in feed.receive(stages):
                        if kept is not None:
                            kept.send(filled, order)
                        try:
                            if not failed:  # else the burst in hand is finished without it
                                _send(outputs, filled, order)
                            log.drain()
                        except (PortError, OSError) as error:
                            failed = failed or str(error)
                    if progress is not None:
                        progress(stages.received, port.position, port.size)
                    if stop.is_set() or failed:
                        break
            except KeyboardInterrupt:
                interrupted = True
        executor.finish()
        for output in outputs:
            try:
                output.close()
            except (PortError, OSError) as error:
                failed = failed or str(error)
        try:
            log.drain()
        except (PortError, OSError) as error:
            failed = failed or str(error)
        ended = time.perf_counter()
        result = collected(engine, chain, executor, stages, log, states)
        result.sent = None if kept is None else kept.sent
        result.interrupted = interrupted or stop.is_set()
        result.failed = failed
        result.compile_seconds = built - begin + compiling.seconds
        result.run_seconds = ended - built - compiling.seconds
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
        self._chain = chain
        self._schedule = Schedule(control)
        self._most = sum(map(_may_answer, chain.nodes))  # packets that one packet can cause

    def receive(self, stages: Stages) -> Iterator[NDArray[np.int32]]:
        """Run the burst as it was received; yield what leaves, piece by piece (each to be sent before the next)."""
        burst, done = stages.burst, 0
        if not stages.pending:
            done = yield from self._take(burst, burst.n)
        if done < burst.n or stages.pending:
            stages.settle(done)
            if done < burst.n:
                yield from self.process(burst, done)

    def replay(self, burst: Burst) -> Iterator[NDArray[np.int32]]:
        """Run a burst that is parsed and in order in the way in which :meth:`receive` would have run it."""
        desc: Any = burst.desc
        fragments = np.flatnonzero(desc["flags"][: burst.n] & F_FRAG)
        done = yield from self._take(burst, int(fragments[0]) if len(fragments) else burst.n)
        if done < burst.n:
            yield from self.process(burst, done)

    def _take(self, burst: Burst, most: int) -> Generator[NDArray[np.int32], None, int]:
        """Let an engine that parses have up to `most` packets, to the first fragment; return how many it took."""
        done = 0
        if getattr(self._engine, "parses", False) and self._schedule.empty:
            for start, stop in self._pieces(burst, 0, most):
                order, done = self._engine.take(burst, start, stop)  # type: ignore[attr-defined]
                yield order
                if done < stop:
                    break
        return done

    def process(self, burst: Burst, done: int = 0) -> Iterator[NDArray[np.int32]]:
        """Run the packets of a burst from `done` on, which are parsed and in order; yield as :meth:`receive`."""
        desc: Any = burst.desc
        stamps = desc["ts"][done : burst.n].copy()
        for changes, first, last in self._schedule.split(stamps):
            for change in changes:
                with located(self._chain, "refuses the change"):
                    self._engine.control(change)
            for start, stop in self._pieces(burst, done + first, done + last):
                yield self._engine.process(burst, start, stop)

    def _pieces(self, burst: Burst, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Split packets into pieces, so that all that they can cause has room; it is free again after each."""
        piece, used = max(1, (burst.capacity - burst.n) // max(1, self._most)), burst.used
        for at in range(first, last, piece):
            yield at, min(last, at + piece)
            burst.used = used


def _may_answer(node: Node) -> bool:
    """Tell whether an NF may answer packets: each once."""
    effects = analyse(type(node.nf)).effects.values()
    return any(effect.replies or effect.opaque for effect in effects)


class Log:
    """Takes the log records of an engine before its ring is full.

    Args:
        engine: The engine.
        taker: Is given the records; None: they are kept.

    Attributes:
        count: Records so far.
    """

    def __init__(self, engine: Engine, taker: Alerts | None = None) -> None:
        self._engine = engine
        self._kept: list[NDArray[np.void]] = []
        self._taker: Alerts = self._kept.append if taker is None else taker
        self.count = 0

    def drain(self) -> None:
        """Take what was written since the last call."""
        records = self._engine.logs()
        if len(records):
            self.count += len(records)
            self._taker(records)

    def records(self) -> NDArray[np.void]:
        """Return all records that were kept, and forget them."""
        found = np.concatenate(self._kept) if self._kept else np.empty(0, LOG_DTYPE)
        self._kept.clear()
        return found

    @property
    def lost(self) -> int:
        """Records that were overwritten before they were taken: more of them in one piece than the ring holds."""
        context = getattr(self._engine, "X", 0)
        return peek(context + CX_LOG_LOST) if context else 0


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


def collected(
    name: str, chain: Chain, engine: Engine, stages: Stages, log: Log, states: bool | Collection[str]
) -> RunResult:
    """Collect the results of an engine at the end of its input.

    The fragment stage's are added, so that packets in + made = out + dropped.

    Args:
        name: The engine's name.
        chain: Its chain.
        engine: The engine.
        stages: Where its packets came from.
        log: What took its log records.
        states: Whether to read the State of the NFs, or the names of those whose State to read.
    """
    counters, drops = dict(engine.counters), dict(engine.drops)
    for cause, count in stages.finish().items():
        drops[cause] = drops.get(cause, 0) + count
        counters["dropped"] += count
        counters["packets_in"] += count
    counters["bytes_in"] = stages.received_bytes
    whole = {node.name for node in chain.nodes} if states is True else set(states or ())
    values = {node.name: engine.state(node.name, node.name in whole) for node in chain.nodes}
    result = RunResult(name, counters, drops, engine.flows().copy(), values, log.records())
    result.alerts, result.alerts_lost = log.count, log.lost
    if states is True:
        result.blocks = {key: engine.blocks_of(*key) for key in coarser_sessions(chain)}
    for node, instance in zip(chain.nodes, engine.instances, strict=True):
        result.exceptions |= {(node.name, line): text for line, text in instance.exceptions.items()}
    return result


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
