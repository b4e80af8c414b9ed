"""The live sessions of a chain as CSV, with all that its network functions keep about them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nfuse.chain.spec import Chain
from nfuse.engine.api import STATES
from nfuse.engine.flows import scratchpad
from nfuse.nf.compile import analyse
from nfuse.packet.address import unpack
from nfuse.port.errors import PortError

_COLUMNS = ("number", "family", "proto", "src", "sport", "dst", "dport", "side", "state", "deadline")


def write_flows(path: str, chain: Chain, flows: NDArray[Any]) -> list[str]:
    """Write live sessions as CSV with a header line, one session a line, in the order of their numbers.

    Columns: the session's number, the tuple that opened it, its state, when it ends unless packets come (``deadline``,
    ms since the epoch), and ``nf.field`` for each field that a network function keeps. For each network function whose
    class has ``write_csv`` (such as Monitor) its own table is written beside it: ``flows.csv``, ``flows.monitor.csv``.

    Returns:
        The paths of all files written.

    Raises:
        PortError: A file can't be written.
    """
    written = [path]
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            fields = list(_fields(chain))
            writer = csv.writer(file)
            writer.writerow([*_COLUMNS, *(name for name, _ in fields)])
            writer.writerows(_row(record, fields) for record in flows)
        for node in chain.nodes:
            table = getattr(type(node.nf), "write_csv", None)
            if table is not None:
                written.append(str(Path(path).with_suffix(f".{node.name}{Path(path).suffix}")))
                table(flows, written[-1], node.name)
    except OSError as error:
        raise PortError(f"{error.filename or path}: flows can't be written: {error.strerror}") from None
    return written


def _fields(chain: Chain) -> Iterator[tuple[str, str]]:
    """Yield (column, form) of all Session fields."""
    for node in chain.nodes:
        for column, _, slot in scratchpad(node.name, analyse(type(node.nf))):
            yield column, slot.kind.form


def _row(record: Any, fields: list[tuple[str, str]]) -> list[object]:
    row: list[object] = []
    for name in _COLUMNS:
        value = record[name]
        if name in ("src", "dst"):
            data = bytes(value)
            row.append(
                unpack(int.from_bytes(data[:8], "big", signed=True), int.from_bytes(data[8:], "big", signed=True))
            )
        else:
            row.append(STATES[value] if name == "state" else int(value))
    for name, form in fields:
        value = record[name]
        if form == "address":
            row.append(unpack(int(value[0]), int(value[1])) if any(value) else "")
        else:
            row.append(bytes(value).hex() if value.ndim else int(value))
    return row
