"""Where the parts of a chain are written: file, line, column of NFs, their parameters, and items of these."""

from __future__ import annotations

from typing import Any

from nfuse.chain.located import Located
from nfuse.nf.base import NF
from nfuse.nf.findings import Place


def place_of(nf: NF, parameter: str | None = None, item: int | None = None, file: str = "") -> Place:
    """Return the nearest known place of an NF, one of its parameters, or an item of that.

    Args:
        nf: The NF.
        parameter: The name of a parameter.
        item: The number of an item of it, from 0.
        file: The chain file, where nothing better is known.
    """
    values = nf.__dict__.get("_values")
    if parameter is not None and isinstance(values, Located) and values.is_mapping:
        for key, _, value in values.items():
            if key == parameter:
                return _mark(_item(value, item))
    place = nf.__dict__.get("_place")
    if isinstance(place, Located):
        return _mark(place)
    made = nf.__dict__.get("_made")
    return (made[0], made[1], None) if made else (file, None, None)


def located(place: Any, file: str) -> Place:
    """Return the place that was noted on a part of the graph, else the file."""
    return _mark(place) if isinstance(place, Located) else (file, None, None)


def _item(value: Located, item: int | None) -> Located:
    if item is not None and value.is_list:
        for number, one in enumerate(value):
            if number == item:
                return one
    return value


def _mark(place: Located) -> Place:
    mark = place.node.start_mark
    return place.file, mark.line + 1, mark.column + 1
