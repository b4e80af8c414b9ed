"""The commands, as a user calls them: what they print, what they exit with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.calling import nfuse

ROOT = Path(__file__).resolve().parents[2]
CHAIN = str(ROOT / "examples" / "chain1.yaml")
GEN = "gen:?flows=40&packets=600&seed=5&inside=10.0.0.0/16&outside=203.0.113.80/31&dport=80"


@pytest.mark.parametrize("command", [[], ["run"], ["verify"], ["plan"], ["check"], ["bench"], ["demo"]])
def test_help(capsys, command) -> None:
    code, out, _ = nfuse(capsys, *command, "--help")
    assert code == 0
    assert "Usage: nfuse" in out


def test_help_loads_nothing_else() -> None:
    script = "import sys; sys.argv = ['nfuse', '--help']\n"
    script += "from nfuse.cli.main import main\n"
    script += "try:\n    main()\nexcept SystemExit:\n    pass\n"
    script += "assert not {'numba', 'numpy', 'rich', 'yaml'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env={**os.environ, **path()})


def path() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT / "src")}


def test_version(capsys) -> None:
    import nfuse as package

    assert nfuse(capsys, "--version")[1] == f"nfuse {package.__version__}\n"


def test_unknown_command_names_the_nearest(capsys) -> None:
    code, _, err = nfuse(capsys, "verfy")
    assert code == 2
    assert "'verify'" in err


def test_run_prints_the_summary(capsys, tmp_path) -> None:
    target = tmp_path / "out.pcap"
    code, out, _ = nfuse(capsys, "run", CHAIN, "-i", GEN, "-o", str(target))
    assert code == 0
    assert "chain: mazunat >> maglev >> monitor >> ipfilter" in out
    assert "packets in + made = out + dropped: 600 + " in out
    assert "rate: " in out
    assert target.stat().st_size > 600 * 16


def test_run_as_json(capsys) -> None:
    code, out, _ = nfuse(capsys, "run", CHAIN, "-i", GEN, "--json", "--limit", "100")
    facts = json.loads(out)
    assert code == 0
    assert facts["counters"]["packets_in"] == 100
    assert facts["conserved"] is True
    assert facts["nfs"] == ["mazunat", "maglev", "monitor", "ipfilter"]


@pytest.mark.parametrize("engine", ["reference", "original"])
def test_other_engines_give_the_same(capsys, tmp_path, engine) -> None:
    outputs = []
    for name in ("fused", engine):
        target = tmp_path / f"{name}.pcap"
        assert nfuse(capsys, "run", CHAIN, "-i", GEN, "-o", str(target), "--engine", name)[0] == 0
        outputs.append(target.read_bytes())
    assert outputs[0] == outputs[1]


def test_two_sides(capsys, tmp_path) -> None:
    forward, back = tmp_path / "f.pcap", tmp_path / "r.pcap"
    source = "gen:?flows=20&packets=400&seed=5&reply=yes&inside=10.0.0.0/16"
    direction = ("--direction", "dst net 10.0.0.0/8")
    code, out, _ = nfuse(capsys, "run", CHAIN, "-i", source, "-o", str(forward), "--reverse-out", str(back), *direction)
    assert code == 0, out
    assert forward.stat().st_size > 1000


def test_reverse_output_without_a_direction_is_a_usage_error(capsys, tmp_path) -> None:
    code, _, err = nfuse(capsys, "run", CHAIN, "-i", GEN, "--reverse-out", str(tmp_path / "r.pcap"))
    assert code == 2
    assert "--direction" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.yaml", "-i", GEN], "no such chain file"),
        (["run", CHAIN, "-i", "missing.pcap"], "missing.pcap"),
        (["run", CHAIN, "-i", "gne:?flows=1"], "gen:"),
        (["run", CHAIN, "-i", "gen:?flws=1"], "flows"),
        (["run", CHAIN, "-i", GEN, "-o", "/nowhere/at/all/out.pcap"], "/nowhere/at/all/out.pcap"),
        (["run", CHAIN, "-i", GEN, "--direction", "srce net 10.0.0.0/8"], "srce"),
        (["run", CHAIN], "--input"),
        (["run", CHAIN, "-i", GEN, "--limit", "0"], "limit"),
        (["plan", "missing.py"], "no such chain file"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(capsys, arguments, message) -> None:
    code, _, err = nfuse(capsys, *arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_a_mistake_in_a_network_function_is_shown_at_its_line(capsys, tmp_path) -> None:
    source = "from nfuse import NF, Chain, tcp\n\n\nclass Wrong(NF):\n    traffic = tcp\n\n"
    source += "    def on_packet(self, pkt, flow):\n        pkt.tcp.snc = 1\n\n\nchain = Chain(Wrong())\n"
    (tmp_path / "wrong.py").write_text(source)
    code, _, err = nfuse(capsys, "run", str(tmp_path / "wrong.py"), "-i", GEN)
    assert code == 2
    assert "wrong.py:8" in err
    assert "syn" in err
    assert "Traceback" not in err


def test_an_empty_capture(capsys, tmp_path) -> None:
    (tmp_path / "empty.pcap").write_bytes(b"")
    code, _, err = nfuse(capsys, "run", CHAIN, "-i", str(tmp_path / "empty.pcap"))
    assert code == 2
    assert "empty.pcap" in err


def test_verify_says_identical(capsys) -> None:
    code, out, _ = nfuse(capsys, "verify", CHAIN, "-i", GEN)
    assert code == 0, out
    assert "identical, 600 packets" in out


def test_verify_as_json(capsys) -> None:
    code, out, _ = nfuse(capsys, "verify", CHAIN, "-i", GEN, "-i", GEN, "--json", "--limit", "50")
    documents = json.loads(out)
    assert code == 0
    assert [document["packets"] for document in documents] == [50, 50]
    assert documents[0]["changed"] >= documents[0]["translated"] > 0


def test_alerts_are_eve_json(capsys, tmp_path) -> None:
    target = tmp_path / "eve.json"
    source = "gen:?flows=5&packets=200&seed=7&dport=80&proto=tcp"
    chain = str(ROOT / "examples" / "first_nf.py")
    assert nfuse(capsys, "run", chain, "-i", source, "--alerts", str(target))[0] == 0
    events = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(events) == 5
    assert events[0]["event_type"] == "alert"
    assert events[0]["alert"]["signature"] == "flow over its cap"
    assert events[0]["dest_port"] == 80
    assert events[0]["nfuse"]["value"] == 11


def test_alerts_on_standard_output_leave_the_summary_to_standard_error(capsys) -> None:
    chain = str(ROOT / "examples" / "first_nf.py")
    arguments = ["run", chain, "-i", "gen:?flows=5&packets=200&seed=7&dport=80&proto=tcp", "--alerts", "-"]
    code, out, err = nfuse(capsys, *arguments)
    assert code == 0
    assert len([json.loads(line) for line in out.splitlines()]) == 5
    assert "alerts: 5" in err


@pytest.mark.parametrize("option", ["--alerts", "--flows", "--reverse-out"])
def test_one_file_is_not_written_twice(capsys, tmp_path, option) -> None:
    target = str(tmp_path / "out")
    more = ["--direction", "dst net 10.0.0.0/8"]
    code, _, err = nfuse(capsys, "run", CHAIN, "-i", GEN, "-o", f"pcap:{target}", option, target, *more)
    assert code == 2
    assert "--output" in err
    assert option in err
    assert not (tmp_path / "out").exists()
    (tmp_path / "in.pcap").write_bytes(b"kept")
    code, _, err = nfuse(
        capsys, "run", CHAIN, "-i", str(tmp_path / "in.pcap"), option, str(tmp_path / "in.pcap"), *more
    )
    assert code == 2
    assert (tmp_path / "in.pcap").read_bytes() == b"kept"


def test_flows_as_csv(capsys, tmp_path) -> None:
    import csv

    target = tmp_path / "flows.csv"
    code, out, _ = nfuse(capsys, "run", CHAIN, "-i", GEN, "--flows", str(target))
    assert code == 0
    with open(target, newline="") as file:
        rows = list(csv.DictReader(file))
    with open(tmp_path / "flows.monitor.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert f"flows: {len(rows)} in {target}, {tmp_path / 'flows.monitor.csv'}" in out
    assert len(rows) == len(table) > 20
    assert {row["state"] for row in rows} <= {"new", "established", "closing"}
    assert all(row["src"].startswith("10.0.") for row in rows)
    assert sum(int(row["monitor.packets"]) for row in rows) == sum(int(row["packets"]) for row in table) > 100
    assert nfuse(capsys, "run", CHAIN, "-i", GEN, "--flows", "/nowhere/flows.csv")[0] == 2


def command(*arguments: str, **more) -> subprocess.Popen[bytes]:
    every = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": {**os.environ, **path()}, **more}
    return subprocess.Popen([sys.executable, "-m", "nfuse", *arguments], **every)


def test_packets_on_standard_output(tmp_path) -> None:
    out, err = command("run", CHAIN, "-i", GEN, "-o", "-").communicate(timeout=120)
    assert b"packets in + made = out + dropped: 600 + " in err
    (tmp_path / "out.pcap").write_bytes(out)
    target = tmp_path / "same.pcap"
    command("run", CHAIN, "-i", GEN, "-o", str(target)).communicate(timeout=120)
    assert target.read_bytes() == out


def test_a_reader_that_goes_away() -> None:
    process = command("run", CHAIN, "-i", GEN.replace("packets=600", "packets=0"), "-o", "-", bufsize=0)
    assert process.stdout is not None
    assert process.stderr is not None
    assert len(process.stdout.read(24)) == 24
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait(60) == 2, err
    assert "packets in + made = out + dropped" in err
    assert "stopped: -: writing failed: Broken pipe" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "size"), [("out.pcap", 1_500_000), ("out.pcap.gz", 250_000), ("out.pcapng", 1_500_000)]
)
def test_a_full_disk_leaves_a_valid_capture(tmp_path, name, size) -> None:
    import resource

    from nfuse.port.burst import Burst
    from nfuse.port.registry import open_input

    def bounded() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    target = tmp_path / name
    source = "gen:?flows=40&packets=40000&seed=5&inside=10.0.0.0/16&size=300"
    out, err = command("run", CHAIN, "-i", source, "-o", str(target), preexec_fn=bounded).communicate(timeout=200)
    assert b"stopped: " in out, err
    assert b"packets in + made = out + dropped" in out
    burst, packets = Burst(), 0
    with open_input(str(target)) as port:
        while received := port.receive(burst):
            packets += received
        assert not port.truncated
    assert packets > 1000


def test_plan_starts_the_nfs(capsys, tmp_path) -> None:
    (tmp_path / "bad.yaml").write_text("chain:\n  - Monitor\n  - IPFilter:\n      rules: [dorp tcp any -> any]\n")
    for command in (["plan"], ["run", "-i", GEN], ["verify", "-i", GEN]):
        code, _, err = nfuse(capsys, command[0], str(tmp_path / "bad.yaml"), *command[1:])
        assert code == 2
        assert "bad.yaml:4:15" in err
        assert "ipfilter" in err
        assert "dorp" in err


def test_warnings_are_one_plain_line(capsys, monkeypatch) -> None:
    import warnings

    from nfuse.memory.cache import CacheWarning

    def load(path: str) -> None:
        warnings.warn("compile cache can't be written", CacheWarning, stacklevel=1)
        raise SystemExit(0)

    monkeypatch.setattr("nfuse.chain.yaml.load_chain", load)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        _, _, err = nfuse(capsys, "plan", CHAIN)
    assert err == "nfuse: compile cache can't be written\n"


def test_ctrl_c_leaves_a_valid_capture_and_the_summary(tmp_path) -> None:
    target = tmp_path / "out.pcap"
    endless = "gen:?flows=40&packets=0&seed=5"
    process = subprocess.Popen(
        [sys.executable, "-m", "nfuse", "run", CHAIN, "-i", endless, "-o", str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **path()},
    )
    until = time.monotonic() + 120
    while not (target.exists() and target.stat().st_size > 100_000) and time.monotonic() < until:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "packets in + made = out + dropped" in out
    assert "stopped by Ctrl-C" in out

    from nfuse.port.registry import open_input

    with open_input(str(target)) as port:
        from nfuse.port.burst import Burst

        burst = Burst()
        packets = 0
        while received := port.receive(burst):
            packets += received
        assert not port.truncated
        assert f" {packets:,} + " in out.split("out + dropped")[1]


@pytest.mark.parametrize(
    ("script", "path", "shown"),
    [
        ("bin/nfuse", "bin", "nfuse"),
        ("bin/nfuse", "elsewhere", "bin/nfuse"),
        ("package/__main__.py", "elsewhere", "python -m nfuse"),
        ("package/__main__.py", "bin", "nfuse"),
    ],
)
def test_how_the_program_is_called_again(tmp_path, monkeypatch, script, path, shown) -> None:
    from nfuse.cli.report import program

    for name in ("bin/nfuse", "package/__main__.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / script)])
    monkeypatch.setenv("PATH", str(tmp_path / path))
    assert program() == shown


def test_demo(capsys) -> None:
    code, out, _ = nfuse(capsys, "demo", "--packets", "3000")
    assert code == 0
    assert "mazunat >> maglev >> monitor >> ipfilter" in out
    assert "proof: over the first 3,000 packets, of both directions" in out
    assert "compiling" not in out
    assert "drop udp any -> 192.168.7.3" in out
    steps = [line.split()[-3::2] for line in out.split("and back\n")[1].splitlines()[:4]]
    (client, virtual), (public, backend), answer, arrival = steps
    assert client.startswith("10.0.")
    assert virtual == "203.0.113.80:443"
    assert public.startswith("198.51.100.")
    assert backend.startswith("192.168.7.")
    assert answer == [backend, public]
    assert arrival == [virtual, client]
    flows = out.split("as the inside sees them\n")[1].splitlines()[:6]
    assert max(map(len, flows)) <= 100
    assert int(flows[1].split()[6]) > 0


def test_demo_as_json(capsys) -> None:
    code, out, _ = nfuse(capsys, "demo", "--packets", "500", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["counters"]["packets_in"] == 500
    assert facts["conserved"] is True
    assert facts["proof"]["identical"] is True
    assert json.loads(nfuse(capsys, "demo", "--packets", "500", "--no-proof", "--json")[1])["proof"] is None


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (["run", "-i", "gen:?help"], "gen:?OPTION=VALUE&...  (input)"),
        (["run", CHAIN, "-i", GEN, "-o", "out.pcap?help"], "pcap:PATH?OPTION=VALUE&...  (output)"),
        (["run", CHAIN, "-i", GEN, "--reverse-in", "answers:?help"], "answers:OPTION=VALUE,...!PORT  (input)"),
        (["verify", "-i", "fault:?help"], "fault:OPTION=VALUE,...!PORT  (input)"),
    ],
)
def test_help_of_a_port(capsys, arguments, first) -> None:
    code, out, err = nfuse(capsys, *arguments)
    assert (code, err) == (0, "")
    assert out.startswith(first)


def test_help_of_an_unknown_port(capsys) -> None:
    code, _, err = nfuse(capsys, "run", "-i", "gne:?help")
    assert code == 2
    assert "did you mean 'gen:'?" in err
