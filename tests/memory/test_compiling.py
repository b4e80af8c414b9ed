"""Compile time is told apart from run time."""

from __future__ import annotations

import time

import pytest

from nfuse.memory.compiling import Compiling
from nfuse.memory.jit import JIT


def test_nested_compilations_count_once():
    said = []
    compiling = Compiling(lambda: said.append(1))
    for _ in range(2):
        compiling.begin()
        compiling.begin()
        time.sleep(0.01)
        compiling.end()
        compiling.end()
    assert 0.02 <= compiling.seconds < 1
    assert said == [1]


@pytest.mark.skipif(not JIT, reason="nothing is compiled with NFUSE_JIT=0")
def test_numba_is_watched():
    import numba

    said = []
    with Compiling(lambda: said.append(1)) as compiling:
        numba.njit(lambda x: x + 1)(1)
    seconds = compiling.seconds
    assert said == [1]
    assert seconds > 0
    numba.njit(lambda x: x + 2)(1)
    assert compiling.seconds == seconds
