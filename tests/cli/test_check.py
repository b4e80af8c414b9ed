"""``nfuse check``: what it prints, and its exit codes."""

from __future__ import annotations

import json

import pytest
from tests.cli.test_commands import CHAIN, GEN, nfuse

SHADOWED = "chain:\n  - IPFilter:\n      rules:\n        - drop tcp any -> any\n        - allow tcp any -> any 80\n"


@pytest.fixture
def warned(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "warned.yaml").write_text(SHADOWED)
    return "warned.yaml"


def test_nothing_found(capsys) -> None:
    code, out, _ = nfuse(capsys, "check", CHAIN, "-i", GEN, "-o", "null:")
    assert code == 0
    assert out == f"{CHAIN}: nothing found (mazunat >> maglev >> monitor >> ipfilter)\n"


def test_a_finding_is_shown_at_its_line(capsys, warned) -> None:
    code, out, _ = nfuse(capsys, "check", warned)
    assert code == 0
    assert out == (
        "warned.yaml:5:11: warning: this rule never decides: `allow tcp any -> any 80` [shadowed-rule]\n"
        "            - allow tcp any -> any 80\n"
        "              ^\n"
        "  why: rule 1 (`drop tcp any -> any`) matches all of it first\n"
        "  do: move it ahead of that, or remove it\n"
        "\n"
        "warned.yaml: 1 warning\n"
    )


def test_strict_fails_on_warnings(capsys, warned) -> None:
    assert nfuse(capsys, "check", warned, "--strict")[0] == 1
    assert nfuse(capsys, "check", CHAIN, "--strict")[0] == 0


def test_errors_fail(capsys, tmp_path) -> None:
    (tmp_path / "bad.yaml").write_text("- Monitr\n- DosGuard: {treshold: 3}\n")
    code, out, _ = nfuse(capsys, "check", str(tmp_path / "bad.yaml"), "-o", "nul:")
    assert code == 1
    assert "you mean 'Monitor'?" in out
    assert "error: the output nul: can't be used [output]" in out
    assert out.endswith("bad.yaml: 3 errors\n")


def test_json(capsys, warned) -> None:
    code, out, _ = nfuse(capsys, "check", warned, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["errors"], document["warnings"], document["chain"]) == (0, 1, "ipfilter")
    finding = document["findings"][0]
    assert (finding["file"], finding["line"], finding["column"]) == ("warned.yaml", 5, 11)
    assert finding["kind"] == "shadowed-rule"
    assert nfuse(capsys, "check", warned, "--json", "--strict")[0] == 1


def test_a_missing_file_is_a_mistake_of_the_call(capsys) -> None:
    code, _, err = nfuse(capsys, "check", "missing.yaml")
    assert code == 2
    assert "no such chain file" in err


def test_two_sides(capsys, tmp_path) -> None:
    (tmp_path / "two.yaml").write_text("chain: [Monitor]\nsettings: {inputs: [lan]}\n")
    code, out, _ = nfuse(capsys, "check", str(tmp_path / "two.yaml"), "--reverse-in", GEN)
    assert code == 1
    assert "names one input" in out
