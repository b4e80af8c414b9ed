"""``nfuse nf new``: what it writes works as it stands, and names that can't be used are refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.calling import Call, calling

from nfuse.cli.scaffold import module_name

ROOT = Path(__file__).resolve().parents[2]
RUFF = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
NAME = "FlowCap"  # as in docs/commands.md, so that it is compiled once


@pytest.fixture
def nfuse(capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    yield calling(capsys)
    sys.modules.pop(module_name(NAME), None)  # what `nfuse nf show` has loaded


def test_what_it_writes_passes_its_own_test(nfuse, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = nfuse("nf", "new", NAME)
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flow_cap.py", "test_flow_cap.py"]
    assert "python -m pytest test_flow_cap.py" in out
    assert "@" not in (tmp_path / "flow_cap.py").read_text()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_flow_cap.py"]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    assert nfuse("nf", "show", "flow_cap.py")[0] == 0


def test_its_test_fails_once_the_function_does_something_else(nfuse, tmp_path) -> None:
    assert nfuse("nf", "new", NAME, "--dir", tmp_path)[0] == 0
    file = tmp_path / "flow_cap.py"
    file.write_text(file.read_text().replace("flow.packets > self.limit", "flow.packets > self.limit + 1"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NFUSE_JIT": "0"}
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_flow_cap.py")]
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "1 failed, 2 passed" in done.stdout


@pytest.mark.skipif(RUFF is None, reason="there is no ruff")
def test_it_is_formatted(nfuse, tmp_path) -> None:
    assert nfuse("nf", "new", NAME, "--dir", tmp_path)[0] == 0
    for command in (["check", "--select", "E,F,W,I"], ["format", "--check"]):
        subprocess.run([str(RUFF), *command, "--isolated", "--line-length", "120", str(tmp_path)], check=True)


def test_json_and_a_folder_that_is_made(nfuse, tmp_path) -> None:
    code, out, _ = nfuse("nf", "new", "IPGuard", "--dir", tmp_path / "a" / "b", "--json")
    written = json.loads(out)
    assert code == 0
    assert written["file"] == str(tmp_path / "a" / "b" / "ip_guard.py")
    assert Path(written["file"]).exists()
    assert Path(written["test"]).exists()
    assert any(line.startswith("nfuse run") for line in written["next"])


@pytest.mark.parametrize("there", ["flow_cap.py", "test_flow_cap.py"])
def test_nothing_is_overwritten(nfuse, tmp_path, there) -> None:
    (tmp_path / there).write_text("mine")
    code, _, err = nfuse("nf", "new", NAME, "--dir", tmp_path)
    assert code == 2
    assert f"{there} is there already" in err
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flow_cap", "did you mean 'FlowCap'?"),
        ("flowCap", "did you mean 'FlowCap'?"),
        ("3Flow-cap", "did you mean 'FlowCap'?"),
        ("Flów", "no name of a class"),
        ("", "no name of a class"),
        ("Class", "'class' is a keyword of Python"),
        ("None", "keyword"),
        ("Monitor", "the library has it (nfuse nf show Monitor)"),
        ("Chain", "nfuse.Chain is part of nfuse"),
        ("Random", "would hide the module random of Python"),
        ("Numpy", "would hide the installed module numpy"),
        ("TestCap", "for a test"),
    ],
)
def test_names_that_can_not_be_used(nfuse, tmp_path, name, message) -> None:
    code, _, err = nfuse("nf", "new", name, "--dir", tmp_path / "new")
    assert code == 2
    assert message in " ".join(err.split())
    assert not (tmp_path / "new").exists()


def test_a_folder_that_can_not_be_written(nfuse, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = nfuse("nf", "new", NAME, "--dir", tmp_path / "file")
    assert code == 2
    assert f"{tmp_path / 'file'}" in err
    assert "can't be written" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "module"), [("FlowCap", "flow_cap"), ("IPFilter", "ip_filter"), ("NAT", "nat"), ("Cap2Go", "cap2_go")]
)
def test_module_names(name: str, module: str) -> None:
    assert module_name(name) == module
