"""Each example runs; each chain file loads, runs and verifies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nfuse import from_yaml, load_chain, to_yaml, verify

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
CHAINS = sorted([*(ROOT / "examples").glob("*.yaml"), *SCRIPTS])
TRAFFIC = "gen:?flows=60&packets=1500&seed=2&proto=mixed&reply=yes&inside=10.0.0.0/16&outside=203.0.113.80/30"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_runs(script: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("file", CHAINS, ids=lambda path: path.name)
def test_chain_verifies(file: Path) -> None:
    result = verify(load_chain(file), TRAFFIC)
    assert result.identical, str(result)
    assert result.packets == 1500


@pytest.mark.parametrize("file", CHAINS, ids=lambda path: path.name)
def test_chain_goes_to_yaml_and_back(file: Path) -> None:
    chain = load_chain(file)
    assert from_yaml(to_yaml(chain), folder=file.parent) == chain
