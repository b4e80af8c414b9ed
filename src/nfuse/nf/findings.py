"""What ``nfuse check`` finds, and what a network function (NF) can say about itself for it: :meth:`NF.check`,
:meth:`NF.outcomes`, :meth:`NF.owns`. All of it is ordinary Python and runs without traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, Unpack

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a chain, or probably is.

    Attributes:
        severity: ``error``: the chain can't run; ``warning``: it can, but hardly as it was meant.
        kind: A word for the kind of finding, such as ``shadowed-rule``; the same in all versions.
        message: What is wrong, in one sentence.
        why: What makes it so, with the facts of this chain.
        hint: What to do.
        nf: Name of the NF in the chain, if it is about one.
        file, line, column: Where; line and column count from 1 (None: unknown).
    """

    severity: Severity
    kind: str
    message: str
    why: str = ""
    hint: str = ""
    nf: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What becomes of some of the flows that reach an NF, as far as its parameters decide it.

    An NF lists its outcomes in the order in which it asks; the first whose class holds the flow's first packet counts.
    Flows of no outcome pass unchanged.

    Attributes:
        when: Traffic class of the first packet, as it reaches the NF.
        modify: Fields of ``flow.modify`` with all the values that they may get: an address, a prefix, a port, a
            ``PortRange``, a list of these; None: any.
        drop: The reason, if such a flow is dropped.
        reverse: False: only flows opened in the direction of the chain; True: only the others; None: both.
    """

    when: Any
    modify: Mapping[str, Any] = field(default_factory=dict)
    drop: str = ""
    reverse: bool | None = None


Place = tuple[str, int | None, int | None]
"""File, line, column."""


class About(TypedDict, total=False):
    """What :meth:`Facts.warning` and :meth:`Facts.error` take beside kind and message.

    Attributes:
        why: What makes it so.
        hint: What to do.
        parameter: The parameter that it is about, for the place in the chain file.
        item: The item of that parameter, from 0, if it is a list.
        place: The place, if it is in another file.
    """

    why: str
    hint: str
    parameter: str
    item: int
    place: Place


class Facts:
    """What :meth:`NF.check` can ask about its NF's place in the chain, and how it makes findings.

    Attributes:
        name: The NF's name in the chain.
        capacity: Sessions that the chain may hold at a time.
    """

    name: str
    capacity: int

    def sees(self, when: Any) -> bool:
        """Whether a flow of a traffic class may reach this NF; True where that can't be known."""
        raise NotImplementedError

    def why_not(self, when: Any) -> str:
        """Say in one sentence who keeps such flows away; empty if they may come."""
        raise NotImplementedError

    def written_later(self, name: str, values: Any) -> str:
        """Name the later NF that first gives a field (of ``flow.modify``) only these values; empty if none does."""
        raise NotImplementedError

    def place(self, parameter: str | None = None, item: int | None = None) -> Place:
        """Return where the NF, a parameter, or an item of it is written."""
        raise NotImplementedError

    def warning(self, kind: str, message: str, **about: Unpack[About]) -> Finding:
        """Make a warning: `kind` is a word, `message` one sentence; the rest is in :class:`About`."""
        return self._finding("warning", kind, message, about)

    def error(self, kind: str, message: str, **about: Unpack[About]) -> Finding:
        """Make an error; arguments as for :meth:`warning`."""
        return self._finding("error", kind, message, about)

    def _finding(self, severity: Severity, kind: str, message: str, about: About) -> Finding:
        place = about.get("place") or self.place(about.get("parameter"), about.get("item"))
        return Finding(severity, kind, message, about.get("why", ""), about.get("hint", ""), self.name, *place)
