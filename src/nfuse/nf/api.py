"""What ``pkt``, ``flow`` and ``self`` offer to compiled handlers: attributes and stores."""

from __future__ import annotations

import ast
from typing import Any

from nfuse.nf.api_calls import ApiCalls
from nfuse.nf.effects import field_reads, field_writes
from nfuse.nf.errors import did_you_mean
from nfuse.nf.function import PER_PACKET, PLACES
from nfuse.nf.layout import Slot
from nfuse.nf.names import CONTAINER_METHODS, FLOW_METHODS, PKT_METHODS, PLACE_NAMES
from nfuse.nf.types import Kind
from nfuse.nf.unit import class_name
from nfuse.nf.values import Value, describe, truth
from nfuse.packet.fields import HEADERS, PACKET, emit_present, emit_read, emit_write

_PKT_ATTRIBUTES = [*HEADERS, *PACKET.fields, "payload", "time", "reverse", *PKT_METHODS]


class Api(ApiCalls):
    """Translates attributes of the API."""

    # ------------------------------------------------------------------------------------------------------ reads

    def load_attribute(self, node: ast.Attribute, owner: Value) -> Value:
        """``owner.name``, read."""
        match owner.form:
            case "pkt":
                return self._pkt_attribute(node)
            case "header":
                return self._header_field(node, owner.const)
            case "flow":
                return self._flow_attribute(node)
            case "block":
                return self._session_field(node, owner.const)
            case "self":
                return self._self_attribute(node)
            case "address":
                return self._address_attribute(node, owner)
            case "prefix" | "ports" | "container" | "payload":
                return self._structure_attribute(node, owner)
            case "object":
                return self.object_attribute(node, owner)
        raise self.error(node, f"{describe(owner)} has no attributes")

    def object_attribute(self, node: ast.Attribute, owner: Value) -> Value:
        """An attribute of a module, class or constant."""
        raise NotImplementedError

    def header_truth(self, header: Value) -> Value:
        """Whether a header is there."""
        name = header.const
        proves = frozenset(HEADERS[name].proves)
        if self.facts is not None and name in self.facts:
            return truth(True).with_(true=proves)
        self.effects.add("reads", "ip.proto" if name in ("tcp", "udp", "icmp", "icmp6") else "eth.type")
        return Value("bool", f"({emit_present(name)} != 0)", stable=True, true=proves)

    def _pkt_attribute(self, node: ast.Attribute) -> Value:
        name = node.attr
        if name in HEADERS:
            return Value("header", const=name, what=f"the {name} header")
        if name == "payload":
            self.effects.touch_payload("READ")
            return Value("payload")
        if name == "time":
            self.effects.set("time")
            return Value("int", "load64(X + CX_NOW)", stable=True)
        if name == "reverse":
            self.effects.add("reads", "pkt.reverse")
            return Value("bool", "(load64(X + CX_REVERSE) != 0)", stable=True)
        if name in PKT_METHODS:
            return Value("call", const=("pkt", name), what=f"`pkt.{name}`")
        if name in PACKET.fields:
            if name in ("sport", "dport"):
                self.effects.add("reads", f"tcp.{name}", f"udp.{name}", "icmp.id", "icmp6.id")
            else:
                self.effects.add("reads", f"pkt.{name}")
            form = "bool" if PACKET.fields[name].width == 1 else "int"
            code = emit_read("pkt", name)
            return Value(form, f"({code} != 0)" if form == "bool" else code)
        headers = [f"{h}.{name}" for h, table in HEADERS.items() if name in table.fields]
        hint = f"did you mean `pkt.{headers[0]}`?" if headers else did_you_mean(name, _PKT_ATTRIBUTES)
        raise self.error(node, f"the packet has no `{name}`", hint)

    def _need_header(self, node: ast.Attribute, header: str) -> None:
        if self.knows(header):
            return
        raise self.error(
            node,
            f"`pkt.{header}` may not be there: neither the traffic class nor an `if` proves it",
            f"narrow the class (`traffic = {header}`), or ask first: `if pkt.{header}:`",
        )

    def _header_field(self, node: ast.Attribute, header: str) -> Value:
        table = HEADERS[header]
        if node.attr not in table.fields:
            raise self.error(node, f"the {header} header has no `{node.attr}`", did_you_mean(node.attr, table.fields))
        self._need_header(node, header)
        self.effects.add("reads", *field_reads(header, node.attr))
        field = table.fields[node.attr]
        if field.kind == "address":
            return Value("address", emit_read(header, node.attr))
        if header in ("ip",) and node.attr == "version":
            return Value("int", emit_read(header, node.attr), what="ip.version")
        return Value("int", emit_read(header, node.attr))

    def _flow_attribute(self, node: ast.Attribute) -> Value:
        name = node.attr
        if name in FLOW_METHODS:
            return Value("call", const=("flow", name), what=f"`flow.{name}`")
        if name == "initiator" and self.role == "on_end":
            return truth(True)  # no packet: the flow is seen from its opener
        if name == "initiator":
            self.effects.set("initiator")
            return Value("bool", "(load64(X + CX_INITIATOR) != 0)", stable=True)
        if name in PLACE_NAMES:
            if self.role not in PLACES:
                raise self.error(
                    node,
                    f"`flow.{name}` (the opening tuple at this place) is not known in {self.where()}",
                    "keep it in `class Session` when on_flow runs",
                )
            self.effects.set("place")
            at = PLACE_NAMES[name]
            if name in ("ip_src", "ip_dst"):
                return Value("address", f"(load64(X + {at}), load64(X + {at + 8}))", stable=True)
            return Value("int", f"load32(X + {at})", stable=True)
        if name in self.unit.sessions and name != self.unit.own and not self._own_has(name):
            return Value("block", const=name, what=f"`flow.{name}`")
        return self._session_field(node, self.unit.own)

    def _own_has(self, name: str) -> bool:
        return self.unit.own is not None and name in self.unit.sessions[self.unit.own].layout.slots

    def _session_slot(self, node: ast.Attribute, session: str | None) -> tuple[Slot, str, str]:
        """Return the slot of a session field, the source of its address, and its name in effects."""
        sessions = self.unit.sessions
        slots = sessions[session].layout.slots if session is not None else {}
        if session is None or node.attr not in slots:
            own = session == self.unit.own
            names = [*slots, *((*FLOW_METHODS, *PLACE_NAMES, "initiator", *sessions) if own else ())]
            owner = "`class Session`" if own else f"`class {class_name(session or '')}`"
            raise self.error(
                node,
                f"the flow has no `{node.attr}`" if own else f"`flow.{session}` has no `{node.attr}`",
                did_you_mean(node.attr, names, f"declare it in {owner}: `{node.attr}: u32`"),
            )
        slot, block = slots[node.attr], sessions[session].block
        full = node.attr if session == self.unit.own else f"{session}.{node.attr}"
        if block is None:
            return slot, f"F + {slot.offset}", full
        self.blocks.add(block)
        return slot, f"B{block} + {slot.offset}", full

    def _session_field(self, node: ast.Attribute, session: str | None) -> Value:
        slot, address, full = self._session_slot(node, session)
        self.effects.add("session_reads", full)
        return self.load_slot(slot.kind, address)

    @staticmethod
    def load_slot(kind: Kind, address: str) -> Value:
        """Read a field of a record."""
        code = kind.load(address)
        if kind.form == "bool":
            return Value("bool", f"({code} != 0)", kind=kind)
        return Value("address" if kind.form == "address" else "int", code, kind=kind)

    def _self_attribute(self, node: ast.Attribute) -> Value:
        name, unit = node.attr, self.unit
        if name in unit.params:
            kind = unit.params[name].kind
            if kind.form == "plain":
                raise self.error(
                    node,
                    f"`self.{name}` ({kind.name}) can't be read in a compiled handler",
                    "prepare what handlers need in on_start, in `class State`",
                )
            self.effects.add("parameters", name)
            address = f"S + {unit.state.slots[name].offset}"
            if kind.form in ("prefix", "ports"):
                return Value(kind.form, f"({address})", kind=kind, what=f"`self.{name}`")
            return self.load_slot(kind, address).with_(stable=True)
        if name in unit.state.slots:
            slot = unit.state.slots[name]
            if slot.kind.form == "container":
                self.effects.add("state_reads", name)
                return Value("container", f"S + {slot.offset}", name, kind=slot.kind, what=f"`self.{name}`")
            self.effects.add("state_reads", name)
            return self.load_slot(slot.kind, f"S + {slot.offset}")
        if name == "alert":
            return Value("call", const=("self", "alert"), what="`self.alert`")
        return self._class_attribute(node)

    def _class_attribute(self, node: ast.Attribute) -> Value:
        found: Any = getattr(self.unit.cls, node.attr, None)
        static = self.unit.static_method(node.attr)
        if static is not None:
            return Value("object", const=static, what=f"`self.{node.attr}`")
        if callable(found) and not isinstance(found, type):
            return Value("method", const=found, what=f"`self.{node.attr}`")
        if found is not None and not node.attr.startswith("__"):
            return self.known(found, node, f"self.{node.attr}")
        names = [*self.unit.params, *self.unit.state.slots, *self.unit.methods(), "alert"]
        names = [name for name in names if not name.startswith("on_")]
        raise self.error(
            node,
            f"{self.unit.cls.__name__} has no `{node.attr}`",
            did_you_mean(node.attr, names, f"declare it in `class State`: `{node.attr}: u64`"),
        )

    def known(self, value: Any, node: ast.AST, name: str = "") -> Value:
        """A Python object known at compile time."""
        raise NotImplementedError

    def _address_attribute(self, node: ast.Attribute, owner: Value) -> Value:
        pair = self.settle(owner).code
        match node.attr:
            case "hi":
                return Value("int", f"{pair}[0]", stable=True)
            case "lo":
                return Value("int", f"{pair}[1]", stable=True)
            case "v4":
                return Value("int", f"({pair}[1] & 4294967295)", stable=True)
            case "version":
                return Value("int", f"address_version({pair}[0], {pair}[1])", stable=True)
        raise self.error(
            node, f"an address has no `{node.attr}`", did_you_mean(node.attr, ["hi", "lo", "v4", "version"])
        )

    def _structure_attribute(self, node: ast.Attribute, owner: Value) -> Value:
        if owner.form == "ports" and node.attr in ("low", "high"):
            return Value("int", f"load64({owner.code} + {0 if node.attr == 'low' else 8})", stable=True)
        if owner.form == "prefix" and node.attr == "version":
            return Value("int", f"load64({owner.code} + 32)", stable=True)
        if owner.form == "prefix" and node.attr == "address":
            return Value("address", f"(load64({owner.code}), load64({owner.code} + 8))", stable=True)
        names = {"ports": ["low", "high"], "prefix": ["version", "address"], "payload": []}.get(owner.form)
        if names is None:
            assert owner.kind is not None
            methods = CONTAINER_METHODS[owner.kind.container]
            if node.attr == "capacity":
                return Value("int", f"load64({owner.code} + 8)", stable=True)
            if node.attr in methods:
                return Value("call", const=("container", node.attr, owner), what=f"{describe(owner)}.{node.attr}")
            if node.attr in ("reserve", "fill", "view", "items", "values"):
                raise self.error(node, f"`{node.attr}` is for on_start and on_update only")
            names = [*methods, "capacity"]
        raise self.error(node, f"{describe(owner)} has no `{node.attr}`", did_you_mean(node.attr, names))

    # ----------------------------------------------------------------------------------------------------- stores

    def store_attribute(self, node: ast.Attribute, owner: Value, value: Value, value_node: ast.AST) -> None:
        """``owner.name = value``."""
        if self.role == "condition":
            raise self.error(node, "a condition only looks: it stores nothing", "store in on_packet or in `.then`")
        match owner.form:
            case "header":
                self._store_header_field(node, owner.const, value, value_node)
            case "pkt":
                self._store_pkt(node, value, value_node)
            case "flow":
                self._store_flow(node, value, value_node)
            case "block":
                slot, address, full = self._session_slot(node, owner.const)
                self.effects.add("session_writes", full)
                self.store_slot(slot.kind, address, value, value_node)
            case "self":
                self._store_self(node, value, value_node)
            case _:
                raise self.error(node, f"`{node.attr}` of {describe(owner)} can't be assigned to")

    def store_slot(self, kind: Kind, address: str, value: Value, node: ast.AST) -> None:
        """Write a field of a record, truncated."""
        if kind.form == "address":
            if value.form == "none":
                raise self.error(node, "an address is never None", "keep a boolean beside it")
            code = self.settle(self.as_address(value, node)).code
        elif kind.form == "bool":
            code = self.as_bool(value, node).code
            code = f"i64({code})"
        else:
            code = self.as_int(value, node).code
        for line in kind.store(address, code):
            self.emit(line)

    def as_int(self, value: Value, node: ast.AST) -> Value:
        """Need an integer."""
        raise NotImplementedError

    def as_bool(self, value: Value, node: ast.AST) -> Value:
        """Need a truth value."""
        raise NotImplementedError

    def as_address(self, value: Value, node: ast.AST) -> Value:
        """Need an address."""
        raise NotImplementedError

    def _store_flow(self, node: ast.Attribute, value: Value, value_node: ast.AST) -> None:
        if node.attr in PLACE_NAMES:
            raise self.error(
                node, f"`flow.{node.attr}` can't be assigned to", f"record it: `flow.modify({node.attr}=...)`"
            )
        if node.attr == "initiator" or node.attr in FLOW_METHODS or node.attr in self.unit.sessions:
            if not self._own_has(node.attr):
                raise self.error(node, f"`flow.{node.attr}` can't be assigned to")
        slot, address, full = self._session_slot(node, self.unit.own)
        self.effects.add("session_writes", full)
        self.store_slot(slot.kind, address, value, value_node)

    def _store_self(self, node: ast.Attribute, value: Value, value_node: ast.AST) -> None:
        name = node.attr
        if name in self.unit.params:
            raise self.error(node, f"the parameter `{name}` can't be assigned to", "keep it in `class State`")
        if name not in self.unit.state.slots:
            raise self.error(
                node,
                f"{self.unit.cls.__name__} has no State field `{name}`",
                did_you_mean(name, self.unit.state_names(), f"declare it in `class State`: `{name}: u64`"),
            )
        slot = self.unit.state.slots[name]
        if slot.kind.form == "container":
            raise self.error(node, f"the container `{name}` can't be assigned to", "use its methods")
        self.effects.add("state_writes", name)
        self.store_slot(slot.kind, f"S + {slot.offset}", value, value_node)

    def _need_per_packet(self, node: ast.AST, what: str, instead: str) -> None:
        if self.role not in PER_PACKET:
            raise self.error(node, f"{what} belongs in on_packet, not in {self.where()}", instead)

    def _store_pkt(self, node: ast.Attribute, value: Value, value_node: ast.AST) -> None:
        if node.attr in PACKET.fields and PACKET.fields[node.attr].writable:
            self._store_field(node, "pkt", value, value_node)
            return
        headers = [f"{h}.{node.attr}" for h, table in HEADERS.items() if node.attr in table.fields]
        hint = f"did you mean `pkt.{headers[0]}`?" if headers else ""
        raise self.error(node, f"`pkt.{node.attr}` can't be assigned to", hint)

    def _store_header_field(self, node: ast.Attribute, header: str, value: Value, value_node: ast.AST) -> None:
        table = HEADERS[header]
        if node.attr not in table.fields:
            raise self.error(node, f"the {header} header has no `{node.attr}`", did_you_mean(node.attr, table.fields))
        if not table.fields[node.attr].writable:
            hint = "checksums follow stores by themselves" if node.attr == "checksum" else ""
            raise self.error(node, f"`pkt.{header}.{node.attr}` can't be assigned to", hint)
        self._need_header(node, header)
        self._store_field(node, header, value, value_node)

    def _store_field(self, node: ast.Attribute, header: str, value: Value, value_node: ast.AST) -> None:
        table = PACKET if header == "pkt" else HEADERS[header]
        field = table.fields[node.attr]
        session_field = field.flow_constant or (header in ("icmp", "icmp6") and node.attr == "id")
        if session_field and not self.unit.stateless:
            name = field.modify or "sport"
            raise self.error(
                node,
                "storing an address or port would break the session",
                f"record it in on_flow: `flow.modify({name}=...)`; or set `session = None`",
            )
        modify = f"`flow.modify({field.modify}=...)`" if field.modify else "move it to on_packet"
        self._need_per_packet(node, "a store to the packet", modify)
        if header == "pkt":
            self.effects.add("writes", *(w for h in ("tcp", "udp") for w in field_writes(h, node.attr)))
            self.effects.add("writes", *field_writes("icmp", "id"), *field_writes("icmp6", "id"))
        else:
            self.effects.add("writes", *field_writes(header, node.attr))
        if field.kind == "address":
            pair = self.settle(self.as_address(value, value_node)).code
            self.fault_if(f"{emit_write(header, node.attr, pair)} == 0", node, "an address of the wrong family")
            return
        self.emit(emit_write(header, node.attr, self.as_int(value, value_node).code))

    # ------------------------------------------------------------------------------------------------------ items

    def item_index(self, node: ast.Subscript, owner: Value) -> Value:
        """Translate the index of ``owner[index]``."""
        if owner.form not in ("container", "payload"):
            hint = "did you forget a container in `class State`?" if owner.form == "object" else ""
            raise self.error(node, f"{describe(owner)} has no items", hint)
        if isinstance(node.slice, ast.Slice):
            raise self.error(node, "slices can't be compiled", "read item by item")
        index = self.expression(node.slice)
        if owner.kind is not None and owner.kind.container == "map":
            return self.map_key(owner, index, node.slice)
        return self.settle(self.as_int(index, node.slice))

    def expression(self, node: ast.expr) -> Value:
        """Translate an expression."""
        raise NotImplementedError

    def _item_address(self, node: ast.AST, owner: Value, index: Value) -> str:
        assert owner.kind is not None
        assert owner.kind.item is not None
        match owner.kind.container:
            case "array":
                at = self.temporary(f"array_at(S, {owner.code}, {owner.kind.item.size}, {index.code})")
                what = f"an index outside {describe(owner)}"
            case "map":
                at = self.temporary(self.map_call("map_find", owner, index))
                what = f"a key that is not in {describe(owner)}"
            case _:
                raise self.error(node, f"{describe(owner)} has no items by index", "use `.pop()`, or an `Array[T]`")
        self.fault_if(f"{at} == 0", node, what)
        return at

    def load_item(self, node: ast.AST, owner: Value, index: Value) -> Value:
        """``owner[index]``, read; outside is a fault."""
        if owner.form == "payload":
            self.payload_used = True
            self.fault_if(f"{index.code} < 0 or {index.code} >= payload", node, "an index outside the payload")
            return Value("int", f"payload_get(P, {index.code})")
        assert owner.kind is not None
        assert owner.kind.item is not None
        return self.load_slot(owner.kind.item, self._item_address(node, owner, index))

    def store_item(self, node: ast.Subscript, owner: Value, index: Value, value: Value, value_node: ast.AST) -> None:
        """``owner[index] = value``."""
        if self.role == "condition":
            raise self.error(node, "a condition only looks: it stores nothing", "store in on_packet or in `.then`")
        if owner.form == "payload":
            self._need_per_packet(node, "a store to the packet", "move it to on_packet")
            self.payload_used = True
            self.effects.touch_payload("WRITE")
            self.effects.add("writes", "tcp.checksum", "udp.checksum", "icmp.checksum", "icmp6.checksum")
            code = self.as_int(value, value_node).code
            self.fault_if(f"{index.code} < 0 or {index.code} >= payload", node, "an index outside the payload")
            self.emit(f"payload_set(P, {index.code}, {code})")
            return
        assert owner.kind is not None
        assert owner.kind.item is not None
        self.effects.add("state_writes", owner.const)
        if owner.kind.container == "map":
            at = self.temporary(self.map_call("map_put", owner, index))
            self.fault_if(f"{at} == 0", node, f"{describe(owner)} is full")
        else:
            at = self._item_address(node, owner, index)
        self.store_slot(owner.kind.item, at, value, value_node)
