"""A handler's source: its syntax tree with the lines and columns of the user's file, and the names it can see."""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from nfuse.nf.errors import CompileError

MISSING: Any = object()
"""What :meth:`Source.lookup` returns for a name that is nowhere."""


@dataclass(frozen=True)
class Source:
    """A function and its definition.

    Attributes:
        function: The Python function.
        tree: Its definition; line numbers are those of the file.
        file: Path of the file.
        lines: All lines of the file.
    """

    function: FunctionType
    tree: ast.FunctionDef
    file: str
    lines: list[str]

    @property
    def names(self) -> list[str]:
        """The parameters' names."""
        return [argument.arg for argument in self.tree.args.args]

    def lookup(self, name: str) -> Any:
        """Return what a name outside the function means: closure, module, builtins; :data:`MISSING` if nothing."""
        code = self.function.__code__
        if name in code.co_freevars and self.function.__closure__:
            try:
                return self.function.__closure__[code.co_freevars.index(name)].cell_contents
            except ValueError:
                return MISSING
        if name in self.function.__globals__:
            return self.function.__globals__[name]
        return getattr(builtins, name, MISSING)

    def visible(self) -> list[str]:
        """Return the names outside the function that it can see, for hints."""
        return [*self.function.__code__.co_freevars, *self.function.__globals__]

    def error(self, node: ast.AST, message: str, hint: str = "") -> CompileError:
        """Make an error that points at a node."""
        line, column = getattr(node, "lineno", self.tree.lineno), getattr(node, "col_offset", 0)
        text = self.lines[line - 1].rstrip("\n") if 0 < line <= len(self.lines) else ""
        end = getattr(node, "end_col_offset", None)
        width = end - column if end is not None and getattr(node, "end_lineno", line) == line else len(text) - column
        before = text.encode()[:column].decode(errors="ignore")  # ast counts bytes
        return CompileError(message, self.file, line, len(before) + 1, text, max(1, width), hint)


_trees: dict[str, tuple[tuple[str, ...], dict[tuple[str, int], ast.FunctionDef]]] = {}


def _definitions(file: str, lines: list[str]) -> dict[tuple[str, int], ast.FunctionDef]:
    key = tuple(lines)
    if file in _trees and _trees[file][0] == key:
        return _trees[file][1]
    found: dict[tuple[str, int], ast.FunctionDef] = {}
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[node.name, first] = node
    _trees[file] = (key, found)
    return found


def class_lines(holder: type) -> tuple[str, int, list[str]]:
    """Return the file of a class, the line where it begins (from 1), and its lines; ("", 0, []) if not at hand."""
    if "_defined" in vars(holder):
        file, first = vars(holder)["_defined"]
        linecache.checkcache(file)
        module = sys.modules.get(holder.__module__)
        lines = linecache.getlines(file, vars(module) if module else None)[first - 1 :]
        return (file, first, inspect.getblock(lines)) if lines else ("", 0, [])
    if "_outer" in vars(holder):
        file, first, lines = class_lines(vars(holder)["_outer"])
        for number, text in enumerate(lines):
            if text.strip().startswith(f"class {holder.__name__}"):
                return file, first + number, inspect.getblock(lines[number:])
        return "", 0, []
    try:
        lines, first = inspect.getsourcelines(holder)
        return inspect.getsourcefile(holder) or "", first, lines
    except (OSError, TypeError):
        return "", 0, []


def class_error(holder: type, name: str, message: str, hint: str = "") -> CompileError:
    """Make an error that points at a name in a class body (where the source is at hand)."""
    file, first, lines = class_lines(holder)
    if not lines:
        return CompileError(f"{holder.__qualname__}: {message}", hint=hint)
    for number, text in enumerate(lines):
        stripped = text.strip()
        if stripped.startswith((f"{name}:", f"{name} ", f"{name}=", f"class {name}", f"def {name}(")):
            return CompileError(message, file, first + number, text.index(name) + 1, text, len(name), hint)
    return CompileError(message, file, first, 1, lines[0], len(lines[0]), hint)


def read(function: Callable[..., Any]) -> Source:
    """Read a function's source.

    Raises:
        CompileError: It is no plain Python function, or its source is not at hand.
    """
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        raise CompileError(f"{function!r} is not a Python function; it can't be compiled")
    code = function.__code__
    file = code.co_filename
    linecache.checkcache(file)
    lines = linecache.getlines(file, function.__globals__)
    if not lines:
        raise CompileError(
            f"the source of {function.__qualname__} is not at hand",
            file,
            code.co_firstlineno,
            hint="keep network functions in a file",
        )
    tree = _definitions(file, lines).get((code.co_name, code.co_firstlineno))
    if tree is None:
        raise CompileError(
            f"{function.__qualname__} can't be compiled",
            file,
            code.co_firstlineno,
            text=lines[code.co_firstlineno - 1] if code.co_firstlineno <= len(lines) else "",
            hint="write it as a plain `def`"
            if code.co_name == "<lambda>"
            else "has the file changed since it was read?",
        )
    return Source(function, tree, file, lines)
