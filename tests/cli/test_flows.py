"""``nfuse flows`` as a user calls it."""

from __future__ import annotations

import csv
import json
import sys

import pytest
from tests.cli.test_commands import CHAIN, GEN, ROOT, nfuse

FIRST_NF = str(ROOT / "examples" / "first_nf.py")


def test_top_talkers(capsys) -> None:
    code, out, _ = nfuse(capsys, "flows", CHAIN, "-i", GEN, "--top", "3")
    assert code == 0
    lines = out.splitlines()
    assert lines[1] == "600 packets, 40 sessions created, 40 live"
    assert lines[3].split()[:3] == ["opened", "by", "to"]
    sizes = [line.split()[4:6] for line in lines[4:7]]
    assert all(unit in ("B", "kB") for _, unit in sizes)
    assert lines[-1] == "  ... 37 more (--top N)"


def test_without_a_monitor_what_the_nfs_keep(capsys) -> None:
    code, out, _ = nfuse(capsys, "flows", FIRST_NF, "-i", GEN, "--sort", "packetcap.packets", "--top", "2")
    assert code == 0
    heads, first, second = out.splitlines()[4:7]
    assert heads.split()[-2:] == ["packets", "watched"]
    assert int(first.split()[-2]) >= int(second.split()[-2]) > 10


def test_as_json(capsys) -> None:
    code, out, _ = nfuse(capsys, "flows", CHAIN, "-i", GEN, "--json", "--filter", "udp or tcp", "--sort", "number")
    facts = json.loads(out)
    assert code == 0
    assert (facts["sessions_live"], facts["selected"]) == (40, 39)
    assert [flow["number"] for flow in facts["flows"]] == [n for n in range(40, 0, -1) if n != 36]  # an echo
    assert facts["flows"][0]["src"].startswith("10.0.")


def test_as_csv(capsys, tmp_path) -> None:
    target = tmp_path / "flows.csv"
    code, out, _ = nfuse(
        capsys, "flows", CHAIN, "-i", GEN, "--csv", str(target), "--sort", "packets", "--ascending", "--top", "5"
    )
    assert code == 0
    assert f"written: {target}" in out
    with open(target, newline="") as file:
        rows = list(csv.DictReader(file))
    packets = [int(row["monitor.packets"]) for row in rows]
    assert len(packets) == 5
    assert packets == sorted(packets)


def test_nothing_matches(capsys) -> None:
    code, out, _ = nfuse(capsys, "flows", CHAIN, "-i", GEN, "--filter", "port 7")
    assert code == 0
    assert out.splitlines()[-1] == "0 match 'port 7'"


@pytest.mark.parametrize("name", ["flows.png", "flows.svg", "flows.pdf"])
def test_plots(capsys, tmp_path, name) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib (the extra `plot`)")
    target = tmp_path / name
    code, out, _ = nfuse(capsys, "flows", CHAIN, "-i", GEN, "--plot", str(target))
    assert code == 0
    assert f"written: {target}" in out
    data = target.read_bytes()
    assert data.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[name[-3:]])
    if name.endswith("svg"):
        for text in ("Top talkers", "Sizes", "Durations"):
            assert text.encode() in data


@pytest.mark.parametrize("selected", ["port 7", "icmp"])
def test_plots_of_few_flows(capsys, tmp_path, selected) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib (the extra `plot`)")
    target = tmp_path / "few.svg"
    assert nfuse(capsys, "flows", CHAIN, "-i", GEN, "--filter", selected, "--plot", str(target))[0] == 0
    assert f"{int(selected == 'icmp')} flow".encode() in target.read_bytes()


def test_without_matplotlib(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = nfuse(capsys, "flows", CHAIN, "-i", GEN, "--plot", str(tmp_path / "x.png"))
    assert code == 2
    assert "pip install 'nfuse[plot]'" in err
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([CHAIN, "-i", GEN, "--sort", "bites"], "did you mean 'bytes'?"),
        ([CHAIN, "-i", GEN, "--filter", "tcp prt 80"], "did you mean port?"),
        ([CHAIN, "-i", GEN, "--filter", "tcp.syn = 1"], "may differ between packets"),
        ([CHAIN, "-i", GEN, "--top", "0"], "--top"),
        ([CHAIN, "-i", GEN, "--monitor", "ipfilter"], "no Monitor 'ipfilter'"),
        ([CHAIN, "-i", GEN, "--plot", "flows.jpg"], ".png, .svg, .pdf"),
        ([CHAIN, "-i", GEN, "--csv", "/nowhere/at/all.csv"], "/nowhere/at/all.csv"),
        ([CHAIN, "-i", GEN, "--csv", "one.png", "--plot", "one.png"], "name the same file"),
        ([FIRST_NF, "-i", GEN, "--plot", "flows.png"], "the chain has none"),
        ([FIRST_NF, "-i", GEN, "--sort", "bytes"], "no column 'bytes'"),
        ([CHAIN, "-i", "missing.pcap"], "missing.pcap"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(capsys, arguments, message) -> None:
    code, _, err = nfuse(capsys, "flows", *arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
