"""What the pages on tests and notebooks say is true: their sessions, files and commands run as they stand."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nfuse.testing import packet, packets
from nfuse.testing.notation.words import reference

ROOT = Path(__file__).resolve().parent.parent
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("testing", "notebook")}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_sessions(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed gives what is printed, from the top of the page to its end."""
    pytest.importorskip("scapy")
    pytest.importorskip("dpkt")
    monkeypatch.chdir(tmp_path)
    text = "".join(blocks(page, "pycon"))
    session = doctest.DocTestParser().get_doctest(text, {}, page, str(ROOT / "docs" / f"{page}.md"), 0)
    report: list[str] = []
    doctest.DocTestRunner(verbose=False).run(session, out=report.append)
    assert session.examples
    assert not report, "".join(report)


def test_commands(tmp_path: Path) -> None:
    """The page's files are written into a folder, and its commands run there."""
    for code in blocks("testing", "python"):
        name = re.match(r"# (\w+\.py)\n", code)
        assert name is not None, code
        (tmp_path / name[1]).write_text(code)
    commands = [line for block in blocks("testing", "sh") for line in block.splitlines()]
    assert len(commands) == 2
    for command in commands:
        words = shlex.split(command)
        settings = dict(word.split("=") for word in words if "=" in word)
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **settings}
        arguments = [sys.executable, "-m", *(word for word in words if "=" not in word)]
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert " passed" in done.stdout


def test_packets_as_text() -> None:
    """Each line of the language's examples is a packet, and its text is the same packet."""
    (examples,) = blocks("testing", "text")
    found = packets(examples)
    assert len(found) == len(examples.splitlines())
    for one in found:
        assert packet(one.text).bytes == one.bytes


def test_words() -> None:
    assert reference() in PAGES["testing"], "docs/testing.md: the table of words is that of words.reference()"
