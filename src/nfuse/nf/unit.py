"""One NF class being compiled: its layouts, its numbered texts, its helper functions."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from types import FunctionType
from typing import TYPE_CHECKING, Any

from nfuse.nf import abi
from nfuse.nf.base import FIVE_TUPLE, NF, annotations_of
from nfuse.nf.effects import Effects
from nfuse.nf.errors import CompileError
from nfuse.nf.function import PER_PACKET, RECORDING
from nfuse.nf.layout import Layout, lay_out
from nfuse.nf.names import RESERVED_FLOW, RESERVED_SELF
from nfuse.nf.source import Source, class_error, read
from nfuse.nf.types import Kind, kind_of, type_hint
from nfuse.nf.values import Facts, Value

if TYPE_CHECKING:
    from nfuse.nf.function import Function


@dataclass(frozen=True)
class Session:
    """One of an NF's sessions.

    Attributes:
        name: As in ``session = {...}``; ``flow`` for the default.
        fields: The key: FieldName objects of :mod:`nfuse.flow.traffic`; None for the five-tuple.
        block: Number among the coarser sessions; None for the five-tuple, whose fields lie in the scratchpad.
        layout: Its fields.
    """

    name: str
    fields: tuple[Any, ...] | None
    block: int | None
    layout: Layout

    @property
    def size(self) -> int:
        """Bytes of a block."""
        return self.layout.size


@dataclass(frozen=True)
class Helper:
    """A helper function compiled for certain arguments."""

    name: str
    text: str
    effects: Effects
    result: str | None
    faults: bool
    ticks: bool


@dataclass
class Unit:
    """What the translators of an NF's functions share.

    Attributes:
        faults: What can go wrong, by (file, line): "division by zero", ...
        uncompiled: Calls that only plain Python can make (``print``), each as the error of a compiled run.
    """

    cls: type[NF]
    state: Layout = field(default_factory=Layout)
    initial: dict[str, Any] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    blocks: list[Session] = field(default_factory=list)
    own: str | None = None
    stateless: bool = False
    scratch: Layout = field(default_factory=Layout)
    reasons: list[str] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    helpers: dict[Any, Helper] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    active: list[FunctionType] = field(default_factory=list)
    faults: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    uncompiled: list[CompileError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.params = self.cls.parameters
        self._read_state()
        self._read_sessions()

    # ----------------------------------------------------------------------------------------------------- layouts

    def class_error(self, holder: type, name: str, message: str, hint: str = "") -> CompileError:
        """Make an error that points at a name in a class body (where the source is at hand)."""
        return class_error(holder, name, message, hint)

    def _fields(self, holder: type, allowed: tuple[str, ...]) -> dict[str, Kind]:
        found: dict[str, Kind] = {}
        for base in reversed(holder.__mro__):
            if base is object:
                continue
            declared = annotations_of(base)
            for name, value in vars(base).items():
                if not name.startswith("_") and name not in declared and not callable(value):
                    raise self.class_error(base, name, f"`{name}` needs a type", f"write `{name}: u32`")
            for name, annotation in declared.items():
                kind = kind_of(annotation)
                if isinstance(annotation, str):
                    raise self.class_error(base, name, f"unknown type `{annotation}`", type_hint(annotation))
                if kind.form not in allowed or name.startswith("_"):
                    if kind.form == "container":
                        hint = "containers live in `class State`"
                    else:
                        hint = "use u8, u16, u32, u64, i8..i64, boolean, Address, Mac" + (
                            ", Stack[T], Ring[T], Array[T], HashMap[K, V]" if "container" in allowed else ""
                        )
                    raise self.class_error(base, name, f"`{name}: {kind.name}` can't be kept in flat memory", hint)
                found[name] = kind
        return found

    def _read_state(self) -> None:
        holder = getattr(self.cls, "State", None)
        fields = self._fields(holder, ("int", "bool", "address", "container")) if holder else {}
        for name in fields:
            assert holder is not None
            if name in RESERVED_SELF:
                raise self.class_error(holder, name, f"`{name}` is a name of the API", "choose another name")
            if name in self.params:
                raise self.class_error(holder, name, f"`{name}` is a parameter too", "choose another name")
            if callable(getattr(self.cls, name, None)):
                raise self.class_error(holder, name, f"`{name}` is a method too", "choose another name")
            if hasattr(holder, name):
                self.initial[name] = getattr(holder, name)
        for name in self.params:
            if name in RESERVED_SELF or name in ("on_update", "Source"):
                raise self.class_error(self.cls, name, f"the parameter `{name}` is a name of the API")
        flat = [(name, p.kind) for name, p in self.params.items() if p.kind.form != "plain"]
        self.state = lay_out([*flat, *fields.items()], abi.STATE_HEADER)

    def _read_sessions(self) -> None:
        declared = self.cls.session
        if declared is None:
            self.stateless = True
            if hasattr(self.cls, "Session"):
                raise self.class_error(
                    self.cls.Session, "Session", "an NF with `session = None` keeps nothing about flows"
                )
            return
        if not isinstance(declared, dict):
            declared = {"flow" if is_five_tuple(declared) else "session": declared}
        if not declared or len(declared) > 8:
            raise self.class_error(self.cls, "session", "an NF has one to eight sessions")
        self.own = next(iter(declared))
        coarse = [name for name, key in declared.items() if not is_five_tuple(key)]
        if len(declared) - len(coarse) > 1:
            raise self.class_error(self.cls, "session", "the five-tuple is one session", "remove the second")
        start = 4 * len(coarse)
        self.scratch = Layout({}, start)
        for name, key in declared.items():
            if name in RESERVED_FLOW:
                raise self.class_error(self.cls, "session", f"the session `{name}` is a name of the API")
            label = "Session" if name == self.own else class_name(name)
            holder = getattr(self.cls, label, None)
            fields = self._fields(holder, ("int", "bool", "address")) if isinstance(holder, type) else {}
            for field_name in fields:
                if field_name in RESERVED_FLOW or (field_name in declared and name == self.own):
                    place = holder or self.cls
                    raise self.class_error(place, field_name, f"`{field_name}` is a name of the API", "choose another")
            if name in coarse:
                block = Session(name, self._key(name, key), len(self.blocks), lay_out(fields.items()))
                self.blocks.append(block)
                self.sessions[name] = block
            else:
                self.scratch = lay_out(fields.items(), start)
                self.sessions[name] = Session(name, None, None, self.scratch)

    def _key(self, name: str, key: Any) -> tuple[Any, ...]:
        parts = tuple(key) if isinstance(key, tuple | list) else (key,)
        for part in parts:
            if not hasattr(part, "flow_constant"):
                raise self.class_error(
                    self.cls, "session", f"{part!r} is no field of a session key", "write `session = (ip.src,)`"
                )
            if not part.flow_constant:
                raise self.class_error(
                    self.cls, "session", f"{part!r} is not the same in all packets of a flow", "use addresses and ports"
                )
        return parts

    def state_names(self) -> list[str]:
        """Return the names of the State fields, without the parameters."""
        return [name for name in self.state.slots if name not in self.params]

    def methods(self) -> list[str]:
        """Return the names of the NF's own methods."""
        return [name for name in dir(self.cls) if not name.startswith("_") and callable(getattr(self.cls, name))]

    def static_method(self, name: str) -> Any:
        """Return the function of a static method, None if `name` is none."""
        for base in self.cls.__mro__:
            if name in vars(base):
                found = vars(base)[name]
                return found.__func__ if isinstance(found, staticmethod) else None
        return None

    # ------------------------------------------------------------------------------------------------------- texts

    @staticmethod
    def _number(texts: list[str], text: str) -> int:
        if text not in texts:
            texts.append(text)
        return texts.index(text) + 1

    def reason(self, text: str) -> int:
        """Return the number of a drop reason, from 1."""
        return self._number(self.reasons, text)

    def signature(self, text: str) -> int:
        """Return the number of an alert's signature, from 1."""
        return self._number(self.signatures, text)

    def function_number(self, name: str, caller: Function, node: ast.AST) -> int:
        """Return the index of a state function that ``flow.run`` may choose."""
        if name.startswith("on_"):
            raise caller.error(node, f"`{name}` is no state function", "write a method (self, pkt, flow)")
        return self._number(self.functions, name) - 1

    # ----------------------------------------------------------------------------------------------------- helpers

    def has_loop(self, source: Source) -> bool:
        """Whether a function has a loop of its own."""
        return any(isinstance(node, ast.For | ast.While) for node in ast.walk(source.tree))

    def helper(
        self,
        function: FunctionType,
        role: str,
        arguments: dict[str, Value],
        facts: Facts | None,
        caller: Function,
        node: ast.AST,
    ) -> Helper:
        """Compile a helper for arguments of these forms, or return it if that has been done."""
        from nfuse.nf.handler import translate_helper

        takes_packet = any(value.form in ("pkt", "header") for value in arguments.values())
        facts = (facts or frozenset()) if takes_packet else frozenset()
        forms = tuple(
            (name, v.form, None if v.runs else _key_of(v), v.code if not v.runs else "")
            for name, v in arguments.items()
        )
        key = (function, role_group(role), forms, facts)
        if key in self.helpers:
            return self.helpers[key]
        if function in self.active:
            raise caller.error(node, f"`{function.__name__}` calls itself", "recursion can't be compiled; write a loop")
        source = read(function)
        name, number = f"helper_{function.__name__}", 1
        while name in self.names:
            number += 1
            name = f"helper_{function.__name__}_{number}"
        self.names.add(name)
        self.active.append(function)
        try:
            self.helpers[key] = translate_helper(self, source, name, role, arguments, facts)
        finally:
            self.active.pop()
        return self.helpers[key]


def class_name(session: str) -> str:
    """Return the name of the class that declares a session's fields: ``source`` -> ``Source``."""
    return "".join(part.capitalize() for part in session.split("_"))


def role_group(role: str) -> str:
    """Return what a helper may do in a handler: helpers are shared between handlers that allow the same."""
    for group in (RECORDING, PER_PACKET):
        if role in group:
            return group[0]
    return role


def _key_of(value: Value) -> Any:
    const = value.const
    return tuple(map(str, const)) if isinstance(const, tuple) else const


def is_five_tuple(key: Any) -> bool:
    """Whether a declared session key is the default one."""
    if isinstance(key, str):
        return key == FIVE_TUPLE
    from nfuse.flow.traffic import five_tuple

    parts = tuple(key) if isinstance(key, tuple | list) else (key,)
    return len(parts) == len(five_tuple) and all(a is b for a, b in zip(parts, five_tuple, strict=True))
