"""Which session ends next: the order (deadline, session number), kept lazily."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from nfuse.engine.reference.session import Session


class Deadlines:
    """Sessions by (deadline, number).

    A session is noted each time its deadline changes; notes that are no longer true are thrown away when they surface.

    Args:
        holds: Whether a session belongs here (besides being alive and having the noted deadline).
    """

    def __init__(self, holds: Callable[[Session], bool] = lambda session: True) -> None:
        self._heap: list[tuple[int, int, int, Session]] = []
        self._serial = itertools.count()
        self._holds = holds

    def note(self, session: Session) -> None:
        """Take down the session's deadline."""
        heapq.heappush(self._heap, (session.deadline, session.number, next(self._serial), session))

    def first(self) -> Session | None:
        """Return the session with the smallest (deadline, number), or None."""
        while self._heap:
            deadline, _, _, session = self._heap[0]
            if not session.ended and session.deadline == deadline and self._holds(session):
                return session
            heapq.heappop(self._heap)
        return None
