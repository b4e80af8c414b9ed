"""Watching the reference engine at work: what ``nfuse trace`` and ``nfuse verify`` tell their stories from."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from nfuse.engine.reference.trip import Dropped

if TYPE_CHECKING:
    from nfuse.engine.reference.place import Place
    from nfuse.engine.reference.session import Seat, Session
    from nfuse.engine.reference.trip import Trip


class Observer:
    """Is told what happens to packets while it happens; whoever wants to know overrides what it is about.

    An observer only looks: it changes neither packets nor sessions nor State.
    """

    def ticked(self, place: Place, elapsed: int) -> None:
        """``on_tick`` of an NF has run, before the packet in hand; `elapsed` in milliseconds."""

    def ended(self, session: Session, cause: str) -> None:
        """A session has ended: ``expired``, ``evicted``, ``reopened``, or "" (its reply key was in use)."""

    def looked_up(self, index: int, trip: Trip) -> None:
        """The session and direction of the packet at descriptor `index` are known; its way begins."""

    def arrived(self, trip: Trip, place: Place, seat: Seat | None) -> None:
        """A packet is at an NF that takes it; none of the NF's handlers has run. `seat` is None without session."""

    def ran(self, trip: Trip, place: Place, handler: str) -> None:
        """A handler is about to run: ``on_flow``, ``on_packet``, ``run_<function>``, ``then_<event>``, ..."""

    def answered(self, trip: Trip, kind: str, made: Trip) -> None:
        """The NF that a packet is at has made a packet in answer to it; that one's way back begins."""

    def departed(self, trip: Trip, place: Place, seat: Seat | None, dropped: Dropped | None) -> None:
        """A packet is done at an NF, its actions applied; or it is dropped there."""


class Frames(Observer):
    """Keeps the bytes of each packet behind each NF.

    Attributes:
        after: By descriptor index, the pairs (NF name, frame behind it) of a packet that was not made.
    """

    def __init__(self) -> None:
        self.after: dict[int, list[tuple[str, bytes]]] = {}
        self._steps: list[tuple[str, bytes]] = []

    def looked_up(self, index: int, trip: Trip) -> None:
        """See :meth:`Observer.looked_up`."""
        self._steps = self.after.setdefault(index, [])

    def departed(self, trip: Trip, place: Place, seat: Seat | None, dropped: Dropped | None) -> None:
        """See :meth:`Observer.departed`."""
        if dropped is None and not trip.made:
            self._steps.append((place.node.name, bytes(trip.packet.data)))


class Visit:
    """A packet's stay at an NF: at its end the observer is told (a context manager)."""

    def __init__(self, observer: Observer, trip: Trip, place: Place, seat: Seat | None) -> None:
        self._observer, self._trip, self._place, self._seat = observer, trip, place, seat

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, Dropped):
            self._observer.departed(self._trip, self._place, self._seat, error)


UNWATCHED = nullcontext()
"""Stands in for a :class:`Visit` that nobody watches."""
