"""What the commands say when something is not as it should be: faults, wrong arguments, nothing to do, Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.calling import nfuse

ROOT = Path(__file__).resolve().parents[2]
CHAIN = str(ROOT / "examples" / "chain1.yaml")
GEN = "gen:?flows=10&packets=200&rate=50"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

CLUMSY = """from nfuse import NF, Chain, u32

class Clumsy(NF):
    class Session:
        n: u32

    def on_packet(self, pkt, flow):
        flow.n = 10 // (pkt.len - 64)

chain = Chain(Clumsy())
"""
ORDINARY = """from nfuse import NF, Chain

class Ordinary(NF):
    compiled = False
    tick = 1

    def on_flow(self, pkt, flow):
        {}["a"] if pkt.sport % 2 else 1 // 0

    def on_tick(self, elapsed):
        raise RuntimeError

chain = Chain(Ordinary())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clumsy.py").write_text(CLUMSY)
    (tmp_path / "ordinary.py").write_text(ORDINARY)
    return tmp_path


# -------------------------------------------------------------------------------------------------------------- faults


def test_a_fault_is_shown_with_its_line_and_kind(capsys, folder) -> None:
    code, out, _ = nfuse(capsys, "run", "clumsy.py", "-i", GEN)
    assert code == 0
    assert "  clumsy  clumsy.py:8: division by zero  200\n" in out
    _, out, _ = nfuse(capsys, "verify", "clumsy.py", "-i", GEN, "--limit", "20")
    assert "    clumsy: clumsy.py:8: division by zero: 20\n" in out


def test_faults_as_json(capsys, folder) -> None:
    facts = json.loads(nfuse(capsys, "run", "clumsy.py", "-i", GEN, "--json")[1])
    assert facts["drops"] == {"clumsy": {"fault:Clumsy:8": 200}}
    file = str(folder / "clumsy.py")
    assert facts["faults"] == [
        {"nf": "clumsy", "file": file, "line": 8, "kinds": ["division by zero"], "packets": 200},
    ]
    assert "faults" not in facts["counters"]
    assert facts["counters"]["faults_outside_packets"] == 0


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_exceptions_of_ordinary_python_are_shown(capsys, folder, engine) -> None:
    _, out, _ = nfuse(capsys, "run", "ordinary.py", "-i", GEN, "--engine", engine)
    assert "  ordinary  ordinary.py:8: an exception  200\n" in out
    assert "faults outside packets (on_tick, on_end): 3\n" in out
    assert "note: ordinary: the first exception at ordinary.py:8 was KeyError: 'a'\n" in out
    assert "note: ordinary: the first exception at ordinary.py:11 was RuntimeError\n" in out
    facts = json.loads(nfuse(capsys, "run", "ordinary.py", "-i", GEN, "--json", "--engine", engine)[1])
    assert [(one["line"], one["packets"], one["exception"]) for one in facts["faults"]] == [
        (8, 200, "KeyError: 'a'"),
        (11, 0, "RuntimeError"),
    ]


# ---------------------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ["run", CHAIN, "-i", GEN, "--limit", "x"],
            ["nfuse: --limit: x does not fit", "  expected: a whole number, 1 or more"],
        ),
        (["run", CHAIN, "-i", GEN, "--limit", "0"], ["nfuse: --limit: 0 does not fit"]),
        (
            ["run", CHAIN, "--lmit", "5"],
            ["nfuse: there is no option '--lmit'", "  did you mean '--input' or '--limit'?"],
        ),
        (["run", CHAIN], ["nfuse: --input is missing", "  expected: a capture, - (standard input), or any input port"]),
        (["plan"], ["nfuse: CHAIN is missing", "  usage: nfuse plan [OPTIONS] CHAIN"]),
        (["run", CHAIN, "-i", GEN, "--engine", "x"], ["nfuse: --engine: 'x' is not one of"]),
        (["bench"], ["nfuse: WHAT is missing", "  expected: chain1"]),
        (
            ["bench", "chain1", "--flows", "1"],
            ["nfuse: --flows: 1 does not fit", "  expected: a whole number, 8 or more"],
        ),
        (["verfy"], ["nfuse: there is no command 'verfy'", "  did you mean 'verify'?"]),
        (["run", CHAIN, "-i"], ["nfuse: option '-i' requires an argument"]),
        (["run", CHAIN, "-i", GEN, "--reverse-out", "null:"], ["nfuse: --reverse-out needs --reverse-in"]),
    ],
)
def test_wrong_arguments_read_like_all_errors(capsys, arguments, lines) -> None:
    code, _, err = nfuse(capsys, *arguments)
    assert code == 2
    told = err.splitlines()
    for line, expected in zip(told, lines, strict=False):
        assert line.startswith(expected), err
    assert len(told) >= len(lines)
    assert "Error:" not in err


def test_the_command_alone_shows_its_help(capsys) -> None:
    _, out, err = nfuse(capsys)
    assert (out + err).startswith("Usage: nfuse [OPTIONS] COMMAND")
    assert "nfuse: " not in (out + err).splitlines()[0]


def test_a_filter_is_shown_once_with_its_own_column(capsys) -> None:
    code, _, err = nfuse(capsys, "run", CHAIN, "-i", GEN, "--direction", "tcp and dst prt 80")
    assert code == 2
    assert err.splitlines()[0].endswith("did you mean port?")
    assert err.splitlines()[1:] == ["  in the filter:", "    tcp and dst prt 80", "                ^"]


def test_no_packets_have_no_rate(capsys) -> None:
    code, out, _ = nfuse(capsys, "run", CHAIN, "-i", "null:", "--engine", "reference")
    assert code == 0
    assert "no packets came in; engine reference ready after" in out
    assert "rate" not in out


def test_one_session(capsys) -> None:
    _, out, _ = nfuse(capsys, "verify", CHAIN, "-i", "gen:?flows=1&packets=1&inside=10.0.0.0/16")
    assert "1 packet, 1 session, 1 changed (1 translated), 0 dropped, 0 passed unmatched" in out


# ------------------------------------------------------------------------------------------------- terminals, Ctrl-C


def test_packets_are_not_written_to_a_terminal() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "nfuse", "run", CHAIN, "-i", "null:", "-o", "-", "--engine", "reference"]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert "standard output is a terminal, and packets are binary" in done.stderr
    assert "`-o - > out.pcap`" in done.stderr


def interrupted_verify(*options: str) -> tuple[int, str]:
    """Ctrl-C a verification once it has compared something."""
    script = (
        "import signal, sys, nfuse.engine.verify as v, nfuse.cli.main as m\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # it may be ignored where the tests run
        "whole = v._compare_step\n"
        "def step(*given):\n"
        "    print('.', file=sys.stderr, flush=True)\n"
        "    return whole(*given)\n"
        "v._compare_step = step\n"
        "m.main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", script, "verify", CHAIN, "-i", "gen:?flows=20&packets=0&seed=5", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**ENVIRONMENT, "NFUSE_JIT": "0"}
    )
    assert process.stderr is not None
    seen, until = 0, time.monotonic() + 120
    while seen < 2 and time.monotonic() < until:
        seen += process.stderr.readline() == ".\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


def test_ctrl_c_in_verify_says_how_much_was_identical() -> None:
    code, out = interrupted_verify()
    assert code == 130
    words = out.split("stopped by Ctrl-C; ")[1].split()
    assert int(words[0].replace(",", "")) >= 256
    assert "packets compared so far, no difference" in out


def test_ctrl_c_in_verify_as_json() -> None:
    code, out = interrupted_verify("--json")
    assert code == 130
    (document,) = json.loads(out)
    assert document["interrupted"] is True
    assert document["identical_so_far"] >= 256


def test_leaving_the_debugger_is_no_crash(folder) -> None:
    (folder / "stops.py").write_text(CLUMSY.replace("flow.n = 10 // (pkt.len - 64)", "breakpoint()"))
    command = [sys.executable, "-m", "nfuse", "run", "stops.py", "-i", GEN, "--engine", "reference"]
    environment = {**ENVIRONMENT, "NFUSE_JIT": "0"}
    done = subprocess.run(command, input="p pkt\nq\n", capture_output=True, text=True, env=environment)
    assert "<packet TCP 10." in done.stdout or "<packet UDP 10." in done.stdout
    assert done.stderr.splitlines()[-1] == "stopped"
    assert done.returncode == 130
