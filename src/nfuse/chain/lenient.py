"""Reading a chain file past its mistakes: all of them at once, and what is left of the chain without them."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import yaml

from nfuse.chain.errors import ChainError
from nfuse.chain.located import Located, parse
from nfuse.chain.spec import Chain
from nfuse.chain.yaml import EMPTY, chain_of, load_chain, read_chain_file
from nfuse.nf.parameters import ParameterError

_MOST = 100
"""Mistakes that are looked for in one file."""


def load_leniently(path: str | Path) -> tuple[Chain | None, list[ChainError]]:
    """Load a chain file; go on behind each mistake without the part that it is in.

    Returns:
        The chain without the parts that could not be read (None if nothing is left), and the mistakes in their order in
        the file. A Python file ends at its first mistake.

    Raises:
        ChainError: There is no such file, or it can't be read.
        CompileError: A Python file's own NF class can't be used.
    """
    path = Path(path)
    text = read_chain_file(path)
    if path.suffix == ".py":
        try:
            return load_chain(path), []
        except ChainError as error:
            return None, [error if error.file else _in_python(error, path)]
        except ParameterError as error:
            return None, [_in_python(error, path)]
    try:
        document = parse(text, str(path))
    except ChainError as error:
        return None, [error]
    chain, errors = _without_mistakes(document, path.parent)
    return chain, sorted(errors, key=lambda error: (error.line or 0, error.column or 0))


def _in_python(error: ChainError | ParameterError, path: Path) -> ChainError:
    """Give an error that a Python file has raised its line there."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path.resolve()
    ]
    near = error.near if isinstance(error, ChainError) else error.nearest
    line = lines[-1] if lines else None
    return ChainError(error.message, file=str(path), line=line, expected=error.expected or None, near=near)


def _without_mistakes(document: Located, folder: Path) -> tuple[Chain | None, list[ChainError]]:
    errors: list[ChainError] = []
    damaged: set[int] = set()
    for _ in range(_MOST):
        try:
            return chain_of(document, folder), errors
        except ChainError as error:
            trail = [] if error.line is None else _trail(document.node, (error.line - 1, (error.column or 1) - 1))
            pointed = id(trail[-1][1]) if trail else 0
            if not _cut_out(trail):
                if not errors or error.message != EMPTY:
                    errors.append(error)
                return None, errors
            if pointed not in damaged:  # what a damaged network function lacks now is no mistake of its own
                errors.append(error)
            damaged |= {id(part) for step in trail for part in step}
    return None, errors


def _cut_out(trail: list[tuple[Any, Any]]) -> bool:
    """Take the smallest part on the trail that can be missed out of the document: an item of a list, or a value."""
    for depth in range(len(trail) - 1, -1, -1):
        holder, entry = trail[depth]
        above = trail[depth - 1][0] if depth else None
        if isinstance(holder, yaml.SequenceNode) or isinstance(above, yaml.MappingNode):
            holder.value.remove(entry)
            return True
    return False


def _trail(node: Any, at: tuple[int, int]) -> list[tuple[Any, Any]]:
    """Return the containers on the way to a place, outer first, each with the entry that leads there."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if _holds(item, at):
                return [(node, item), *_trail(item, at)]
    if isinstance(node, yaml.MappingNode):
        for entry in node.value:
            key, value = entry
            if _start(key) == at:
                return [(node, entry)]
            if _holds(value, at):
                return [(node, entry), *_trail(value, at)]
    return []


def _start(node: Any) -> tuple[int, int]:
    return node.start_mark.line, node.start_mark.column


def _holds(node: Any, at: tuple[int, int]) -> bool:
    return _start(node) <= at < (node.end_mark.line, node.end_mark.column) or _start(node) == at
