"""Translation of one function: the text it becomes, its variables, and what is proven at each point.

The target is Python over i64 values: every operation that can fault becomes a statement that tests and returns, so the
text needs neither exceptions nor objects. :class:`Function` holds what all translators share; statements, expressions
and the API of ``pkt``, ``flow`` and ``self`` are in files of their own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nfuse.nf.abi import BLOCK_UNIT
from nfuse.nf.effects import EffectsBuilder
from nfuse.nf.errors import CompileError
from nfuse.nf.source import Source
from nfuse.nf.values import Facts, Value

if TYPE_CHECKING:
    from nfuse.nf.unit import Unit

Line = tuple[int, str]

ZERO = "<zero>"
"""Stands for the result of a function that has faulted, until its type is known."""

RECORDING = ("on_flow", "on_change", "then")
"""Where header actions may be recorded."""

PER_PACKET = ("on_packet", "run")
"""Where packets may be stored to, dropped and answered."""

PLACES = ("on_flow", "on_change", "then", "on_end")
"""Where the opening tuple at the NF's place is known."""


class Function:
    """A function being translated.

    Attributes:
        unit: The NF it belongs to.
        source: Where it comes from.
        role: ``on_flow``, ..., ``condition``, ``then`` or ``run``: decides what may be called.
        helper: Whether it is called by other functions (faults then travel through the context).
        facts: Headers proven at this point; None where it can't be reached.
        variables: Form of each variable.
        assigned: Variables that surely have a value at this point.
        lines: The text so far: (indentation, line).
    """

    def __init__(self, unit: Unit, source: Source, role: str, facts: Facts, helper: bool) -> None:
        self.unit, self.source, self.role, self.helper = unit, source, role, helper
        self.facts: Facts | None = facts
        self.scope: dict[str, Value] = {}
        self.variables: dict[str, str] = {}
        self.assigned: set[str] = set()
        self.effects = EffectsBuilder()
        self.lines: list[Line] = []
        self.indent = 1
        self.temporaries = 0
        self.loops = 0
        self.result: str | None = None
        self.faults = self.drops = self.ticks = self.calls_faulting = self.calls_ticking = False
        self.blocks: set[int] = set()
        self.payload_used = False

    # ------------------------------------------------------------------------------------------------------- text

    def emit(self, line: str) -> None:
        """Append a line at the current indentation."""
        self.lines.append((self.indent, line))

    def temporary(self, code: str) -> str:
        """Keep the value of an expression in a new variable; return its name."""
        self.temporaries += 1
        name = f"t{self.temporaries}"
        self.emit(f"{name} = {code}")
        return name

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Write the lines inside one step deeper."""
        self.indent += 1
        yield
        self.indent -= 1

    @contextmanager
    def captured(self) -> Iterator[list[Line]]:
        """Collect the lines inside instead of writing them."""
        before, self.lines = self.lines, []
        inside = self.lines
        yield inside
        self.lines = before

    def replay(self, lines: list[Line], deeper: int = 0) -> None:
        """Write captured lines, `deeper` steps deeper than they were captured."""
        self.lines += [(indent + deeper, line) for indent, line in lines]

    def fault_if(self, condition: str, node: ast.AST, what: str) -> None:
        """Write a test that ends the handler with a fault at the node's line; `what` says of what kind."""
        self.emit(f"if {condition}:")
        self.faults = True
        line = getattr(node, "lineno", 0)
        kinds = self.unit.faults.setdefault((self.source.file, line), [])
        if what not in kinds:
            kinds.append(what)
        with self.indented():
            if self.helper:
                self.emit(f"store64(X + CX_FAULT, {line})")
                self.emit(f"return {ZERO}")
            else:
                self.emit(f"return -{line}")

    def settle(self, value: Value) -> Value:
        """Keep a value in a temporary, so that later lines do not change it."""
        done = value.code.isidentifier() if value.form == "address" else value.stable
        if done or not value.runs:
            return value
        code = value.int_code if value.form == "bool" else value.code
        return value.with_(code=self.temporary(code), stable=True)

    def text(self, header: str) -> str:
        """Return the finished function."""
        zero = "(i64(0), i64(0))" if self.result == "address" else "0"
        body = ["    " * indent + line.replace(ZERO, zero) for indent, line in self.lines]
        start = [
            f"    B{block} = load64(S + {8 * block}) + load32(F + {4 * block}) * {BLOCK_UNIT}"
            for block in sorted(self.blocks)
        ]
        if self.payload_used:
            start.append("    payload = payload_captured(P)")
        if self.drops and not self.helper:
            start.append("    drop = 0")
        if self.ticks:
            start.append("    budget = load64(X + CX_BUDGET)" if self.helper else "    budget = LOOP_BUDGET")
        if self.calls_faulting and not self.helper:
            start.append("    store64(X + CX_FAULT, 0)")
        return "\n".join([header, *start, *body]) + "\n"

    # ----------------------------------------------------------------------------------------------------- errors

    def error(self, node: ast.AST, message: str, hint: str = "") -> CompileError:
        """Make an error that points at a node."""
        return self.source.error(node, message, hint)

    # ------------------------------------------------------------------------------------------------------ facts

    def knows(self, header: str) -> bool:
        """Whether a header is proven to be there (also where the code can't be reached)."""
        return self.facts is None or header in self.facts

    def learn(self, facts: Facts) -> None:
        """Add proven headers at this point."""
        if self.facts is not None:
            self.facts |= facts
