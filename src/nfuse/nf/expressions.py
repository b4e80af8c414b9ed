"""Expressions of handlers: integers, truth values, addresses."""

from __future__ import annotations

import ast
import enum
import ipaddress
from types import FunctionType, ModuleType
from typing import Any

from nfuse.nf.arithmetic import OPERATORS
from nfuse.nf.errors import did_you_mean
from nfuse.nf.hints import address_hint, call_hint, conversion_hint, name_hint, object_hint
from nfuse.nf.membership import Membership
from nfuse.nf.source import MISSING
from nfuse.nf.types import Address, IpIpHeader, Kind
from nfuse.nf.values import NONE, Value, constant, describe, literal, truth
from nfuse.packet.address import pack

_SYMBOLS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}

PLAIN_PYTHON = "run it as plain Python: `nfuse run ... --engine reference`; compiled handlers have `self.alert(...)`"
"""What to do about a call that only plain Python can make."""

_UNSUPPORTED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lambda: ("lambda can't be compiled", "write a method or a function of the module"),
    ast.Dict: ("a dict can't be compiled", "declare a `HashMap[K, V]` in `class State`"),
    ast.Set: ("a set can't be compiled", "declare a `HashMap[K, V]` in `class State`"),
    ast.List: ("a list can't be compiled", "declare an `Array[T]` in `class State`"),
    ast.Tuple: ("a tuple can't be compiled", "use one variable for each value"),
    ast.ListComp: ("a comprehension can't be compiled", "use a `for` loop over `range(...)` or `self.array`"),
    ast.SetComp: ("a comprehension can't be compiled", "use a `for` loop over `range(...)` or `self.array`"),
    ast.DictComp: ("a comprehension can't be compiled", "use a `for` loop over `range(...)` or `self.array`"),
    ast.GeneratorExp: ("a generator can't be compiled", "use a `for` loop over `range(...)` or `self.array`"),
    ast.JoinedStr: ("an f-string can't be compiled", "reasons and signatures are literal texts"),
    ast.Await: ("`await` can't be compiled", ""),
    ast.Yield: ("`yield` can't be compiled", "keep what lasts in `class State` or `class Session`"),
    ast.NamedExpr: ("`:=` can't be compiled", "assign in a statement of its own"),
    ast.Starred: ("`*` arguments can't be compiled", ""),
    ast.Slice: ("slices can't be compiled", "read item by item"),
}


class Expressions(Membership):
    """Translates expressions."""

    def expression(self, node: ast.expr) -> Value:
        """Translate an expression; statements that it needs are written first."""
        method: Any = getattr(self, f"on_{type(node).__name__}", None)
        if method is None:
            message, hint = _UNSUPPORTED.get(type(node), (f"`{type(node).__name__}` can't be compiled", ""))
            raise self.error(node, message, hint)
        value: Value = method(node)
        return value

    def operands(self, nodes: list[ast.expr]) -> list[Value]:
        """Translate operands from left to right; what a later one's statements could change is kept before."""
        values: list[Value] = []
        marks: list[int] = []
        for node in nodes:
            before = len(self.lines)
            value = self.expression(node)
            if len(self.lines) > before:
                shift = 0
                for number, earlier in enumerate(values):
                    if earlier.runs and not earlier.stable:
                        lines = self.lines
                        with self.captured() as kept:
                            values[number] = self.settle(earlier)
                        at = marks[number] + shift
                        lines[at:at] = kept
                        shift += len(kept)
                    marks[number] += shift
            values.append(value)
            marks.append(len(self.lines))
        return values

    # ---------------------------------------------------------------------------------------------- simple values

    def on_Constant(self, node: ast.Constant) -> Value:
        """A literal."""
        return self.known(node.value, node)

    def known(self, value: Any, node: ast.AST, name: str = "") -> Value:
        """A Python object known at compile time."""
        match value:
            case None:
                return NONE
            case bool():
                return truth(value)
            case int():
                if not -(1 << 63) <= value < 1 << 64:
                    raise self.error(node, "this number does not fit in 64 bits")
                return constant(int(value))
            case float() | complex():
                raise self.error(node, "handlers have no floating-point numbers", "use integers, e.g. thousandths")
            case str():
                return Value("text", const=value)
            case bytes():
                raise self.error(node, "bytes can't be compiled", "compare `pkt.payload[i]` with integers")
            case ipaddress.IPv4Address() | ipaddress.IPv6Address():
                hi, lo = pack(value)
                return Value("address", f"(i64({literal(hi)}), i64({literal(lo)}))", value, True)
            case FunctionType() | type() | ModuleType():
                return Value("object", const=value, what=f"`{name or value.__name__}`")
        return Value("object", const=value, what=f"`{name}`" if name else "a Python object")

    def on_Name(self, node: ast.Name) -> Value:
        """A variable, a parameter, or a constant of the module."""
        if node.id in self.scope:
            return self.scope[node.id]
        if node.id in self.variables:
            if self.facts is not None and node.id not in self.assigned:
                raise self.error(node, f"`{node.id}` may have no value here", "assign it on each path before")
            return Value(self.variables[node.id], f"v_{node.id}", stable=True)
        found = self.source.lookup(node.id)
        if found is MISSING:
            raise self.error(node, f"unknown name `{node.id}`", name_hint(self, node.id))
        return self.known(found, node, node.id)

    def is_builtin(self, node: ast.Name, name: str) -> bool:
        """Whether a name is that builtin, not hidden by another."""
        import builtins

        return node.id == name and node.id not in self.variables and self.source.lookup(name) is getattr(builtins, name)

    def on_Attribute(self, node: ast.Attribute) -> Value:
        """``owner.name``."""
        return self.load_attribute(node, self.expression(node.value))

    def object_attribute(self, node: ast.Attribute, owner: Value) -> Value:
        """An attribute of a module, class or constant."""
        if isinstance(owner.const, ModuleType | type | enum.Enum) and hasattr(owner.const, node.attr):
            return self.known(getattr(owner.const, node.attr), node, node.attr)
        if isinstance(owner.const, ModuleType | type):
            raise self.error(node, f"{describe(owner)} has no `{node.attr}`", did_you_mean(node.attr, dir(owner.const)))
        raise self.error(
            node,
            f"{describe(owner)} is a Python object; compiled handlers can't reach it",
            object_hint(owner, node.attr) or "keep it in `class State` and prepare it in on_start",
        )

    def on_Subscript(self, node: ast.Subscript) -> Value:
        """``owner[index]``."""
        owner = self.expression(node.value)
        return self.load_item(node, owner, self.item_index(node, owner))

    # ------------------------------------------------------------------------------------------------ conversions

    def as_int(self, value: Value, node: ast.AST) -> Value:
        """Need an integer (a truth value counts as 0 or 1)."""
        if value.form == "int":
            return value
        if value.form == "bool":
            return value.with_(form="int", code=value.int_code)
        raise self.error(node, f"expected an integer, found {describe(value)}", conversion_hint(value))

    def as_address(self, value: Value, node: ast.AST) -> Value:
        """Need an address."""
        if value.form != "address":
            raise self.error(node, f"expected an address, found {describe(value)}", address_hint(value))
        return value

    def as_bool(self, value: Value, node: ast.AST) -> Value:
        """Need a truth value: integers are true unless 0, containers unless empty, headers if they are there."""
        match value.form:
            case "bool":
                return value
            case "int":
                if value.const is not None:
                    return truth(value.const != 0)
                return Value("bool", f"({value.code} != 0)", stable=value.stable)
            case "container" | "payload":
                length = self.length(value)
                return Value("bool", f"({length.code} != 0)")
            case "header":
                return self.header_truth(value)
        raise self.error(node, f"{describe(value)} has no truth value", conversion_hint(value))

    def condition(self, node: ast.expr) -> Value:
        """Translate an expression as a truth value."""
        return self.as_bool(self.expression(node), node)

    # -------------------------------------------------------------------------------------------------- operators

    def on_BinOp(self, node: ast.BinOp) -> Value:
        """``a + b``."""
        left, right = self.operands([node.left, node.right])
        return self.binary(node, node.op, left, right, node.right, node.left)

    def binary(
        self,
        node: ast.AST,
        operator: ast.operator,
        left: Value,
        right: Value,
        right_node: ast.AST,
        left_node: ast.AST | None = None,
    ) -> Value:
        """One arithmetic operation on i64; division by zero and bad shift counts are faults."""
        kind = type(operator)
        if kind is ast.Div:
            raise self.error(node, "`/` gives a floating-point number", "use `//`")
        if kind is ast.Pow:
            raise self.error(node, "`**` can't be compiled", "use `<<` for powers of two, or multiply")
        if kind not in _SYMBOLS:
            raise self.error(node, f"this operator ({kind.__name__}) can't be compiled")
        if "text" in (left.form, right.form):
            raise self.error(node, "texts can't be computed with", "reasons and signatures are literal texts")
        a, b = self.as_int(left, left_node or node), self.as_int(right, right_node)
        if kind in (ast.FloorDiv, ast.Mod):
            return self._division(node, kind, a, b)
        if kind in (ast.LShift, ast.RShift):
            return self._shift(node, kind, a, b)
        if a.const is not None and b.const is not None:
            return constant(OPERATORS[kind.__name__](a.const, b.const, 0))
        code = f"({a.code} {_SYMBOLS[kind]} {b.code})"
        if kind in (ast.Add, ast.Sub, ast.Mult):
            code = f"i64{code}"
        return Value("int", code, stable=a.stable and b.stable)

    def _division(self, node: ast.AST, kind: type[ast.operator], a: Value, b: Value) -> Value:
        if b.const is not None and b.const > 0:
            if a.const is not None:
                return constant(OPERATORS[kind.__name__](a.const, b.const, 0))
            return Value("int", f"({a.code} {_SYMBOLS[kind]} {b.code})", stable=a.stable)
        if b.const == 0:
            raise self.error(node, "this always divides by zero", "each packet that comes here would be dropped")
        a, b = self.settle(a), self.settle(b)
        if b.const is None:
            self.fault_if(f"{b.code} == 0", node, "division by zero")
        function = "div_floor" if kind is ast.FloorDiv else "mod_floor"
        return Value("int", f"{function}({a.code}, {b.code})", stable=True)

    def _shift(self, node: ast.AST, kind: type[ast.operator], a: Value, b: Value) -> Value:
        if b.const is not None and 0 <= b.const <= 63:
            if a.const is not None:
                return constant(OPERATORS[kind.__name__](a.const, b.const, 0))
            code = f"({a.code} {_SYMBOLS[kind]} {b.code})"
            return Value("int", f"i64{code}" if kind is ast.LShift else code, stable=a.stable)
        a, b = self.settle(a), self.settle(b)
        self.fault_if(f"{b.code} < 0 or {b.code} > 63", node, "a shift by less than 0 or more than 63")
        return Value("int", f"i64({a.code} {_SYMBOLS[kind]} {b.code})", stable=True)

    def on_UnaryOp(self, node: ast.UnaryOp) -> Value:
        """``-a``, ``+a``, ``~a``, ``not a``."""
        if isinstance(node.op, ast.Not):
            value = self.condition(node.operand)
            if value.const is not None:
                return truth(not value.const).with_(true=value.false, false=value.true)
            return Value("bool", f"(not {value.code})", stable=value.stable, true=value.false, false=value.true)
        value = self.as_int(self.expression(node.operand), node.operand)
        if value.const is not None:
            return constant({ast.USub: -value.const, ast.Invert: ~value.const}.get(type(node.op), value.const))
        match node.op:
            case ast.USub():
                return Value("int", f"i64(0 - {value.code})", stable=value.stable)
            case ast.Invert():
                return Value("int", f"i64(~{value.code})", stable=value.stable)
        return value

    def on_BoolOp(self, node: ast.BoolOp) -> Value:
        """``a and b``, ``a or b``: the right side is evaluated only if needed, and knows what the left has proven."""
        return self._bool_op(node, list(node.values))

    def _bool_op(self, node: ast.BoolOp, parts: list[ast.expr]) -> Value:
        left = self.expression(parts[0])
        if len(parts) == 1:
            return left
        both = isinstance(node.op, ast.And)
        test = self.as_bool(left, parts[0])
        facts = self.facts
        self.learn(test.true if both else test.false)
        with self.captured() as lines:
            right = self._bool_op(node, parts[1:])
        self.facts = facts
        right_test = None
        if left.form in ("int", "bool") and right.form in ("int", "bool") and "int" in (left.form, right.form):
            return self._integer_choice(both, left, test, lines, right)
        with self.captured() as more:
            right_test = self.as_bool(right, parts[1])
        lines += more
        if both:
            true, false = test.true | right_test.true, test.false & right_test.false
        else:
            true, false = test.true & right_test.true, test.false | right_test.false
        if not lines:
            code = f"({test.code} {'and' if both else 'or'} {right_test.code})"
            return Value("bool", code, stable=test.stable and right_test.stable, true=true, false=false)
        result = self.temporary(f"i64({test.code})")
        self.emit(f"if {result} {'!=' if both else '=='} 0:")
        self.replay(lines, 1)
        with self.indented():
            self.emit(f"{result} = i64({right_test.code})")
        return Value("bool", f"({result} != 0)", stable=True, true=true, false=false)

    def _integer_choice(self, both: bool, left: Value, test: Value, lines: list[Any], right: Value) -> Value:
        """``a and b`` of integers is one of the two, as in Python."""
        result = self.temporary(left.int_code if left.runs else f"i64({test.code})")
        self.emit(f"if {result} {'!=' if both else '=='} 0:")
        self.replay(lines, 1)
        with self.indented():
            self.emit(f"{result} = {right.int_code}")
        return Value("int", result, stable=True)

    def on_IfExp(self, node: ast.IfExp) -> Value:
        """``a if test else b``."""
        test = self.condition(node.test)
        facts = self.facts
        self.learn(test.true)
        with self.captured() as lines_then:
            then = self.expression(node.body)
        self.facts = facts
        self.learn(test.false)
        with self.captured() as lines_else:
            other = self.expression(node.orelse)
        self.facts = facts
        for value, part in ((then, node.body), (other, node.orelse)):
            if not value.runs:
                raise self.error(part, f"expected an integer or address, found {describe(value)}")
        if (then.form == "address") != (other.form == "address"):
            raise self.error(node, f"this is {describe(then)} or {describe(other)}", "both sides have one type")
        form = then.form if then.form == other.form else "int"
        code_then, code_else = ((v.code if form == "address" else v.int_code) for v in (then, other))
        if not lines_then and not lines_else:
            stable = test.stable and then.stable and other.stable
            return Value(form, f"({code_then} if {test.code} else {code_else})", stable=stable)
        self.temporaries += 1
        result = f"t{self.temporaries}"
        self.emit(f"if {test.code}:")
        self.replay(lines_then, 1)
        with self.indented():
            self.emit(f"{result} = {code_then}")
        self.emit("else:")
        self.replay(lines_else, 1)
        with self.indented():
            self.emit(f"{result} = {code_else}")
        return Value(form, result if form != "bool" else f"({result} != 0)", stable=True)

    # ------------------------------------------------------------------------------------------------ comparisons

    def on_Compare(self, node: ast.Compare) -> Value:
        """``a < b``, ``a < b < c``, ``a in b``."""
        if len(node.ops) == 1:
            return self._compare_pair(node, node.left, node.ops[0], node.comparators[0])
        left, middle = self.operands([node.left, node.comparators[0]])
        middle = self.settle(middle)
        test = self.comparison(node, node.ops[0], left, middle, node.left, node.comparators[0])
        for number in range(1, len(node.ops)):
            with self.captured() as lines:
                right = self.expression(node.comparators[number])
                if number < len(node.ops) - 1:
                    right = self.settle(right)
                following = self.comparison(
                    node, node.ops[number], middle, right, node.comparators[number - 1], node.comparators[number]
                )
            if lines:
                result = self.temporary(f"i64({test.code})")
                self.emit(f"if {result} != 0:")
                self.replay(lines, 1)
                with self.indented():
                    self.emit(f"{result} = i64({following.code})")
                test = Value("bool", f"({result} != 0)", stable=True)
            else:
                test = Value("bool", f"({test.code} and {following.code})", stable=test.stable and following.stable)
            middle = right
        return test

    def _compare_pair(self, node: ast.Compare, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Value:
        if isinstance(operator, ast.In | ast.NotIn):
            found = self.member(node, left, right)
            if isinstance(operator, ast.NotIn):
                return Value("bool", f"(not {found.code})", stable=found.stable)
            return found
        a, b = self.operands([left, right])
        return self.comparison(node, operator, a, b, left, right)

    def comparison(
        self, node: ast.AST, operator: ast.cmpop, a: Value, b: Value, a_node: ast.AST, b_node: ast.AST
    ) -> Value:
        """One comparison of integers or addresses."""
        symbol = _SYMBOLS.get(type(operator))
        if symbol is None:
            hint = "use `==`" if isinstance(operator, ast.Is | ast.IsNot) else ""
            raise self.error(node, "this comparison can't be compiled", hint)
        if "address" in (a.form, b.form):
            return self._address_comparison(node, symbol, a, b, a_node, b_node)
        a, b = self.as_int(a, a_node), self.as_int(b, b_node)
        if a.const is not None and b.const is not None:
            return truth(bool(eval(f"{a.const} {symbol} {b.const}")))
        facts = self.version_facts(a, b) if symbol == "==" else frozenset()
        return Value("bool", f"({a.code} {symbol} {b.code})", stable=a.stable and b.stable, true=facts)

    @staticmethod
    def version_facts(a: Value, b: Value) -> frozenset[str]:
        """``pkt.ip.version == 4`` proves an IPv4 header."""
        number = b.const if a.what == "ip.version" else a.const if b.what == "ip.version" else None
        return {4: frozenset({"ipv4"}), 6: frozenset({"ipv6"})}.get(number or 0, frozenset())

    def _address_comparison(
        self, node: ast.AST, symbol: str, a: Value, b: Value, a_node: ast.AST, b_node: ast.AST
    ) -> Value:
        for value, part in ((a, a_node), (b, b_node)):
            if value.form == "text":
                raise self.error(part, "an address can't be compared with a text", "make it a parameter: IPv4Address")
            self.as_address(value, part)
        x, y = self.settle(a).code, self.settle(b).code
        if symbol in ("==", "!="):
            same = f"({x}[0] == {y}[0] and {x}[1] == {y}[1])"
            return Value("bool", same if symbol == "==" else f"(not {same})", stable=True)
        swapped, negated = symbol in (">", "<="), symbol in ("<=", ">=")
        if swapped:
            x, y = y, x
        code = f"address_less({x}[0], {x}[1], {y}[0], {y}[1])"
        return Value("bool", f"({code} {'==' if negated else '!='} 0)", stable=True)

    # ------------------------------------------------------------------------------------------------------ calls

    def on_Call(self, node: ast.Call) -> Value:
        """A call: of the API, a builtin, a helper."""
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self.error(node, "`**` arguments can't be compiled")
        if isinstance(node.func, ast.Name) and node.func.id not in self.variables:
            for name in ("min", "max", "abs", "len", "bool", "int"):
                if self.is_builtin(node.func, name):
                    return self._builtin(node, name)
            for name in ("print", "breakpoint"):
                if self.is_builtin(node.func, name):
                    self.unit.uncompiled.append(self.error(node, f"`{name}` can't be compiled", PLAIN_PYTHON))
                    return NONE
        called = self.expression(node.func)
        match called.form:
            case "call":
                return self.api_call(node, called)
            case "method":
                return self.helper_call(node, called.const, True)
            case "object" if called.const is Address:
                return self._make_address(node)
            case "object" if called.const is IpIpHeader:
                raise self.error(
                    node, "a header is made where it is pushed", "flow.encap(IpIpHeader(src=..., dst=...))"
                )
            case "object" if isinstance(called.const, FunctionType):
                return self.helper_call(node, called.const, False)
        message = f"{describe(called)} can't be called in a compiled handler"
        spelled = node.func.id if isinstance(node.func, ast.Name) else ""
        raise self.error(node, message, call_hint(spelled))

    def _builtin(self, node: ast.Call, name: str) -> Value:
        if node.keywords:
            raise self.error(node, f"{name} takes no keywords here")
        if name in ("min", "max"):
            if len(node.args) < 2:
                raise self.error(node, f"{name} takes two integers or more")
            parts = self.operands(node.args)
            values = [self.as_int(value, part) for value, part in zip(parts, node.args, strict=True)]
            if all(value.const is not None for value in values):
                return constant((min if name == "min" else max)(value.const for value in values))
            code = ", ".join(f"i64({v.code})" if v.const is not None else v.code for v in values)
            return Value("int", f"{name}({code})", stable=all(value.stable for value in values))
        if len(node.args) != 1:
            raise self.error(node, f"{name} takes one argument")
        argument = node.args[0]
        value = self.expression(argument)
        match name:
            case "len":
                if value.form not in ("container", "payload"):
                    raise self.error(argument, f"{describe(value)} has no length", "containers and `pkt.payload` have")
                return self.length(value)
            case "bool":
                return self.as_bool(value, argument)
            case "int":
                return self.as_int(value, argument)
        number = self.as_int(value, argument)
        return Value("int", f"i64(abs({number.code}))", stable=number.stable)

    def _make_address(self, node: ast.Call) -> Value:
        if len(node.args) != 2 or node.keywords:
            raise self.error(node, "Address takes two integers", "Address(hi, lo)")
        parts = self.operands(node.args)
        hi, lo = (self.as_int(value, part) for value, part in zip(parts, node.args, strict=True))
        return Value("address", f"(i64({hi.code}), i64({lo.code}))", stable=hi.stable and lo.stable)


def readable(kind: Kind) -> bool:
    """Whether compiled handlers can read a parameter of this kind."""
    return kind.form != "plain"
