"""What an NF can ask about its place in the chain when it is checked (:class:`nfuse.nf.findings.Facts`)."""

from __future__ import annotations

from typing import Any

from nfuse.chain.spec import Node
from nfuse.engine.check.places import place_of
from nfuse.engine.check.reach import Reach
from nfuse.nf.findings import Finding, Place, Severity


class NodeFacts:
    """The facts of one NF."""

    def __init__(self, node: Node, reach: Reach, file: str) -> None:
        self.name = node.name
        self.capacity = reach.chain.capacity
        self._node, self._reach, self._file = node, reach, file

    def sees(self, when: Any) -> bool:
        """See :class:`nfuse.nf.findings.Facts`. Of an NF that nothing reaches, that is said once, and not here."""
        return self._reach.sees(self._node, when) or not self._reach.reached(self._node)

    def why_not(self, when: Any) -> str:
        """See :class:`nfuse.nf.findings.Facts`."""
        return self._reach.why_not(self._node, when)

    def written_later(self, name: str, values: Any) -> str:
        """See :class:`nfuse.nf.findings.Facts`."""
        return self._reach.written_later(self._node, name, values)

    def warning(
        self,
        kind: str,
        message: str,
        *,
        why: str = "",
        hint: str = "",
        parameter: str | None = None,
        item: int | None = None,
        place: Place | None = None,
    ) -> Finding:
        """See :class:`nfuse.nf.findings.Facts`."""
        where = place or place_of(self._node.nf, parameter, item, self._file)
        return self._finding("warning", kind, message, why, hint, where)

    def error(
        self,
        kind: str,
        message: str,
        *,
        why: str = "",
        hint: str = "",
        parameter: str | None = None,
        item: int | None = None,
        place: Place | None = None,
    ) -> Finding:
        """See :class:`nfuse.nf.findings.Facts`."""
        where = place or place_of(self._node.nf, parameter, item, self._file)
        return self._finding("error", kind, message, why, hint, where)

    def _finding(self, severity: Severity, kind: str, message: str, why: str, hint: str, place: Place) -> Finding:
        return Finding(severity, kind, message, why, hint, self.name, *place)
