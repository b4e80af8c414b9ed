"""The fragment stage: later fragments follow the first one of their datagram (RFC 791, RFC 8200 section 4.5).

Only the first fragment has ports. The stage remembers them for each datagram and gives them to the later fragments, so
that they find the session. Fragments that come before their first are taken out, and put back right behind it, in the
order of arrival. Datagrams are not reassembled: duplicates and overlaps follow like the rest.

The stage runs before the engine, on parsed bursts; a burst without fragments does not pass through it. Its time is the
largest stamp of the fragments it has seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import Arena, read_bytes, write_bytes
from nfuse.packet.desc import DESC_SIZE, F_FRAG, F_IP4, F_LATER, F_MALFORMED
from nfuse.packet.read import fragment_id
from nfuse.port.burst import HEADROOM, Burst

NO_FIRST = "fragment: no first fragment"
"""Drop reason: the first fragment did not come before the time-out or the end of the input."""
TOO_MANY = "fragment: too many held"
"""Drop reason: no more fragments can be held."""

Key = tuple[int, int, bytes, int, int]
"""Side, IP version, addresses, identification, protocol (0 in IPv6: there it may differ between the fragments)."""


@dataclass(slots=True, eq=False)
class _Packet:
    """A packet that waits: its index in the burst at hand, or a copy of its descriptor and frame."""

    index: int
    size: int
    record: Any = None
    frame: bytes = b""

    def keep(self, burst: Burst) -> None:
        """Copy what must outlive the burst."""
        if self.record is None:
            self.record = burst.desc[self.index : self.index + 1].copy()
            self.frame = read_bytes(int(self.record["addr"][0]), self.size)


@dataclass(slots=True, eq=False)
class _Datagram:
    slot: int
    deadline: int
    first: tuple[int, int, int, int] | None = None
    """Source port, destination port, protocol and side of the first fragment."""
    held: list[_Packet] = field(default_factory=list)


class FragmentStage:
    """Puts fragments behind the first one of their datagram.

    Args:
        limit_datagrams: Datagrams remembered at a time; beyond, the one known longest is forgotten.
        limit_held: Fragments of one datagram that may wait for the first.
        total_held: Fragments that may wait in all.
        total_bytes: Bytes of frames that may wait in all.
        timeout_ms: How long a datagram is remembered from its first arrival.
        by_side: Whether fragments of one datagram come in by one side. Else (the side follows from an expression that
            may ask for ports, which later fragments do not have) they get the side of the first one.

    Attributes:
        drops: Packets dropped, by reason.
    """

    def __init__(
        self,
        limit_datagrams: int = 1024,
        limit_held: int = 64,
        total_held: int = 2048,
        total_bytes: int = 8 << 20,
        timeout_ms: int = 30_000,
        by_side: bool = True,
    ) -> None:
        self._by_side = by_side
        self.drops: Counter[str] = Counter()
        self._limit_held = limit_held
        self._total_held = total_held
        self._total_bytes = total_bytes
        self._timeout = timeout_ms * 1_000_000
        self._clock = 0
        self._datagrams: dict[Key, _Datagram] = {}
        self._free = list(range(limit_datagrams - 1, -1, -1))
        self._held = 0
        self._bytes = 0
        self._late: list[_Packet] = []
        self._frames: Arena | None = None

    @property
    def holding(self) -> bool:
        """Whether any packet is in the stage's hands."""
        return bool(self._held or self._late)

    @property
    def pending(self) -> bool:
        """Whether packets that did not fit into the last burst wait for the next `process`."""
        return bool(self._late)

    def process(self, burst: Burst, n: int) -> NDArray[np.int32] | None:
        """Order the packets of a parsed burst.

        Args:
            burst: Descriptors 0..n-1 are parsed; those from n on are free, and get the packets that are put back.
                The frames of these lie in memory of the stage, valid until the next call.
            n: Packets; 0 to get those that did not fit last time (`pending`).

        Returns:
            Indexes of descriptors in processing order, or None: all, as they stand. It has at most
            ``burst.capacity - burst.limit // 2`` items, so that the engine has descriptors left; what does not fit
            comes first in the next call.
        """
        desc: Any = burst.desc
        flags = desc["flags"][:n]
        where = np.nonzero(flags & (F_FRAG | F_MALFORMED) == F_FRAG)[0]
        if not len(where) and not self._late:
            return None
        line: list[int | _Packet] = list(self._late)
        self._late = []
        given: list[tuple[int, int, int, int, int]] = []
        slots: list[int] = []
        waiting: dict[int, _Packet] = {}
        following = 0
        for arrival in _arrivals(burst, where, self._by_side):
            line.extend(range(following, arrival.at))
            following = arrival.at + 1
            slots.append(self._fragment(arrival, line, given, waiting))
        line.extend(range(following, n))
        desc["frag"][where] = slots
        if given:
            index, sport, dport, proto, side = np.array(given, np.int64).T
            desc["sport"][index], desc["dport"][index], desc["proto"][index] = sport, dport, proto
            if not self._by_side:
                desc["side"][index] = desc["inport"][index] = side
        for packet in waiting.values():
            packet.keep(burst)
        return self._place(burst, n, line)

    def finish(self) -> None:
        """End of input: drop what still waits for a first fragment."""
        for key in list(self._datagrams):
            self._forget(key, NO_FIRST)

    # ---- one fragment

    def _fragment(
        self,
        arrival: _Arrival,
        line: list[int | _Packet],
        given: list[tuple[int, int, int, int, int]],
        waiting: dict[int, _Packet],
    ) -> int:
        """Append to `line` what may go on now; to `given` the (index, ports, protocol) of later fragments.

        Returns:
            1 + the slot of the datagram.
        """
        self._clock = max(self._clock, arrival.ts)
        self._expire()
        datagram = self._datagrams.get(arrival.key)
        if datagram is None:
            datagram = self._remember(arrival.key)
        if not arrival.later:
            datagram.first = (arrival.sport, arrival.dport, arrival.proto, arrival.side)
            line.append(arrival.at)
            for packet in datagram.held:
                self._held -= 1
                self._bytes -= packet.size
                if packet.record is None:
                    given.append((packet.index, *datagram.first))
                    line.append(packet.index)
                    del waiting[packet.index]
                else:
                    row = packet.record[0]
                    row["sport"], row["dport"], row["proto"], side = datagram.first
                    if not self._by_side:
                        row["side"] = row["inport"] = side
                    line.append(packet)
            datagram.held = []
        elif datagram.first is not None:
            given.append((arrival.at, *datagram.first))
            line.append(arrival.at)
        else:
            self._hold(datagram, _Packet(arrival.at, arrival.size), waiting)
        return 1 + datagram.slot

    def _hold(self, datagram: _Datagram, packet: _Packet, waiting: dict[int, _Packet]) -> None:
        if (
            len(datagram.held) >= self._limit_held
            or self._held >= self._total_held
            or self._bytes + packet.size > self._total_bytes
        ):
            self.drops[TOO_MANY] += 1
            return
        self._held += 1
        self._bytes += packet.size
        datagram.held.append(packet)
        waiting[packet.index] = packet

    # ---- datagrams

    def _remember(self, key: Key) -> _Datagram:
        if not self._free:
            self._forget(next(iter(self._datagrams)), TOO_MANY)
        datagram = _Datagram(self._free.pop(), self._clock + self._timeout)
        self._datagrams[key] = datagram  # deadlines rise from the first entry to the last
        return datagram

    def _forget(self, key: Key, reason: str) -> None:
        datagram = self._datagrams.pop(key)
        self._free.append(datagram.slot)
        for packet in datagram.held:
            self._held -= 1
            self._bytes -= packet.size
            self.drops[reason] += 1
        datagram.held = []

    def _expire(self) -> None:
        while self._datagrams:
            key, datagram = next(iter(self._datagrams.items()))
            if datagram.deadline > self._clock:
                return
            self._forget(key, NO_FIRST)

    # ---- back into the burst

    def _place(self, burst: Burst, n: int, line: list[int | _Packet]) -> NDArray[np.int32]:
        """Give the packets that come back descriptors from n on; keep back what does not fit."""
        desc: Any = burst.desc
        most = max(1, burst.capacity - max(1, burst.limit // 2))
        slots = burst.capacity - n
        cut = min(len(line), most)
        back: list[_Packet] = []
        for at, item in enumerate(line[:cut]):
            if isinstance(item, _Packet):
                if len(back) == slots:
                    cut = at
                    break
                back.append(item)
        for item in line[cut:]:
            packet = item if isinstance(item, _Packet) else _Packet(item, int(desc["len"][item]))
            packet.keep(burst)
            self._late.append(packet)
        if back:
            self._restore(burst, n, back)
        order = np.empty(cut, dtype=np.int32)
        slot = n
        for at, item in enumerate(line[:cut]):
            if isinstance(item, _Packet):
                order[at], slot = slot, slot + 1
            else:
                order[at] = item
        return order

    def _restore(self, burst: Burst, n: int, back: list[_Packet]) -> None:
        """Write descriptors and frames of packets from an earlier burst."""
        desc: Any = burst.desc
        need = sum(HEADROOM + packet.size + 64 for packet in back)
        if self._frames is None or self._frames.size < need:
            self._frames = Arena(max(need, 1 << 20), "fragments")
        at = self._frames.address
        for slot, packet in enumerate(back, n):
            at = at + HEADROOM + 63 & ~63
            write_bytes(at, packet.frame)
            desc[slot] = packet.record[0]
            desc["addr"][slot] = at
            desc["room"][slot] = HEADROOM
            at += packet.size


class _Arrival(NamedTuple):
    """What the stage looks at in a fragment; `at` is its index in the burst."""

    at: int
    ts: int
    size: int
    later: bool
    sport: int
    dport: int
    proto: int
    side: int
    key: Key


def _arrivals(burst: Burst, where: NDArray[np.intp], by_side: bool) -> Iterator[_Arrival]:
    """Iterate over the fragments of a burst, at the indexes `where`."""
    some: Any = burst.desc[where]
    names = ("addr", "l3", "side", "flags", "ts", "len", "sport", "dport", "proto")
    columns = [some[name].tolist() for name in names]
    for index, addr, l3, side, flags, ts, size, sport, dport, proto in zip(where.tolist(), *columns, strict=True):
        number = int(fragment_id(burst.desc_address + index * DESC_SIZE))
        apart = side if by_side else 0
        if flags & F_IP4:
            key: Key = (apart, 4, read_bytes(addr + l3 + 12, 8), number, proto)
        else:
            key = (apart, 6, read_bytes(addr + l3 + 8, 32), number, 0)
        yield _Arrival(index, ts, size, bool(flags & F_LATER), sport, dport, proto, side, key)
