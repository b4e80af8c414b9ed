"""The base class of network functions (NFs), and the decorator of their events.

A subclass declares what it is about: a traffic class, parameters (annotations), ``State``, ``Session``, handlers.
Nothing here compiles or runs anything; :mod:`nfuse.nf.compile` reads the class, engines run what it made of it.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from nfuse.nf.errors import nearest
from nfuse.nf.parameters import REQUIRED, Parameter, ParameterError, plain
from nfuse.nf.source import class_error
from nfuse.nf.types import TYPE_NAMES, kind_of, type_hint

if TYPE_CHECKING:
    from nfuse.nf.findings import Facts, Finding, Outcome

FIVE_TUPLE = "five_tuple"
"""The default of ``session``: one session for each flow, both directions."""

HANDLERS = ("on_flow", "on_packet", "on_change", "on_end", "on_tick")
"""The handlers that run in an engine (``on_start`` and ``on_update`` are plain Python)."""


class event:
    """A condition on a flow, checked once ``on_packet`` has run; ``.then`` names what follows when it is true.

    ::

        @event
        def flood(self, flow):
            return flow.syns > self.threshold

        @flood.then
        def block(self, flow):
            flow.drop("SYN flood")

    It fires once a flow; with ``@event(repeat=True)`` again each time it has been found false in between.
    """

    def __init__(self, condition: Callable[..., Any] | None = None, *, repeat: bool = False) -> None:
        self.condition = condition
        self.repeat = bool(repeat)
        self.action: Callable[..., Any] | None = None
        self.name = condition.__name__ if condition else ""

    def __call__(self, condition: Callable[..., Any]) -> event:
        """Take the condition, for the form with arguments: ``@event(repeat=True)``."""
        self.condition, self.name = condition, condition.__name__
        return self

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def then(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Declare what runs when the condition is found true (a decorator)."""
        self.action = function
        return function


def annotations_of(cls: type) -> dict[str, Any]:
    """Return the annotations of one class body, evaluated; texts that can't be evaluated stay texts."""
    try:
        return inspect.get_annotations(cls, eval_str=True)
    except Exception:
        raw = inspect.get_annotations(cls)
        names = dict(vars(inspect.getmodule(cls) or object))
        found: dict[str, Any] = {}
        for name, annotation in raw.items():
            if isinstance(annotation, str):
                try:
                    annotation = eval(annotation, names, dict(vars(cls)))
                except Exception:
                    pass
            found[name] = annotation
        return found


class NF:
    """A network function.

    Class attributes that a subclass may set:

    Attributes:
        traffic: Traffic class: an expression (``ipv4 & (tcp | udp)``), or a pcap filter (``"tcp and port 80"``), which
            becomes one; None means all IP.
        session: ``five_tuple`` (default), a tuple of fields (``(ip.src,)``), several by name
            (``{"flow": five_tuple, "source": (ip.src,)}``), or None for NFs that keep nothing about flows.
        tick: Seconds between calls of ``on_tick``; 0: never.
        compiled: False if ``on_flow``, ``on_change``, ``on_end`` and ``on_tick`` are to run as ordinary Python.

    Annotations are parameters, given to the constructor by name and validated there. Two NFs are equal if their
    classes, names and parameters are.

    Raises:
        ParameterError: An unknown, missing or invalid parameter.
        CompileError: On definition of a subclass: a default that does not fit its type, a filter that can't be read.
    """

    traffic: ClassVar[Any] = None
    session: ClassVar[Any] = FIVE_TUPLE
    tick: ClassVar[float] = 0
    compiled: ClassVar[bool] = True
    parameters: ClassVar[dict[str, Parameter]] = {}

    name: str | None
    _defined: ClassVar[tuple[str, int]]

    def __init_subclass__(cls, facade: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if facade:
            return
        definition = sys._getframe(1)
        if definition.f_globals.get("__name__") == cls.__module__:
            cls._defined = (definition.f_code.co_filename, definition.f_lineno)
            for part in vars(cls).values():
                if isinstance(part, type) and part.__qualname__.startswith(f"{cls.__qualname__}."):
                    part._outer = cls  # type: ignore[attr-defined]
        if isinstance(cls.__dict__.get("traffic"), str):
            cls.traffic = _filter(cls)
        found = dict(cls.parameters)
        declared = annotations_of(cls)
        for name, annotation in declared.items():
            if name.startswith("_") or "ClassVar" in str(annotation) or name in _API_ATTRIBUTES:
                continue
            found[name] = _declare(cls, name, annotation, cls.__dict__.get(name, REQUIRED))
        for name, parameter in list(found.items()):
            if name in cls.__dict__ and name not in declared:  # a subclass gives another default
                found[name] = _declare(cls, name, parameter.annotation, cls.__dict__[name])
        cls.parameters = found

    def __init__(self, *unnamed: Any, **given: Any) -> None:
        cls = type(self)
        if unnamed:
            example = ", ".join(f"{name}={value!r}" for name, value in zip(cls.parameters, unnamed, strict=False))
            raise ParameterError(
                f"{cls.__name__} takes its parameters by name",
                expected=f"{cls.__name__}({example})" if example else f"{cls.__name__}(): it has none",
            )
        object.__setattr__(self, "_made", _maker())
        for name in given:
            if name not in cls.parameters:
                raise ParameterError(
                    f"{cls.__name__} has no parameter {name!r}",
                    name,
                    expected="one of " + ", ".join(cls.parameters) if cls.parameters else "no parameters",
                    nearest=nearest(name, cls.parameters),
                )
        object.__setattr__(self, "name", None)
        object.__setattr__(self, "_made", _caller())
        for name, parameter in cls.parameters.items():
            if name in given:
                try:
                    value = parameter.check(given[name])
                except ParameterError as error:
                    message = f"{cls.__name__}.{error.message}"
                    raise ParameterError(message, name, error.expected, error.nearest) from None
            elif parameter.default is REQUIRED:
                raise ParameterError(f"{cls.__name__} needs the parameter {name!r}", name, parameter.kind.name)
            else:
                value = copy.copy(parameter.default)
            object.__setattr__(self, name, value)

    def values(self) -> dict[str, Any]:
        """Return the values of all parameters by name, in their Python form."""
        return {name: self.__dict__[name] for name in type(self).parameters}

    def named(self, name: str) -> Any:
        """Return this NF under a name of its own in the chain."""
        if not isinstance(name, str) or not name:
            raise ParameterError(f"{name!r} is no name", expected="a word")
        same = copy.copy(self)
        object.__setattr__(same, "name", name)
        return same

    def __rshift__(self, other: object) -> Any:
        return importlib.import_module("nfuse.chain.graph").join(self, other)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NF):
            return NotImplemented
        return type(self) is type(other) and self.name == other.name and self.values() == other.values()

    def __hash__(self) -> int:
        return hash((type(self), self.name, repr(plain(self.values()))))

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={plain(value)!r}" for name, value in self.values().items())
        return f"{type(self).__name__}({inside})" + (f".named({self.name!r})" if self.name else "")

    def alert(self, signature: str, value: int = 0) -> None:
        """Write a log record about this flow (only in handlers): a literal signature and an integer."""
        raise RuntimeError("self.alert works in handlers only")

    def on_start(self) -> None:
        """Prepare the State; runs once, in plain Python, before the first packet."""

    def on_update(self) -> None:
        """Prepare the State anew after control input has changed parameters; by default ``on_start`` again."""
        self.on_start()

    def report(self, state: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """Say what a run has found, as the rows of a table, for the end of ``nfuse run``.

        Ordinary Python, after the run. `state` has the State by field, containers as lists and dicts. All rows have the
        same keys; numbers under ``share`` (0 to 1) are drawn as bars.
        """
        return ()

    def explain(self, flow: Any) -> str:
        """Say in words which of its rules or entries a flow has met; "" if there is nothing to say.

        For ``nfuse trace``: runs in plain Python, outside the data path, and must change nothing. `flow` has the
        Session fields, and the opening tuple at this NF's place: ``ip_src``, ``ip_dst``, ``sport``, ``dport``,
        ``proto``.
        """
        return ""

    def check(self, facts: Facts) -> Iterable[Finding]:
        """Say what is wrong with the parameters at this place of a chain, for ``nfuse check``.

        Ordinary Python, on an NF that has not been started: it has parameters and no State.

        Args:
            facts: What the NF's place is like, and how findings are made: ``yield facts.warning("pool", ...)``.
        """
        return ()

    def outcomes(self) -> Iterable[Outcome]:
        """Say what becomes of flows, as far as the parameters decide it: who is translated to what, who is dropped.

        With it ``nfuse check`` knows what later NFs can see. An NF that does not say is taken to give the fields that
        it may modify any value.
        """
        return ()

    def owns(self) -> Mapping[str, Any]:
        """Return the addresses that this NF answers for in the network, by parameter: a public pool, a virtual address.

        Values are addresses and prefixes, or lists of them. No two NFs of a chain should own the same address.
        """
        return {}


def _caller() -> tuple[str, int] | None:
    """Return file and line of the innermost code outside nfuse that is running."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != "nfuse":
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


_API_ATTRIBUTES = frozenset({"traffic", "session", "tick", "compiled"})


def check_made(nf: NF) -> None:
    """Refuse an NF whose ``__init__`` has not called that of :class:`NF`.

    Raises:
        CompileError: At the line of its ``__init__``.
    """
    if "_made" not in nf.__dict__:
        cls = next(one for one in type(nf).__mro__ if "__init__" in vars(one))
        raise class_error(
            cls,
            "__init__",
            f"{cls.__name__}.__init__ replaces the one that sets the parameters",
            "remove it: parameters are annotations (`limit: u32 = 10`), what changes is declared in `class State`",
        )


def _maker() -> tuple[str, int]:
    """Return file and line of the call that makes an NF."""
    frame = sys._getframe(2)
    while frame.f_code.co_name == "__init__" and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _filter(cls: type[NF]) -> Any:
    """Read a traffic class that is written as a pcap filter."""
    from nfuse.flow.traffic import FilterError, pcap_filter

    text = cls.__dict__["traffic"]
    try:
        return pcap_filter(text)
    except FilterError as error:
        message = f"the filter {text!r} can't be read: {error.problem} (at column {error.column} of the filter)"
        raise class_error(cls, "traffic", message, 'traffic = "tcp and dst port 80", or traffic = tcp') from None


def _declare(cls: type, name: str, annotation: Any, default: Any) -> Parameter:
    if isinstance(annotation, str) and nearest(annotation.split("[")[0], TYPE_NAMES):  # not one that may stay a text
        raise class_error(cls, name, f"unknown type `{annotation}`", type_hint(annotation))
    parameter = Parameter(name, annotation, REQUIRED, kind_of(annotation))
    if default is REQUIRED:
        return parameter
    try:
        default = parameter.check(default)
    except ParameterError as error:
        hint = f"expected {error.expected}" if error.expected else ""
        raise class_error(cls, name, f"{cls.__name__}.{error.message} (its default)", hint) from None
    return Parameter(name, annotation, default, parameter.kind)


def events_of(cls: type) -> list[event]:
    """Return the events of an NF class in the order of their definition, those of base classes first."""
    found: dict[str, event] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, event):
                found[name] = value
            elif name in found:
                del found[name]
    return list(found.values())


def parameters_of(cls: type[NF]) -> dict[str, Parameter]:
    """Return the declared parameters of an NF class by name."""
    return cls.parameters
