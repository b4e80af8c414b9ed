"""All NFs of the library: they compile, their scratchpads are small, and their pages say all that they do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nfuse.nf.compile import analyse
from nfuse.nf.library import LIBRARY

PAGES = {name: re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=IP)(?=[A-Z][a-z])", "-", name).lower() for name in LIBRARY} | {
    "IpIpEncap": "ip-ip",
    "IpIpDecap": "ip-ip",
}
LARGEST = {"Monitor": 40, "MazuNat": 16, "Maglev": 8, "IPFilter": 8, "DosGuard": 16, "IpIpEncap": 0, "IpIpDecap": 0}


def test_names() -> None:
    assert all(cls.__name__ == name for name, cls in LIBRARY.items())
    assert set(LIBRARY) == set(LARGEST)


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_scratchpads_are_small(name: str) -> None:
    assert analyse(LIBRARY[name]).session.size <= LARGEST[name]


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_the_page_names_every_parameter_and_reason(name: str, root: Path) -> None:
    text = (root / "docs" / "nfs" / f"{PAGES[name]}.md").read_text()
    info = analyse(LIBRARY[name])
    for word in [*info.params, *info.reasons, *info.signatures]:
        assert f"`{word}`" in text, f"{PAGES[name]}.md says nothing of {word!r}"
    index = (root / "docs" / "nfs" / "README.md").read_text()
    assert f"({PAGES[name]}.md)" in index


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_effects_are_exact(name: str) -> None:
    """What the compiler finds is what the NF does: the basis of consolidation."""
    total = analyse(LIBRARY[name]).total()
    modifies = {"MazuNat": {"ip_src", "sport"}, "Maglev": {"ip_dst", "dport"}}
    assert total.modifies == modifies.get(name, set())
    assert total.payload == "IGNORE"
    assert not total.writes
    assert total.encaps == ({"ipip"} if name == "IpIpEncap" else set())
    assert total.decaps == ({"ipip"} if name == "IpIpDecap" else set())
