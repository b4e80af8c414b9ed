from __future__ import annotations

from collections.abc import Iterator

import pytest

from nfuse.memory import raw


@pytest.fixture(autouse=True)
def no_byte_too_far() -> Iterator[None]:
    """In the check mode no test may make the data path touch memory outside its frames."""
    raw.violations()
    yield
    count, address, size = raw.violations()
    assert count == 0, f"{count} accesses outside, first {size} bytes at {address:#x}"
