"""Network functions that installed packages offer to chain files, by entry points of the group ``nfuse.nfs``.

A package declares them in its ``pyproject.toml``, the name as in a chain file, the class as ``module:Class``::

    [project.entry-points."nfuse.nfs"]
    SynCounter = "my_package:SynCounter"

Nothing of a package is imported here: that is done when a name is used (:mod:`nfuse.chain.locate`).
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

GROUP = "nfuse.nfs"
"""Group of the entry points through which packages add network functions."""


@dataclass(frozen=True)
class Offer:
    """A network function that an installed package offers.

    Attributes:
        name: As a chain file uses it.
        module: The module that has the class; "" if the entry point is malformed.
        attribute: The class in it.
        package, version: Of the distribution.
    """

    name: str
    module: str
    attribute: str
    package: str
    version: str

    @property
    def reference(self) -> str:
        """The class as ``module:Class``: what names it where `name` is taken."""
        return f"{self.module}:{self.attribute}"

    @property
    def origin(self) -> str:
        """The package and its version, for people."""
        return f"{self.package} {self.version}".strip()


def offers() -> list[Offer]:
    """Return what installed packages offer, sorted by name, then by package."""
    found = []
    for entry in importlib.metadata.entry_points(group=GROUP):
        match = entry.pattern.match(entry.value)
        module, attribute = (match["module"], match["attr"] or "") if match else ("", "")
        package = entry.dist.name if entry.dist is not None else "?"
        version = entry.dist.version if entry.dist is not None else ""
        found.append(Offer(entry.name, module, attribute, package, version))
    return sorted(found, key=lambda offer: (offer.name, offer.package))
