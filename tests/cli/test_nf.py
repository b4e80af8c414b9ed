"""``nfuse nf list`` and ``nfuse nf show``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.cli.calling import Call, calling
from tests.packages import install, install_example

from nfuse import from_yaml
from nfuse.nf.library import LIBRARY

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "examples" / "first_nf.py"


@pytest.fixture
def nfuse(capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(capsys)


def test_list(nfuse) -> None:
    code, out, _ = nfuse("nf", "list")
    assert code == 0
    assert out.startswith("the library\n")
    for name in LIBRARY:
        assert re.search(rf"^  {name} +[A-Z]\w+", out, re.MULTILINE)
    assert "\x1b" not in out


def test_list_as_json(nfuse) -> None:
    code, out, _ = nfuse("nf", "list", "--json")
    entries = {entry["name"]: entry for entry in json.loads(out)}
    assert code == 0
    assert set(LIBRARY) <= set(entries)
    assert entries["Monitor"]["origin"] == "nfuse"
    assert entries["Monitor"]["summary"].startswith("Count packets")


def test_list_knows_packages_and_what_is_wrong_with_them(nfuse, monkeypatch, tmp_path) -> None:
    install_example(monkeypatch, tmp_path / "good")
    install(monkeypatch, tmp_path / "bad", "shady", {"Monitor": "shady_nfs:Monitor", "Broken": "no_such_module:Broken"})
    (tmp_path / "bad" / "shady_nfs.py").write_text('from nfuse import NF\n\n\nclass Monitor(NF):\n    """Mine."""\n')
    code, out, _ = nfuse("nf", "list")
    out = " ".join(out.split())
    assert code == 0
    assert "nfuse-example-nf 0.1.0 (an installed package) Gtsm Drop packets to a service" in out
    assert "Monitor Mine. (the library has this name: use shady_nfs:Monitor)" in out
    assert "Broken can't be used: 'Broken' of the installed package shady 1.2 can't be used" in out
    entries = json.loads(nfuse("nf", "list", "--json")[1])
    assert {entry["name"] for entry in entries if entry["problem"]} == {"Monitor", "Broken"}
    assert nfuse("nf", "show", "Monitor")[1].startswith("Monitor (src/nfuse" if Path.cwd() == ROOT else "Monitor (")
    assert nfuse("nf", "show", "shady_nfs:Monitor")[1].split("\n")[1] == "  Mine."
    assert "- Gtsm:" in nfuse("nf", "show", "Gtsm")[1]
    assert "  from nfuse_example_nf import Gtsm\n" in nfuse("nf", "show", "Gtsm")[1]


def test_show(nfuse) -> None:
    code, out, _ = nfuse("nf", "show", "DosGuard")
    assert code == 0
    for line in (
        "  threshold         u32  100   SYNs that a flow may send in its life",
        "  reads     tcp.ack, tcp.syn",
        "  SYN flood, SYN flood from source",
        "kept for each ip.src, in flow.source (16 bytes)",
        "    - DosGuard:",
        "  chain = Chain(DosGuard(threshold=100, source_threshold=1000, window=10))",
    ):
        assert f"\n{line}\n" in f"\n{out}\n"


def test_show_as_json(nfuse) -> None:
    code, out, _ = nfuse("nf", "show", "Maglev", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["reference"] == "Maglev"
    assert facts["modifies"] == ["dport", "ip_dst"]
    assert facts["parameters"][0]["required"] is True
    assert facts["example"]["yaml"].startswith("chain:\n  - Maglev:\n")


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_the_examples_are_one_chain(nfuse, name) -> None:
    example = json.loads(nfuse("nf", "show", name, "--json")[1])["example"]
    names: dict[str, object] = {}
    exec(example["python"], names)
    assert from_yaml(example["yaml"]) == names["chain"]


@pytest.mark.parametrize("reference", [FIRST, f"{FIRST}:PacketCap"])
def test_show_of_a_file(nfuse, reference) -> None:
    code, out, _ = nfuse("nf", "show", reference)
    assert code == 0
    assert "  - first_nf:PacketCap" in out
    assert "over the cap" in out


def test_show_of_a_module(nfuse, monkeypatch) -> None:
    monkeypatch.chdir(FIRST.parent)
    code, out, _ = nfuse("nf", "show", "first_nf:PacketCap")
    assert code == 0
    assert out.startswith("PacketCap (first_nf.py:10)")


@pytest.mark.parametrize(
    ("reference", "messages"),
    [
        ("Monitr", ["unknown network function 'Monitr'", "did you mean 'Monitor'"]),
        ("no_such_module:X", ["there is no module 'no_such_module'"]),
        ("os:path", ["no network function"]),
        (f"{FIRST}:PacketCp", ["no network function 'PacketCp'", "did you mean 'PacketCap'", f"{FIRST}:PacketCap"]),
        (FIRST.with_name("fist_nf.py"), ["there is no such file", "did you mean 'first_nf.py'"]),
        (FIRST.with_name("nat_capture.py"), ["network functions", "expected"]),
    ],
)
def test_unknown_names_name_the_nearest(nfuse, reference, messages) -> None:
    code, _, err = nfuse("nf", "show", reference)
    assert code == 2
    for message in messages:
        assert message in err
    assert "Traceback" not in err


def test_a_file_with_two_nfs_says_which(nfuse, tmp_path) -> None:
    source = "from nfuse import NF\n\n\nclass One(NF):\n    pass\n\n\nclass Two(NF):\n    pass\n"
    (tmp_path / "two_nfs.py").write_text(source)
    code, _, err = nfuse("nf", "show", tmp_path / "two_nfs.py")
    assert code == 2
    assert "2 network functions" in err
    assert f"{tmp_path / 'two_nfs.py'}:One or " in err


def test_a_mistake_in_the_class_is_shown_at_its_line(nfuse, tmp_path) -> None:
    source = "from nfuse import NF, tcp\n\n\nclass Bad(NF):\n    traffic = tcp\n\n"
    (tmp_path / "bad_nf.py").write_text(source + "    def on_packet(self, pkt, flow):\n        pkt.tcp.snc = 1\n")
    code, _, err = nfuse("nf", "show", tmp_path / "bad_nf.py")
    assert code == 2
    assert "bad_nf.py:8" in err


def test_unknown_subcommand_names_the_nearest(nfuse) -> None:
    code, _, err = nfuse("nf", "shw")
    assert code == 2
    assert "'show'" in err


def test_colours_are_for_terminals_that_want_them(monkeypatch) -> None:
    import sys

    from nfuse.cli.layout import coloured

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert coloured("x", "green") == "x"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert coloured("x", "green") == "\x1b[32mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured("x", "green") == "x"
