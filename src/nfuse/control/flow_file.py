"""The live sessions of a chain as CSV, with all that its network functions keep about them; coarser sessions apart."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nfuse.chain.spec import Chain
from nfuse.control.flow_table import FlowTable
from nfuse.packet.address import unpack
from nfuse.port.errors import PortError


def write_flows(
    path: str, chain: Chain, flows: NDArray[Any], blocks: Mapping[tuple[str, str], NDArray[Any]] | None = None
) -> list[str]:
    """Write live sessions as CSV with a header line, one session a line, in the order of their numbers.

    Columns: the session's number, the tuple that opened it, its state, when it ends unless packets come (``deadline``,
    ms since the epoch), and ``nf.field`` for each field that a network function keeps for it. Beside it are written:

    - for each network function whose class has ``write_csv`` (such as Monitor) its own table: ``flows.monitor.csv``;
    - for each coarser session a table of its blocks (``flows.dosguard.source.csv``), one a line, in the order of their
      keys: the fields of the key, the live flows that share the block, and the fields of the session's class.

    Args:
        path: The file; the others have names made of it.
        chain: The chain.
        flows: Its live sessions (:attr:`nfuse.engine.api.RunResult.flows`).
        blocks: The blocks of its coarser sessions (:attr:`nfuse.engine.api.RunResult.blocks`).

    Returns:
        The paths of all files written.

    Raises:
        PortError: A file can't be written.
    """
    written = [path]
    try:
        write_table(path, FlowTable(chain, flows, coarser=False))
        for node in chain.nodes:
            table = getattr(type(node.nf), "write_csv", None)
            if table is not None:
                written.append(_beside(path, node.name))
                table(flows, written[-1], node.name)
        for (nf, session), rows in (blocks or {}).items():
            written.append(_beside(path, f"{nf}.{session}"))
            _write_blocks(written[-1], rows)
    except OSError as error:
        raise PortError(f"{error.filename or path}: flows can't be written: {error.strerror}") from None
    return written


def _beside(path: str, what: str) -> str:
    return str(Path(path).with_suffix(f".{what}{Path(path).suffix}"))


def _write_blocks(path: str, rows: NDArray[Any]) -> None:
    names = rows.dtype.names or ()
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([_cell(row[name]) for name in names] for row in rows)


def _cell(value: Any) -> object:
    """Return a value for CSV: 16 bytes or two halves are an address."""
    if not value.ndim:
        return int(value)
    high, low = (int(half) for half in (value.view(">i8") if value.dtype.itemsize == 1 else value))
    return unpack(high, low) if high or low else ""


def write_table(path: str, table: FlowTable) -> None:
    """Write a table of sessions as CSV with a header line, in its order.

    Raises:
        OSError: The file can't be written.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        writer.writerows(table.rows())
