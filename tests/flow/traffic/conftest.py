"""In the check mode no test of this folder may touch memory outside the arenas."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nfuse.memory import raw


@pytest.fixture(autouse=True)
def inside() -> Iterator[None]:
    raw.violations()
    yield
    assert raw.violations()[0] == 0
