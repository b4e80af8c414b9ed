"""The same input gives the same bytes, counters, states and alerts: twice, and in two processes, in every engine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz.case import FOUND, Case

from nfuse.engine.driver import ENGINES, run
from nfuse.memory.jit import JIT
from nfuse.port.memory import ListInput

ROOT = Path(__file__).resolve().parents[2]
CASE = FOUND / "the-whole-library.yaml"


def digests(engine: str) -> list[str]:
    """Return what came of the case in one engine: a line each for packets, counters, states, sessions and alerts."""
    case = Case.read(CASE)
    result = run(case.chain, ListInput(case.packets, most=case.burst), None, engine, case.control, keep=True)
    assert result.conserved
    parts = {
        "packets": result.sent,
        "counters": sorted(result.counters.items()),
        "drops": sorted(result.drops.items()),
        "states": result.states,
        "sessions": result.flows.tobytes(),
        "blocks": [(key, block.tobytes()) for key, block in result.blocks.items()],
        "alerts": result.logs.tobytes(),
    }
    return [f"{name} {hashlib.sha256(repr(part).encode()).hexdigest()}" for name, part in parts.items()]


@pytest.mark.skipif(JIT, reason="a chain of the whole library takes minutes to compile in each engine")
@pytest.mark.parametrize("engine", ENGINES)
def test_twice_and_in_another_process(engine: str) -> None:
    here = digests(engine)
    assert digests(engine) == here
    program = f"from tests.engine.test_determinism import digests; print(*digests({engine!r}), sep=chr(10))"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PYTHONHASHSEED": "4711"}
    other = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert other.returncode == 0, other.stderr
    assert other.stdout.split("\n")[:-1] == here


def test_the_case_has_something_of_everything() -> None:
    """Else there would be little to compare."""
    case = Case.read(CASE)
    result = run(case.chain, ListInput(case.packets, most=case.burst), None, "reference", case.control, keep=True)
    assert len(result.sent or ()) > 50
    assert len(result.drops) > 10
    assert len(result.flows) > 3
    assert len(result.logs) > 1
    assert result.counters["made"] > 0
    assert result.counters["evicted"] + result.counters["expired"] > 10
