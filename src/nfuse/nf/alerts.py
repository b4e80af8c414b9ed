"""What becomes of the packet about which an NF alerts, as far as its source says so.

A log record is written when ``self.alert`` runs; what the handler does next is not in it. But the source tells: a drop
that stands beside the alert runs whenever the alert does, and a handler without any drop lets the packet pass.
"""

from __future__ import annotations

import ast
from types import FunctionType
from typing import TYPE_CHECKING, Literal

from nfuse.nf.base import HANDLERS, NF, events_of
from nfuse.nf.source import Source, read

if TYPE_CHECKING:
    from nfuse.nf.compile import NFInfo

Action = Literal["allowed", "blocked"]


def alert_actions(info: NFInfo) -> dict[str, Action]:
    """Return what the NF does with the packets that it alerts about, by signature.

    ``blocked``: the handler that alerts drops the packet (or its flow) too; ``allowed``: it drops nothing. Signatures
    whose packets are sometimes dropped (the drop depends on more than the alert does) are left out.
    """
    found: dict[str, set[Action | None]] = {}
    handlers, helpers = _functions(info)
    for function in [*handlers, *helpers]:
        for signature, action in _in_function(read(function), info.cls, function in handlers):
            found.setdefault(signature, set()).add(action)
    return {name: one for name, all_ in found.items() if len(all_) == 1 and (one := next(iter(all_))) is not None}


def _functions(info: NFInfo) -> tuple[list[FunctionType], list[FunctionType]]:
    """Return the NF's handlers, and its other methods, which handlers may call."""
    handlers = [getattr(info.cls, name, None) for name in (*HANDLERS, *info.functions)]
    handlers += [function for one in events_of(info.cls) for function in (one.condition, one.action)]
    others = [getattr(info.cls, name) for name in info.unit.methods()]
    own = [one for one in others if isinstance(one, FunctionType) and one.__module__ != NF.__module__]
    return [one for one in handlers if isinstance(one, FunctionType)], [one for one in own if one not in handlers]


def _in_function(source: Source, cls: type, handler: bool) -> list[tuple[str, Action | None]]:
    """Return the alerts of a function with what becomes of the packet; None: that depends."""
    calls = _calls(source.tree, cls, set())
    other: Action | None = "allowed" if handler and not calls & {"drop", "forward"} else None
    found: list[tuple[str, Action | None]] = []

    def walk(statements: list[ast.stmt], sure: bool) -> None:
        for at, statement in enumerate(statements):
            here = sure or ("forward" not in calls and any(_is_drop(one) for one in _always_with(statements, at)))
            inner = [block for name in ("body", "orelse") if (block := getattr(statement, name, []))]
            for block in inner:
                walk(block, here)
            if not inner and (signature := _alert(statement)) is not None:
                found.append((signature, "blocked" if here else other))

    walk(source.tree.body, False)
    return found


def _always_with(statements: list[ast.stmt], at: int) -> list[ast.stmt]:
    """Return the statements of a block that surely run in a call in which the one at index `at` does, and itself."""
    after = at
    while after < len(statements) and not _leaves(statements[after]):
        after += 1
    return statements[: after + 1]


def _leaves(statement: ast.stmt) -> bool:
    """Whether the statements after this one may not run."""
    return any(isinstance(node, ast.Return | ast.Break | ast.Continue | ast.Raise) for node in ast.walk(statement))


def _call(node: ast.stmt) -> tuple[str, ast.Call] | None:
    """Return the name and the call of a statement that is a method call."""
    value = node.value if isinstance(node, ast.Expr | ast.Return) else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return value.func.attr, value
    return None


def _is_drop(statement: ast.stmt) -> bool:
    found = _call(statement)
    return found is not None and found[0] == "drop"


def _alert(statement: ast.stmt) -> str | None:
    found = _call(statement)
    if found is None or found[0] != "alert" or not found[1].args:
        return None
    text = found[1].args[0]
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else None


def _calls(tree: ast.AST, cls: type, seen: set[str]) -> set[str]:
    """Return the names of all that a function calls, and of what its NF's methods call in turn."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found.add(node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""))
    for name in found - seen - {"alert"}:
        method = getattr(cls, name, None)
        if isinstance(method, FunctionType):
            seen.add(name)
            found = found | _calls(read(method).tree, cls, seen)
    return found
