"""How a packet travels: which NFs it meets, and what happens at each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from nfuse.chain.spec import Chain
from nfuse.engine.reference.observer import UNWATCHED, Visit
from nfuse.engine.reference.place import Call, Place
from nfuse.engine.reference.places import place_of
from nfuse.engine.reference.session import ICMPS, MIRROR, TCP, UDP, Record, Seat, Session, Tuple
from nfuse.engine.reference.sessions import Sessions, TableFull
from nfuse.engine.reference.trip import Dropped, Trip
from nfuse.packet.fields import MODIFY_FIELDS

NO_WAY = -1
"""The alternative of a branch none of whose classes matched."""


class Traveller:
    """Takes packets through the places of a chain.

    Args:
        chain: The chain.
        places: One for each of its nodes.
        sessions: Its sessions.
    """

    def __init__(self, chain: Chain, places: Sequence[Place], sessions: Sessions) -> None:
        self._chain = chain
        self._places = list(places)
        self._sessions = sessions

    def travel(self, trip: Trip) -> None:
        """Take a packet through the chain, in its direction.

        Raises:
            Dropped: It does not come out.
        """
        passed: list[Place] = []
        for place in reversed(self._places) if trip.reverse else self._places:
            if self._on_the_way(trip, place):
                self._visit(trip, place, passed)
            passed.append(place)

    def _on_the_way(self, trip: Trip, place: Place) -> bool:
        """Whether the branches around a place lead to it; judges those that were not judged yet.

        What is judged on an ICMP error or a later fragment holds for that packet only.
        """
        session = trip.session
        known = trip.branches if session is None or trip.error or trip.later else session.branches
        for branch, alternative in place.node.guard:
            chosen = session.branches.get(branch) if session is not None else None
            if chosen is None:
                chosen = known.get(branch)
            if chosen is None:
                ways = enumerate(self._chain.branches[branch])
                chosen = next((n for n, way in ways if way.matches(trip.packet.view)), NO_WAY)
                known[branch] = chosen
            if chosen != alternative:
                return False
        return True

    def _visit(self, trip: Trip, place: Place, passed: Sequence[Place]) -> None:
        if place.info.stateless:
            if place.traffic.matches(trip.packet.view):
                trip.matched = True
                with self._watched(trip, place):
                    self._stateless(trip, place, passed)
            return
        if not trip.packet.family and not trip.session:
            return
        seat = self._judge(trip, place)
        if seat is None or not seat.matches:
            return
        trip.matched = True
        assert trip.session is not None
        if not seat.reached and (trip.error or trip.later or trip.made):
            return
        with self._watched(trip, place, seat):
            self._stateful(trip, place, trip.session, seat, passed)

    @staticmethod
    def _watched(trip: Trip, place: Place, seat: Seat | None = None) -> AbstractContextManager[object]:
        """Tell the observer, if there is one, how the packet leaves the NF."""
        return UNWATCHED if trip.observer is None else Visit(trip.observer, trip, place, seat)

    # ------------------------------------------------------------------------------------- classes and set-up

    def _judge(self, trip: Trip, place: Place) -> Seat | None:
        """Return the session's seat at a place, the class judged if it is time to; None: not matched."""
        index = place.node.index
        if trip.session is not None:
            seat = trip.session.seats[index]
            if seat.matches is None:
                if not trip.normal:
                    return None
                seat.matches = place.traffic.matches(trip.packet.view)
            return seat
        if not trip.normal:
            return None
        matches = place.traffic.matches(trip.packet.view)
        trip.classes[index] = matches
        if not matches:
            return None
        trip.matched = True
        self._create(trip)
        assert trip.session is not None
        return trip.session.seats[index]

    def _create(self, trip: Trip) -> None:
        """Create the session of a packet; what was judged on its way so far holds for the session."""
        seats = [Seat() for _ in self._places]
        for index, matches in trip.classes.items():
            seats[index].matches = matches
        packet, entry = trip.packet, trip.entry
        assert entry is not None
        side = int(packet.desc["side"]) if self._chain.two_sided else 0
        ports = frozenset({"sport", "dport"}) if entry.proto in (TCP, UDP) else frozenset()
        if entry.proto in ICMPS:
            ports = frozenset(name for name in ("sport", "dport") if getattr(entry, name))
        try:
            session = self._sessions.create(entry, side, entry.ip_src.version, ports, seats, trip.ms)
        except TableFull:
            raise Dropped("chain", "table full") from None
        session.branches.update(trip.branches)
        trip.session = session

    # ------------------------------------------------------------------------------------------- at an NF

    def _stateless(self, trip: Trip, place: Place, passed: Sequence[Place]) -> None:
        call = place.call(trip)
        if trip.observer is not None:
            trip.observer.arrived(trip, place, None)
        place.run(call)
        self._answer(trip, call.reply, passed)
        if call.drop:
            raise Dropped(place.node.name, call.drop)

    def _stateful(self, trip: Trip, place: Place, session: Session, seat: Seat, passed: Sequence[Place]) -> None:
        call = place.call(trip, session, seat, lambda: self.opening_tuple(session, place))
        first = trip.normal and not seat.reached
        if first:
            call.place = trip.packet.tuple
            place.set_up(call)
        if trip.observer is not None:
            trip.observer.arrived(trip, place, seat)
        if first:
            self._record(session, place, seat, place.on_flow(call), call)
            call.place = lambda: self.opening_tuple(session, place)
        elif trip.normal and place.has_on_change and (seat.pending or seat.generation != place.generation):
            seat.pending, seat.generation = False, place.generation
            self._record(session, place, seat, place.on_change(call), call)
        if not (place.traffic.needs_l4 and (trip.error or trip.later)):
            place.run(call)
            for number, event in enumerate(place.events):
                if place.fires(call, number, event):
                    self._record(session, place, seat, place.then(call, event), call)
        recorded = seat.record
        self._answer(trip, call.reply or (recorded.reply if recorded.drop and not call.drop else ""), passed)
        if call.drop:
            raise Dropped(place.node.name, call.drop)
        if recorded.drop:
            raise Dropped(place.node.name, recorded.drop)
        self._act(trip, recorded)

    def opening_tuple(self, session: Session, place: Place) -> Tuple:
        """The session's opening tuple at a place."""
        return place_of(session, [session.seats[other.node.index].record for other in self._before(session, place)])

    def _before(self, session: Session, place: Place) -> list[Place]:
        """The session's NFs before a place, in the order of the opening direction."""
        index = place.node.index
        if self._chain.two_sided and session.side == 1:
            return [other for other in reversed(self._places) if other.node.index > index]
        return [other for other in self._places if other.node.index < index]

    def _record(self, session: Session, place: Place, seat: Seat, record: Record | None, call: Call) -> None:
        """Replace what an NF has recorded; tell later NFs that read a field whose value changes."""
        if record is None:
            return
        for name in ("sport", "dport"):
            if name not in session.ports:
                record.modifies.pop(name, None)
        here = call.place()
        record.was = {name: getattr(here, name) for name in MIRROR if name in record.modifies}
        family = here.ip_src.version
        record.foreign = any(
            record.modifies[name].version != family for name in ("ip_src", "ip_dst") if name in record.modifies
        )
        before, seat.record = seat.record, record
        session.dirty = True
        missing = object()
        changed = {
            name
            for name in (*before.modifies, *record.modifies)
            if before.modifies.get(name, missing) != record.modifies.get(name, missing)
        }
        earlier = {other.node.index for other in self._before(session, place)}
        for other in self._places:
            later = other.node.index not in earlier and other is not place
            if later and session.seats[other.node.index].reached and changed & other.read_in_on_flow:
                session.seats[other.node.index].pending = True

    def _act(self, trip: Trip, record: Record) -> None:
        """Apply recorded actions to the packet: as recorded in the opening direction, else their inverse."""
        packet = trip.packet
        if trip.opening:
            if record.foreign:
                raise Dropped("chain", "wrong address family")
            for name in MODIFY_FIELDS:
                if name in record.modifies:
                    packet.set(name, record.modifies[name])
            if record.decap:
                self._pop(trip)
            if record.encap is not None:
                self._push(trip, record.encap)
            return
        if record.encap is not None:
            self._pop(trip)
        for name in MODIFY_FIELDS:
            mirrored = MIRROR.get(name, "")
            if mirrored in record.was:
                packet.set(name, record.was[mirrored])

    @staticmethod
    def _push(trip: Trip, header: Any) -> None:
        reason = trip.packet.push(header)
        if reason:
            raise Dropped("chain", reason)
        trip.pushed += 1

    @staticmethod
    def _pop(trip: Trip) -> None:
        """Remove the outermost header, if the chain has pushed one."""
        if trip.pushed and trip.packet.pop():
            trip.pushed -= 1

    def _answer(self, trip: Trip, kind: str, passed: Sequence[Place]) -> None:
        """Make a packet in answer to one that is at some place, and take it back the way that one has come."""
        packet = trip.packet.answer(kind) if kind and not trip.made else None
        if packet is None:
            return
        if self._chain.two_sided:
            packet.turn(1 - int(trip.packet.desc["side"]))
        made = Trip(packet, trip.clock, trip.session, not trip.opening, error=packet.error, made=True)
        made.entry = trip.entry
        made.observer = trip.observer
        made.reverse = not trip.reverse if self._chain.two_sided else trip.session is not None and trip.opening
        trip.answers.append(made)
        if trip.observer is not None:
            trip.observer.answered(trip, kind, made)
        try:
            for place in reversed(passed):
                if self._on_the_way(made, place):
                    self._visit(made, place, ())
        except Dropped as drop:
            made.dropped = drop
