"""What has changed in the State of an NF between two moments: scalars, items of arrays, sizes of other containers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.engine.trace.record import Change, Value
from nfuse.nf.containers import Array
from nfuse.nf.instance import Instance
from nfuse.packet.address import unpack

MOST_ITEMS = 4
"""Items of an array that are shown one by one; where more have changed, their number is."""


def snapshot(instance: Instance) -> dict[str, Any]:
    """Return a copy of the State: values of scalars, contents of arrays, sizes of other containers."""
    taken: dict[str, Any] = {}
    for name, slot in instance.info.state.slots.items():
        if name in instance.info.params:
            continue
        value = getattr(instance.facade, name)
        if slot.kind.form != "container":
            taken[name] = plain(value)
        elif isinstance(value, Array):
            taken[name] = value.view.copy() if len(value) else np.empty(0, np.int64)
        else:
            taken[f"len({name})"] = len(value)
    return taken


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Return what differs between two snapshots (or two dicts of plain values)."""
    found: list[Change] = []
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, np.ndarray):
            found += _items(name, old, value)
        elif plain(old) != plain(value):
            found.append(Change(name, plain(old), plain(value)))
    return found


def plain(value: Any) -> Value:
    """Return a value as it is shown: addresses as text."""
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _items(name: str, before: NDArray[Any] | None, after: NDArray[Any]) -> list[Change]:
    if before is None or before.shape != after.shape:
        return [Change(f"len({name})", None if before is None else len(before), len(after))]
    differs = before != after
    where = np.flatnonzero(differs if differs.ndim == 1 else differs.any(axis=1)).tolist()
    found = [Change(f"{name}[{n}]", _item(before[n]), _item(after[n])) for n in where[:MOST_ITEMS]]
    if len(where) > MOST_ITEMS:
        found.append(Change(name, "", f"{len(where) - MOST_ITEMS} more items have changed"))
    return found


def _item(value: Any) -> Value:
    return str(unpack(int(value[0]), int(value[1]))) if getattr(value, "ndim", 0) else int(value)
