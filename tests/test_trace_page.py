"""docs/trace.md: its commands run one after the other, and print what the page says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "trace.md"


def without_lines(text: str) -> str:
    """Line numbers in nfuse's own sources move with every change there."""
    return re.sub(r"(nfuse/nf/library/\w+\.py):\d+", r"\1:LINE", text)


def test_the_page_prints_what_it_says(tmp_path: Path) -> None:
    text = PAGE.read_text()
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for name, code in re.findall(r"```(?:yaml|python)\n# (\S+)\n(.*?)```", text, flags=re.DOTALL):
        (tmp_path / name).write_text(code)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    compared = 0
    for kind, block in re.findall(r"```(sh|console)\n(.*?)```", text, flags=re.DOTALL):
        command, _, expected = block.removeprefix("$ ").partition("\n")
        arguments = [sys.executable, "-m", "nfuse", *shlex.split(command)[1:]]
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        if kind == "console":
            notes = [line for line in done.stderr.splitlines() if not line.startswith("nfuse: compiling")]
            printed = "\n".join([done.stdout.rstrip("\n"), *notes]).strip("\n") + "\n"
            assert without_lines(printed) == without_lines(expected), command
            compared += 1
    assert compared == 6
