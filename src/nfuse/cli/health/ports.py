"""The kinds of ports that are registered, and whether each can be used here."""

from __future__ import annotations

from nfuse.cli.health.check import Check


def checks() -> list[Check]:
    """Load all kinds of ports, nfuse's own and those of packages; nfuse's own are required."""
    from nfuse.port import registry

    own = registry.built_in()
    found = []
    for scheme, problem in registry.known().items():
        ways = [way for way, table in (("input", registry.INPUTS), ("output", registry.OUTPUTS)) if scheme in table]
        origin = "" if scheme in own else ", of an installed package"
        found.append(
            Check("ports", f"{scheme}:", not problem, problem or " and ".join(ways) + origin, required=scheme in own)
        )
    return found
