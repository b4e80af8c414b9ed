"""Everything that a user of an NF wants to know, read from its code: the source of ``nfuse nf show`` and the reference.

Nothing here is written by hand: types and defaults come from the declarations, what it does to packets from the
compiler (:func:`nfuse.nf.compile.analyse`), prose from the class (:mod:`nfuse.nf.documentation`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nfuse.nf.base import NF
from nfuse.nf.compile import NFInfo, analyse
from nfuse.nf.documentation import docstring_of, field_docs
from nfuse.nf.layout import Slot
from nfuse.nf.parameters import REQUIRED, plain
from nfuse.nf.unit import class_name


@dataclass(frozen=True)
class ParameterFacts:
    """A parameter: its type as declared, whether it must be given, its default as YAML has it, what is said of it."""

    name: str
    type: str
    required: bool
    default: Any
    meaning: str


@dataclass(frozen=True)
class FieldFacts:
    """A field of State or of a session: its type as declared, and what is said of it."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class SessionFacts:
    """A session: its name, how handlers reach its fields (``flow``, ``flow.source``), its key ("five-tuple", or
    fields), the bytes of its block, the fields in it."""

    name: str
    access: str
    key: str
    size: int
    fields: tuple[FieldFacts, ...]


@dataclass(frozen=True)
class Description:
    """An NF class, described.

    Attributes:
        name: The class.
        summary, text: The docstring: its first paragraph, and the rest.
        file, line: Where the class begins; "" and 0 if it has no file.
        traffic: The traffic class, as an expression.
        parameters, sessions, state: In the order of declaration.
        handlers: Names of its handlers, events and chosen state functions.
        reads, stores: Header fields that it reads, and that it writes in the packet, over all handlers.
        modifies: Fields that ``flow.modify`` may record.
        encaps, decaps: Kinds of headers that it may put on, and take off.
        payload: ``IGNORE``, ``READ`` or ``WRITE``.
        replies: Whether it may answer packets.
        opaque: Handlers that run as ordinary Python; what they read can't be known.
        tick: Seconds between calls of ``on_tick``, 0: never.
        drops, alerts: Its drop reasons; the signatures of its alerts.
    """

    name: str
    summary: str
    text: str
    file: str
    line: int
    traffic: str
    parameters: tuple[ParameterFacts, ...]
    sessions: tuple[SessionFacts, ...]
    state: tuple[FieldFacts, ...]
    handlers: tuple[str, ...]
    reads: tuple[str, ...]
    stores: tuple[str, ...]
    modifies: tuple[str, ...]
    encaps: tuple[str, ...]
    decaps: tuple[str, ...]
    payload: str
    replies: bool
    opaque: tuple[str, ...]
    tick: float
    drops: tuple[str, ...]
    alerts: tuple[str, ...]


def describe(cls: type[NF]) -> Description:
    """Describe an NF class.

    Raises:
        CompileError: A mistake in the class.
    """
    info = analyse(cls)
    words = docstring_of(cls)
    known = [effects for name, effects in info.effects.items() if name not in info.interpreted_handlers]

    def union(name: str) -> tuple[str, ...]:
        return tuple(sorted({item for effects in known for item in getattr(effects, name)}))

    file, line = _place(cls)
    return Description(
        name=cls.__name__,
        summary=words.summary,
        text=words.more,
        file=file,
        line=line,
        traffic=str(info.traffic),
        parameters=_parameters(cls),
        sessions=tuple(_sessions(info)),
        state=_fields(
            (slot for name, slot in info.state.slots.items() if name not in info.params), getattr(cls, "State", None)
        ),
        handlers=(
            *(name for name in ("on_start", "on_update") if name in _own(cls)),
            *sorted(info.handlers),
            *(f"event {name}" for name, _ in info.events),
            *(f"state function {name}" for name in info.functions),
        ),
        reads=union("reads"),
        stores=union("writes"),
        modifies=union("modifies"),
        encaps=union("encaps"),
        decaps=union("decaps"),
        payload=max((effects.payload for effects in known), key=("IGNORE", "READ", "WRITE").index, default="IGNORE"),
        replies=any(effects.replies for effects in known),
        opaque=tuple(sorted(info.interpreted_handlers)),
        tick=info.tick,
        drops=tuple(info.reasons),
        alerts=tuple(info.signatures),
    )


def _own(cls: type) -> set[str]:
    """Return the names that an NF class and its bases below :class:`NF` define."""
    return {name for base in cls.__mro__ if base not in (NF, object) for name in vars(base)}


def _place(cls: type) -> tuple[str, int]:
    try:
        return inspect.getsourcefile(cls) or "", inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):
        return "", 0


def _parameters(cls: type[NF]) -> tuple[ParameterFacts, ...]:
    docs = field_docs(cls)
    found = []
    for name, parameter in cls.parameters.items():
        required = parameter.default is REQUIRED
        default = None if required else plain(parameter.default)
        found.append(ParameterFacts(name, parameter.kind.name, required, default, docs.get(name, "")))
    return tuple(found)


def _fields(slots: Iterable[Slot], holder: Any) -> tuple[FieldFacts, ...]:
    docs = field_docs(holder) if isinstance(holder, type) else {}
    return tuple(FieldFacts(slot.name, slot.kind.name, docs.get(slot.name, "")) for slot in slots)


def _sessions(info: NFInfo) -> Iterable[SessionFacts]:
    for name, session in info.sessions.items():
        holder = getattr(info.cls, "Session" if name == info.own else class_name(name), None)
        key = "five-tuple" if session.fields is None else f"({', '.join(map(str, session.fields))})"
        fields = _fields(session.layout.slots.values(), holder)
        access = "flow" if name == info.own else f"flow.{name}"
        yield SessionFacts(name, access, key, session.layout.size if fields else 0, fields)
