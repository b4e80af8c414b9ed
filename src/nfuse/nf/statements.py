"""Statements of handlers: assignment, if, loops, return."""

from __future__ import annotations

import ast
from typing import Any

from nfuse.nf.abi import LOOP_BUDGET
from nfuse.nf.expressions import Expressions
from nfuse.nf.values import Value, constant, describe

_UNSUPPORTED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Try: ("handlers have no exceptions", "a fault drops the packet and is counted; test before you access"),
    ast.Raise: ("handlers have no exceptions", 'use `pkt.drop("reason")` or `flow.drop("reason")`'),
    ast.With: ("`with` can't be compiled", "handlers reach no files and locks; keep values in `class State`"),
    ast.Global: ("handlers keep no Python globals", "keep it in `class State`"),
    ast.Nonlocal: ("handlers keep no Python variables of other functions", "keep it in `class State`"),
    ast.Import: ("import at the top of the file", "compiled handlers reach constants and plain functions only"),
    ast.ImportFrom: ("import at the top of the file", "compiled handlers reach constants and plain functions only"),
    ast.FunctionDef: ("functions can't be nested", "write a method or a function of the module"),
    ast.ClassDef: ("classes can't be nested in a handler", "declare `class State` and `class Session` in the NF"),
    ast.Assert: ("handlers have no assertions", 'use `pkt.drop("reason")`'),
    ast.Delete: ("`del` can't be compiled", "use `self.map.delete(key)`"),
    ast.Match: ("`match` can't be compiled", "use if / elif"),
    ast.AnnAssign: ("variables have no declared type: they are 64-bit integers or addresses", "write `name = value`"),
}


class Statements(Expressions):
    """Translates statements."""

    def body(self, statements: list[ast.stmt]) -> None:
        """Translate a block; it gets a ``pass`` if it has no lines."""
        before = len(self.lines)
        for statement in statements:
            self.statement(statement)
        if len(self.lines) == before:
            self.emit("pass")

    def statement(self, node: ast.stmt) -> None:
        """Translate one statement."""
        method: Any = getattr(self, f"on_{type(node).__name__}", None)
        if method is None:
            message, hint = _UNSUPPORTED.get(type(node), (f"`{type(node).__name__.lower()}` can't be compiled", ""))
            raise self.error(node, message, hint)
        method(node)

    def on_Pass(self, node: ast.Pass) -> None:
        """Nothing."""

    def on_Expr(self, node: ast.Expr) -> None:
        """A call, or a docstring."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return
        value = self.expression(node.value)
        if value.runs and not isinstance(node.value, ast.Call):
            raise self.error(node, "this expression does nothing", "assign it, or remove it")
        if value.runs and not value.stable:
            self.emit(value.code)

    # ------------------------------------------------------------------------------------------------- assignment

    def on_Assign(self, node: ast.Assign) -> None:
        """``target = value``."""
        value = self.settle(self.expression(node.value)) if len(node.targets) > 1 else self.expression(node.value)
        for target in node.targets:
            self.assign(target, value, node.value)

    def assign(self, target: ast.expr, value: Value, value_node: ast.AST) -> None:
        """Store a value in a variable, field, header field or item."""
        match target:
            case ast.Name():
                self.assign_name(target, value, value_node)
            case ast.Attribute():
                mark = len(self.lines)
                owner = self.expression(target.value)
                if len(self.lines) > mark and not value.stable:
                    raise self.error(target, "this target is too involved", "split the statement in two")
                self.store_attribute(target, owner, value, value_node)
            case ast.Subscript():
                value = self.settle(value)
                owner = self.expression(target.value)
                self.store_item(target, owner, self.item_index(target, owner), value, value_node)
            case ast.Tuple() | ast.List() | ast.Starred():
                raise self.error(target, "one target at a time", "assign one variable in a statement")
            case _:
                raise self.error(target, "this can't be assigned to")

    def assign_name(self, target: ast.Name, value: Value, value_node: ast.AST) -> None:
        """Assign a local variable: an integer (truth values too) or an address."""
        if not value.runs:
            raise self.error(
                value_node,
                f"{describe(value)} can't be kept in a variable",
                "variables hold integers, truth values and addresses",
            )
        if target.id in self.scope:
            raise self.error(target, f"`{target.id}` is a parameter that stands for {describe(self.scope[target.id])}")
        form = "address" if value.form == "address" else "int"
        before = self.variables.setdefault(target.id, form)
        if before != form:
            names = {"address": "an address", "int": "an integer"}
            raise self.error(target, f"`{target.id}` is {names[before]} before and {names[form]} here")
        self.emit(f"v_{target.id} = {value.int_code if form == 'int' else value.code}")
        self.assigned.add(target.id)

    def on_AugAssign(self, node: ast.AugAssign) -> None:
        """``target += value``: the target's owner and index are evaluated once."""
        target = node.target
        if isinstance(target, ast.Subscript):
            owner = self.expression(target.value)
            index = self.settle(self.item_index(target, owner))
            old = self.settle(self.load_item(target, owner, index))
            new = self.binary(node, node.op, old, self.expression(node.value), node.value)
            self.store_item(target, owner, index, self.settle(new), node)
            return
        load = ast.copy_location(
            ast.Name(target.id, ast.Load())
            if isinstance(target, ast.Name)
            else ast.Attribute(target.value, target.attr, ast.Load()),
            target,
        )
        left, right = self.operands([load, node.value])
        self.assign(target, self.binary(node, node.op, left, right, node.value), node)

    # -------------------------------------------------------------------------------------------------- branching

    def on_If(self, node: ast.If) -> None:
        """``if``: each branch knows the headers that its condition proves."""
        test = self.condition(node.test)
        facts, assigned = self.facts, set(self.assigned)
        self.emit(f"if {test.code}:")
        self.learn(test.true)
        with self.indented():
            self.body(node.body)
        facts_then, assigned_then = self.facts, self.assigned
        self.facts, self.assigned = facts, assigned
        self.learn(test.false)
        if node.orelse:
            self.emit("else:")
            with self.indented():
                self.body(node.orelse)
        self.join(facts_then, assigned_then)

    def join(self, facts: frozenset[str] | None, assigned: set[str]) -> None:
        """Meet another path: only what both have proven and assigned remains."""
        if self.facts is None:
            self.facts, self.assigned = facts, assigned
        elif facts is not None:
            self.facts &= facts
            self.assigned = self.assigned & assigned

    # ------------------------------------------------------------------------------------------------------ loops

    def tick(self, node: ast.AST) -> None:
        """Count an iteration of a loop; above the budget it is a fault."""
        self.ticks = True
        self.emit("budget -= 1")
        self.fault_if("budget < 0", node, f"more than {LOOP_BUDGET:,} loop iterations")

    def loop_body(self, statements: list[ast.stmt]) -> None:
        """Translate a loop's body; afterwards only what held before the loop is known."""
        facts, assigned = self.facts, set(self.assigned)
        self.loops += 1
        with self.indented():
            self.body(statements)
        self.loops -= 1
        self.facts, self.assigned = facts, assigned

    def on_While(self, node: ast.While) -> None:
        """``while``."""
        if node.orelse:
            raise self.error(node.orelse[0], "`else` of a loop can't be compiled")
        facts = self.facts
        with self.captured() as lines:
            self.indent += 1
            test = self.condition(node.test)
            self.indent -= 1
        if lines:
            self.emit("while True:")
            self.replay(lines)
            with self.indented():
                self.emit(f"if not {test.code}:")
                with self.indented():
                    self.emit("break")
        else:
            self.emit(f"while {test.code}:")
        with self.indented():
            self.tick(node)
        self.learn(test.true)
        self.loop_body(node.body)
        self.facts = facts

    def on_For(self, node: ast.For) -> None:
        """``for i in range(...)`` and ``for x in self.array``."""
        if node.orelse:
            raise self.error(node.orelse[0], "`else` of a loop can't be compiled")
        if not isinstance(node.target, ast.Name):
            raise self.error(node.target, "a loop has one variable")
        is_range = isinstance(node.iter, ast.Call) and isinstance(node.iter.func, ast.Name)
        if is_range and self.is_builtin(node.iter.func, "range"):  # type: ignore[attr-defined]
            self.for_range(node, node.iter)  # type: ignore[arg-type]
            return
        items = self.expression(node.iter)
        if items.form == "payload" or (items.form == "container" and items.kind and items.kind.container == "array"):
            self.for_items(node, items)
            return
        raise self.error(
            node.iter,
            f"a loop can't go over {describe(items)}",
            "loop over `range(...)`, `self.array` or `pkt.payload`",
        )

    def for_range(self, node: ast.For, call: ast.Call) -> None:
        """Count from start to stop; the body may change the variable without changing the count."""
        if call.keywords or not 1 <= len(call.args) <= 3:
            raise self.error(call, "range takes one to three arguments", "range(stop) or range(start, stop, step)")
        values = [self.as_int(value, part) for value, part in zip(self.operands(call.args), call.args, strict=True)]
        start, stop = (constant(0), values[0]) if len(values) == 1 else (values[0], values[1])
        step = values[2].const if len(values) == 3 else 1
        if not step:
            raise self.error(call.args[2], "the step of a range is a constant other than 0")
        stop = self.settle(stop)
        index = self.temporary(start.int_code)
        self.emit(f"while {index} {'<' if step > 0 else '>'} {stop.int_code}:")
        with self.indented():
            self.tick(node)
            self.assign_name(node.target, Value("int", index, stable=True), node.iter)  # type: ignore[arg-type]
            self.emit(f"{index} = i64({index} + {step})")
        self.loop_body(node.body)
        self.assigned.discard(node.target.id)  # type: ignore[attr-defined]

    def for_items(self, node: ast.For, items: Value) -> None:
        """Go over the items of an array or the payload."""
        stop = self.settle(self.length(items))
        index = self.temporary("i64(0)")
        self.emit(f"while {index} < {stop.int_code}:")
        with self.indented():
            self.tick(node)
            item = self.load_item(node.iter, items, Value("int", index, stable=True))
            self.assign_name(node.target, item, node.iter)  # type: ignore[arg-type]
            self.emit(f"{index} = i64({index} + 1)")
        self.loop_body(node.body)
        self.assigned.discard(node.target.id)  # type: ignore[attr-defined]

    def on_Break(self, node: ast.Break) -> None:
        """``break``."""
        self.emit("break")
        self.facts = None

    def on_Continue(self, node: ast.Continue) -> None:
        """``continue``."""
        self.emit("continue")
        self.facts = None

    # ----------------------------------------------------------------------------------------------------- return

    def on_Return(self, node: ast.Return) -> None:
        """``return``: handlers return nothing (or a recording call), conditions a truth value, helpers any value."""
        value = self.expression(node.value) if node.value is not None else Value("none")
        if not (value.runs or value.form == "none"):
            raise self.error(node, f"{describe(value)} can't be returned", "return an integer, truth value or address")
        if self.helper:
            form = {"bool": "int"}.get(value.form, value.form)
            if self.result not in (None, form):
                raise self.error(
                    node, f"{self.source.tree.name} returns different things", "return one type everywhere"
                )
            self.result = form
        elif self.role == "condition":
            if not value.runs:
                raise self.error(node, "a condition returns a truth value", "return a comparison")
            value = self.as_bool(value, node)
        elif value.runs:
            raise self.error(node, f"{self.source.tree.name} returns nothing", "remove the value")
        self.leave(value)
        self.facts = None

    def leave(self, value: Value) -> None:
        """Write the return with a value."""
        if self.helper and self.ticks_after_all():
            if value.runs:
                value = self.settle(value)
            self.emit("store64(X + CX_BUDGET, budget)")
        if self.helper or self.role == "condition":
            self.emit(f"return {(value.int_code if value.form != 'address' else value.code) if value.runs else '0'}")
        else:
            self.emit("return <drop>")

    def ticks_after_all(self) -> bool:
        """Whether this function has a loop anywhere (asked before it is wholly translated)."""
        return self.unit.has_loop(self.source)

    def finish(self) -> None:
        """Write what happens at the end of the function."""
        if self.facts is not None:
            if self.helper and self.result not in (None, "none"):
                raise self.error(
                    self.source.tree, f"{self.source.tree.name} may end without a value", "return a value on each path"
                )
            if self.role == "condition" and not self.helper:
                raise self.error(
                    self.source.tree, "this condition may end without a value", "return a truth value on each path"
                )
            self.leave(Value("none"))
        drop = "drop" if self.drops else "0"
        self.lines = [(indent, line.replace("<drop>", drop)) for indent, line in self.lines]
