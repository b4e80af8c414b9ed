"""A running NF: its private copy, its State in an arena of its own, and the ``self`` of interpreted code."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import PAGE, Arena
from nfuse.nf.arithmetic import wrap
from nfuse.nf.base import NF
from nfuse.nf.containers import CLASSES, Container, read_item, write_item
from nfuse.nf.errors import blame, nearest
from nfuse.nf.layout import Slot
from nfuse.nf.parameters import ParameterError
from nfuse.nf.poke import poke

if TYPE_CHECKING:
    from nfuse.nf.compile import NFInfo

ARENA_SIZE = 1 << 31
"""Address space reserved for one instance's State; memory grows only with use."""


class Instance:
    """One NF at one place of a chain.

    Attributes:
        info: What the compiler knows of its class.
        nf: A private copy of the NF: parameters change here.
        arena: Holds the State record and all container data; offsets in it count from `address`.
        address: Address of the State record (S of the handlers).
        facade: The ``self`` of ``on_start``, ``on_update`` and interpreted handlers: an object of the NF's class whose
            State fields and parameters are attributes over flat memory.
        on_alert: Called with signature and value when interpreted code alerts.
    """

    def __init__(self, nf: NF) -> None:
        from nfuse.nf.compile import analyse

        self.nf: NF = copy.copy(nf)
        self._given = nf
        self.info: NFInfo = analyse(type(nf))
        self.arena = Arena(ARENA_SIZE, f"State of {nf.name or type(nf).__name__}")
        self.address = self.arena.address
        self.on_alert: Callable[[str, int], None] | None = None
        self._used = self.info.state.size
        self._open = False
        self._containers: dict[str, Container] = {}
        for name, slot in self.info.state.slots.items():
            if slot.kind.form == "container":
                self._containers[name] = self._make(slot)
            elif name in self.info.initial:
                write_item(slot.kind, self.address + slot.offset, self.info.initial[name])
        self._store_parameters()
        self.facade: Any = _facade(self)

    def _make(self, slot: Slot) -> Container:
        kind = CLASSES[slot.kind.container]
        made = kind(self.address, self.address + slot.offset, slot.kind, self.arena, self._allocate)
        if slot.kind.count:
            self._open = True
            made.reserve(slot.kind.count)
            self._open = False
        return made

    def _allocate(self, size: int) -> int:
        if not self._open:
            raise RuntimeError("room for containers is made in on_start and on_update")
        at = -(-self._used // 64) * 64
        if at + size > self.arena.size:
            raise MemoryError(f"the State of {type(self.nf).__name__} outgrows {self.arena.size} bytes")
        self._used = at + size
        return at

    def _store_parameters(self) -> None:
        for name, slot in self.info.state.slots.items():
            if name not in self.info.params:
                continue
            value, at = self.nf.__dict__[name], self.address + slot.offset
            match slot.kind.form:
                case "prefix":
                    for number, word in enumerate(value.words()):
                        poke(at + 8 * number, word)
                case "ports":
                    poke(at, value.low)
                    poke(at + 8, value.high)
                case _:
                    write_item(slot.kind, at, value)

    def start(self) -> None:
        """Run ``on_start``."""
        self._run("on_start")

    def _run(self, handler: str) -> None:
        self._open = True
        try:
            getattr(self.facade, handler)()
        except Exception as error:
            blame(error, self._given)
            raise
        finally:
            self._open = False

    def update(self, values: Mapping[str, Any]) -> None:
        """Change parameters while the chain runs, then run ``on_update``.

        All or nothing: if a value is invalid or ``on_update`` raises, parameters and State are as before.

        Raises:
            ParameterError: An unknown parameter or an invalid value.
        """
        known = type(self.nf).parameters
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                kind = type(self.nf).__name__
                raise ParameterError(f"{kind} has no parameter {name!r}", name, nearest=nearest(name, known))
            checked[name] = known[name].check(value)
        before, used, memory = dict(self.nf.__dict__), self._used, self._written()
        kept = self._pages[memory]
        rooms = {name: container._room for name, container in self._containers.items()}
        self.nf.__dict__.update(checked)
        self._store_parameters()
        try:
            self._run("on_update")
        except BaseException:
            self.nf.__dict__.clear()
            self.nf.__dict__.update(before)
            self._pages[self._written()] = 0
            self._pages[memory] = kept
            self._used = used
            for name, room in rooms.items():
                self._containers[name].adopt(room)
            raise

    @property
    def _pages(self) -> NDArray[Any]:
        return self.arena.bytes.view("<u8").reshape(-1, PAGE // 8)

    def _written(self) -> NDArray[Any]:
        """Return the numbers of the pages that hold anything; to look takes no memory, as a copy of all would."""
        return np.flatnonzero(self._pages[: -(-self._used // PAGE)].any(axis=1))

    def values(self) -> dict[str, Any]:
        """Return all State fields as plain Python values, for comparison."""
        found: dict[str, Any] = {}
        for name, slot in self.info.state.slots.items():
            if name in self.info.params:
                continue
            if slot.kind.form == "container":
                found[name] = self._containers[name].values()
            else:
                found[name] = read_item(slot.kind, self.address + slot.offset)
        return found


def _facade(instance: Instance) -> Any:
    """Make the ``self`` of interpreted code: a subclass of the NF's class with properties over flat memory."""
    cls, info = type(instance.nf), instance.info
    members: dict[str, Any] = {"__module__": cls.__module__, "__doc__": cls.__doc__, "__qualname__": cls.__qualname__}
    for name, slot in info.state.slots.items():
        if name not in info.params:
            members[name] = _state_property(instance, slot)
    for name in info.params:
        members[name] = _parameter_property(instance, name)

    def alert(self: Any, signature: str, value: int = 0) -> None:
        if instance.on_alert is not None:
            instance.on_alert(signature, wrap(value))

    members["alert"] = alert
    facade_class = type.__new__(type, cls.__name__, (cls,), members, facade=True)
    facade: Any = object.__new__(facade_class)
    object.__setattr__(facade, "name", instance.nf.name)
    object.__setattr__(facade, "_instance", instance)
    return facade


def _state_property(instance: Instance, slot: Slot) -> property:
    if slot.kind.form == "container":
        container = instance._containers[slot.name]
        return property(lambda self: container)
    address, kind = instance.address + slot.offset, slot.kind
    return property(lambda self: read_item(kind, address), lambda self, value: write_item(kind, address, value))


def _parameter_property(instance: Instance, name: str) -> property:
    slot = instance.info.state.slots.get(name)
    if slot is not None and slot.kind.form == "int" and slot.kind.bits == 64:
        address, kind = instance.address + slot.offset, slot.kind
        return property(lambda self: read_item(kind, address))
    return property(lambda self: instance.nf.__dict__[name])
