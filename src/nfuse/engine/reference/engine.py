"""The reference engine: a chain NF by NF, packet by packet, in plain Python. The oracle of all others.

Written for clearness: sessions and keys are dictionaries, time-outs a heap, each NF's recorded actions are applied to
the packet's bytes at its place, one after the other. Nothing is consolidated, nothing is shared with the data path but
the parser and the reply and tunnel builders of :mod:`nfuse.packet`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.chain.spec import Chain
from nfuse.engine.api import COUNTERS, Control
from nfuse.engine.flows import flow_type
from nfuse.engine.reference.columns import octets
from nfuse.engine.reference.observer import Observer
from nfuse.engine.reference.packet import Packet
from nfuse.engine.reference.place import Place
from nfuse.engine.reference.session import CLOSING, TCP, Key, Session, Tuple
from nfuse.engine.reference.sessions import KeyInUse, Sessions
from nfuse.engine.reference.travel import Traveller
from nfuse.engine.reference.trip import Dropped, Trip
from nfuse.memory.arena import write_bytes
from nfuse.nf.abi import LOG_DTYPE
from nfuse.packet.desc import F_IP, F_MALFORMED
from nfuse.packet.reasons import MALFORMED
from nfuse.port.burst import HEADROOM, Burst, frame_at

MILLI = 1_000_000


class ReferenceEngine:
    """Runs a chain NF by NF.

    Args:
        chain: The chain.

    Attributes:
        observer: Is told what happens to the packets; may be set between packets.
        instances: The running NFs.
    """

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.observer: Observer | None = None
        self._count: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self._drops: Counter[tuple[str, str]] = Counter()
        self._clock: int | None = None
        self._last_tick: list[int] = [0] * len(chain.nodes)
        self._log: list[np.void] = []
        self._places = [Place(node, chain, self._log) for node in chain.nodes]
        self.instances = [place.instance for place in self._places]
        self._sessions = Sessions(
            chain.capacity, chain.two_sided, chain.timeouts.milliseconds(), self._count, self._ended
        )
        self._traveller = Traveller(chain, self._places, self._sessions)
        for place in self._places:
            place.instance.start()
        chain.attach(self)

    # ------------------------------------------------------------------------------------------- what an engine is

    @property
    def counters(self) -> dict[str, int]:
        """See :class:`nfuse.engine.api.Engine`."""
        return {**self._count, "dropped": sum(self._drops.values())}

    @property
    def drops(self) -> dict[tuple[str, str], int]:
        """See :class:`nfuse.engine.api.Engine`."""
        return dict(self._drops)

    def process(self, burst: Burst, start: int, stop: int) -> NDArray[np.int32]:
        """See :class:`nfuse.engine.api.Engine`."""
        order: list[int] = []
        free = burst.n
        for index in range(start, stop):
            packet = Packet(burst.desc[index], burst.frame(index))
            leaving = self._one(packet, index)
            if packet in leaving:
                _put_back(burst, index, packet)
            for one in leaving:
                if one is packet:
                    order.append(index)
                else:
                    _put_made(burst, free, one)
                    order.append(free)
                    free += 1
        return np.array(order, np.int32)

    def control(self, change: Control) -> None:
        """See :class:`nfuse.engine.api.Engine`."""
        place = self._places[self.chain.node(change.nf).index]
        place.instance.update(change.set)
        place.generation += 1

    def finish(self) -> None:
        """See :class:`nfuse.engine.api.Engine`."""

    def logs(self) -> NDArray[np.void]:
        """See :class:`nfuse.engine.api.Engine`."""
        records = np.array(self._log, LOG_DTYPE) if self._log else np.empty(0, LOG_DTYPE)
        self._log.clear()
        return records

    def flows(self) -> NDArray[np.void]:
        """See :class:`nfuse.engine.api.Engine`."""
        kind = flow_type([(place.node.name, place.info) for place in self._places])
        return np.array([self._flow(session, kind) for session in self._sessions], kind)

    def state(self, name: str, containers: bool = True) -> dict[str, Any]:
        """See :class:`nfuse.engine.api.Engine`."""
        return self._places[self.chain.node(name).index].instance.values(containers)

    def blocks_of(self, name: str, session: str) -> NDArray[np.void]:
        """See :class:`nfuse.engine.api.Engine`."""
        return self._places[self.chain.node(name).index].block_rows(session, self._ms)

    def close(self) -> None:
        """See :class:`nfuse.engine.api.Engine`."""

    # -------------------------------------------------------------------------------------------- for observers

    @property
    def places(self) -> list[Place]:
        """The NFs at their places, in chain order."""
        return self._places

    def opening_tuple(self, session: Session, place: Place) -> Tuple:
        """The session's opening tuple at a place."""
        return self._traveller.opening_tuple(session, place)

    # ------------------------------------------------------------------------------------------------ one packet

    def _one(self, packet: Packet, index: int) -> list[Packet]:
        """Run one packet; return what leaves because of it, in order."""
        wire = int(packet.desc["wire"])
        self._count["packets_in"] += 1
        self._count["bytes_in"] += wire
        self._advance(int(packet.desc["ts"]))
        if packet.flags & F_MALFORMED:
            return self._malformed(packet)
        trip = self._look_up(packet)
        if self.observer is not None:
            trip.observer = self.observer
            self.observer.looked_up(index, trip)
        leaving: list[Packet] = []
        tcp_flags = packet.tcp_flags
        try:
            self._traveller.travel(trip)
            if not trip.matched:
                self._count["unmatched"] += 1
                if self.chain.unmatched == "drop":
                    raise Dropped("chain", "unmatched")
            self._check_size(packet)
            self._leave(trip, tcp_flags)
            if self.chain.two_sided and trip.session is not None:
                packet.turn(trip.session.leaves(trip.opening))
            leaving.append(packet)
        except Dropped as drop:
            trip.dropped = drop
            self._drops[drop.where, drop.reason] += 1
        for made in trip.answers:
            self._count["made"] += 1
            try:
                if made.dropped is not None:
                    raise made.dropped
                self._check_size(made.packet)
                leaving.append(made.packet)
            except Dropped as drop:
                made.dropped = drop
                self._drops[drop.where, drop.reason] += 1
        for one in leaving:
            self._count["packets_out"] += 1
            self._count["bytes_out"] += int(one.desc["wire"])
        return leaving

    @property
    def _ms(self) -> int:
        return (self._clock or 0) // MILLI

    def _advance(self, stamp: int) -> None:
        """Move the clock; run ticks and expiry that are due."""
        first = self._clock is None
        self._clock = stamp if self._clock is None else max(self._clock, stamp)
        clock = self._clock
        for place in self._places:
            place.clock = clock
        for number, place in enumerate(self._places):
            if not place.tick:
                continue
            if first:
                self._last_tick[number] = clock
            elif clock - self._last_tick[number] >= place.tick:
                elapsed = clock // MILLI - self._last_tick[number] // MILLI
                self._last_tick[number] = clock
                self._count["faults"] += not place.on_tick(elapsed)
                if self.observer is not None:
                    self.observer.ticked(place, elapsed)
        self._sessions.expire(self._ms)

    def _malformed(self, packet: Packet) -> list[Packet]:
        self._count["malformed"] += 1
        if self.chain.malformed == "drop":
            self._drops["chain", f"malformed: {MALFORMED[int(packet.desc['bad'])]}"] += 1
            return []
        self._count["packets_out"] += 1
        self._count["bytes_out"] += int(packet.desc["wire"])
        return [packet]

    def _look_up(self, packet: Packet) -> Trip:
        """Find the packet's session and direction."""
        side = int(packet.desc["side"]) if self.chain.two_sided else 0
        trip = Trip(packet, self._clock or 0, error=packet.error, later=packet.later)
        if packet.flags & F_IP:
            flow = packet.quoted_tuple().mirror() if packet.error else trip.entry
            assert flow is not None
            session, opening = self._sessions.find(Key(side, flow))
            if session is not None and self._is_over(session, opening, trip):
                session = None
            if session is not None:
                trip.session, trip.opening = session, opening
        if not self.chain.two_sided:
            trip.reverse = trip.session is not None and not trip.opening
        elif trip.session is not None:
            trip.reverse = trip.session.travels(trip.opening) == 1
        else:
            trip.reverse = side == 1
        return trip

    def _is_over(self, session: Session, opening: bool, trip: Trip) -> bool:
        """End a session that the packet meets after its deadline, or reopens."""
        if session.deadline <= self._ms:
            self._sessions.end(session, "expired")
            return True
        flags = trip.packet.tcp_flags
        if trip.normal and opening and session.entry.proto == TCP and session.state == CLOSING:
            if "S" in flags and "A" not in flags:
                self._sessions.end(session, "reopened")
                return True
        return False

    def _check_size(self, packet: Packet) -> None:
        mtu = self.chain.mtu
        if mtu is not None and int(packet.desc["wire"]) - int(packet.desc["l3"]) > mtu:
            raise Dropped("chain", "MTU")

    def _leave(self, trip: Trip, tcp_flags: str) -> None:
        """Do what becomes of a session when one of its packets leaves."""
        session = trip.session
        if session is None or trip.error:
            return
        if trip.normal:
            if trip.opening and (session.reply_key is None or session.dirty):
                try:
                    self._sessions.set_reply_key(session, trip.packet.tuple_below(trip.pushed))
                except KeyInUse:
                    self._sessions.end(session, "")
                    raise Dropped("chain", "reverse key in use") from None
                session.dirty = False
            session.passed(trip.opening, tcp_flags)
        self._sessions.refresh(session, self._ms)

    def _ended(self, session: Session, cause: str) -> None:
        """Run on_end at the NFs that the session reached, in chain order, and let go of its blocks."""
        for place, seat in zip(self._places, session.seats, strict=True):
            if seat.reached:
                self._count["faults"] += not place.on_end(session, seat)
        for place, seat in zip(self._places, session.seats, strict=True):
            place.release(seat, self._ms)
        if self.observer is not None:
            self.observer.ended(session, cause)

    def _flow(self, session: Session, kind: np.dtype[np.void]) -> np.void:
        entry = session.entry
        row = np.zeros((), kind)
        row["number"], row["deadline"] = session.number, session.deadline
        row["src"], row["dst"] = octets(entry.ip_src), octets(entry.ip_dst)
        row["sport"], row["dport"], row["proto"] = entry.sport, entry.dport, entry.proto
        row["family"], row["side"], row["state"] = session.family, session.side, session.state
        for place, seat in zip(self._places, session.seats, strict=True):
            if seat.reached:
                for column, value in place.columns(seat).items():
                    row[column] = value
        return row[()]  # type: ignore[return-value]


def _put_back(burst: Burst, index: int, packet: Packet) -> None:
    """Write a packet's bytes back to where it came from; a pushed header lies in the head room."""
    desc: Any = burst.desc[index]
    address = int(desc["addr"]) + int(packet.desc["room"]) - int(desc["room"])
    write_bytes(address, bytes(packet.data))
    kept = packet.desc
    kept["addr"] = address
    burst.desc[index] = kept


def _put_made(burst: Burst, index: int, packet: Packet) -> None:
    """Give a made packet a free descriptor and buffer space."""
    if index >= burst.capacity:
        raise MemoryError("no descriptor left for a made packet")
    start = frame_at(burst.buffer.address + burst.used)
    address = start - HEADROOM + int(packet.desc["room"])
    write_bytes(address, bytes(packet.data))
    burst.used = address + len(packet.data) - burst.buffer.address
    kept = packet.desc
    kept["addr"] = address
    burst.desc[index] = kept
