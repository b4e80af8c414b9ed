"""The live sessions of a chain as a table: its columns, selection by a filter, order, rows as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.chain.errors import ChainError, nearest
from nfuse.chain.spec import Chain
from nfuse.control.flow_filter import matching
from nfuse.engine.api import STATES
from nfuse.engine.flows import flow_type, scratchpad
from nfuse.nf.compile import analyse
from nfuse.packet.address import unpack

COLUMNS = ("number", "family", "proto", "src", "sport", "dst", "dport", "side", "state", "deadline")
"""Columns of every session, as :data:`nfuse.engine.api.FLOW_COLUMNS` explains them."""
TOTALS = ("bytes", "packets", "duration")
"""Columns that a Monitor gives: of both directions together; milliseconds from the first packet to the last."""


class FlowTable:
    """Live sessions, and what the network functions of their chain keep about them.

    Args:
        chain: The chain.
        flows: Its live sessions (``RunResult.flows``).
        monitor: Name of the Monitor that gives :data:`TOTALS`; default: the chain's first.
        coarser: Whether it has the fields of coarser sessions, which flows share.

    Attributes:
        flows: The sessions, in their present order.
        monitor: The name of the Monitor, "" if there is none.

    Raises:
        ChainError: There is no Monitor of that name.
    """

    def __init__(self, chain: Chain, flows: NDArray[Any], monitor: str | None = None, coarser: bool = True) -> None:
        self.chain = chain
        self.flows = flows
        self.monitor = find_monitor(chain, monitor)
        self.forms: dict[str, str] = {}
        for node in chain.nodes:
            info = analyse(type(node.nf))
            for column, session, slot in scratchpad(node.name, info):
                if coarser or info.sessions[session].block is None:
                    self.forms[column] = slot.kind.form

    @classmethod
    def empty(cls, chain: Chain, monitor: str | None = None) -> FlowTable:
        """Return the table before anything has run: what :meth:`select` and :meth:`sort` refuse is known by it."""
        kind = flow_type((node.name, analyse(type(node.nf))) for node in chain.nodes)
        return cls(chain, np.zeros(0, kind), monitor)

    def __len__(self) -> int:
        return len(self.flows)

    @property
    def columns(self) -> list[str]:
        """The names of all columns: those of every session, then ``nf.field``."""
        return [*COLUMNS, *self.forms]

    def select(self, text: str) -> FlowTable:
        """Return the sessions whose opening tuple a pcap filter matches.

        Raises:
            ChainError: The filter can't be read, or asks for what differs between packets of a flow.
        """
        return self._with(self.flows[matching(self.chain, self.flows, text)])

    def sort(self, column: str, ascending: bool = False) -> FlowTable:
        """Return the sessions in the order of a column, the largest first; equal ones by their numbers.

        Raises:
            ChainError: There is no such column; the message names the nearest.
        """
        known = [*(TOTALS if self.monitor else ()), *self.columns]
        if column not in known:
            raise ChainError(
                f"the table has no column {column!r}", expected=", ".join(known), near=nearest(column, known)
            )
        value = self.total(column) if column in TOTALS else self.flows[column]
        keys = [value] if value.ndim == 1 else list(_words(value).T[::-1])
        ranks = [_rank(key) if ascending else ~_rank(key) for key in keys]
        return self._with(self.flows[np.lexsort([self.flows["number"], *ranks])])

    def top(self, count: int) -> FlowTable:
        """Return the first `count` sessions."""
        return self._with(self.flows[:count])

    def _with(self, flows: NDArray[Any]) -> FlowTable:
        return FlowTable(self.chain, flows, self.monitor or None)

    def total(self, name: str, direction: str = "") -> NDArray[np.int64]:
        """Return one of :data:`TOTALS` of each session: of both directions, or of ``forward`` or ``reverse`` alone."""
        if name == "duration":
            return self.flows[f"{self.monitor}.duration"].astype(np.int64)  # type: ignore[no-any-return]
        forward, reverse = (self.flows[f"{self.monitor}.{way}{name}"].astype(np.int64) for way in ("", "reverse_"))
        return {"": forward + reverse, "forward": forward, "reverse": reverse}[direction]  # type: ignore[no-any-return]

    def rows(self) -> Iterator[list[Any]]:
        """Yield the values of :attr:`columns` of each session: integers, addresses, the state as a word."""
        for record in self.flows:
            yield [*(_basic(name, record[name]) for name in COLUMNS), *self._kept(record)]

    def _kept(self, record: Any) -> Iterator[Any]:
        for name, form in self.forms.items():
            value = record[name]
            if form == "address":
                yield unpack(int(value[0]), int(value[1])) if any(value) else ""
            else:
                yield bytes(value).hex() if value.ndim else int(value)


def find_monitor(chain: Chain, name: str | None = None) -> str:
    """Return the name of a chain's Monitor: the one asked for, or the first; "" if it has none.

    Raises:
        ChainError: The one asked for does not exist, or is no Monitor.
    """
    from nfuse.nf.library import Monitor

    names = [node.name for node in chain.nodes if isinstance(node.nf, Monitor)]
    if name is None:
        return names[0] if names else ""
    if name not in names:
        raise ChainError(
            f"the chain has no Monitor {name!r}", expected=", ".join(names) or "a Monitor", near=nearest(name, names)
        )
    return name


def _basic(name: str, value: Any) -> Any:
    if name in ("src", "dst"):
        data = bytes(value)
        return unpack(int.from_bytes(data[:8], "big", signed=True), int.from_bytes(data[8:], "big", signed=True))
    return STATES[value] if name == "state" else int(value)


def _rank(key: NDArray[Any]) -> NDArray[np.uint64]:
    """Return unsigned integers that are in the order of a column's integers."""
    ranks = key.astype(np.uint64)
    return ranks ^ np.uint64(1 << 63) if key.dtype.kind == "i" else ranks  # type: ignore[no-any-return]


def _words(value: NDArray[Any]) -> NDArray[Any]:
    """Return columns of more than one word (addresses: 16 bytes, or two i64) as 64-bit words, the first one first."""
    if value.dtype == np.uint8:
        padded = np.zeros((len(value), -(-value.shape[1] // 8) * 8), np.uint8)
        padded[:, : value.shape[1]] = value
        return padded.view(">u8").astype(np.uint64)  # type: ignore[no-any-return]
    return value.astype(np.uint64)  # type: ignore[no-any-return]
