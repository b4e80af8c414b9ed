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


class Entry:
    """A function of the data path that native code calls by address (:func:`nfuse.memory.raw.call`).

    Numba links a copy of everything that a function calls into it and optimizes all of it again, so deep call trees
    compile slowly. What is not called for each packet is called by address instead, and compiled once.

    Attributes:
        function: The plain Python function.
        address: Where the compiled function lies (interpreted: a way into Python).
    """

    def __init__(self, function: Callable[..., int], address: int, keep: object) -> None:
        self.function = function
        self.address = address
        self._keep = keep

    def __call__(self, *args: int) -> int:
        return self.function(*args)


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

    def entry(function: Callable[..., int]) -> Entry:
        """Compile a function of up to six i64 that returns an i64, at once, to be called by address."""
        folder = cache_folder()
        before = _config.CACHE_DIR
        _config.CACHE_DIR = str(folder or "")
        count = function.__code__.co_argcount
        signature = numba.types.int64(*[numba.types.int64] * count)
        try:
            made = numba.cfunc(
                signature, nopython=True, nogil=True, error_model="numpy", boundscheck=False, cache=folder is not None
            )(function)
        finally:
            _config.CACHE_DIR = before
        return Entry(function, int(made.address), made)

else:

    def entry(function: Callable[..., int]) -> Entry:
        """Make a Python function callable by address: ``NFUSE_JIT=0`` runs the data path as plain Python."""
        import ctypes

        count = function.__code__.co_argcount

        def called(*args: int) -> int:
            return function(*args[:count])

        made = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 6)(called)
        return Entry(function, int(ctypes.cast(made, ctypes.c_void_p).value or 0), made)

    def native(function: F) -> F:
        """Return the function unchanged: ``NFUSE_JIT=0`` runs the data path as plain Python."""
        return function
