"""What the README says is true: its commands run, its code runs, its chain loads."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nfuse import from_yaml

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("nfuse ")]


def test_there_is_something_to_test() -> None:
    assert COMMANDS
    assert blocks("python")
    assert blocks("yaml")


def test_commands(tmp_path: Path) -> None:
    """The commands run one after the other in a folder that has the README's files."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for number, code in enumerate(blocks("python")):
        name = re.search(r"^# (\w+\.py)", code)
        (tmp_path / (name[1] if name else f"block{number}.py")).write_text(code)
    for number, code in enumerate(blocks("yaml")):
        name = re.search(r"^# (\w+\.yaml)", code)
        (tmp_path / (name[1] if name else f"block{number}.yaml")).write_text(code)
    for line in COMMANDS:
        command = line.split("  #")[0]
        if command.startswith(("nfuse bench", "nfuse demo")):
            continue  # long; tested with fewer packets in tests/cli
        arguments = [sys.executable, "-m", "nfuse", *shlex.split(command)[1:]]
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("number", range(len(blocks("yaml"))))
def test_chain_files_load(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in blocks("python"):
        if name := re.search(r"^# (\w+\.py)", code):
            (tmp_path / name[1]).write_text(code)
    from_yaml(blocks("yaml")[number], folder=tmp_path)
