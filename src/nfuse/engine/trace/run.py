"""Running a chain by the reference engine and the fused one, side by side, and telling of chosen packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

from nfuse.chain.spec import Chain
from nfuse.engine.api import STATES, Engine
from nfuse.engine.compare import Sent, frame_difference, mapping_difference, sent_of, table_difference
from nfuse.engine.driver import Progress
from nfuse.engine.fused import FusedEngine
from nfuse.engine.reference import ReferenceEngine
from nfuse.engine.source import Source, Stages, opened
from nfuse.engine.start import started
from nfuse.engine.trace.arrivals import Arrival, Arrivals
from nfuse.engine.trace.fused import Before
from nfuse.engine.trace.headers import words
from nfuse.engine.trace.record import Drop, Journey, SessionFacts, TracedPacket
from nfuse.engine.trace.recorder import Recorder, session_words
from nfuse.engine.verify import copy_burst
from nfuse.flow.fragments import NO_FIRST, TOO_MANY
from nfuse.flow.traffic import pcap_filter
from nfuse.nf.compile import analyse
from nfuse.port.burst import Burst

NAMES = ("reference", "fused")


class Trace:
    """The stories of the packets of an input that match a filter; iterate over it, once.

    All packets are run, in order, by both engines: the reference engine tells the story, the fused engine shows what it
    did with the same packet. The run ends with the last packet that is told of.

    Args:
        chain: The chain.
        source: An input port or its URI; a pair (forward, reverse) for a chain between two networks.
        filter: A pcap filter with tcpdump's meaning, judged on the packets as they arrive; "" all packets.
        count: How many packets to tell of; None: all that match.
        limit: Packets to receive at most.
        progress: Called after each burst.
        packets: Packets per burst.

    Attributes:
        run: Packets that were run, at the end.
        matched: Packets that matched, at the end.
        warnings: What the input had to report, at the end.

    Raises:
        FilterError: The filter can't be read.
        PortError: The input can't be opened or read.
        ChainError: The chain can't start.
    """

    def __init__(
        self,
        chain: Chain,
        source: Source,
        filter: str = "",
        count: int | None = None,
        limit: int | None = None,
        progress: Progress | None = None,
        packets: int = 256,
    ) -> None:
        self._chain = chain
        self._source = source
        self._filter = pcap_filter(filter, strict=True) if filter.strip() else None
        self._count = count
        self._limit = limit
        self._progress = progress
        self._packets = packets
        self.run = 0
        self.matched = 0
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[TracedPacket]:
        with ExitStack() as stack:
            burst = Burst(self._packets)
            port = Arrivals(opened(self._source, burst), self._filter, self._count, self._limit)
            stack.callback(self._end, port)
            run = _Run(self._chain, port, burst)
            stack.callback(run.close)
            stages = Stages(self._chain, port, burst)
            stages.prepare()
            for filled in stages:
                for story in run.burst(filled):
                    self.run = story.number
                    yield story
                if self._progress is not None:
                    self._progress(port.received, port.position, port.size)
                if port.done:
                    return
                self.run = port.received
            yield from run.rest(stages.finish())

    def _end(self, port: Arrivals) -> None:
        port.close()
        self.matched, self.warnings = port.matched, port.warnings


class _Run:
    """Both engines, with a burst each."""

    def __init__(self, chain: Chain, port: Arrivals, burst: Burst) -> None:
        self._chain = chain
        self._port = port
        self._reference = cast(ReferenceEngine, started(chain, "reference"))
        self._fused = cast(FusedEngine, started(chain, "fused"))
        self._recorder = Recorder(self._reference)
        self._copy = Burst(burst.limit)
        self._most = max(1, len(chain.nodes))  # packets that one packet can cause
        self._highest = 0

    def close(self) -> None:
        """Give the engines' memory back."""
        self._fused.finish()
        self._reference.close()
        self._fused.close()

    def burst(self, burst: Burst) -> Iterator[TracedPacket]:
        """Run a burst; tell of the chosen packets in it."""
        copy_burst(burst, self._copy)
        desc: Any = burst.desc
        at = 0
        for index, number in enumerate(desc["user"][: burst.n].tolist()):
            if number in self._port.chosen:
                self._silently(burst, at, index)
                at = index + 1
                held = self._highest if number < self._highest else 0
                yield self._traced(burst, index, self._port.chosen.pop(number), held)
                if self._port.done:
                    return
            self._highest = max(self._highest, number)
        self._silently(burst, at, burst.n)

    def rest(self, drops: dict[tuple[str, str], int]) -> Iterator[TracedPacket]:
        """Tell of chosen packets that never reached the engines: the fragment stage has dropped them."""
        reasons = [reason for reason in (NO_FIRST, TOO_MANY) if ("chain", reason) in drops]
        for arrival in self._port.chosen.values():
            story = self._story(arrival)
            story.journey = Journey(story.packet, dropped=Drop("chain", " or ".join(reasons)))
            yield story

    # ------------------------------------------------------------------------------------------------- packets

    def _silently(self, burst: Burst, start: int, stop: int) -> None:
        """Run packets that nobody asks about."""
        self._reference.observer = None
        for engine, mine in ((self._reference, burst), (self._fused, self._copy)):
            used, piece = mine.used, max(1, (mine.capacity - mine.n) // self._most)
            for at in range(start, stop, piece):
                engine.process(mine, at, min(stop, at + piece))
                mine.used = used
                engine.logs()

    def _story(self, arrival: Arrival) -> TracedPacket:
        since = arrival.time - self._port.started
        wire = arrival.version.wire
        return TracedPacket(arrival.number, arrival.time, since, arrival.side, wire, words(arrival.version))

    def _traced(self, burst: Burst, index: int, arrival: Arrival, held: int) -> TracedPacket:
        """Run one packet by both engines and tell of it."""
        recorder, row = self._recorder, burst.desc[index].copy()
        recorder.clear()
        self._reference.observer = recorder
        reference = _Lane(self._reference, burst, index)
        trip = recorder.trip
        session = trip.session if trip is not None else None
        number = session.number if session is not None else 0
        travel = int(row["side"]) if self._chain.two_sided else int(trip is not None and not trip.opening)
        frame = self._copy.frame(index)
        before = Before(self._fused, self._copy.desc[index], frame, number if recorder.known else 0, travel)
        fused = _Lane(self._fused, self._copy, index)

        story = self._story(arrival)
        story.held, story.side = held, int(row["side"])
        story.ticks, story.ended = recorder.ticks, recorder.gone
        if trip is not None:
            story.unmatched = not trip.matched
            story.journey = recorder.journey(trip)
            story.made = [recorder.journey(answer) for answer in trip.answers]
        else:
            story.journey = _untravelled(reference, story.packet)
        if session is not None and trip is not None:
            story.session = SessionFacts(
                number,
                session_words(session),
                not recorder.known,
                trip.opening,
                STATES[session.state],
                session.deadline,
            )
        self._alerts(reference, story)
        story.fused = before.after(number, story.journey)
        story.fused.difference = difference(reference, fused)
        story.fused.identical = not story.fused.difference
        return story

    def _alerts(self, lane: _Lane, story: TracedPacket) -> None:
        """Give alerts to the steps of their NFs."""
        for record in lane.logs:
            node = self._chain.nodes[int(record["nf"])]
            signature = analyse(type(node.nf)).signatures[int(record["signature"]) - 1]
            steps = [step for journey in (story.journey, *story.made) for step in journey.steps if step.nf == node.name]
            if steps:
                steps[0].alerts.append(f"{signature} ({int(record['value'])})")


class _Lane:
    """One packet run by one engine: what left, was dropped, was logged."""

    def __init__(self, engine: Engine, burst: Burst, index: int) -> None:
        used, drops = burst.used, engine.drops
        order = engine.process(burst, index, index + 1)
        self.sent = sent_of(burst, order)
        burst.used = used
        self.drops = {key: count - drops.get(key, 0) for key, count in engine.drops.items() if count != drops.get(key)}
        self.logs = engine.logs()


def _untravelled(lane: _Lane, text: str) -> Journey:
    """Return the way of a packet that met no NF: a malformed one."""
    if lane.sent:
        return Journey(text, leaves=text, bytes=lane.sent[0].wire, side=lane.sent[0].side)
    return Journey(text, dropped=Drop(*next(iter(lane.drops))))


def difference(reference: _Lane, fused: _Lane) -> str:
    """Explain how what the fused engine did differs from what the reference engine did; "" if it does not."""
    texts = []
    nothing = Sent(0, 0, 0, 0, 0, b"")
    for number in range(max(len(reference.sent), len(fused.sent))):
        one, other = (lane.sent[number] if number < len(lane.sent) else nothing for lane in (reference, fused))
        if one is nothing or other is nothing:
            texts.append(f"  {NAMES[one is nothing]}: one more packet leaves")
        elif one != other:
            texts.append(frame_difference(one, other, NAMES))
    texts.append(mapping_difference(reference.drops, fused.drops, NAMES))
    texts.append(table_difference(reference.logs, fused.logs, NAMES))
    return "\n".join(filter(None, texts))
