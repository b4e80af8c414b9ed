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
from nfuse.chain.locate import library

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith(("nfuse ", "python "))]


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
        if command.startswith(("nfuse bench", "nfuse demo", "nfuse doctor")):
            continue  # long, or not the same on all machines; tested in tests/cli
        program, *words = shlex.split(command)
        arguments = [sys.executable, *(["-m", "nfuse"] if program == "nfuse" else []), *words]
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_library_is_whole() -> None:
    """The README's table and that of docs/nfs have each network function once."""
    rows = re.findall(r"^\| (`.*?) \|", section("The library"), re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(library())
    rows = re.findall(r"^\| \[(.*?)\]\(", (ROOT / "docs" / "nfs" / "README.md").read_text(), re.MULTILINE)
    assert sorted(name for row in rows for name in row.split(", ")) == sorted(library())


def test_every_page_is_linked() -> None:
    links = set(re.findall(r"\]\((docs/[^)#]*)\)", section("Documentation")))
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert page.relative_to(ROOT).as_posix() in links, f"link {page.name} in the README's section Documentation"
    assert {"docs/nfs/README.md", "docs/decisions"} <= links


@pytest.mark.parametrize("name", ["nf list", "nf show", "nf new", "doctor", "check", "plan", "trace", "flows"])
def test_the_tools_are_named(name: str) -> None:
    assert f"nfuse {name}" in section("The library") + section("Tools")


@pytest.mark.parametrize("number", range(len(blocks("yaml"))))
def test_chain_files_load(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in blocks("python"):
        if name := re.search(r"^# (\w+\.py)", code):
            (tmp_path / name[1]).write_text(code)
    from_yaml(blocks("yaml")[number], folder=tmp_path)
