"""Handlers as plain Python, with the arithmetic and the faults of compiled ones.

The user's functions are rewritten as syntax trees: operators become calls of :mod:`nfuse.nf.arithmetic`, loops count
their iterations, containers fault at the user's line. Lines stay the user's, so pdb and coverage see the NF's file. The
reference engine runs these; handlers of NFs with ``compiled = False`` are left as they are written.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from nfuse.nf import arithmetic
from nfuse.nf.abi import LOOP_BUDGET, Fault
from nfuse.nf.base import events_of
from nfuse.nf.facade import FacadeFault, FlowFacade, PacketFacade
from nfuse.nf.handler import PARAMETERS
from nfuse.nf.source import MISSING, Source, read

if TYPE_CHECKING:
    from nfuse.nf.compile import NFInfo

Handler = Callable[..., Any]

_FAULTING = {"push", "pop", "put"}
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


class Interpreted:
    """An NF's handlers as Python functions.

    Each is called as ``f(self, pkt, flow)`` (``on_tick``: ``f(self, elapsed)``), `self` being ``Instance.facade``,
    `pkt` and `flow` those of :mod:`nfuse.nf.facade`; arguments that a handler does not take are left out. Names are
    those of the generated module: ``on_flow``, ``event_<name>``, ``then_<name>``, ``run_<function>``. A fault raises
    :class:`nfuse.nf.abi.Fault`.
    """

    def __init__(self) -> None:
        self.names: dict[str, Handler] = {}

    def __getattr__(self, name: str) -> Handler:
        try:
            return self.__dict__["names"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"no handler {name}") from None

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def get(self, name: str) -> Handler | None:
        """Return a handler, or None if the NF has none of that name."""
        return self.names.get(name)


class _Budget:
    """Loop iterations left in the handler call that runs."""

    def __init__(self) -> None:
        self.left = LOOP_BUDGET

    def tick(self, line: int) -> None:
        """Count one iteration."""
        self.left -= 1
        if self.left < 0:
            raise Fault(line)


def _get(line: int, owner: Any, index: Any) -> Any:
    try:
        return owner[index]
    except IndexError:
        raise Fault(line) from None


def _put(line: int, value: Any, owner: Any, index: Any) -> None:
    try:
        owner[index] = value
    except IndexError:
        raise Fault(line) from None


def _augment(line: int, owner: Any, index: Any, operator: str, value: Callable[[], Any]) -> None:
    old = _get(line, owner, index)
    _put(line, arithmetic.OPERATORS[operator](old, value(), line), owner, index)


def _set(line: int, value: Any, owner: Any, name: str) -> None:
    try:
        setattr(owner, name, value)
    except FacadeFault:
        raise Fault(line) from None


def _call(line: int, function: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except IndexError:
        raise Fault(line) from None


class _Rewriter(ast.NodeTransformer):
    """Rewrites one function."""

    def __init__(self, source: Source, maker: _Maker) -> None:
        self.source, self.maker = source, maker
        self.functions: dict[str, FunctionType] = {}
        arguments = source.names
        self.self_name = arguments[0] if arguments else ""
        self.locals = {
            node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        } | set(arguments)

    def _name(self, name: str) -> ast.expr:
        return ast.Name(name, ast.Load())

    def _make(self, node: ast.AST, name: str, *arguments: Any) -> ast.Call:
        parts: list[ast.expr] = [part if isinstance(part, ast.expr) else ast.Constant(part) for part in arguments]
        call = ast.Call(self._name(name), parts, [])
        return ast.copy_location(call, node)

    def _lambda(self, body: ast.expr) -> ast.Lambda:
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        return ast.copy_location(ast.Lambda(nothing, body), body)

    def _operate(self, node: ast.AST, operator: ast.operator, left: ast.expr, right: ast.expr) -> ast.expr:
        return self._make(node, f"_nf_{type(operator).__name__}", left, right, getattr(node, "lineno", 0))

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        line = node.lineno
        made = self._operate(node, node.op, self.visit(node.left), self.visit(node.right))
        made.lineno = line
        return made

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.USub):
            return self._make(node, "_nf_negate", operand)
        return ast.copy_location(ast.UnaryOp(node.op, operand), node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        parts = [self.visit(node.left), *(self.visit(part) for part in node.comparators)]
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn):
            found = self._make(node, "_nf_contains", *parts)
            negated = isinstance(node.ops[0], ast.NotIn)
            return ast.copy_location(ast.UnaryOp(ast.Not(), found), node) if negated else found
        if not all(isinstance(operator, _ORDER) for operator in node.ops):
            return ast.copy_location(ast.Compare(parts[0], node.ops, parts[1:]), node)
        if len(node.ops) == 1:
            return self._make(node, "_nf_compare", type(node.ops[0]).__name__, *parts)
        pairs = [
            ast.Tuple([ast.Constant(type(operator).__name__), self._lambda(part)], ast.Load())
            for operator, part in zip(node.ops, parts[1:], strict=True)
        ]
        return self._make(node, "_nf_chain", parts[0], *pairs)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.attr in ("hi", "lo", "v4"):
            return self._make(node, "_nf_part", self.visit(node.value), node.attr)
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return self._make(node, "_nf_get", node.lineno, self.visit(node.value), self.visit(node.slice))

    def _assign(self, node: ast.AST, target: ast.expr, value: ast.expr) -> ast.stmt:
        if isinstance(target, ast.Attribute):
            call = self._make(target, "_nf_set", target.lineno, value, self.visit(target.value), target.attr)
            return ast.copy_location(ast.Expr(call), node)
        if isinstance(target, ast.Subscript):
            call = self._make(
                target, "_nf_put", target.lineno, value, self.visit(target.value), self.visit(target.slice)
            )
            return ast.copy_location(ast.Expr(call), node)
        return ast.copy_location(ast.Assign([target], value), node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        value = self.visit(node.value)
        if len(node.targets) == 1:
            return self._assign(node, node.targets[0], value)
        keep = ast.copy_location(ast.Assign([ast.Name("_nf_value", ast.Store())], value), node)
        return [keep, *(self._assign(node, target, self._name("_nf_value")) for target in node.targets)]

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        target, value = node.target, self.visit(node.value)
        if isinstance(target, ast.Subscript):
            operator = type(node.op).__name__
            owner, index = self.visit(target.value), self.visit(target.slice)
            call = self._make(node, "_nf_augment", target.lineno, owner, index, operator, self._lambda(value))
            return ast.copy_location(ast.Expr(call), node)
        if isinstance(target, ast.Attribute):
            load: ast.expr = ast.copy_location(ast.Attribute(self.visit(target.value), target.attr, ast.Load()), target)
        else:
            load = ast.copy_location(ast.Name(target.id, ast.Load()), target)
        return self._assign(node, target, self._operate(node, node.op, load, value))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        arguments = [self.visit(argument) for argument in node.args]
        keywords = [ast.keyword(keyword.arg, self.visit(keyword.value)) for keyword in node.keywords]
        function = node.func
        if isinstance(function, ast.Name) and function.id not in self.locals:
            found = self.source.lookup(function.id)
            for builtin, replacement in ((range, "_nf_steps"), (abs, "_nf_absolute")):
                if found is builtin:
                    return self._make(node, replacement, *arguments)
            if isinstance(found, FunctionType):
                self.functions[f"_nf_function_{function.id}"] = found
                function = self._name(f"_nf_function_{function.id}")
            return ast.copy_location(ast.Call(function, arguments, keywords), node)
        if isinstance(function, ast.Attribute):
            owner = function.value
            if isinstance(owner, ast.Name) and owner.id == self.self_name and self.maker.has_method(function.attr):
                static = self.maker.is_static(function.attr)
                method = self._name(self.maker.method_name(self, function.attr))
                extra = [] if static else [self._name(self.self_name)]
                return ast.copy_location(ast.Call(method, [*extra, *arguments], keywords), node)
            if function.attr in _FAULTING:
                parts = [ast.Constant(node.lineno), self.visit(function), *arguments]
                return ast.copy_location(ast.Call(self._name("_nf_call"), parts, keywords), node)
        return ast.copy_location(ast.Call(self.visit(function), arguments, keywords), node)

    def _loop(self, node: Any) -> Any:
        node = self.generic_visit(node)
        tick = self._make(node, "_nf_tick", node.lineno)
        node.body.insert(0, ast.copy_location(ast.Expr(tick), node))
        return node

    visit_For = visit_While = _loop


class _Maker:
    """Rewrites an NF's functions, each once, sharing one loop budget."""

    def __init__(self, info: NFInfo) -> None:
        self.info = info
        self.budget = _Budget()
        self.made: dict[FunctionType, FunctionType] = {}
        self.names: dict[str, Any] = {f"_nf_{name}": function for name, function in arithmetic.OPERATORS.items()}
        self.names |= {
            "_nf_negate": arithmetic.negate,
            "_nf_absolute": arithmetic.absolute,
            "_nf_steps": arithmetic.steps,
            "_nf_compare": arithmetic.compare,
            "_nf_chain": arithmetic.compare_chain,
            "_nf_contains": arithmetic.contains,
            "_nf_part": arithmetic.address_part,
            "_nf_get": _get,
            "_nf_put": _put,
            "_nf_set": _set,
            "_nf_augment": _augment,
            "_nf_call": _call,
            "_nf_tick": self.budget.tick,
        }

    def has_method(self, name: str) -> bool:
        """Whether the NF has a method of its own of that name."""
        return name != "alert" and isinstance(getattr(self.info.cls, name, None), FunctionType)

    def is_static(self, name: str) -> bool:
        """Whether the method is static."""
        return self.info.unit.static_method(name) is not None

    def method_name(self, rewriter: _Rewriter, name: str) -> str:
        """Return the name under which a rewritten method is called."""
        rewriter.functions[f"_nf_method_{name}"] = getattr(self.info.cls, name)
        return f"_nf_method_{name}"

    def make(self, function: FunctionType) -> FunctionType:
        """Return the rewritten function."""
        if function in self.made:
            return self.made[function]
        source = read(function)
        rewriter = _Rewriter(source, self)
        tree = source.tree
        body: list[ast.stmt] = []
        for statement in copy.deepcopy(tree).body:
            found = rewriter.visit(statement)
            body += found if isinstance(found, list) else [found]
        definition = ast.FunctionDef(tree.name, copy.deepcopy(tree.args), body, [], None)
        ast.copy_location(definition, tree)
        module = ast.fix_missing_locations(ast.Module([definition], []))
        namespace: dict[str, Any] = dict(function.__globals__)
        for name in function.__code__.co_freevars:
            found = source.lookup(name)
            if found is not MISSING:
                namespace[name] = found
        namespace |= self.names
        exec(compile(module, source.file, "exec"), namespace)
        made = namespace[tree.name]
        assert isinstance(made, FunctionType)
        made.__defaults__, made.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
        self.made[function] = made
        for name, callee in rewriter.functions.items():
            namespace[name] = self.make(callee)
        return made


def _fault_line(error: BaseException, file: str) -> int:
    """Return the innermost line in the user's file of an error's traceback."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _entry(function: FunctionType, role: str, form: tuple[str, ...], budget: _Budget, ordinary: bool) -> Handler:
    file = function.__code__.co_filename

    def call(self: Any, *arguments: Any) -> Any:
        budget.left = LOOP_BUDGET
        if form == ("flow",):
            given = arguments[-1:]
        elif form == ("pkt", "flow"):
            given = arguments if len(arguments) == 2 else (None, *arguments)
        else:
            given = arguments[:1]
        if role == "on_end" and isinstance(given[-1], FlowFacade):
            object.__setattr__(given[-1], "_initiator", True)  # no packet: the flow is seen from its opener
        if not ordinary:
            return function(self, *given)
        packets = [part for part in given if isinstance(part, PacketFacade)]
        try:
            for packet in packets:
                object.__setattr__(packet, "frozen", True)
            return function(self, *given)
        except Exception as error:
            line = _fault_line(error, file)
            self._instance.exceptions.setdefault(line, f"{type(error).__name__}: {error}".removesuffix(": "))
            raise Fault(line) from error
        finally:
            for packet in packets:
                object.__setattr__(packet, "frozen", False)

    call.__name__ = function.__name__
    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call


def interpret(info: NFInfo) -> Interpreted:
    """Make the interpreted form of an NF's handlers."""
    found, maker, cls = Interpreted(), _Maker(info), info.cls

    def add(name: str, function: Any, role: str) -> None:
        assert isinstance(function, FunctionType)
        ordinary = role in info.interpreted_handlers
        made = function if ordinary else maker.make(function)
        count = function.__code__.co_argcount - 1
        forms = (("pkt",),) if info.stateless and role == "on_packet" else PARAMETERS[role]
        form = next((form for form in forms if len(form) == count), forms[0])
        found.names[name] = _entry(made, role, form, maker.budget, ordinary)

    for role in info.handlers:
        add(role, getattr(cls, role), role)
    for event in events_of(cls):
        add(f"event_{event.name}", event.condition, "condition")
        add(f"then_{event.name}", event.action, "then")
    for name in info.functions:
        add(f"run_{name}", getattr(cls, name), "run")
    return found


def scan_texts(source: Source, method: str) -> list[str]:
    """Return the literal first arguments of calls of a method, in the order of the text."""
    texts = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
            if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                texts.append(node.args[0].value)
    return texts
