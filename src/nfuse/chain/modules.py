"""Python files of chains and network functions: importing them, and telling their mistakes with file and line."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import importlib.util
import linecache
import re
import sys
import traceback
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from nfuse.chain.errors import ChainError, nearest
from nfuse.errors import UserError, shown
from nfuse.nf.parameters import ParameterError


def load_module(path: Path) -> ModuleType:
    """Execute a Python file as a module under its own stem, with its folder importable meanwhile.

    Raises:
        ChainError: The file raises, or is no Python: with file, line and what was probably meant. Errors that have
            their own place in a network function's source pass through unchanged.
    """
    name = path.stem
    other = sys.modules.get(name)
    if name in sys.stdlib_module_names or (other is not None and getattr(other, "__file__", None) != str(path)):
        name = f"{name}_{abs(hash(str(path))):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ChainError("this is no Python file", file=str(path), expected="a .py or .yaml file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with importable(path.parent):
            spec.loader.exec_module(module)
    except Exception as error:
        found = explained(error, path.parent, path, module)
        if found is error:
            raise
        raise found from error
    return module


def import_module(name: str, folder: Path | None) -> ModuleType:
    """Import a module that a chain file names: an installed one, or a file in its folder.

    Raises:
        ChainError: There is none, or it raises.
    """
    main = sys.modules.get("__main__")
    main_file = getattr(main, "__file__", None)
    if main is not None and main_file is not None and Path(main_file).stem == name and name not in sys.modules:
        return main
    try:
        with importable(folder):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name != name.split(".")[0] and error.name != name:
            raise ChainError(f"module {name!r} needs {error.name!r}, which is not installed") from error
        near = nearest(name, [path.stem for path in (folder or Path()).glob("*.py")])
        raise ChainError(
            f"there is no module {name!r}", expected="an installed module, or a file beside the chain file", near=near
        ) from None
    except Exception as error:
        found = explained(error, folder)
        if found is error:
            raise
        if isinstance(found, ChainError) and found.file is None:
            found = ChainError(f"module {name!r} can't be imported: {found.message}", expected=found.expected)
        raise found from error


@contextlib.contextmanager
def importable(folder: Path | None) -> Iterator[None]:
    """Make the modules in a folder importable meanwhile; those of the standard library come first."""
    if folder is None:
        yield
        return
    entry = str(folder.resolve())
    guard = _StandardLibrary(entry)
    sys.path.insert(0, entry)
    sys.meta_path.insert(0, guard)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(guard)
        with contextlib.suppress(ValueError):
            sys.path.remove(entry)


class _StandardLibrary:
    """Finds modules of the standard library although a file of the same name lies in the chain's folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See :class:`importlib.abc.MetaPathFinder`."""
        if path is not None or name not in sys.stdlib_module_names:
            return None
        return PathFinder.find_spec(name, [entry for entry in sys.path if entry != self._folder])


# --------------------------------------------------------------------------------------------------------- mistakes


def explained(
    error: Exception, folder: Path | None, path: Path | None = None, module: ModuleType | None = None
) -> Exception:
    """Return an error of a Python file as one with the place in it, and a hint at what was meant.

    Args:
        error: What it raised.
        folder: Files in it are the user's.
        path: The file, for errors of which no line is known.
        module: Its module, for the names in it.
    """
    if isinstance(error, SyntaxError):
        return ChainError(
            f"not Python: {error.msg}",
            file=shown(str(error.filename or path)),
            line=error.lineno,
            column=error.offset,
            source=(error.text or "").rstrip("\n"),
        )
    if isinstance(error, UserError) and not isinstance(error, ParameterError):
        if not isinstance(error, ChainError) or error.file is not None:
            return error
    where = _place(error, folder, path)
    if isinstance(error, ChainError):
        return error.at(**where)
    if isinstance(error, ParameterError):
        return ChainError(error.message, expected=error.expected or None, near=error.nearest, **where)
    if hasattr(error, "problem") and hasattr(error, "text"):  # a filter's
        pointed = f"in the filter:\n  {error.text}\n  {' ' * (error.column - 1)}^"  # type: ignore[attr-defined]
        return ChainError(f"the filter can't be read: {error.problem}", detail=pointed, **where)
    return ChainError(f"{type(error).__name__}: {error}", **_meant(error, module), **where)


def _place(error: Exception, folder: Path | None, path: Path | None) -> dict[str, Any]:
    """Return file, line, column and text of the innermost line of the user's in a traceback."""
    inside = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path) or (folder is not None and Path(frame.filename).parent == folder.resolve())
    ]
    if not inside:
        return {"file": shown(str(path))} if path is not None else {}
    frame = inside[-1]
    text = linecache.getline(frame.filename, frame.lineno or 0).rstrip("\n")
    column = len(text.encode()[: frame.colno].decode(errors="ignore")) + 1 if frame.colno is not None else None
    return {"file": shown(frame.filename), "line": frame.lineno, "column": column, "source": text or None}


def _meant(error: Exception, module: ModuleType | None) -> dict[str, Any]:
    """Return what a name that does not exist was probably meant to be."""
    import nfuse

    if isinstance(error, NameError) and error.name:
        own = [name for name in vars(module or builtins) if not name.startswith("_")]
        near = nearest(error.name, [*own, *nfuse.__all__, *vars(builtins)])
        if near in nfuse.__all__ and near not in own:
            return {"expected": f"from nfuse import {near}"}
        return {"near": near} if near else {}
    found = re.match(r"cannot import name '(\w+)' from '([\w.]+)'", str(error))
    if isinstance(error, ImportError) and found:
        source = sys.modules.get(found[2])
        near = nearest(found[1], dir(source)) if source is not None else None
        return {"near": near} if near else {}
    return {}
