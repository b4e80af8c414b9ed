"""docs/plan.md: its commands, their output, its picture."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET

from tests.docs import console

from nfuse import load_chain
from nfuse.engine.plan import plan_of
from nfuse.engine.plan.picture import scene_of, to_svg


def test_commands(root, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(root / "examples", tmp_path / "examples")
    codes = console.check(root / "docs" / "plan.md", capsys, monkeypatch)
    assert len(codes) >= 5
    assert all(code == 0 for _, code in codes)
    ET.parse(tmp_path / "chain1.svg")


def test_the_picture_is_up_to_date(root) -> None:
    """Else: nfuse plan examples/chain1.yaml --svg docs/images/chain1.svg"""
    chain = load_chain(root / "examples" / "chain1.yaml")
    assert (root / "docs" / "images" / "chain1.svg").read_text() == to_svg(scene_of(chain, plan_of(chain)))


def test_elision() -> None:
    assert console.matches("a\n...\nd", "a\nb\nc\nd")
    assert console.matches("...\nd", "a\nd")
    assert console.matches("a\n  ...", "a\nb")
    assert not console.matches("a\nd", "a\nb\nd")
    assert not console.matches("a\n...\ne", "a\nb\nd")
