"""What the pages of docs/ say is true: commands run and print what is shown, code runs, tables match the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.pages import Page

from nfuse.engine.fused.context import CHAIN_REASONS
from nfuse.flow.fragments import NO_FIRST, TOO_MANY, FragmentStage
from nfuse.packet.fields import MODIFY_FIELDS, modify_field, reference
from nfuse.packet.reasons import MALFORMED

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = ["chain-file.md", "mistakes.md", "nfs/README.md", "ports.md", "writing-an-nf.md"]


@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All code blocks and commands of the page, in their order, in a folder with its files."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    page = Page((DOCS / name).read_text(), tmp_path)
    assert page.run(monkeypatch, capsys) > 0


def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As a reader does it: each file is written, and changed, where the page says so."""
    page = Page((DOCS / "tutorial.md").read_text(), tmp_path, growing=True)
    assert page.run(monkeypatch, capsys) >= 7


@pytest.mark.parametrize(
    "name", [path.relative_to(ROOT).as_posix() for path in [*DOCS.rglob("*.md"), ROOT / "README.md"]]
)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", (ROOT / name).read_text()):
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name}: {target}"
        if anchor:
            titles = re.findall(r"^#+ (.*)", file.read_text(), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert anchor in anchors, f"{name}: {target}"


def test_all_reasons_of_the_chain_are_listed() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|", (DOCS / "drops.md").read_text(), re.MULTILINE)
    malformed = [f"malformed: {reason}" for reason in MALFORMED if reason]
    assert sorted(listed) == sorted([*CHAIN_REASONS, NO_FIRST, TOO_MANY, *malformed])


def test_the_limits_of_fragments_are_told() -> None:
    stage = FragmentStage()
    text = (DOCS / "drops.md").read_text()
    assert f"{stage._total_held:,} ({stage._limit_held} of its datagram)" in text
    assert f"within {stage._timeout // 10**9} s" in text


def test_the_table_of_fields_is_that_of_the_code() -> None:
    assert reference() in (DOCS / "fields.md").read_text()


def test_the_table_of_what_modify_takes_is_whole() -> None:
    text = (DOCS / "fields.md").read_text().split("## What `flow.modify` takes")[1]
    rows = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)`", text, re.MULTILINE))
    assert list(rows) == list(MODIFY_FIELDS)
    for name, field in rows.items():
        assert field.split(".")[-1] == modify_field(name).name
