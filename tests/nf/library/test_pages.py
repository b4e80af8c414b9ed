"""The commands on the pages of NFs run, with the chain files that stand there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(page for page in (ROOT / "docs" / "nfs").glob("*.md") if "\n```sh\n" in page.read_text())


def test_there_is_something_to_test() -> None:
    assert {"overload-nat.md", "tcp-mss-clamp.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    for name, code in re.findall(r"```(?:yaml|python)\n# (\w+\.\w+)\n(.*?)```", text, flags=re.DOTALL):
        (tmp_path / name).write_text(code)
    commands = [line for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL) for line in block.splitlines()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NFUSE_JIT": "0"}  # starts at once
    for line in commands:
        command = shlex.split(line, comments=True)
        assert command[0] == "nfuse"
        arguments = [sys.executable, "-m", "nfuse", *command[1:]]
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
