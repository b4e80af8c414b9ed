"""The native functions of this package as plain Python, also where the data path is compiled.

The reference engine and tests work on single packets: compiling a reader for each field would cost seconds and save
nothing. The Python source of a native function is run over the interpreted loads and stores of
:mod:`nfuse.memory.raw`: the same text, the same meaning.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

from nfuse.memory import raw
from nfuse.memory.jit import JIT

_WIDTHS = (8, 16, 32, 64)


def _raw_forms() -> dict[str, Callable[..., Any]]:
    """Return the interpreted form of every load, store and operation by its name."""
    forms: dict[str, Callable[..., Any]] = {
        name: getattr(raw, f"_py_{name}")
        for name in ("i64", "lsr", "mulhi", "ctz", "popcount", "prefetch", "copy", "zero", "call")
    }
    for bits in _WIDTHS:
        forms[f"load{bits}"] = raw._py_load(bits, False, False)
        forms[f"store{bits}"] = raw._py_store(bits, False)
        if bits < 64:
            forms[f"load{bits}i"] = raw._py_load(bits, True, False)
        if bits > 8:
            forms[f"load{bits}be"] = raw._py_load(bits, False, True)
            forms[f"store{bits}be"] = raw._py_store(bits, True)
    return forms


class _Twins:
    """Rebuilds compiled functions over interpreted globals; every module's globals are rebuilt once."""

    def __init__(self) -> None:
        self.forms = _raw_forms()
        self._globals: dict[int, dict[str, Any]] = {}
        self._functions: dict[int, Callable[..., Any]] = {}

    def function(self, compiled: Any) -> Callable[..., Any]:
        """Return the plain twin of a compiled function."""
        source = compiled.py_func
        if id(source) not in self._functions:
            self._functions[id(source)] = FunctionType(
                source.__code__, self._globals_of(source), source.__name__, source.__defaults__
            )
        return self._functions[id(source)]

    def _globals_of(self, source: Any) -> dict[str, Any]:
        names = source.__globals__
        if id(names) in self._globals:
            return self._globals[id(names)]
        twin = dict(names)
        self._globals[id(names)] = twin  # before the loop: functions of a module call one another
        for name, value in names.items():
            if name in self.forms and value is getattr(raw, name):
                twin[name] = self.forms[name]
            elif hasattr(value, "py_func"):
                twin[name] = self.function(value)
        return twin


@functools.cache
def interpreted_names() -> dict[str, Callable[..., Any]]:
    """Return what generated source may use (raw and packet.native), by name, as plain Python functions."""
    from nfuse.packet import native

    if not JIT:
        names = {name: getattr(raw, name) for name in _raw_forms()}
        return names | {name: getattr(native, name) for name in native.__all__}
    twins = _Twins()
    return twins.forms | {name: twins.function(getattr(native, name)) for name in native.__all__}
