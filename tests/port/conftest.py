from __future__ import annotations

from collections.abc import Iterator

import pytest

from nfuse.memory.raw import violations


@pytest.fixture(autouse=True)
def no_access_outside_of_arenas() -> Iterator[None]:
    """In the check mode each load and store is verified; elsewhere this never fails."""
    violations()
    yield
    assert violations()[0] == 0
