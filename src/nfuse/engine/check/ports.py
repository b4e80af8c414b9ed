"""Checks of the ports that a chain is to run on: whether they can be opened, without writing anything."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from nfuse.nf.findings import Finding
from nfuse.port.errors import PortError
from nfuse.port.registry import check_output, open_input, split_options, split_uri


def unusable(inputs: Sequence[str], outputs: Sequence[str]) -> Iterator[Finding]:
    """Find inputs and outputs that can't be opened: unknown, missing, not permitted, needing what is not installed."""
    for uri in inputs:
        if not _is_stream(uri):
            try:
                open_input(uri).close()
            except PortError as error:
                yield _finding("input", uri, str(error))
    files = [path for uri in inputs if (path := _file(uri))]
    for uri in outputs:
        try:
            check_output(uri)
        except PortError as error:
            yield _finding("output", uri, str(error))
            continue
        path = _file(uri)
        if path is None:
            continue
        wrong = _not_writable(path)
        if wrong:
            yield _finding("output", uri, wrong)
        elif any(path.resolve() == other.resolve() for other in files):
            yield _finding("output", uri, "it is an input too, and would be overwritten while it is read")


def _finding(what: str, uri: str, why: str) -> Finding:
    hints = {
        "input": "give a capture that can be read, or another input port",
        "output": "give a file in a folder that can be written, or another output port",
    }
    return Finding("error", what, f"the {what} {uri} can't be used", why, hints[what])


def _is_stream(uri: str) -> bool:
    """Whether opening an input would wait for somebody, or take something away: standard input, a pipe."""
    path = _file(uri)
    return path is not None and (str(path) == "-" or path.is_fifo())


def _file(uri: str) -> Path | None:
    """Return the path of a capture's URI; None for other ports."""
    scheme, rest = split_uri(uri)
    return Path(split_options(rest)[0]) if scheme == "pcap" else None


def _not_writable(path: Path) -> str:
    """Return what keeps a file from being written; empty if nothing does."""
    if str(path) == "-":
        return ""
    if path.is_dir():
        return "it is a folder"
    if path.exists():
        return "" if os.access(path, os.W_OK) else "no permission to write it"
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"no permission to write in {folder}"
