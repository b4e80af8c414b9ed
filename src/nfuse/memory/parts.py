"""Compiling a function that only native code calls: to bitcode, not to machine code.

Numba makes machine code of every function that it compiles, with a copy of all that the function calls linked in and
optimized again: the work grows with the square of a call tree's depth. A kernel that is only ever linked into others
needs none of that. Here it is kept as a *part*: bitcode as the front-end made it, which the functions that are really
called (by address or from Python) link once and optimize as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.registry import cpu_target

_making = False


@contextmanager
def parts(wanted: bool) -> Iterator[None]:
    """Within: whether functions are compiled to parts (else to machine code, as Numba does)."""
    global _making
    before, _making = _making, wanted
    try:
        yield
    finally:
        _making = before


class _Codegen:
    """The code generator as a part's library sees it: a part has no environment in the running machine code."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def set_env(self, name: str, env: Any) -> None:
        """Do nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class PartLibrary(JITCodeLibrary):  # type: ignore[misc]
    """The library of a function that is linked into others and never run by itself."""

    @property
    def codegen(self) -> Any:
        """The code generator."""
        return _Codegen(self._codegen)

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: there is no machine code.

        Raises:
            TypeError: Python could call the function: a Numba function that `native` does not decorate.
        """
        for function in self._final_module.functions:
            if function.name == name and not function.is_declaration:
                raise TypeError(f"{self.name} is called by native code: decorate it with nfuse.memory.jit.native")
        return 0

    def serialize_using_object_code(self) -> tuple[str, str, bytes]:
        """Return what the cache keeps: the bitcode."""
        return (self.name, "part", self._get_module_for_linking().as_bitcode())

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


def _install() -> None:
    """Teach Numba's code generator to make and to load parts."""
    import llvmlite.binding as llvm

    codegen: Any = cpu_target.target_context.codegen()
    create, load = codegen.create_library, codegen.unserialize_library

    def create_library(name: str, **options: Any) -> Any:
        return PartLibrary(codegen, name, **options) if _making else create(name, **options)

    def unserialize_library(state: Any) -> Any:
        name, kind, data = state
        if kind != "part":
            return load(state)
        library = PartLibrary(codegen, name)
        library._final_module = library._shared_module = llvm.parse_bitcode(data)
        library._finalize_final_module()
        return library

    codegen.create_library, codegen.unserialize_library = create_library, unserialize_library


_install()
