"""Pictures: what they show, and that they are what they claim to be."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from tests.engine.plan import chains
from tests.engine.plan.chains import ALL

from nfuse import Chain
from nfuse.engine.plan import plan_of
from nfuse.engine.plan.picture import scene_of, to_dot, to_mermaid, to_svg
from nfuse.engine.plan.picture.metrics import width, wrapped
from nfuse.engine.plan.picture.scene import Bar, Card, Fork, Scene
from nfuse.nf.library import Monitor

SVG = "{http://www.w3.org/2000/svg}"


def scene(name: str) -> Scene:
    chain = ALL[name]()
    return scene_of(chain, plan_of(chain))


def test_the_scene_is_in_the_order_of_the_chain() -> None:
    items = scene("chain1").items
    assert [type(item) for item in items] == [Bar, Card, Card, Card, Card, Bar]
    assert [item.name for item in items if isinstance(item, Card)] == ["mazunat", "maglev", "monitor", "ipfilter"]
    up, down = items[0], items[-1]
    assert isinstance(up, Bar)
    assert isinstance(down, Bar)
    assert (up.down, up.replies, down.down) == (False, True, True)
    assert "put back" in up.text


def test_points_stand_before_the_nf_that_needs_them() -> None:
    items = scene("split").items
    place = next(n for n, item in enumerate(items) if isinstance(item, Card) and item.name == "seesdestination")
    before, after = items[place - 1], items[place + 1]
    assert isinstance(before, Bar)
    assert before.down
    assert isinstance(after, Bar)
    assert not after.down


def test_forks_have_all_ways() -> None:
    fork = scene("branches").items[0]
    assert isinstance(fork, Fork)
    assert [way.condition for way in fork.ways] == [
        "tcp and dst port 80", "udp and (src port 53 or dst port 53)", "udp", "otherwise",
    ]  # fmt: skip
    assert [len(way.items) for way in fork.ways] == [2, 0, 1, 0]


def test_ports() -> None:
    assert (scene("chain1").top, scene("chain1").bottom) == ("in", "out")
    assert (scene("nested").top, scene("nested").bottom, scene("nested").both) == ("inside", "outside", True)


@pytest.mark.parametrize("name", ALL)
def test_svg_is_whole_and_nothing_runs_out_of_it(name: str) -> None:
    shown = scene(name)
    root = ET.fromstring(to_svg(shown))
    wide, high = float(root.attrib["width"]), float(root.attrib["height"])
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    for nf in plan_of(ALL[name]()).nfs:
        assert nf.name in texts
    for rect in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= wide
        assert 0 <= y <= y + h <= high
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.attrib["x"]) < wide
        assert 0 < float(text.attrib["y"]) < high
    assert "prefers-color-scheme: dark" in (root.find(f"{SVG}style").text or "")  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ALL)
def test_cards_do_not_overlap(name: str) -> None:
    root = ET.fromstring(to_svg(scene(name)))
    boxes = [
        tuple(float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        for rect in root.iter(f"{SVG}rect")
        if rect.attrib["class"] in ("card", "down", "up", "port", "chip")
    ]
    for number, (x, y, w, h) in enumerate(boxes):
        for a, b, c, d in boxes[:number]:
            assert x + w <= a or a + c <= x or y + h <= b or b + d <= y


def odd() -> Scene:
    chain = Chain(Monitor().named("a<&\"'|>b"), name='x & "y" <z>')
    return scene_of(chain, plan_of(chain))


def test_names_with_special_characters() -> None:
    root = ET.fromstring(to_svg(odd()))
    assert 'x & "y" <z>' in [text.text for text in root.iter(f"{SVG}text")]
    assert '"a<' not in to_mermaid(odd())
    assert 'title: "x & \\"y\\" <z>' in to_mermaid(odd())


@pytest.mark.parametrize("name", ALL)
def test_mermaid(name: str) -> None:
    text = to_mermaid(scene(name))
    assert text.splitlines()[3] == "flowchart TD"
    nodes = set(re.findall(r"^    (n\d+)[\[\({]", text, re.MULTILINE))
    edges = re.findall(r"^    (n\d+) <?-->(?:\|\".*?\"\|)? (n\d+)$", text, re.MULTILINE)
    assert len(edges) == len(re.findall("-->", text))
    ends = {end for edge in edges for end in edge}
    assert ends == nodes
    assert all(text.count(f"<b>{nf.name}</b>") == 1 for nf in plan_of(ALL[name]()).nfs)


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
@pytest.mark.parametrize("name", [*ALL, "odd"])
def test_graphviz_reads_the_dot(name: str) -> None:
    text = to_dot(odd() if name == "odd" else scene(name))
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    ET.fromstring(done.stdout)


@pytest.mark.parametrize("name", ALL)
def test_dot_names_every_nf_and_balances(name: str) -> None:
    text = to_dot(scene(name))
    assert text.startswith("digraph chain {")
    assert text.count("{") == text.count("}")
    for nf in plan_of(ALL[name]()).nfs:
        assert f"<b>{nf.name}</b>" in text


def test_texts_are_broken_where_they_must_be() -> None:
    text = "source address, source port, destination address and destination port"
    lines = wrapped(text, 12, 150)
    assert " ".join(lines) == text
    assert all(width(line, 12) <= 150 for line in lines)
    assert "".join(wrapped("x" * 80, 12, 100)) == "x" * 80
    assert wrapped("", 12, 100) == [""]


def test_the_scene_of_a_bar_without_replies() -> None:
    """In a chain between two networks the reverse direction is rewritten, not put back."""
    bars = [item for item in scene("nested").items if isinstance(item, Bar)]
    assert [bar.replies for bar in bars if not bar.down] == [False]
    assert chains.nested().two_sided
