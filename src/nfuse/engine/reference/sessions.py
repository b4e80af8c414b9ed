"""The reference engine's table of sessions: look-up, creation, reply keys, ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from nfuse.engine.reference.deadlines import Deadlines
from nfuse.engine.reference.session import NEW, Key, Seat, Session, Tuple

EXPIRIES_PER_PACKET = 8


class TableFull(Exception):
    """No room for a session, and none that may be evicted."""


class KeyInUse(Exception):
    """The reply key of a session already belongs to one."""


class Sessions:
    """All live sessions.

    Args:
        capacity: How many may live at a time.
        two_sided: Packets of the two directions come in by different sides.
        timeouts: Milliseconds by protocol and state.
        counters: Where ends and creations are counted.
        on_end: Called for each session that ends, with the cause, before its keys are free.
    """

    def __init__(
        self,
        capacity: int,
        two_sided: bool,
        timeouts: dict[str, int],
        counters: Counter[str],
        on_end: Callable[[Session, str], None],
    ) -> None:
        self._capacity = capacity
        self._two_sided = two_sided
        self._timeouts = timeouts
        self._counters = counters
        self._on_end = on_end
        self._keys: dict[Key, Session] = {}
        self._live: dict[int, Session] = {}
        self._created = 0
        self._all = Deadlines()
        self._embryos = Deadlines(lambda session: session.state == NEW)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._live.values())

    def find(self, key: Key) -> tuple[Session | None, bool]:
        """Return the session of a key, and whether it is the key of its opening direction."""
        session = self._keys.get(key)
        return session, session is not None and session.key == key

    def expire(self, ms: int) -> None:
        """End sessions whose deadline has come, at most eight, by (deadline, number)."""
        for _ in range(EXPIRIES_PER_PACKET):
            session = self._all.first()
            if session is None or session.deadline > ms:
                return
            self.end(session, "expired")

    def create(
        self, entry: Tuple, side: int, family: int, ports: frozenset[str], seats: list[Seat], ms: int
    ) -> Session:
        """Create a session; make room for it if need be.

        Raises:
            TableFull: Nothing can be evicted.
        """
        if len(self._live) >= self._capacity:
            victim = self._embryos.first()
            if victim is None:
                raise TableFull
            self.end(victim, "evicted")
        self._created += 1
        self._counters["sessions_created"] += 1
        session = Session(self._created, entry, side, family, ports, seats, {})
        self._live[session.number] = session
        self._keys[session.key] = session
        self.refresh(session, ms)
        return session

    def refresh(self, session: Session, ms: int) -> None:
        """Set the deadline by the session's state."""
        deadline = ms + session.timeout(self._timeouts)
        session.deadline = deadline
        self._all.note(session)
        if session.state == NEW:
            self._embryos.note(session)

    def set_reply_key(self, session: Session, left: Tuple) -> None:
        """Take the reply key from the tuple with which an opening packet leaves.

        Raises:
            KeyInUse: The key belongs to a session (this one's own keys count too).
        """
        key = Key(1 - session.leaves(opening=True) if self._two_sided else session.side, left.mirror())
        if key == session.reply_key:
            return
        if key in self._keys and key != session.old_key:
            raise KeyInUse
        if session.old_key is not None and session.old_key != key:
            del self._keys[session.old_key]
        session.old_key, session.reply_key = session.reply_key, key
        self._keys[key] = session

    def end(self, session: Session, cause: str) -> None:
        """End a session; `cause` is a counter, or "" """
        self._on_end(session, cause)
        session.ended = True
        for key in (session.key, session.reply_key, session.old_key):
            if key is not None:
                del self._keys[key]
        del self._live[session.number]
        self._counters["sessions_ended"] += 1
        if cause:
            self._counters[cause] += 1
