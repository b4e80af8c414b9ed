"""``nfuse plan``: text, JSON, pictures, comparison; what it refuses."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from tests.cli.test_commands import CHAIN, ROOT, nfuse

OTHER = str(ROOT / "examples" / "branches.yaml")


def test_text(capsys) -> None:
    code, out, _ = nfuse(capsys, "plan", CHAIN)
    assert code == 0
    for words in (
        "mazunat (MazuNat)",
        "reads, first packet  source address, source port, destination address",
        "R1 repeated parsing and classification",
        "one rewrite, at the end",
        "flow control block: 192 bytes",
        "       104      4  monitor   packets: u32",
        "nothing of these runs for each packet: mazunat, maglev, ipfilter",
        "memory for 1,000,000 flows",
    ):
        assert words in out
    assert max(map(len, out.splitlines())) <= 100


def test_the_width_of_the_terminal(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    prose = nfuse(capsys, "plan", CHAIN)[1].partition("a session in memory")[0]
    assert max(map(len, prose.splitlines())) <= 72


def test_json(capsys) -> None:
    code, out, _ = nfuse(capsys, "plan", CHAIN, "--json", "--flows", "1000")
    document = json.loads(out)
    facts = {nf["name"]: nf for nf in document["nfs"]}
    assert code == 0
    assert facts["mazunat"]["class"] == "MazuNat"
    assert "ip_src" in facts["mazunat"]["modifies"]
    assert facts["monitor"]["payload"] == "IGNORE"
    assert facts["ipfilter"]["may_drop"] == ["rejected", "denied"]
    assert {saving["kind"] for saving in document["savings"]} == {"R1", "R2", "R3", "R4"}
    assert document["memory"]["flows"] == 1000
    assert document["memory"]["capacity"] == 1_000_000
    assert {"offset", "size", "owner", "field", "part"} == set(document["layout"][0])
    assert {pair["verdict"] for pair in document["pairs"]} == {"idle"}
    assert [part["name"] for part in document["memory"]["fixed"]][-1] == "timing wheel"


def test_memory_for_flows(capsys) -> None:
    out = nfuse(capsys, "plan", OTHER, "--flows", "2000000")[1]
    assert "memory for 2,000,000 flows" in out
    assert "The table has room" not in out
    assert "The table has room for 65,536 flows" in nfuse(capsys, "plan", OTHER, "--flows", "5")[1]


def test_source_is_python(capsys) -> None:
    code, out, _ = nfuse(capsys, "plan", CHAIN, "--source")
    assert code == 0
    compile(out, "plan", "exec")


def test_pictures_into_files(capsys, tmp_path) -> None:
    svg, mermaid, dot = (str(tmp_path / name) for name in ("a.svg", "a.mmd", "a.dot"))
    code, out, _ = nfuse(capsys, "plan", CHAIN, "--svg", svg, "--mermaid", mermaid, "--dot", dot)
    assert code == 0
    assert out.splitlines() == [
        f"{svg}: chain1 as SVG",
        f"{mermaid}: chain1 as Mermaid",
        f"{dot}: chain1 as DOT",
    ]
    ET.parse(svg)
    assert "flowchart TD" in (tmp_path / "a.mmd").read_text()
    assert (tmp_path / "a.dot").read_text().startswith("digraph")


@pytest.mark.parametrize(("option", "begin"), [("--svg", "<svg"), ("--mermaid", "---\ntitle"), ("--dot", "digraph")])
def test_pictures_on_standard_output(capsys, option, begin) -> None:
    code, out, _ = nfuse(capsys, "plan", OTHER, option)
    assert code == 0
    assert out.startswith(begin)
    assert nfuse(capsys, "plan", OTHER, option, "-")[1] == out


def test_comparison(capsys) -> None:
    code, out, _ = nfuse(capsys, "plan", CHAIN, OTHER)
    assert code == 0
    assert "  - mazunat (MazuNat)" in out
    assert "  + web (Monitor), after dosguard" in out
    assert "bytes a flow" in out
    documents = json.loads(nfuse(capsys, "plan", CHAIN, OTHER, "--json")[1])
    assert {"section": "network functions", "sign": "-", "text": "maglev (Maglev)"} in documents["differences"]
    assert "the two plans say the same" in nfuse(capsys, "plan", CHAIN, CHAIN)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([CHAIN, OTHER, "--svg", "-"], "two chains are compared as text"),
        ([CHAIN, OTHER, "--source"], "two chains are compared as text"),
        ([CHAIN, "--json", "--source"], "exclude each other"),
        ([CHAIN, "--svg", "-", "--dot", "-"], "would write the same file: -"),
        ([CHAIN, "--svg", OTHER], "the name of a chain file"),
        (["--dot", CHAIN], "CHAIN is missing"),
        ([CHAIN, "--svg", "/nowhere/at/all.svg"], "/nowhere/at/all.svg: can't be written"),
        ([CHAIN, "--flows", "0"], "--flows"),
        ([CHAIN, "missing.yaml"], "no such chain file"),
    ],
)
def test_what_is_refused(capsys, arguments, message) -> None:
    code, _, err = nfuse(capsys, "plan", *arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
