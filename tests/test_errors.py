"""Errors about the user's input, as a notebook shows them: the user's lines and the message, no stack of nfuse's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.nf.both import nf_class

from nfuse import Chain, ChainError, CompileError, ParameterError, run
from nfuse.errors import UserError, shown
from nfuse.port.errors import PortError

WRONG = "class Tested(NF):\n    limit: u8 = 1\n    def on_packet(self, pkt, flow):\n        flow.x = 1\n"


def start() -> None:
    run(Chain(nf_class(WRONG)()), "null:", engine="reference")


@pytest.mark.parametrize(
    ("act", "kind", "last"),
    [
        (start, CompileError, "  hint: declare it in `class Session`: `x: u32`"),
        (
            lambda: nf_class(WRONG)(limit=300),
            ParameterError,
            "ParameterError: Tested.limit: 300 is not valid; expected",
        ),
        (lambda: Chain(3), ChainError, "  expected: a network function or branch(...)"),
        (lambda: run(Chain(nf_class(WRONG)()), "gne:"), PortError, "UriError: no input port has the scheme 'gne:'"),
    ],
)
def test_as_a_notebook_shows_it(act, kind, last) -> None:
    with pytest.raises(UserError) as caught:
        act()
    assert isinstance(caught.value, kind)
    lines = caught.value._render_traceback_()
    assert lines[-1].startswith(last)
    files = [line for line in lines if line.startswith('  File "')]
    assert files
    assert all(str(Path(__file__)) in line or "both.py" in line for line in files)
    assert any("act()" in line for line in lines)


def test_files_as_seen_from_here(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(str(tmp_path / "a" / "b.py")) == os.path.join("a", "b.py")
    assert shown("/elsewhere/b.py") == "/elsewhere/b.py"
    assert shown("<cell 3>") == "<cell 3>"
