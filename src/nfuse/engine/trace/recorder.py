"""Observes the reference engine and writes down what happens to a packet, NF by NF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nfuse.engine.reference import ReferenceEngine
from nfuse.engine.reference.observer import Observer
from nfuse.engine.reference.packet import Packet
from nfuse.engine.reference.place import Place
from nfuse.engine.reference.session import Record, Seat, Session
from nfuse.engine.reference.trip import Dropped, Trip
from nfuse.engine.trace.headers import Version, difference, flow_words, words
from nfuse.engine.trace.places import class_place, drop_place
from nfuse.engine.trace.record import Drop, Ended, Journey, Passed, Step
from nfuse.engine.trace.state import changes, snapshot


class _Visit:
    """A packet at an NF: how all was when it came."""

    def __init__(self, trip: Trip, place: Place, seat: Seat | None) -> None:
        self.step = Step(place.node.name, class_place(_class_of(place)))
        self.version = version_of(trip.packet)
        self.session = place.fields(seat) if seat is not None else {}
        self.state = snapshot(place.instance)
        self.record = seat.record if seat is not None else None


class Recorder(Observer):
    """Writes down the ways of one packet and of what the chain makes in answer to it.

    Args:
        engine: The engine that is observed; its traveller knows the tuple at each place.

    Attributes:
        trip: The packet's trip; None before its way has begun, and for a malformed packet.
        known: The packet belongs to a session that was there before.
        gone: Sessions that ended.
        ticks: NFs whose ``on_tick`` ran.
    """

    def __init__(self, engine: ReferenceEngine) -> None:
        self._engine = engine
        self.clear()

    def clear(self) -> None:
        """Forget everything: another packet comes."""
        self.trip: Trip | None = None
        self.known = False
        self.gone: list[Ended] = []
        self.ticks: list[str] = []
        self._steps: dict[int, list[Step]] = {}
        self._visits: dict[int, _Visit] = {}
        self._begun: dict[int, tuple[str, str]] = {}

    # ------------------------------------------------------------------------------------------ what is observed

    def ticked(self, place: Place, elapsed: int) -> None:
        """See :meth:`Observer.ticked`."""
        self.ticks.append(place.node.name)

    def ended(self, session: Session, cause: str) -> None:
        """See :meth:`Observer.ended`."""
        self.gone.append(Ended(session.number, session_words(session), cause or "reverse key in use"))

    def looked_up(self, index: int, trip: Trip) -> None:
        """See :meth:`Observer.looked_up`."""
        self.trip, self.known = trip, trip.session is not None
        self._begun[id(trip)] = words(version_of(trip.packet)), ""

    def arrived(self, trip: Trip, place: Place, seat: Seat | None) -> None:
        """See :meth:`Observer.arrived`."""
        self._visits[id(trip)] = _Visit(trip, place, seat)

    def ran(self, trip: Trip, place: Place, handler: str) -> None:
        """See :meth:`Observer.ran`."""
        step = self._visits[id(trip)].step
        if handler.startswith("then_"):
            step.events.append(handler.removeprefix("then_"))
        else:
            step.ran.append(handler.removeprefix("run_"))

    def answered(self, trip: Trip, kind: str, made: Trip) -> None:
        """See :meth:`Observer.answered`."""
        self._begun[id(made)] = words(version_of(made.packet)), f"{self._visits[id(trip)].step.nf}: {kind}"

    def departed(self, trip: Trip, place: Place, seat: Seat | None, dropped: Dropped | None) -> None:
        """See :meth:`Observer.departed`."""
        visit = self._visits.pop(id(trip))
        step = visit.step
        step.header, step.pushed, step.popped = difference(visit.version, version_of(trip.packet))
        step.state = changes(visit.state, snapshot(place.instance))
        if seat is not None:
            assert trip.session is not None
            step.session = changes(visit.session, place.fields(seat))
            if seat.record is not visit.record:
                step.recorded = record_words(seat.record)
            step.explained = self._explained(trip.session, place, seat)
        if dropped is not None:
            step.dropped = drop_of(place, dropped)
        self._steps.setdefault(id(trip), []).append(step)

    def _explained(self, session: Session, place: Place, seat: Seat) -> str:
        """Ask an NF what it says of a flow; a mistake in its ``explain`` is shown, not raised."""
        try:
            text = place.explain(seat, self._engine.opening_tuple(session, place))
        except Exception as error:
            line, trace = 0, error.__traceback__
            while trace is not None:
                line, trace = trace.tb_lineno, trace.tb_next
            return f"explain raised {type(error).__name__}: {error} (line {line})"
        return text.replace(f"{Path.cwd()}/", "")

    # ------------------------------------------------------------------------------------------------ the result

    def journey(self, trip: Trip) -> Journey:
        """Return the way of a packet that has been run."""
        steps = self._steps.get(id(trip), [])
        journey = Journey(*self._begun[id(trip)], steps, self._passed(trip, {step.nf for step in steps}))
        if trip.dropped is not None:
            last = steps[-1].dropped if steps else None
            journey.dropped = last or Drop(trip.dropped.where, trip.dropped.reason)
        else:
            packet = trip.packet
            journey.leaves, journey.bytes = words(version_of(packet)), int(packet.desc["wire"])
            journey.side = int(packet.desc["side"])
        return journey

    def _passed(self, trip: Trip, visited: set[str]) -> list[Passed]:
        """Return the NFs on a packet's way that did not take it, and why."""
        lost = trip.dropped is not None and not visited and trip.matched
        if trip.made or lost:  # lost before its first NF: no room in the table
            return []
        places = self._engine.places[::-1] if trip.reverse else self._engine.places
        if trip.dropped is not None and visited:  # what comes after the NF that dropped it was not on its way
            names = [place.node.name for place in places]
            places = places[: max(names.index(name) for name in visited)]
        return [Passed(place.node.name, _why(trip, place)) for place in places if place.node.name not in visited]


def _why(trip: Trip, place: Place) -> str:
    chosen: dict[int, Any] = {**trip.branches, **(trip.session.branches if trip.session else {})}
    if any(chosen.get(branch) != alternative for branch, alternative in place.node.guard):
        return "not on this branch"
    if trip.packet.family == 0 and not place.info.stateless:
        return "no IP packet"
    seat = trip.session.seats[place.node.index] if trip.session else None
    if seat is not None and seat.matches is not False and not trip.normal:
        return "the flow has not reached it"
    if seat is None and not trip.normal and not place.info.stateless:
        return "no session"
    return f"its traffic class ({place.traffic}) does not match"


def _class_of(place: Place) -> Any:
    return type(place.node.nf)


def version_of(packet: Packet) -> Version:
    """Return a packet as it is now."""
    return Version(bytes(packet.data), int(packet.desc["link"]), int(packet.desc["wire"]))


def session_words(session: Session) -> str:
    """Return the opening tuple of a session at the entry, in words."""
    entry = session.entry
    return flow_words(entry.ip_src, entry.sport, entry.ip_dst, entry.dport, entry.proto)


def drop_of(place: Place, dropped: Dropped) -> Drop:
    """Return a drop with its place in the NF's source."""
    where = "" if dropped.where == "chain" else drop_place(_class_of(place), dropped.reason)
    return Drop(dropped.where, dropped.reason, where)


def record_words(record: Record) -> str:
    """Return recorded header actions as they were written: ``modify(ip_src=198.51.100.1, sport=1024)``."""
    parts = []
    if record.modifies:
        parts.append(f"modify({', '.join(f'{name}={value}' for name, value in record.modifies.items())})")
    if record.encap is not None:
        values = ", ".join(f"{name}={value}" for name, value in vars(record.encap).items())
        parts.append(f"encap({type(record.encap).__name__}({values}))")
    if record.decap:
        parts.append(f"decap({record.decap})")
    if record.run:
        parts.append(f"run({record.run})")
    if record.drop:
        parts.append(f"drop({record.drop})" + (f", reply {record.reply}" if record.reply else ""))
    return ", ".join(parts) or "forward()"
