"""The compiler's front door: :func:`analyse` reads an NF class and returns all that engines need to know of it.

The handlers are read as syntax trees, checked, and translated to a module of native functions over flat memory (see
:mod:`nfuse.nf.abi`). Nothing here needs Numba; :meth:`NFInfo.load` compiles. The module does not depend on the chain or
on the values of parameters, so its machine code is cached across chains.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from nfuse.errors import shown
from nfuse.memory.cache import load_generated
from nfuse.nf.base import HANDLERS, NF, events_of
from nfuse.nf.effects import Effects
from nfuse.nf.errors import CompileError, NFWarning, nearest
from nfuse.nf.faults import FaultSite
from nfuse.nf.handler import translate_handler
from nfuse.nf.interpret import Interpreted, interpret, scan_texts
from nfuse.nf.layout import Layout
from nfuse.nf.parameters import Parameter
from nfuse.nf.source import class_lines, read
from nfuse.nf.unit import Session, Unit
from nfuse.packet.fields import HEADERS, MODIFY_FIELDS

_HEADER = '''"""Handlers of {name}, translated by nfuse."""

from nfuse.memory.jit import native
from nfuse.memory.raw import copy, i64, load8, load8i, load16, load16be, load16i, load32, load32be, load32i, load64
from nfuse.memory.raw import load64be, lsr, store8, store16, store32, store64, zero
from nfuse.nf.abi import CX_BUDGET, CX_DROP, CX_FAULT, CX_INITIATOR, CX_NOW, CX_REPLY, CX_REVERSE, LOOP_BUDGET
from nfuse.nf.abi import MAT_DECAP, MAT_DROP, MAT_ENCAP, MAT_ENCAP_DST, MAT_ENCAP_SRC, MAT_ENCAP_TOS, MAT_ENCAP_TTL
from nfuse.nf.abi import MAT_MASK, MAT_REPLY, MAT_RUN, MAT_SIZE, MAT_TURN
from nfuse.nf.arithmetic import address_less, address_version, div_floor, in_prefix, mod_floor
from nfuse.nf.containers import array_at, map_delete, map_find, map_put, ring_pop, ring_push, stack_pop, stack_push
from nfuse.nf.logs import log_alert
from nfuse.packet.native import *  # noqa: F403
'''

EVERYTHING = Effects(
    reads=frozenset(f"{header}.{name}" for header, table in HEADERS.items() for name in table.fields)
    | {"pkt.len", "pkt.payload_len", "pkt.reverse", "pkt.later_fragment"},
    payload="READ",
    flow_drops=True,
    records=True,
    modifies=frozenset(MODIFY_FIELDS),
    encaps=frozenset({"ipip"}),
    decaps=frozenset({"ipip"}),
    turns=True,
    replies=True,
    place=True,
    initiator=True,
    logs=True,
    time=True,
    opaque=True,
)
"""What a handler that runs as ordinary Python is taken to do (it can't store to the packet)."""


@dataclass(frozen=True)
class NFInfo:
    """An NF class as engines see it.

    Attributes:
        name, cls: The class.
        params: Declared parameters.
        traffic: Its traffic class (an expression).
        stateless: Whether ``session = None``.
        tick: Seconds between calls of ``on_tick``, 0 never.
        state: Layout of the State record (readable parameters, then State fields).
        initial: Initial values of State fields.
        session: Layout of the scratchpad: u32 block offsets of the coarser sessions, in units of 8 bytes, then the
            Session fields.
        sessions: All sessions by name; `own` is the one whose fields are attributes of ``flow`` itself.
        coarse: The coarser sessions: (name, key fields, layout), in the order of their block numbers.
        handlers: Names of the handlers that are there.
        interpreted_handlers: Those of them that run as ordinary Python (``compiled = False``).
        events: (name, repeat) in the order of definition.
        functions: State functions that ``flow.run`` may choose.
        reasons, signatures: Texts; their numbers count from 1.
        effects: By function name (``on_flow``, ``event_<name>``, ``then_<name>``, ``run_<name>``).
        text: The generated module.
    """

    name: str
    cls: type[NF]
    params: dict[str, Parameter]
    traffic: Any
    stateless: bool
    tick: float
    state: Layout
    initial: dict[str, Any]
    session: Layout
    sessions: dict[str, Session]
    own: str | None
    coarse: list[tuple[str, tuple[Any, ...], Layout]]
    handlers: frozenset[str]
    interpreted_handlers: frozenset[str]
    events: list[tuple[str, bool]]
    functions: list[str]
    reasons: list[str]
    signatures: list[str]
    effects: dict[str, Effects]
    text: str = field(repr=False)
    unit: Unit = field(repr=False)

    def source(self) -> str:
        """Return the generated module."""
        return self.text

    def load(self) -> ModuleType:
        """Import the generated module; its functions are compiled at their first call, or taken from the cache.

        Raises:
            CompileError: A handler makes a call that only plain Python can make.
        """
        if self.unit.uncompiled:
            raise self.unit.uncompiled[0]
        return load_generated(self.name, self.text)

    def total(self) -> Effects:
        """Return the effects of all handlers together."""
        return functools.reduce(lambda a, b: a | b, self.effects.values(), Effects())

    def reason_number(self, text: str) -> int:
        """Return the number of a drop reason; one that only ordinary Python uses is added."""
        return self.unit.reason(text)

    def signature_number(self, text: str) -> int:
        """Return the number of a signature; one that only ordinary Python uses is added."""
        return self.unit.signature(text)

    def faults_at(self, line: int) -> FaultSite:
        """Return what can go wrong at a line of a handler, or of a function that it calls."""
        found = [(file, kinds) for (file, at), kinds in self.unit.faults.items() if at == line]
        if found:
            return FaultSite(found[0][0], line, tuple(kind for _, kinds in found for kind in kinds))
        return FaultSite(class_lines(self.cls)[0], line, ("an exception",) if self.interpreted_handlers else ())

    @functools.cached_property
    def interpreted(self) -> Interpreted:
        """The same handlers as plain Python functions ``f(self, pkt, flow)``: see :mod:`nfuse.nf.interpret`."""
        return interpret(self)


_infos: dict[type, NFInfo] = {}


def analyse(cls: type[NF]) -> NFInfo:
    """Read, check and translate an NF class.

    Raises:
        CompileError: A mistake in the class: file, line, what was expected.
    """
    if cls not in _infos:
        if not (isinstance(cls, type) and issubclass(cls, NF)):
            raise CompileError(f"{cls!r} is not a network function class", hint="subclass NF")
        _infos[cls] = _analyse(cls)
    return _infos[cls]


def _function(cls: type, name: str) -> FunctionType | None:
    found = getattr(cls, name, None)
    return found if isinstance(found, FunctionType) else None


def _check_names(unit: Unit) -> None:
    known = {*HANDLERS, "on_start", "on_update"}
    for name in unit.methods():
        if name.startswith("on_") and name not in known:
            meant = nearest(name, known)
            hint = f"did you mean `{meant}`?" if meant else "handlers are " + ", ".join(sorted(known))
            raise unit.class_error(unit.cls, name, f"`{name}` is no handler", hint)
    traffic = unit.cls.traffic
    if traffic is not None and not hasattr(traffic, "proves"):
        hint = "combine classes with & | ~, compare fields: `tcp & (dport == 80)`"
        raise unit.class_error(unit.cls, "traffic", f"{traffic!r} is no traffic class", hint)
    if traffic is not None and not unit.stateless and not traffic.flow_constant:
        raise unit.class_error(
            unit.cls,
            "traffic",
            f"the class `{traffic}` differs between packets of one flow",
            "ask in on_packet, or set `session = None`",
        )


def _warn_of_nothing(cls: type[NF]) -> None:
    file, line, _ = class_lines(cls)
    place = f"{shown(file)}:{line}: " if file else ""
    warnings.warn(
        f"{place}{cls.__name__} has no handler: packets pass it unchanged, and it keeps nothing about them; "
        f"handlers are {', '.join(HANDLERS)} and events",
        NFWarning,
        stacklevel=2,
    )


def _analyse(cls: type[NF]) -> NFInfo:
    from nfuse.flow.traffic import ip

    unit = Unit(cls)
    _check_names(unit)
    effects: dict[str, Effects] = {}
    texts: list[str] = []

    def add(function: Callable[..., Any], role: str, name: str) -> None:
        text, found = translate_handler(unit, read(function), role, name)
        texts.append(text)
        effects[name] = found

    handlers, interpreted = set(), set()
    for role in HANDLERS:
        function = _function(cls, role)
        if function is None:
            continue
        handlers.add(role)
        if not cls.compiled and role != "on_packet":
            interpreted.add(role)
            effects[role] = EVERYTHING
            for text in scan_texts(read(function), "drop"):
                unit.reason(text)
            if role == "on_tick" and scan_texts(read(function), "alert"):
                raise unit.class_error(cls, role, "an alert is about a packet or flow; there is none in on_tick")
            for text in scan_texts(read(function), "alert"):
                unit.signature(text)
        else:
            add(function, role, role)
    tick: Any = cls.tick
    number = isinstance(tick, int | float) and not isinstance(tick, bool)
    if not number or (tick != 0 and not 1e-9 <= tick <= 1e9):
        raise unit.class_error(cls, "tick", f"`tick = {tick!r}` is no time", "seconds, more than 0: tick = 1")
    if "on_tick" in handlers and not cls.tick:
        raise unit.class_error(cls, "on_tick", "on_tick needs `tick`, the seconds between its calls", "tick = 1")
    for found in events_of(cls):
        if found.condition is None or found.action is None:
            raise unit.class_error(cls, found.name, f"the event `{found.name}` has no `.then`", f"@{found.name}.then")
        add(found.condition, "condition", f"event_{found.name}")
        add(found.action, "then", f"then_{found.name}")
    if not handlers and not events_of(cls):
        _warn_of_nothing(cls)
    done = 0
    while done < len(unit.functions):  # a state function may choose others
        name = unit.functions[done]
        function = _function(cls, name)
        assert function is not None
        add(function, "run", f"run_{name}")
        done += 1
    parts = [_HEADER.format(name=cls.__name__), *(helper.text for helper in unit.helpers.values()), *texts]
    return NFInfo(
        name=cls.__name__,
        cls=cls,
        params=dict(cls.parameters),
        traffic=ip if cls.traffic is None else cls.traffic,
        stateless=unit.stateless,
        tick=cls.tick,
        state=unit.state,
        initial=unit.initial,
        session=unit.scratch,
        sessions=unit.sessions,
        own=unit.own,
        coarse=[(block.name, block.fields or (), block.layout) for block in unit.blocks],
        handlers=frozenset(handlers),
        interpreted_handlers=frozenset(interpreted),
        events=[(found.name, found.repeat) for found in events_of(cls)],
        functions=unit.functions,
        reasons=unit.reasons,
        signatures=unit.signatures,
        effects=effects,
        text="\n\n".join(parts),
        unit=unit,
    )
