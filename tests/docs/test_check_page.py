"""docs/check.md: its commands and their output; it names every kind of finding."""

from __future__ import annotations

import re
import shutil

from tests.docs import console


def test_commands(root, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(root / "examples", tmp_path / "examples")
    codes = console.check(root / "docs" / "check.md", capsys, monkeypatch)
    assert [code for _, code in codes] == [0, 1, 0, 0]


def test_every_kind_of_finding_is_explained(root) -> None:
    """The kinds are those that the sources name."""
    text = (root / "docs" / "check.md").read_text()
    kinds = set()
    sources = [*(root / "src/nfuse/engine/check").glob("*.py"), *(root / "src/nfuse/nf/library").glob("*.py")]
    for source in sources:
        body = source.read_text()
        kinds |= set(
            re.findall(r'(?:facts\.(?:warning|error)|Finding)\(\s*(?:"(?:error|warning)",\s*)?"([a-z-]+)"', body)
        )
        kinds |= set(re.findall(r'_finding\("(input|output)"', body))
    assert {"shadowed-rule", "unseen-nf", "chain-file", "compile", "input", "pool-too-small"} <= kinds
    for kind in kinds - {"error", "warning"}:
        assert f"`{kind}`" in text, f"docs/check.md says nothing of {kind}"
