"""The way back into Python: handlers of NFs with ``compiled = False``."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nfuse.engine.fused.engine import FusedEngine

HANDLERS = ("on_flow", "on_change", "on_end", "on_tick")

_TYPE = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 6)


class Callback:
    """A C function that runs interpreted handlers of one engine.

    Attributes:
        address: Its address, called with (handler, node, packet, scratchpad, record, context).
        error: An exception that is none of the handler's own (Ctrl-C); the engine raises it after the burst.
    """

    def __init__(self, engine: FusedEngine) -> None:
        self._engine = engine
        self.error: BaseException | None = None
        self._function = _TYPE(self._run)
        self.address = int(ctypes.cast(self._function, ctypes.c_void_p).value or 0)

    def _run(self, handler: int, node: int, packet: int, scratch: int, record: int, context: int) -> int:
        try:
            return self._call(HANDLERS[handler], node, packet, scratch, record, context)
        except (KeyboardInterrupt, SystemExit) as error:
            self.error = error
            return 0

    def _call(self, handler: str, node: int, packet: int, scratch: int, record: int, context: int) -> int:
        raise NotImplementedError
