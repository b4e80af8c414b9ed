"""The one place that knows how Numba is called.

Every function of the data path is decorated with :func:`native`. Compiled code releases the GIL, never raises, and is
cached under a folder named by everything that can change its meaning (see :mod:`nfuse.memory.cache`). With
``NFUSE_JIT=0`` the decorator returns the function unchanged, so that the same source runs as plain Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

JIT: bool = os.environ.get("NFUSE_JIT", "1") != "0"
"""Whether the data path is compiled (environment variable ``NFUSE_JIT``; ``0`` turns compilation off)."""

CHECK: bool = os.environ.get("NFUSE_CHECK", "0") == "1"
"""Whether each load and store verifies its address (environment variable ``NFUSE_CHECK=1``)."""

F = TypeVar("F", bound=Callable[..., Any])

if JIT:
    import numba
    from numba.core import config as _config

    from nfuse.memory.cache import cache_folder

    def native(function: F) -> F:
        """Compile a function of the data path.

        The function may use 64-bit integers, tuples of them, and the functions of :mod:`nfuse.memory.raw`; it must
        cast (``i64``) the result of each arithmetic operation that can wrap. It is compiled at its first call and
        cached on disk where the cache folder can be written.
        """
        folder = cache_folder()
        before = _config.CACHE_DIR
        _config.CACHE_DIR = str(folder or "")
        try:
            compiled = numba.njit(nogil=True, error_model="numpy", boundscheck=False, cache=folder is not None)(
                function
            )
        finally:
            _config.CACHE_DIR = before
        return compiled  # type: ignore[no-any-return]

else:

    def native(function: F) -> F:
        """Return the function unchanged: ``NFUSE_JIT=0`` runs the data path as plain Python."""
        return function
