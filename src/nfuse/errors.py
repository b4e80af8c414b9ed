"""What all errors about the user's own input have in common: a message that stands by itself, without a stack."""

from __future__ import annotations

import os
import traceback

_HIDDEN = ("nfuse", "IPython", "ipykernel")
"""Packages whose frames say nothing to someone who reads such an error."""


class UserError(Exception):
    """An error about what the user gave: an NF, a chain, a parameter, a port. The message says all there is to know.

    The command prints the message alone. A notebook prints it under the user's own frames.
    """

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython prints in place of its own traceback."""
        lines: list[str] = []
        trace = self.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if str(frame.f_globals.get("__name__", "")).split(".")[0] not in _HIDDEN:
                lines += traceback.format_tb(trace, 1)[0].rstrip("\n").splitlines()
            trace = trace.tb_next
        return [*lines, *f"{type(self).__name__}: {self}".splitlines()]


def shown(file: str) -> str:
    """Return a file's name as seen from the current folder: relative if it is in there."""
    relative = os.path.relpath(file) if os.path.isabs(file) else file
    return file if relative.startswith(os.pardir) else relative
