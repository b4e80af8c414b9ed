"""``nfuse trace`` as a user calls it."""

from __future__ import annotations

import json
import os
import pty
import struct
import subprocess
import sys

import pytest
from tests.cli.test_commands import CHAIN, GEN, ROOT, nfuse, path
from tests.engine.frames import udp

FILTER = ("--filter", "dst host 203.0.113.80")


def test_a_story(capsys) -> None:
    code, out, err = nfuse(capsys, "trace", CHAIN, "-i", GEN, *FILTER, "-n", "2")
    assert code == 0
    stories = out.split("\n\n")
    assert len(stories) == 2
    assert stories[0].startswith("packet ")
    for word in (
        "mazunat  pass  MazuNat (",
        "ran       on_flow",
        "203.0.113.80 -> 192.168.7.",
        "leaves forward, 64 bytes",
    ):
        assert word in stories[0]
    assert "examples/acl.txt:5: allow any any -> any" in stories[0]
    assert "slow path, NF by NF: the first packet of its session" in stories[0]
    assert out.count("identical to the reference engine") == 2
    assert err.startswith("traced 2 of the first ")
    assert "\x1b" not in out


def test_as_json_one_document_a_packet(capsys) -> None:
    code, out, _ = nfuse(capsys, "trace", CHAIN, "-i", GEN, *FILTER, "-n", "3", "--json")
    assert code == 0
    documents = [json.loads(line) for line in out.splitlines()]
    assert len(documents) == 3
    assert [step["nf"] for step in documents[0]["journey"]["steps"]] == ["mazunat", "maglev", "monitor", "ipfilter"]
    assert all(document["fused"]["identical"] for document in documents)


def test_no_packet_matches(capsys) -> None:
    code, out, err = nfuse(capsys, "trace", CHAIN, "-i", GEN, "--filter", "port 7")
    assert (code, out) == (0, "")
    assert err.startswith(f"no packet of {GEN} matches 'port 7' (600 run)")


def test_directions(capsys) -> None:
    source = "gen:?flows=5&packets=60&seed=5&reply=yes&inside=10.0.0.0/16"
    arguments = ["trace", CHAIN, "-i", source, "--direction", "dst net 10.0.0.0/8", "--filter", "dst net 10.0.0.0/8"]
    code, out, _ = nfuse(capsys, *arguments, "-n", "1")
    assert code == 0
    assert "bytes, reverse side  " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-i", GEN, "--filter", "tcp prt 80"], "--filter can't be read: column 5"),
        (["-i", GEN, "-n", "0"], "--count"),
        (["-i", "missing.pcap"], "missing.pcap"),
        ([], "--input"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(capsys, arguments, message) -> None:
    code, _, err = nfuse(capsys, "trace", CHAIN, *arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_a_filter_for_what_the_link_type_does_not_have(capsys, tmp_path) -> None:
    frame = udp("10.0.0.1", 1, "10.0.0.2", 2)[14:]
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)  # raw IP
    (tmp_path / "raw.pcap").write_bytes(head + struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    code, _, err = nfuse(capsys, "trace", CHAIN, "-i", str(tmp_path / "raw.pcap"), "--filter", "vlan")
    assert code == 2
    assert "--filter can't be read: column 1" in err
    assert "raw IP" in err or "Ethernet" in err


def test_a_difference_is_exit_code_1(capsys, monkeypatch) -> None:
    from nfuse.engine.trace import run

    monkeypatch.setattr(run, "difference", lambda reference, fused: "  ip.ttl: reference 64, fused 65")
    code, out, _ = nfuse(capsys, "trace", CHAIN, "-i", GEN, "-n", "1")
    assert code == 1
    assert "DIFFERENT from the reference engine:\n      ip.ttl: reference 64, fused 65" in out


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colours_on_a_terminal_only(no_color) -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, **path(), "NO_COLOR": no_color, "TERM": "xterm"}
    arguments = [sys.executable, "-m", "nfuse", "trace", CHAIN, "-i", GEN, "-n", "1"]
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=follower, stderr=subprocess.DEVNULL, env=environment)
    os.close(follower)
    text = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        text += part
        if not part:
            break
    os.close(leader)
    assert process.wait(120) == 0
    assert b"mazunat" in text
    assert (b"\x1b[" in text) == (not no_color)
