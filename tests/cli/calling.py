"""The commands called as a user calls them, in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nfuse.cli.main import main

Call = Callable[..., tuple[int, str, str]]


def nfuse(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command; return its exit code, standard output and standard error."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, captured.out, captured.err


def calling(capsys: pytest.CaptureFixture[str]) -> Call:
    """Return a function that runs ``nfuse ARGUMENTS`` and gives its exit code, standard output and standard error."""
    return lambda *arguments: nfuse(capsys, *arguments)
