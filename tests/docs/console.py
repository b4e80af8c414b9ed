"""Pages that show commands with their output: the commands run, and their output is what the page says.

A block of the language ``console`` has commands after ``$ `` and below each what it prints; a line ``...`` stands for
any lines. Other blocks whose first line is ``# name.ending`` are files that the commands find in their folder.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from nfuse.cli.main import main


@dataclass(frozen=True)
class Shown:
    """A command on a page, and the output shown below it."""

    command: str
    output: str


def shown(text: str) -> list[Shown]:
    """All commands of a page, in order."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Shown(command, output.rstrip("\n")))
    return found


def files(text: str) -> dict[str, str]:
    """The files that a page shows, by name."""
    blocks = re.findall(r"^```\w+\n(# ([\w.-]+\.\w+)\n.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return {name: body for body, name in blocks}


def run(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run ``nfuse ...`` in this process; return its exit code and what it printed."""
    program, *arguments = shlex.split(command)
    assert program == "nfuse", command
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    captured = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, (captured.out + captured.err).rstrip("\n")


def matches(expected: str, output: str) -> bool:
    """Whether an output is what a page shows."""
    parts = re.split(r"^ *\.\.\.\n?", expected + "\n", flags=re.MULTILINE)
    pattern = r"(?:.*\n)*?".join(re.escape(part) for part in parts)
    return re.fullmatch(pattern, output + "\n") is not None


def check(page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Run all commands of a page in the working directory; return them with their exit codes."""
    monkeypatch.setenv("COLUMNS", "100")
    text = page.read_text()
    for name, body in files(text).items():
        Path(name).write_text(body)
    codes = []
    for one in shown(text):
        code, output = run(one.command, capsys)
        assert matches(one.output, output), f"{one.command}\n--- the page says\n{one.output}\n--- printed\n{output}"
        codes.append((one.command, code))
    return codes
