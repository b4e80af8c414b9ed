"""Where in the user's files a mistake is that an NF's ``on_start`` has found, or the engine that starts it."""

from __future__ import annotations

import linecache
import re
import traceback
from pathlib import Path
from typing import Any

import nfuse
from nfuse.chain.errors import ChainError
from nfuse.chain.located import Located
from nfuse.errors import shown
from nfuse.nf.base import NF
from nfuse.nf.parameters import ParameterError

_PACKAGE = str(Path(nfuse.__file__).parent)
_ABOUT = re.compile(r"(\w+)(?:, item (\d+)|:(\d+)(?::\d+)?)?: ")
"""How messages begin that speak of a parameter: ``public, item 2: ...``, ``rule:3:1: ...``."""


def start_error(nf: NF, name: str, verdict: str, error: Exception) -> ChainError:
    """Return an error of an NF's start as one of the chain.

    It points at the parameter that the message is about where that is known (in a chain file), else at the NF: where
    it stands in the chain file, or is made in Python. Lines of the user's own ``on_start`` are shown below.

    Args:
        nf: The NF.
        name: Its name in the chain.
        verdict: ``"can't start"``.
        error: What it raised.
    """
    text = str(error)
    if type(error).__module__.split(".")[0] != "nfuse" and not isinstance(error, ValueError | OSError):
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    places: dict[str, Located] = nf.__dict__.get("_places", {})
    place, rest = _parameter(places, text, error)
    detail = _own_line(error)
    found = ChainError(f"{name} ({type(nf).__name__}) {verdict}: {rest}", detail=detail)
    place = place or nf.__dict__.get("_place")
    return place.at(found) if place is not None else found.at(**_made(nf))


def _parameter(places: dict[str, Located], text: str, error: Exception) -> tuple[Located | None, str]:
    """Return the place of the parameter, or of its item, that a message is about, and the message without it."""
    about = _ABOUT.match(text)
    name = about[1] if about else getattr(error, "parameter", None) if isinstance(error, ParameterError) else None
    for known in (name, f"{name}s"):
        if known in places:
            place = places[known]
            number = int(about[2] or about[3] or 0) if about else 0
            items = list(place) if number and place.is_list else []
            return items[number - 1] if number <= len(items) and items else place, text[
                about.end() :
            ] if about else text
    quoted = [place for place in _scalars(list(places.values())) if _quotes(text, place.value())]
    return (quoted[0] if len(quoted) == 1 else None), text


def _scalars(places: list[Located]) -> list[Located]:
    found = []
    for place in places:
        if place.is_list:
            found += _scalars(list(place))
        elif place.is_mapping:
            found += _scalars([value for _, _, value in place.items()])
        else:
            found.append(place)
    return found


def _quotes(text: str, value: Any) -> bool:
    """Whether a message speaks of a value: a text in quotation marks, or a number that stands alone."""
    if isinstance(value, bool) or value is None:
        return False
    return re.search(rf"(?<![\w.]){re.escape(repr(value))}(?![\w.])", text) is not None


def _own_line(error: Exception) -> str:
    """Return the line of the user's own source that raised an error; "" if nfuse's did."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_PACKAGE, "<frozen"))
    ]
    if not own:
        return ""
    frame = own[-1]
    return f"in {frame.name}, {shown(frame.filename)}:{frame.lineno}:\n    {(frame.line or '').strip()}"


def _made(nf: NF) -> dict[str, Any]:
    """Return file, line and text of the line of Python that made an NF."""
    file, line = nf.__dict__.get("_made") or ("", 0)
    if not file or file.startswith(_PACKAGE):
        return {}
    return {"file": shown(file), "line": line, "source": linecache.getline(file, line).rstrip() or None}
