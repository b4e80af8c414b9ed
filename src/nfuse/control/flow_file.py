"""The live sessions of a chain as CSV, with all that its network functions keep about them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nfuse.chain.spec import Chain
from nfuse.control.flow_table import FlowTable
from nfuse.port.errors import PortError


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
        write_table(path, FlowTable(chain, flows))
        for node in chain.nodes:
            table = getattr(type(node.nf), "write_csv", None)
            if table is not None:
                written.append(str(Path(path).with_suffix(f".{node.name}{Path(path).suffix}")))
                table(flows, written[-1], node.name)
    except OSError as error:
        raise PortError(f"{error.filename or path}: flows can't be written: {error.strerror}") from None
    return written


def write_table(path: str, table: FlowTable) -> None:
    """Write a table of sessions as CSV with a header line, in its order.

    Raises:
        OSError: The file can't be written.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        writer.writerows(table.rows())
