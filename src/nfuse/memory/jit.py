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
        """Call the plain Python function."""
        return self.function(*args)


if JIT:
    import numba
    from numba.core import config as _config
    from numba.core import types as _types
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.core.registry import CPUDispatcher
    from numba.cpython import numbers as _numbers

    from nfuse.memory.cache import cache_folder
    from nfuse.memory.parts import parts

    # Numba tells LLVM that signed arithmetic never overflows, which makes wrapping undefined: `i64(a * b)` may then be
    # anything. Handlers and hashes count on two's complement, so that promise is taken back.
    _numbers._int_arith_flags = lambda rettype: []

    _signatures: dict[Any, Any] = {}
    _resolve = _types.Function.get_call_type

    def _resolve_once(self: Any, context: Any, args: Any, kws: Any) -> Any:
        """Find out what an operator or intrinsic makes of its arguments: each question is asked thousands of times."""
        if kws or not all(isinstance(arg, _types.Integer | _types.Boolean) for arg in args):
            return _resolve(self, context, args, kws)
        question = (self, args)
        answer = _signatures.get(question)
        if answer is None:
            answer = _signatures[question] = _resolve(self, context, args, kws)
        return answer

    _types.Function.get_call_type = _resolve_once  # type: ignore[method-assign]

    class _Passes(CompilerBase):  # type: ignore[misc]
        """Numba's passes without those that the data path has no use for: closures, array expressions, `with`."""

        def define_pipelines(self) -> list[Any]:
            whole = DefaultPassBuilder.define_nopython_pipeline(self.state)
            whole.passes = [one for one in whole.passes if one[0].__name__ not in _UNUSED]
            whole._finalized = False
            whole.finalize()
            return [whole]

    _UNUSED = {
        *("WithLifting", "InlineClosureLikes", "InlineInlinables", "MakeFunctionToJitFunction", "LiteralUnroll"),
        *("RewriteSemanticConstants", "DeadBranchPrune", "GenericRewrites", "NopythonRewrites", "InlineOverloads"),
        *("FindLiterallyCalls", "LiteralPropagationSubPipelinePass", "RewriteDynamicRaises"),
    }

    _OPTIONS: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "boundscheck": False,
        "pipeline_class": _Passes,
    }

    def _cached(make: Callable[[bool], Any], part: str = "") -> Any:
        """Let Numba make something with its cache in our folder (`part` of it), if that can be written."""
        folder = cache_folder()
        before = _config.CACHE_DIR
        _config.CACHE_DIR = str(folder / part) if folder else ""
        try:
            return make(folder is not None)
        finally:
            _config.CACHE_DIR = before

    class _Native(CPUDispatcher):  # type: ignore[misc]
        """A dispatcher for calls from native code.

        Numba would compile a function anew for each mix of argument types (a truth value, a literal), and each time
        with two wrappers for callers that most kernels never have. Here all integers are i64, and the wrapper for
        Python is made when Python first calls.
        """

        def compile(self, sig: Any) -> Any:
            """Compile to a part, or load it from the cache."""
            with parts(True):
                return super().compile(sig)

        def get_call_template(self, args: Any, kws: Any) -> Any:
            return super().get_call_template(tuple(map(_widen, args)), {k: _widen(v) for k, v in kws.items()})

        def from_python(self) -> Any:
            """Return the dispatcher for callers in Python."""
            called = self.__dict__.get("_from_python")
            if called is None:
                called = _cached(lambda cache: numba.njit(cache=cache, **_OPTIONS)(self.py_func), "python")
                self.__dict__["_from_python"] = called
            return called

        def __call__(self, *args: Any, **kws: Any) -> Any:
            """Call from Python."""
            return self.from_python()(*args, **kws)

    def _widen(kind: Any) -> Any:
        return _types.int64 if isinstance(kind, _types.Integer | _types.Boolean) else kind

    def native(function: F) -> F:
        """Compile a function of the data path.

        The function may use 64-bit integers, tuples of them, and the functions of :mod:`nfuse.memory.raw`; it must
        cast (``i64``) the result of each arithmetic operation that can wrap. It is compiled at its first call and
        cached on disk where the cache folder can be written.
        """
        return _native(function, False)

    def inlined(function: F) -> F:
        """Compile as :func:`native`, always inlined: for what runs per packet, where a call would cost more."""
        return _native(function, True)

    def _native(function: F, inline: bool) -> F:
        options = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": inline}
        made = _cached(lambda cache: numba.njit(cache=cache, **options)(function))
        made.__class__ = _Native
        return made  # type: ignore[no-any-return]

    def compile_now(function: Any) -> None:
        """Compile a native function for calls from Python with i64 arguments, or load it from the cache."""
        called = function.from_python()
        called.compile((_types.int64,) * function.py_func.__code__.co_argcount)

    def entry(function: Callable[..., int]) -> Entry:
        """Compile a function of up to six i64 that returns an i64, at once, to be called by address."""
        signature = _types.int64(*[_types.int64] * function.__code__.co_argcount)
        with parts(False):
            made = _cached(lambda cache: numba.cfunc(signature, nopython=True, cache=cache, **_OPTIONS)(function))
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

    inlined = native

    def compile_now(function: Any) -> None:
        """Do nothing: plain Python needs no compilation."""
