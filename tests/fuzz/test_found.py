"""Cases that fuzzing has found, or that are worth keeping: all engines still agree on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fuzz.case import FOUND, Case

from nfuse.memory.jit import JIT

CASES = sorted(FOUND.glob("*.yaml"))


def test_there_are_cases() -> None:
    assert CASES


@pytest.mark.skipif(JIT, reason="each case has a chain of its own, which takes seconds to minutes to compile")
@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_case(path: Path) -> None:
    Case.read(path).check()
