"""What every engine is: the protocol, control input, counters, and the record of a run.

An engine executes one chain. It is given bursts of parsed packets and gives back which descriptors leave, in which
order. It does no input or output and knows no clock but the packets' time stamps, so a capture gives the same result
every time and in every engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nfuse.nf.instance import Instance
    from nfuse.port.burst import Burst
    from nfuse.port.frames import Frame

COUNTERS: Final[tuple[str, ...]] = (
    "packets_in",
    "bytes_in",
    "packets_out",
    "bytes_out",
    "made",
    "dropped",
    "malformed",
    "unmatched",
    "sessions_created",
    "sessions_ended",
    "expired",
    "evicted",
    "reopened",
    "faults",
)
"""Counters of a chain, the same in every engine.

``packets_in``, ``bytes_in``: packets given to the engine (after the fragment stage) and their bytes on the wire.
``packets_out``, ``bytes_out``: packets that left, made ones included. ``made``: packets that the chain made.
``dropped``: all drops; by reason in :attr:`Engine.drops`. So ``packets_in + made == packets_out + dropped``.
``malformed``: malformed packets, dropped or not. ``unmatched``: packets whose way met no traffic class that matched.
``sessions_created`` - ``sessions_ended`` = live sessions. ``expired``, ``evicted``, ``reopened``: sessions that ended
because their deadline passed (also if a packet met them first), to make room, or at a new SYN.
``faults``: faults of handlers that run for no packet (``on_tick``, ``on_end``); the others are drop reasons.
"""

STATES: Final[tuple[str, ...]] = ("new", "established", "closing")
"""States of a session; the index is the ``state`` column of :meth:`Engine.flows`. Only "new" sessions are evicted."""

FLOW_COLUMNS: Final[tuple[tuple[Any, ...], ...]] = (
    ("number", "<i8"),
    ("deadline", "<i8"),
    ("src", "u1", 16),
    ("dst", "u1", 16),
    ("sport", "<u2"),
    ("dport", "<u2"),
    ("proto", "u1"),
    ("family", "u1"),
    ("side", "u1"),
    ("state", "u1"),
)
"""The first columns of :meth:`Engine.flows`: session number, deadline (ms), the opening tuple at the chain's entry
(addresses 16 bytes in network order, IPv4 as v4-mapped), family (4 or 6), side of the opening packet, state. The
scratchpads follow: column ``nf.field`` for ``class Session``, ``nf.name.field`` for a further named session."""


@dataclass(frozen=True)
class Control:
    """A change of an NF's parameters while the chain runs.

    Args:
        nf: Name of the NF in the chain.
        set: New values by parameter name.
        at_packet: Apply before this packet (0-based, counted as they reach the engine).
        at_time: Apply before the first packet at which the chain's clock is at least this (ns since the epoch).
    """

    nf: str
    set: dict[str, Any]
    at_packet: int | None = None
    at_time: int | None = None

    def __post_init__(self) -> None:
        if (self.at_packet is None) == (self.at_time is None):
            raise ValueError("a control input needs exactly one of at_packet and at_time")


class Engine(Protocol):
    """One chain in execution. Made by ``engine_class(chain)``."""

    @property
    def instances(self) -> Sequence[Instance]:
        """The running NFs, in chain order."""

    @property
    def counters(self) -> dict[str, int]:
        """The counters named in :data:`COUNTERS`."""

    @property
    def drops(self) -> dict[tuple[str, str], int]:
        """Packets dropped, by (NF name or "chain", reason)."""

    def process(self, burst: Burst, start: int, stop: int) -> NDArray[np.int32]:
        """Run the packets in descriptors [start, stop) through the chain, in order.

        Frames are rewritten in place; packets made on the way take the free descriptors after ``burst.n``.

        Returns:
            Indexes of the descriptors that leave, in order. Their SIDE tells the output: 0 forward, 1 reverse.
        """

    def control(self, change: Control) -> None:
        """Apply a change now, before the next packet."""

    def finish(self) -> None:
        """The input has ended. Sessions are not ended by it."""

    def logs(self) -> NDArray[np.void]:
        """Return log records (``nfuse.nf.abi.LOG_DTYPE``) written since the last call, in order."""

    def flows(self) -> NDArray[np.void]:
        """Return the live sessions in the order of their numbers; columns as in :data:`FLOW_COLUMNS`."""

    def state(self, name: str, containers: bool = True) -> dict[str, Any]:
        """Return the State values of the NF `name`, for comparison; on request without its containers (quickly)."""

    def blocks_of(self, name: str, session: str) -> NDArray[np.void]:
        """Return the blocks of the coarser session `session` of the NF `name`, in the order of their keys.

        Columns: :func:`nfuse.engine.flows.block_type`. Blocks that idle are listed until they are forgotten.
        """

    def close(self) -> None:
        """Give memory back; the engine can't be used after."""


@dataclass(repr=False)
class RunResult:
    """What a run did.

    A notebook shows it as a table (:mod:`nfuse.engine.shown`).

    Attributes:
        engine: Name of the engine.
        counters: As :data:`COUNTERS`; the fragment stage's drops are in ``dropped`` and its packets in ``packets_in``.
        drops: Packets dropped, by (NF name or "chain", reason).
        flows: Live sessions at the end (:meth:`Engine.flows`).
        states: State values by NF name; containers only where the run was asked for them.
        blocks: Blocks of coarser sessions, by (NF name, session), as :meth:`Engine.blocks_of`; only where asked for.
        logs: All log records that were not given away while the chain ran.
        compile_seconds: Time to build the engine.
        run_seconds: Time from the first receive to the last send.
        warnings: What the ports had to report.
        interrupted: Stopped by Ctrl-C; all numbers are those up to there.
        failed: What ended the run early: an output that could not be written; "" if none.
        alerts: Number of log records.
        alerts_lost: Log records that were overwritten before they could be taken.
        sent: The packets that left, in order, if the run kept them.
        exceptions: The first exception of handlers with ``compiled = False``, by (NF name, line): "KeyError: 'a'".
    """

    engine: str
    counters: dict[str, int]
    drops: dict[tuple[str, str], int]
    flows: NDArray[np.void]
    states: dict[str, dict[str, Any]]
    logs: NDArray[np.void]
    compile_seconds: float = 0.0
    run_seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    interrupted: bool = False
    failed: str = ""
    alerts: int = 0
    alerts_lost: int = 0
    exceptions: dict[tuple[str, int], str] = field(default_factory=dict)
    sent: list[Frame] | None = None
    blocks: dict[tuple[str, str], NDArray[np.void]] = field(default_factory=dict)

    @property
    def packets(self) -> list[bytes]:
        """The bytes of the packets that left, in order.

        Raises:
            ValueError: The run did not keep them (neither do the following properties then).
        """
        return [frame.bytes for frame in self._kept()]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Bytes on the wire of each packet that left."""
        return np.array([frame.wire for frame in self._kept()], np.int64)

    @property
    def times(self) -> NDArray[np.int64]:
        """Time stamp of each packet that left, ns (``.astype("datetime64[ns]")`` makes dates of them)."""
        return np.array([frame.time for frame in self._kept()], np.int64)

    @property
    def sides(self) -> NDArray[np.uint8]:
        """Output by which each packet left: 0 forward, 1 reverse."""
        return np.array([frame.side for frame in self._kept()], np.uint8)

    def _kept(self) -> list[Frame]:
        if self.sent is None:
            raise ValueError("the run did not keep the packets that left: run the chain with keep=True")
        return self.sent

    def __repr__(self) -> str:
        from nfuse.engine.shown import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from nfuse.engine.shown import as_html

        return as_html(self)

    @property
    def conserved(self) -> bool:
        """Whether packets in + made = out + dropped."""
        c = self.counters
        return c["packets_in"] + c["made"] == c["packets_out"] + c["dropped"] and c["dropped"] == sum(
            self.drops.values()
        )

    @property
    def rate(self) -> float:
        """Packets a second."""
        return self.counters["packets_in"] / self.run_seconds if self.run_seconds else 0.0
