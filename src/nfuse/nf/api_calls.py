"""Calls of the API: header actions, drops, replies, containers, alerts, helper functions."""

from __future__ import annotations

import ast
import inspect
from types import FunctionType
from typing import Any

from nfuse.nf import abi
from nfuse.nf.containers import map_stride
from nfuse.nf.errors import did_you_mean
from nfuse.nf.function import PER_PACKET, RECORDING, Function
from nfuse.nf.hints import EXAMPLES
from nfuse.nf.types import IpIpHeader
from nfuse.nf.values import NONE, Value, constant, describe, literal
from nfuse.packet.fields import MODIFY_FIELDS, modify_field

_WHERE = {"condition": "the condition of an event", "then": "`.then`", "run": "a state function"}


class ApiCalls(Function):
    """Translates calls."""

    def where(self) -> str:
        """Name the kind of handler for messages."""
        return _WHERE.get(self.role, self.role)

    def api_call(self, node: ast.Call, called: Value) -> Value:
        """A call of a function of the API."""
        owner, name = called.const[0], called.const[1]
        if owner == "container":
            return self._container_call(node, name, called.const[2])
        if owner == "flow":
            self._need_recording(node, name)
        if owner == "pkt":
            self._need_packet_role(node, name)
        method: Any = getattr(self, f"call_{owner}_{name}")
        value: Value = method(node)
        return value

    def _arguments(self, node: ast.Call, names: list[str], required: int) -> dict[str, ast.expr]:
        """Bind a call's arguments to names; a wrong keyword names the nearest."""
        what = ast.unparse(node.func)
        if len(node.args) > len(names):
            raise self.error(node.args[len(names)], f"{what} takes at most {len(names)} arguments")
        found = dict(zip(names, node.args, strict=False))
        for keyword in node.keywords:
            assert keyword.arg is not None
            if keyword.arg not in names:
                raise self.error(keyword, f"{what} has no argument `{keyword.arg}`", did_you_mean(keyword.arg, names))
            if keyword.arg in found:
                raise self.error(keyword, f"`{keyword.arg}` is given twice")
            found[keyword.arg] = keyword.value
        for name in names[:required]:
            if name not in found:
                called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                example = EXAMPLES.get(called, f"({', '.join(names)})")
                raise self.error(node, f"{what} needs `{name}`", f"write it as `{what}{example}`")
        return found

    def _text(self, node: ast.expr, what: str) -> str:
        if isinstance(node, ast.JoinedStr | ast.BinOp):
            raise self.error(node, f"{what} is a literal text", "put the variable part into `self.alert(..., value)`")
        value = self.expression(node)
        if value.form != "text" or not value.const:
            raise self.error(node, f"{what} is a literal text, not {describe(value)}", 'write it out: "..."')
        return str(value.const)

    def expression(self, node: ast.expr) -> Value:
        """Translate an expression."""
        raise NotImplementedError

    def operands(self, nodes: list[ast.expr]) -> list[Value]:
        """Translate operands."""
        raise NotImplementedError

    def as_int(self, value: Value, node: ast.AST) -> Value:
        """Need an integer."""
        raise NotImplementedError

    def as_address(self, value: Value, node: ast.AST) -> Value:
        """Need an address."""
        raise NotImplementedError

    def _reply(self, node: ast.expr) -> int:
        text = self._text(node, "the kind of a reply")
        if text not in abi.REPLIES[1:]:
            kinds = ", ".join(f'"{kind}"' for kind in abi.REPLIES[1:])
            raise self.error(
                node, f"there is no reply {text!r}", did_you_mean(text, abi.REPLIES[1:], f"one of {kinds}")
            )
        self.effects.set("replies")
        return abi.REPLIES.index(text)

    # ----------------------------------------------------------------------------------------------------- packets

    def _need_packet_role(self, node: ast.Call, name: str) -> None:
        if self.role not in PER_PACKET:
            hint = "use `flow.drop(...)`" if self.role in RECORDING else "use an `@event` with `.then`"
            raise self.error(node, f"`pkt.{name}` belongs in on_packet, not in {self.where()}", hint)

    def call_pkt_drop(self, node: ast.Call) -> Value:
        """``pkt.drop(reason)``: this packet."""
        arguments = self._arguments(node, ["reason"], 1)
        number = self.unit.reason(self._text(arguments["reason"], "a drop reason"))
        self.effects.set("drops")
        if self.helper:
            self.emit(f"store64(X + CX_DROP, {number})")
        else:
            self.drops = True
            self.emit(f"drop = {number}")
        return NONE

    def call_pkt_reply(self, node: ast.Call) -> Value:
        """``pkt.reply(kind)``: answer this packet."""
        arguments = self._arguments(node, ["kind"], 1)
        self.emit(f"store64(X + CX_REPLY, {self._reply(arguments['kind'])})")
        return NONE

    # ------------------------------------------------------------------------------------------------ header actions

    def _need_recording(self, node: ast.Call, name: str) -> None:
        if self.role not in RECORDING:
            hint = "decide in an `@event` with `.then`"
            if name == "drop" and self.role in PER_PACKET:
                hint += "; `pkt.drop(...)` drops this packet only"
            raise self.error(node, f"`flow.{name}` can't be recorded in {self.where()}", hint)
        self.effects.set("records")

    def _record(self, *stores: str) -> Value:
        for store in stores:
            self.emit(store)
        self.emit("store32(M, 1)")
        return NONE

    def call_flow_forward(self, node: ast.Call) -> Value:
        """``flow.forward()``: no action at all."""
        self._arguments(node, [], 0)
        return self._record("zero(M, MAT_SIZE)")

    def call_flow_drop(self, node: ast.Call) -> Value:
        """``flow.drop(reason, reply=kind)``: each packet, both ways."""
        arguments = self._arguments(node, ["reason", "reply"], 1)
        number = self.unit.reason(self._text(arguments["reason"], "a drop reason"))
        reply = self._reply(arguments["reply"]) if "reply" in arguments else 0
        self.effects.set("flow_drops")
        return self._record(f"store32(M + MAT_DROP, {number})", f"store32(M + MAT_REPLY, {reply})")

    def call_flow_modify(self, node: ast.Call) -> Value:
        """``flow.modify(ip_src=..., sport=...)``."""
        if node.args:
            raise self.error(node.args[0], "flow.modify takes names", "flow.modify(ip_src=..., sport=...)")
        if not node.keywords:
            raise self.error(node, "flow.modify needs a field", "flow.modify(ip_src=..., sport=...)")
        for keyword in node.keywords:
            assert keyword.arg is not None
            if keyword.arg not in MODIFY_FIELDS:
                expected = "one of " + ", ".join(MODIFY_FIELDS)
                raise self.error(
                    keyword,
                    f"flow.modify has no field `{keyword.arg}`",
                    did_you_mean(keyword.arg, MODIFY_FIELDS, expected),
                )
        mask = 0
        values = self.operands([keyword.value for keyword in node.keywords])
        stores: list[str] = []
        for keyword, value in zip(node.keywords, values, strict=True):
            name = str(keyword.arg)
            number = MODIFY_FIELDS.index(name)
            mask |= 1 << number
            at = f"M + {abi.MAT_VALUES + abi.MAT_VALUE_SIZE * number}"
            field = modify_field(name)
            self.effects.add("modifies", name)
            if field.kind == "address":
                pair = self.settle(self.as_address(value, keyword.value))
                self._check_family(keyword.value, pair)
                stores += [f"store64({at}, {pair.code}[0])", f"store64({at} + 8, {pair.code}[1])"]
            else:
                code = self.as_int(value, keyword.value)
                if code.const is not None:
                    stores.append(f"store64({at}, {literal(code.const & ((1 << field.width) - 1))})")
                else:
                    stores.append(f"store64({at}, {code.code} & {(1 << field.width) - 1:#x})")
        return self._record(*stores, f"store32(M + MAT_MASK, load32(M + MAT_MASK) | {mask})")

    def _check_family(self, node: ast.AST, value: Value) -> None:
        family = value.kind.family if value.kind else 0
        other = {4: "ipv6", 6: "ipv4"}.get(family)
        if other is not None and self.facts is not None and other in self.facts:
            raise self.error(node, f"an IPv{family} address in an IPv{10 - family} packet")

    def call_flow_encap(self, node: ast.Call) -> Value:
        """``flow.encap(IpIpHeader(src=..., dst=..., ttl=64, tos=0))``."""
        header = self._arguments(node, ["header"], 1)["header"]
        found = self.source.lookup(header.func.id) if _named_call(header) else None  # type: ignore[attr-defined]
        if found is not IpIpHeader:
            raise self.error(header, "flow.encap takes a header", "flow.encap(IpIpHeader(src=..., dst=...))")
        assert isinstance(header, ast.Call)
        arguments = self._arguments(header, ["src", "dst", "ttl", "tos"], 2)
        names = list(arguments)
        values = dict(zip(names, self.operands(list(arguments.values())), strict=True))
        src, dst = (self.settle(self.as_address(values[end], arguments[end])).code for end in ("src", "dst"))
        numbers = {"ttl": constant(64), "tos": constant(0)} | {
            name: self.as_int(values[name], arguments[name]) for name in ("ttl", "tos") if name in values
        }
        self.effects.add("encaps", "ipip")
        return self._record(
            f"store64(M + MAT_ENCAP_SRC, {src}[0])",
            f"store64(M + MAT_ENCAP_SRC + 8, {src}[1])",
            f"store64(M + MAT_ENCAP_DST, {dst}[0])",
            f"store64(M + MAT_ENCAP_DST + 8, {dst}[1])",
            f"store64(M + MAT_ENCAP_TTL, {numbers['ttl'].code} & 255)",
            f"store64(M + MAT_ENCAP_TOS, {numbers['tos'].code} & 255)",
            "store32(M + MAT_ENCAP, 1)",
        )

    def call_flow_decap(self, node: ast.Call) -> Value:
        """``flow.decap("ipip")``."""
        argument = self._arguments(node, ["kind"], 1)["kind"]
        kind = self._text(argument, "the kind of a header")
        if kind not in abi.ENCAPS[1:]:
            raise self.error(argument, f"there is no header {kind!r}", did_you_mean(kind, abi.ENCAPS[1:], '"ipip"'))
        self.effects.add("decaps", kind)
        return self._record(f"store32(M + MAT_DECAP, {abi.ENCAPS.index(kind)})")

    def call_flow_run(self, node: ast.Call) -> Value:
        """``flow.run(self.inspect)``: choose this flow's state function."""
        argument = self._arguments(node, ["function"], 1)["function"]
        value = self.expression(argument)
        if value.form != "method":
            raise self.error(argument, f"flow.run takes a method, not {describe(value)}", "flow.run(self.inspect)")
        name = value.const.__name__
        if name == "on_packet":
            number = 0
        else:
            number = 1 + self.unit.function_number(name, self, argument)
            self.effects.add("runs", name)
        return self._record(f"store32(M + MAT_RUN, {number})")

    def call_flow_turn_back(self, node: ast.Call) -> Value:
        """``flow.turn_back()``: out where it came in."""
        self._arguments(node, [], 0)
        self.effects.set("turns")
        return self._record("store32(M + MAT_TURN, 1)")

    # ------------------------------------------------------------------------------------------------------- alerts

    def call_self_alert(self, node: ast.Call) -> Value:
        """``self.alert("signature", value)``: a log record."""
        if self.role in ("condition", "on_tick"):
            raise self.error(node, f"an alert is about a packet or flow; there is none in {self.where()}")
        arguments = self._arguments(node, ["signature", "value"], 1)
        number = self.unit.signature(self._text(arguments["signature"], "a signature"))
        value = constant(0)
        if "value" in arguments:
            value = self.as_int(self.expression(arguments["value"]), arguments["value"])
        self.effects.set("logs")
        self.emit(f"log_alert(X, {number}, {value.code})")
        return NONE

    # --------------------------------------------------------------------------------------------------- containers

    def length(self, value: Value) -> Value:
        """``len(container)`` or ``len(pkt.payload)``."""
        if value.form == "payload":
            self.payload_used = True
            return Value("int", "payload", stable=True)
        assert value.kind is not None
        return Value("int", f"load64({value.code} + {24 if value.kind.container == 'ring' else 16})")

    def map_key(self, owner: Value, key: Value, node: ast.AST) -> Value:
        """Prepare the key of a map: an address, or an integer truncated to the key's width."""
        assert owner.kind is not None
        assert owner.kind.key is not None
        kind = owner.kind.key
        if kind.form == "address":
            return self.settle(self.as_address(key, node))
        code = self.as_int(key, node).code
        if kind.form == "bool":
            code = f"i64({code} != 0)"
        elif kind.bits < 64:
            mask, sign = (1 << kind.bits) - 1, 1 << (kind.bits - 1)
            code = f"((({code}) & {mask}) ^ {sign}) - {sign}" if kind.signed else f"({code}) & {mask}"
        return Value("int", self.temporary(code), stable=True)

    @staticmethod
    def map_call(function: str, owner: Value, key: Value) -> str:
        """Return the call of a map's kernel with a prepared key."""
        assert owner.kind is not None
        pair = f"{key.code}[0], {key.code}[1]" if key.form == "address" else f"0, {key.code}"
        return f"{function}(S, {owner.code}, {map_stride(owner.kind)}, {pair})"

    def map_find(self, owner: Value, key: Value, node: ast.AST) -> str:
        """Return source of the address of a key's value, 0 if it is not there."""
        return self.temporary(self.map_call("map_find", owner, self.map_key(owner, key, node)))

    def _container_call(self, node: ast.Call, name: str, owner: Value) -> Value:
        assert owner.kind is not None
        assert owner.kind.item is not None
        if name != "get":
            if self.role == "condition":
                raise self.error(node, "a condition only looks: it changes nothing")
            self.effects.add("state_writes", owner.const)
        if owner.kind.container == "map":
            return self._map_call(node, name, owner)
        function, item = f"{owner.kind.container}_{name}", owner.kind.item
        if name == "clear":
            self._arguments(node, [], 0)
            self.emit(f"store64({owner.code} + 16, 0)")
            self.emit(f"store64({owner.code} + 24, 0)")
            return NONE
        if name == "pop":
            self._arguments(node, [], 0)
            at = self.temporary(f"{function}(S, {owner.code}, {item.size})")
            self.fault_if(f"{at} == 0", node, f"{describe(owner)} is empty")
            return self.settle(self.load_slot(item, at))
        argument = self._arguments(node, ["value"], 1)["value"]
        value = self.settle(self._item_value(item, self.expression(argument), argument))
        at = self.temporary(f"{function}(S, {owner.code}, {item.size})")
        self.fault_if(f"{at} == 0", node, f"{describe(owner)} is full")
        self.store_slot(item, at, value, argument)
        return NONE

    def _item_value(self, item: Any, value: Value, node: ast.AST) -> Value:
        return self.as_address(value, node) if item.form == "address" else self.as_int(value, node)

    def load_slot(self, kind: Any, address: str) -> Value:
        """Read a field of a record."""
        raise NotImplementedError

    def store_slot(self, kind: Any, address: str, value: Value, node: ast.AST) -> None:
        """Write a field of a record."""
        raise NotImplementedError

    def _map_call(self, node: ast.Call, name: str, owner: Value) -> Value:
        assert owner.kind is not None
        assert owner.kind.item is not None
        item = owner.kind.item
        if name == "delete":
            argument = self._arguments(node, ["key"], 1)["key"]
            key = self.map_key(owner, self.expression(argument), argument)
            return Value("bool", f"({self.temporary(self.map_call('map_delete', owner, key))} != 0)", stable=True)
        if name == "put":
            arguments = self._arguments(node, ["key", "value"], 2)
            nodes = [arguments["key"], arguments["value"]]
            key_value, value = self.operands(nodes)
            value = self.settle(self._item_value(item, value, nodes[1]))
            key = self.map_key(owner, key_value, nodes[0])
            at = self.temporary(self.map_call("map_put", owner, key))
            self.emit(f"if {at} != 0:")
            with self.indented():
                self.store_slot(item, at, value, nodes[1])
            return Value("bool", f"({at} != 0)", stable=True)
        arguments = self._arguments(node, ["key", "default"], 1)
        nodes = [arguments["key"], *([arguments["default"]] if "default" in arguments else [])]
        if item.form == "address" and len(nodes) == 1:
            raise self.error(node, "get of addresses needs a default", "self.map.get(key, Address(0, 0))")
        values = self.operands(nodes)
        default = self._item_value(item, values[1], nodes[1]) if len(values) > 1 else constant(0)
        default = self.settle(default)
        at = self.map_find(owner, values[0], nodes[0])
        found = self.load_slot(item, at)
        form = "address" if item.form == "address" else "int"
        result = self.temporary(default.code)
        self.emit(f"if {at} != 0:")
        with self.indented():
            self.emit(f"{result} = {found.int_code if form == 'int' else found.code}")
        return Value(form, result, stable=True)

    # ------------------------------------------------------------------------------------------------------- helpers

    def helper_call(self, node: ast.Call, function: Any, is_method: bool) -> Value:
        """A call of a method of the NF or of a plain function: compiled for these arguments."""
        plain = inspect.unwrap(function)
        if not isinstance(plain, FunctionType):
            raise self.error(
                node, f"`{ast.unparse(node.func)}` can't be compiled", "helpers are plain Python functions"
            )
        try:
            signature = inspect.signature(plain)
            keywords = {str(keyword.arg): keyword.value for keyword in node.keywords}
            bound = signature.bind(*([None] if is_method else []), *node.args, **keywords)
        except TypeError as problem:
            raise self.error(node, f"{plain.__name__}: {problem}") from None
        for parameter in signature.parameters.values():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise self.error(node, f"{plain.__name__}: `*` and `/` parameters can't be compiled")
        names = [name for name in bound.arguments if not (is_method and name == next(iter(signature.parameters)))]
        given = self.operands([bound.arguments[name] for name in names])
        values = dict(zip(names, given, strict=True))
        for name, parameter in signature.parameters.items():
            if name not in bound.arguments:
                values[name] = self.known(parameter.default, node, name)
        if is_method:
            values[next(iter(signature.parameters))] = Value("self")
        ordered = {name: values[name] for name in signature.parameters}
        return self._call_helper(node, plain, ordered)

    def known(self, value: Any, node: ast.AST, name: str = "") -> Value:
        """A Python object known at compile time."""
        raise NotImplementedError

    def _call_helper(self, node: ast.Call, function: FunctionType, arguments: dict[str, Value]) -> Value:
        helper = self.unit.helper(function, self.role, arguments, self.facts, self, node)
        self.effects.join(helper.effects)
        codes = [v.code if v.form == "address" else v.int_code for v in arguments.values() if v.runs]
        budget = helper.ticks and (not self.helper or self.unit.has_loop(self.source))
        if helper.ticks:
            self.calls_ticking = True
        if budget:
            self.ticks = True
            self.emit("store64(X + CX_BUDGET, budget)")
        drops = helper.effects.drops and not self.helper
        if drops:
            self.drops = True
            self.emit("store64(X + CX_DROP, drop)")
        result = self.temporary(f"{helper.name}({', '.join(['S', 'P', 'F', 'M', 'X', *codes])})")
        if helper.faults:
            self.calls_faulting = self.faults = True
            self.emit("if load64(X + CX_FAULT) != 0:")
            with self.indented():
                self.emit("return <zero>" if self.helper else "return -load64(X + CX_FAULT)")
        if budget:
            self.emit("budget = load64(X + CX_BUDGET)")
        if drops:
            self.emit("drop = load64(X + CX_DROP)")
        if helper.result in (None, "none"):
            return NONE
        return Value(helper.result, result, stable=True)


def _named_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
