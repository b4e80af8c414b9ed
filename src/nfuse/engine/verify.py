"""Verification: engines run the same input in step, and everything that can be seen is compared.

Frames in order, byte for byte; drops by reason; counters; State of each NF; scratchpads of the live sessions; logs. The
first difference is explained: the packet, the fields, the bytes, and what the reference engine's NFs made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.chain.spec import Chain
from nfuse.engine.api import Control, Engine, RunResult
from nfuse.engine.compare import (
    Difference,
    Sent,
    frame_difference,
    mapping_difference,
    sent_of,
    table_difference,
    tuple_in,
)
from nfuse.engine.driver import Feed, Log, Progress, collected
from nfuse.engine.flows import coarser_sessions
from nfuse.engine.reference.observer import Frames
from nfuse.engine.source import Source, Stages, opened
from nfuse.engine.start import check_control, started
from nfuse.memory.arena import read_bytes, write_bytes
from nfuse.port.burst import HEADROOM, Burst, frame_at
from nfuse.port.frames import Frame


@dataclass
class VerifyResult:
    """What verification found.

    Attributes:
        engines: The engines; the first one is what the others are compared with.
        difference: The first difference; None: identical.
        packets: Packets received.
        sessions: Sessions created.
        changed: Packets that left with other bytes than they came with.
        translated: Those of them that left with other addresses, ports or ICMP identifier.
        unmatched: Packets that no NF's class matched.
        made: Packets that the chain made.
        dropped: Packets dropped, by (NF name or "chain", reason).
        counters: All counters of the first engine.
        warnings: What the input had to report.
        run: All that the first engine did, if it was kept.
    """

    engines: tuple[str, ...]
    difference: Difference | None = None
    packets: int = 0
    sessions: int = 0
    changed: int = 0
    translated: int = 0
    unmatched: int = 0
    made: int = 0
    dropped: dict[tuple[str, str], int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    run: RunResult | None = None

    @property
    def identical(self) -> bool:
        """Whether no difference was found."""
        return self.difference is None

    def __str__(self) -> str:
        drops = ", ".join(f"{count} {where}: {reason}" for (where, reason), count in sorted(self.dropped.items()))
        numbers = (
            f"{self.packets} packets, {self.sessions} sessions, {self.changed} changed, {self.translated} translated, "
            f"{self.made} made, {self.unmatched} unmatched, dropped: {drops or 'none'}"
        )
        return f"{'identical' if self.identical else self.difference}\n{numbers}"


class _Runner:
    """One of the engines, with a burst of its own."""

    def __init__(self, name: str, chain: Chain, control: Sequence[Control], packets: int) -> None:
        self.name = name
        self.engine: Engine = started(chain, name)
        self.log = Log(self.engine)
        self.logs: NDArray[np.void] = self.log.records()
        self.feed = Feed(self.engine, chain, control)
        self.burst = Burst(packets)
        self.frames = Frames()
        if hasattr(self.engine, "observer"):
            self.engine.observer = self.frames

    def run(self, source: Burst) -> list[Sent]:
        """Run a copy of a burst; return what leaves, in order."""
        copy_burst(source, self.burst)
        self.frames.after.clear()
        sent: list[Sent] = []
        for order in self.feed.replay(self.burst):
            sent += sent_of(self.burst, order)
            self.log.drain()
        self.logs = self.log.records()
        return sent

    def finish(self) -> None:
        """The input has ended."""
        self.engine.finish()
        self.log.drain()
        self.logs = self.log.records()


def copy_burst(source: Burst, target: Burst) -> None:
    """Copy parsed packets to another burst; each frame keeps its head room."""
    target.reset()
    count = source.n
    for index in range(count):
        desc: Any = source.desc[index].copy()
        frame = read_bytes(int(desc["addr"]), int(desc["len"]))
        at = frame_at(target.buffer.address + target.used) - HEADROOM + int(desc["room"])
        write_bytes(at, frame)
        target.used = at + len(frame) - target.buffer.address
        desc["addr"] = at
        target.desc[index] = desc
    target.n = count


def verify(
    chain: Chain,
    source: Source | Callable[[], Source],
    engines: tuple[str, ...] = ("reference", "fused"),
    control: Sequence[Control] = (),
    limit: int | None = None,
    progress: Progress | None = None,
    packets: int = 256,
    keep: bool = False,
) -> VerifyResult:
    """Run engines on the same input and compare them.

    Args:
        chain: The chain.
        source: As for :func:`nfuse.engine.driver.run`, or a function that gives it.
        engines: Names of the engines, two or more; the first one is what the others are compared with.
        control: Changes of parameters on the way.
        limit: Packets to receive at most.
        progress: Called after each burst.
        packets: Packets per burst; comparison is per burst, so the first difference is known to the packet.
        keep: Whether the result has all that the first engine did, the packets that left included.
    """
    check_control(chain, control)
    burst = Burst(packets)
    result = VerifyResult(engines)
    with opened(source() if callable(source) else source, burst) as port:
        stages = Stages(chain, port, burst, limit)
        runners = [_Runner(name, chain, control, packets) for name in engines]
        kept = _Kept()
        done = 0
        for filled in stages:
            frames = [filled.frame(index) for index in range(filled.n)]
            first, *others = (runner.run(filled) for runner in runners)
            for one in first:
                if one.number >= 0 and one.frame != frames[one.number]:
                    result.changed += 1
                    result.translated += tuple_in(one.frame, one.link) != tuple_in(frames[one.number], one.link)
            for runner, leaving in zip(runners[1:], others, strict=True):
                result.difference = result.difference or _compare_step(first, leaving, [runners[0], runner], done)
            if keep:
                kept.take(first, runners[0])
            if result.difference is not None:
                break
            done += filled.n
            if progress is not None:
                progress(stages.received, port.position, port.size)
        for runner in runners:
            runner.finish()
        for runner in runners[1:]:
            result.difference = result.difference or _compare_end(chain, [runners[0], runner])
        oracle = runners[0].engine
        result.packets = stages.received
        result.counters, result.dropped = dict(oracle.counters), dict(oracle.drops)
        for cause, count in stages.finish().items():
            result.dropped[cause] = result.dropped.get(cause, 0) + count
        result.sessions = result.counters["sessions_created"]
        result.unmatched, result.made = result.counters["unmatched"], result.counters["made"]
        if keep:
            kept.take([], runners[0])
            result.run = kept.result(collected(engines[0], chain, oracle, stages, runners[0].log, True))
        for runner in runners:
            runner.engine.close()
    result.warnings = list(port.warnings)
    return result


class _Kept:
    """The packets and log records of one engine, piece by piece."""

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self.logs: list[NDArray[np.void]] = []

    def take(self, sent: list[Sent], runner: _Runner) -> None:
        self.sent += [Frame(one.frame, one.ts, one.side, one.wire, one.link) for one in sent]
        self.logs.append(runner.logs)

    def result(self, rest: RunResult) -> RunResult:
        rest.sent, rest.logs = self.sent, np.concatenate(self.logs)
        return rest


def _compare_step(first: list[Sent], second: list[Sent], runners: list[_Runner], done: int) -> Difference | None:
    """Compare what left in one burst, then what was counted."""
    names = runners[0].name, runners[1].name
    last = 0
    for position in range(max(len(first), len(second))):
        one = first[position] if position < len(first) else None
        other = second[position] if position < len(second) else None
        if one == other:
            last = max(last, one.number if one else 0)
            continue
        if one is None or other is None or one.number != other.number:
            indexes = [sent.number for sent in (one, other) if sent is not None and sent.number >= 0]
            text = "\n".join(
                f"  {name}: {_describe(sent, done)}" for name, sent in zip(names, (one, other), strict=True)
            )
            return Difference(done + min(indexes, default=last), "order", text + _counted(runners))
        index = one.number if one.number >= 0 else last
        lines = frame_difference(one, other, names) + _traced(runners, index, one, other)
        made = "  (made in answer to it)\n" if one.number < 0 else ""
        return Difference(done + index, "frame", made + lines)
    if text := _counted(runners):
        return Difference(done + last, "counters", text)
    text = _logged(runners)
    return Difference(done + last, "logs", text) if text else None


def _logged(runners: list[_Runner]) -> str:
    return table_difference(runners[0].logs, runners[1].logs, (runners[0].name, runners[1].name))


def _describe(sent: Sent | None, done: int) -> str:
    if sent is None:
        return "nothing more leaves"
    which = "a made packet" if sent.number < 0 else f"packet {done + sent.number}"
    return f"{which} leaves next ({len(sent.frame)} bytes, {sent.frame[:48].hex()}...)"


def _counted(runners: list[_Runner]) -> str:
    names = runners[0].name, runners[1].name
    drops = mapping_difference(runners[0].engine.drops, runners[1].engine.drops, names)
    counters = mapping_difference(runners[0].engine.counters, runners[1].engine.counters, names)
    return "".join(f"\n{text}" for text in (drops, counters) if text)


def _traced(runners: list[_Runner], index: int, one: Sent, other: Sent) -> str:
    """Name the NF of the reference engine after which the differing bytes have their final values."""
    steps = runners[0].frames.after.get(index, [])
    where = [n for n, (x, y) in enumerate(zip(one.frame, other.frame, strict=False)) if x != y]
    for (name, after), (_, before) in zip(reversed(steps), [*reversed(steps)][1:], strict=False):
        if len(before) != len(after) or any(before[n : n + 1] != after[n : n + 1] for n in where):
            return f"\n  last changed by the {runners[0].name}'s NF {name!r}"
    return f"\n  not changed after the {runners[0].name}'s NF {steps[0][0]!r}" if steps else ""


def _compare_end(chain: Chain, runners: list[_Runner]) -> Difference | None:
    """Compare what is left at the end."""
    names = runners[0].name, runners[1].name
    first, second = (runner.engine for runner in runners)
    checks: list[tuple[str, str]] = [
        ("drops", mapping_difference(first.drops, second.drops, names)),
        ("counters", mapping_difference(first.counters, second.counters, names)),
    ]
    for node in chain.nodes:
        text = mapping_difference(first.state(node.name), second.state(node.name), names)
        checks.append(("state", f"  State of {node.name!r}:\n{text}" if text else ""))
    for name, session in coarser_sessions(chain):
        text = table_difference(first.blocks_of(name, session), second.blocks_of(name, session), names)
        checks.append(("blocks", f"  {session} of {name!r}:\n{text}" if text else ""))
    checks.append(("flows", table_difference(first.flows(), second.flows(), names)))
    checks.append(("logs", _logged(runners)))
    for what, text in checks:
        if text:
            return Difference(None, what, text)
    return None
