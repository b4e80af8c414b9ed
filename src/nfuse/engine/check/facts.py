"""What an NF can ask about its place in the chain when it is checked (:class:`nfuse.nf.findings.Facts`)."""

from __future__ import annotations

from typing import Any

from nfuse.chain.spec import Node
from nfuse.engine.check.places import place_of
from nfuse.engine.check.reach import Reach
from nfuse.nf.findings import Facts, Place


class NodeFacts(Facts):
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

    def place(self, parameter: str | None = None, item: int | None = None) -> Place:
        """See :class:`nfuse.nf.findings.Facts`."""
        return place_of(self._node.nf, parameter, item, self._file)
