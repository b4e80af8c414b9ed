"""The decorators: one meaning compiled and interpreted, one compilation per kernel."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nfuse.memory.jit import JIT, entry, inlined, native
from nfuse.memory.raw import call, i64


@native
def _triple(value: int) -> int:
    return i64(value * 3)


@inlined
def _odd(value: int) -> int:
    return i64(value & 1)


@native
def _mixed(value: int) -> int:
    return _triple(value > 5) + _triple(7) + _triple(value) + _triple(_odd(value))


@native
def _through(function: int, a: int, b: int) -> int:
    return call(function, a, b, i64(0), i64(0), i64(0), i64(0))


def _difference(a: int, b: int) -> int:
    return i64(a - b)


def _plain(a: int, b: int) -> int:
    return a + b


def _constant() -> int:
    return i64(42)


def test_calls() -> None:
    assert _mixed(9) == 3 + 21 + 27 + 3
    assert _mixed(4) == 0 + 21 + 12 + 0
    assert _triple(1 << 62) == -(1 << 62)  # arithmetic wraps


@pytest.mark.skipif(not JIT, reason="about compiled code")
def test_integers_of_any_type_share_one_compilation() -> None:
    from numba import types

    for kind in (types.boolean, types.int32, types.uint8, types.int64, types.literal(7)):
        _triple.get_call_template((kind,), {})  # type: ignore[attr-defined]
    (kinds,) = _triple.overloads  # type: ignore[attr-defined]
    assert [str(kind) for kind in kinds] == ["int64"]


@pytest.mark.parametrize(("a", "b"), [(5, 3), (-(1 << 63), 1), (0, 0)])
def test_entries_are_called_by_address(a: int, b: int) -> None:
    made = entry(_difference)
    assert made.function is _difference
    assert made.address
    assert _through(made.address, a, b) == (a - b + (1 << 63)) % (1 << 64) - (1 << 63)


def test_an_entry_may_take_fewer_than_six() -> None:
    made = entry(_constant)
    assert _through(made.address, 1, 2) == 42


def test_an_entry_may_be_called_from_python() -> None:
    assert entry(_plain)(7, -9) == -2


def test_interpreted_kernels_are_the_functions_themselves() -> None:
    code = "from nfuse.memory.jit import native, inlined\ndef f(a): return a\nassert native(f) is f and inlined(f) is f"
    code += "\nimport sys\nassert 'numba' not in sys.modules, 'Numba is imported for nothing'"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "NFUSE_JIT": "0"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
