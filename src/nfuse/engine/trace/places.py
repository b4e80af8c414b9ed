"""Where in the source of an NF something stands: its class, a drop reason, a fault."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[2]


def shown(path: str) -> str:
    """Return a path as people read it: from the package's name on, or from the working folder."""
    full = Path(path).resolve()
    for root in (PACKAGE.parent, Path.cwd()):
        if full.is_relative_to(root):
            return str(full.relative_to(root))
    return str(full)


@functools.cache
def class_place(cls: Any) -> str:
    """Return a class and where it is defined: ``Monitor (nfuse/nf/library/monitor.py:24)``."""
    try:
        line = inspect.getsourcelines(cls)[1]
        return f"{cls.__name__} ({shown(inspect.getsourcefile(cls) or '')}:{line})"
    except (OSError, TypeError):
        return cls.__name__


@functools.lru_cache(maxsize=64)
def _tree(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


@functools.cache
def drop_place(cls: Any, reason: str) -> str:
    """Return where the source of an NF class drops for a reason, ``file:line``, several separated by commas.

    Looked for are calls ``....drop("reason")`` in the files of the class and its bases; "" if there is none (a reason
    that is made as the NF runs).
    """
    files = dict.fromkeys(filter(None, (_file_of(base) for base in cls.__mro__)))
    if reason.startswith("fault:"):
        return f"{shown(next(iter(files)))}:{reason.rpartition(':')[2]}" if files else ""
    names = {base.__name__ for base in cls.__mro__}
    found = []
    for file in files:
        with contextlib.suppress(OSError, SyntaxError):
            found += [f"{shown(file)}:{line}" for line in _lines(file, names, reason)]
    return ", ".join(found)


def _lines(file: str, classes: set[str], reason: str) -> list[int]:
    """Return the lines of a file that drop for a reason: in those classes, or in no class at all."""
    tops = [top for top in _tree(file).body if not isinstance(top, ast.ClassDef) or top.name in classes]
    return sorted(
        node.lineno for top in tops for node in ast.walk(top) if isinstance(node, ast.Call) and _drops(node, reason)
    )


def _file_of(cls: type) -> str | None:
    if cls is object or cls.__module__ == "nfuse.nf.base":
        return None
    try:
        return inspect.getsourcefile(cls)
    except TypeError:
        return None


def _drops(call: ast.Call, reason: str) -> bool:
    named = isinstance(call.func, ast.Attribute) and call.func.attr == "drop" and bool(call.args)
    return named and isinstance(call.args[0], ast.Constant) and call.args[0].value == reason
