"""How long compilation takes, wherever it happens, so that it can be told apart from the work that is measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from nfuse.memory.jit import JIT


class Compiling:
    """Watches compilation while a block runs; what is taken from the cache does not count.

    Args:
        first: Called once, when the first function begins to compile.

    Attributes:
        seconds: Time spent compiling in this process so far.
    """

    def __init__(self, first: Callable[[], None] | None = None) -> None:
        self.seconds = 0.0
        self._first = first
        self._depth = 0
        self._began = 0.0
        self._listener: Any = None

    def begin(self) -> None:
        """A function begins to compile (perhaps one that another one calls)."""
        self._depth += 1
        if self._depth == 1:
            self._began = time.perf_counter()
            if self._first is not None:
                first, self._first = self._first, None
                first()

    def end(self) -> None:
        """A function is compiled."""
        self._depth = max(0, self._depth - 1)
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._began

    def __enter__(self) -> Self:
        if JIT:
            from numba.core import event

            watch = self

            class Listener(event.Listener):  # type: ignore[misc]
                """Hands Numba's events on."""

                def on_start(self, event: Any) -> None:
                    watch.begin()

                def on_end(self, event: Any) -> None:
                    watch.end()

            self._listener = Listener()
            event.register("numba:compile", self._listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            from numba.core import event

            event.unregister("numba:compile", self._listener)
            self._listener = None
