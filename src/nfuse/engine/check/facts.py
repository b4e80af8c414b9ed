"""What an NF can ask about its place in the chain when it is checked (:class:`nfuse.nf.findings.Facts`)."""

from __future__ import annotations

from typing import Any

from nfuse.chain.spec import Node
from nfuse.engine.check.places import place_of
from nfuse.engine.check.reach import Reach
from nfuse.nf.findings import Finding, Place, Severity


class NodeFacts:
    """The facts of one NF.

    Args:
        node: The NF at its place.
        capacity: Sessions that the chain may hold.
        reach: Which flows come to the NFs; None if that can't be known, because parts of the chain are missing.
        file: The chain file.
    """

    def __init__(self, node: Node, capacity: int, reach: Reach | None, file: str) -> None:
        self.name = node.name
        self.capacity = capacity
        self._node, self._reach, self._file = node, reach, file

    def sees(self, when: Any) -> bool:
        """See :class:`nfuse.nf.findings.Facts`. Of an NF that nothing reaches, that is said once, and not here."""
        reach = self._reach
        return reach is None or reach.sees(self._node, when) or not reach.reached(self._node)

    def why_not(self, when: Any) -> str:
        """See :class:`nfuse.nf.findings.Facts`."""
        return self._reach.why_not(self._node, when) if self._reach else ""

    def written_later(self, name: str, values: Any) -> str:
        """See :class:`nfuse.nf.findings.Facts`."""
        return self._reach.written_later(self._node, name, values) if self._reach else ""

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
