"""Shell completion, as click evaluates it and as bash runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from tests.cli.calling import calling
from tests.packages import install_example

from nfuse.cli.main import group
from nfuse.nf.library import LIBRARY

ROOT = Path(__file__).resolve().parents[2]


def completions(*words: str) -> list[tuple[str, str]]:
    """Return what completes the last word: (kind, value)."""
    *before, last = words
    found = BashComplete(group, {}, "nfuse", "_NFUSE_COMPLETE").get_completions(before, last)
    return [(item.type, item.value) for item in found]


def values(*words: str) -> list[str]:
    return [value for kind, value in completions(*words) if kind == "plain"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("edge.yaml", "edge.py", "core.yml", "notes.txt", ".hidden.yaml"):
        (tmp_path / name).write_text("")
    (tmp_path / "chains").mkdir()
    (tmp_path / "chains" / "deep.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands() -> None:
    assert {"run", "verify", "plan", "nf", "doctor"} <= set(values(""))
    assert values("ver") == ["verify"]
    assert values("nf", "") == ["list", "new", "show"]


def test_options_and_their_choices() -> None:
    assert "--engine" in values("run", "edge.yaml", "--")
    assert values("run", "edge.yaml", "--engine", "") == ["fused", "reference", "original"]
    assert values("completion", "") == ["bash", "zsh", "fish"]


def test_chain_files(folder) -> None:
    assert values("run", "") == ["core.yml", "edge.py", "edge.yaml"]
    assert values("verify", "ed") == ["edge.py", "edge.yaml"]
    assert values("plan", "chains/") == ["chains/deep.yaml"]
    assert values("plan", ".h") == [".hidden.yaml"]
    assert values("plan", "no/such/") == []
    assert completions("run", "ch") == [("dir", "ch")]


@pytest.mark.parametrize("option", ["-i", "-o", "--reverse-in", "--reverse-out", "--alerts", "--flows"])
def test_files(option) -> None:
    assert completions("run", "edge.yaml", option, "some") == [("file", "some")]
    assert completions("verify", "edge.yaml", "-i", "some") == [("file", "some")]


def test_names_of_nfs(monkeypatch, tmp_path) -> None:
    assert values("nf", "show", "") == sorted(LIBRARY)
    assert "Monitor" in values("nf", "show", "mon")
    assert completions("nf", "show", "my_") == [("file", "my_")]
    install_example(monkeypatch, tmp_path, source=False)
    assert "Gtsm" in values("nf", "show", "G")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(capsys, shell) -> None:
    code, out, _ = calling(capsys)("completion", shell)
    assert code == 0
    assert f"_NFUSE_COMPLETE={shell}_complete" in out


def test_the_shell_of_the_user(capsys, monkeypatch) -> None:
    nfuse = calling(capsys)
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert "fish_complete" in nfuse("completion")[1]
    monkeypatch.setenv("SHELL", "/bin/sh")
    code, _, err = nfuse("completion")
    assert code == 2
    assert "bash, zsh, fish (SHELL is sh)" in err


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(folder) -> None:
    """The script as a user's bash runs it, with an nfuse on the path."""
    (folder / "nfuse").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nfuse "$@"\n')
    (folder / "nfuse").chmod(0o755)
    script = """
    source <(nfuse completion bash)
    try() { COMP_WORDS=(nfuse "$@"); COMP_CWORD=$#; COMPREPLY=(); _nfuse_completion nfuse 2>/dev/null; }
    try ver; echo "${COMPREPLY[@]}"
    try run e; echo "${COMPREPLY[@]}"
    try nf show Mon; echo "${COMPREPLY[@]}"
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["verify", "edge.py edge.yaml", "Monitor"], done.stderr
