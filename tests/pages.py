"""A page of documentation as a program: its code blocks are files, code and commands, run in the order of the page.

- A block that begins with a comment of a file name (``# packet_cap.py``, ``# edge.yaml``, ``# acl.txt``) is that file.
- Other ``python`` blocks are run. ``yaml`` blocks are loaded if they have a chain.
- ``console`` blocks are commands, each after ``$``, with all that they print below. ``...`` in what is shown stands for
  anything within a line; a line of its own ``...`` for any lines.
- In ``sh`` blocks each line that begins with ``nfuse`` is run and must succeed.
- Blocks of any other kind are text.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nfuse import load_chain
from nfuse.cli.main import main

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"# ([\w-]+\.(?:py|yaml|txt))\b.*\n")
TAKES_LONG = ("nfuse demo", "nfuse bench")
COMPILING = "nfuse: compiling, the first time only ...\n"


class Page:
    """One page.

    Args:
        text: Its Markdown.
        folder: Where its files are written and its commands run.
        growing: Whether each file is written where it stands in the page, since the page changes its files; else all
            are there from the beginning.
    """

    def __init__(self, text: str, folder: Path, growing: bool = False) -> None:
        self.text = text
        self.folder = folder
        self.growing = growing

    def run(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> int:
        """Do all that the page says; return how many blocks were run or loaded."""
        monkeypatch.chdir(self.folder)
        monkeypatch.syspath_prepend(str(self.folder))
        before = set(sys.modules)
        for _, block in FENCE.findall(self.text):
            if (name := NAME.match(block)) and not self.growing:
                (self.folder / name[1]).write_text(block)
        done = 0
        try:
            for language, block in FENCE.findall(self.text):
                done += self._block(language, block, capsys)
        finally:
            for module in set(sys.modules) - before:
                if str(self.folder) in str(getattr(sys.modules[module], "__file__", "")):
                    del sys.modules[module]
        return done

    def _block(self, language: str, block: str, capsys: pytest.CaptureFixture[str]) -> int:
        name = NAME.match(block)
        if name and self.growing:
            (self.folder / name[1]).write_text(block)
        if language == "console":
            for command, expected in commands(block):
                code, printed = call(command, capsys)
                assert matches(expected, printed), f"$ {command}\nprinted (exit code {code})\n{printed}"
        elif language == "sh":
            for line in block.splitlines():
                if line.startswith("nfuse ") and not line.startswith(TAKES_LONG):
                    code, printed = call(line.split("  #")[0], capsys)
                    assert code == 0, f"$ {line}\n{printed}"
        elif language == "python" and name is None:
            exec(compile(block, "block of the page", "exec"), {"__name__": "page"})
        elif language == "yaml" and re.search(r"^chain:", block, re.MULTILINE):
            path = self.folder / (name[1] if name else "block.yaml")
            path.write_text(block)
            load_chain(path)
        else:
            return 0
        return 1


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with what it is to print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command = command[:-1] + more
        yield command, expected


def call(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run one command in this process; return its exit code and all that it printed, errors last."""
    words = shlex.split(command, comments=True)
    more = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    capsys.readouterr()
    if words[0] == "head":  # the beginning of a file
        lines = Path(words[-1]).read_text().splitlines(keepends=True)
        return 0, "".join(lines[: int(words[1].lstrip("-"))])
    if words[0] == "nfuse" and not more:
        with pytest.raises(SystemExit) as caught:
            main(words[1:])
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out + captured.err.replace(COMPILING, "")
    import subprocess

    words[0] = {"python": sys.executable}.get(words[0], words[0])
    if words[0] == "nfuse":
        words[:1] = [sys.executable, "-m", "nfuse"]
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, **more, "PYTHONPATH": str(root / "src")}
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=300)
    return done.returncode, done.stdout + done.stderr.replace(COMPILING, "")


def matches(expected: str, printed: str) -> bool:
    """Whether what was printed is what is shown."""
    pattern = ""
    for line in expected.rstrip("\n").splitlines():
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.split("...")) + r"\n"
    return re.fullmatch(pattern, printed.rstrip("\n") + "\n" if printed.strip() else "") is not None
