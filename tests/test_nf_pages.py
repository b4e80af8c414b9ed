"""What the pages of docs/nfs say is true: their chains load, their commands run and print what stands there."""

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
PAGES = sorted((ROOT / "docs" / "nfs").glob("*.md"))
FILES = {"acl.txt": "drop tcp any -> any 22\n"}
"""Files that chains on the pages name."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def chain_text(block: str) -> str:
    return block if re.search(r"^chain:", block, re.MULTILINE) else f"chain:\n{block}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_chains_load(page: Path, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    for block in blocks(page, "yaml"):
        from_yaml(chain_text(block), folder=tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "sh")], ids=lambda page: page.stem)
def test_commands_print_what_stands_there(page: Path, tmp_path: Path) -> None:
    """Interpreted: the output is the same, and nothing is compiled for a few packets."""
    for block in blocks(page, "yaml"):
        if name := re.match(r"# (\S+\.yaml)\n", block):
            (tmp_path / name[1]).write_text(block)
    commands = blocks(page, "sh")
    outputs = blocks(page, "text") or [""] * len(commands)
    assert len(commands) == len(outputs)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NFUSE_JIT": "0"}
    for command, output in zip(commands, outputs, strict=True):
        arguments = [sys.executable, "-m", "nfuse", *shlex.split(command, comments=True)[1:]]
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert output in done.stdout
    written = "".join(path.read_text() for path in tmp_path.glob("*.json"))
    for block in blocks(page, "json"):
        assert block.strip() in written


def test_there_is_something_to_test() -> None:
    assert sum(len(blocks(page, "yaml")) for page in PAGES) > 15
    assert sum(len(blocks(page, "sh")) for page in PAGES) >= 6
