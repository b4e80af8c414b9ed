"""A progress bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Called from time to time with packets so far, and the input's position and size (0: unknown)."""

    def __call__(self, packets: int, position: int, size: int) -> None:
        """Take note of how far the run has got."""


@contextmanager
def progress_bar(what: str, quiet: bool = False) -> Iterator[Progress | None]:
    """Show a bar on standard error while the block runs, if that is a terminal; gives the function to call.

    Elsewhere one line says so if anything has to be compiled.
    """
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        from nfuse.memory.compiling import Compiling

        with Compiling(lambda: print("nfuse: compiling, the first time only ...", file=sys.stderr, flush=True)):
            yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[packets]:>13,} packets"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, refresh_per_second=8) as bar:
        task = bar.add_task("compiling", total=None, packets=0)  # until the first packets are through

        def advance(packets: int, position: int, size: int) -> None:
            bar.update(task, description=what, completed=position, total=size or None, packets=packets)

        yield advance
