"""Alerts as EVE JSON: every line is an object that a reader of Suricata's knows; nothing is lost, errors are named."""

from __future__ import annotations

import ipaddress
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine import frames as f
from tests.engine.nfs import Meter

from nfuse import NF, Chain
from nfuse.control.eve import AlertFile, events
from nfuse.engine.driver import ENGINES, run
from nfuse.nf.abi import LOG_DTYPE
from nfuse.port.errors import PortError
from nfuse.port.memory import ListInput

START = 1_700_000_000_123_456_789


class Teller(NF):
    """Alerts for each packet."""

    class Session:
        pass

    def on_packet(self, pkt, flow):
        if pkt.len > 60:
            self.alert("long packet", pkt.len)
        self.alert("a packet", pkt.payload_len - 5)


def told(frames: list[bytes], engine: str = "reference") -> list[dict[str, Any]]:
    chain = Chain(Meter() >> Teller(), name="told")
    result = run(chain, ListInput([(START + n * 1_001, frame) for n, frame in enumerate(frames)]), None, engine)
    return list(events(chain, result.logs))


@pytest.mark.parametrize("engine", list(ENGINES))
def test_an_event(engine: str) -> None:
    (event,) = told([f.tcp("10.0.0.1", 1234, "203.0.113.5", 80, "S")], engine)
    assert event == {
        "timestamp": "2023-11-14T22:13:20.123456+0000",
        "event_type": "alert",
        "src_ip": "10.0.0.1",
        "src_port": 1234,
        "dest_ip": "203.0.113.5",
        "dest_port": 80,
        "proto": "TCP",
        "alert": {"action": "allowed", "signature_id": 2, "signature": "a packet"},
        "nfuse": {"chain": "told", "nf": "teller", "value": -5, "ns": START},
    }


class Guard(NF):
    """Alerts and drops; alerts and drops now and then."""

    def on_flow(self, pkt, flow):
        self.alert("long", pkt.len)
        if pkt.payload_len > 0:
            self.alert("with data", pkt.len)
            flow.drop("data")


@pytest.mark.parametrize("engine", list(ENGINES))
def test_the_action_is_what_the_handler_does(engine: str) -> None:
    chain = Chain(Guard())
    frames = [f.udp("10.0.0.1", 5, "10.0.0.2", 53), f.udp("10.0.0.1", 6, "10.0.0.2", 53, b"data")]
    result = run(chain, ListInput([(START, frame) for frame in frames]), None, engine)
    found = [(event["alert"]["signature"], event["alert"].get("action")) for event in events(chain, result.logs)]
    assert found == [("long", None), ("long", None), ("with data", "blocked")]


def test_ipv6_and_protocols() -> None:
    a, b = "2001:db8::1", "2001:db8:1::5"
    frames = [
        f.udp(a, 5, b, 53),
        f.echo(a, b, 77),
        f.echo("10.0.0.1", "10.0.0.2", 7),
        f.ether(f.ip("10.0.0.1", "10.0.0.2", 47, b"12345678")),
        f.ether(f.ip(a, b, 41, f.ip(a, b, 59, b""))),
    ]
    found = [event for event in told(frames) if event["alert"]["signature"] == "a packet"]
    assert [event["proto"] for event in found] == ["UDP", "ICMPv6", "ICMP", "047", "IPv6"]
    assert [(event["src_ip"], event["dest_ip"]) for event in found[:3]] == [(a, b), (a, b), ("10.0.0.1", "10.0.0.2")]
    assert [(event["src_port"], event["dest_port"]) for event in found[:3]] == [(5, 53), (77, 0), (7, 0)]


def test_both_directions_bear_the_session() -> None:
    """Alerts name the session by its opening tuple, whichever direction the packet travels in."""
    one, other = told([f.udp("10.0.0.1", 5, "10.0.0.2", 53), f.udp("10.0.0.2", 53, "10.0.0.1", 5)])
    assert {key: one[key] for key in ("src_ip", "src_port", "dest_ip")} == {
        key: other[key] for key in ("src_ip", "src_port", "dest_ip")
    }


def write(path: Any, chain: Chain, logs: Any) -> None:
    """Write alerts in two goes."""
    file = AlertFile(str(path), chain)
    half = len(logs) // 2
    file.write(logs[:half])
    file.write(logs[half:])
    file.close()


record = st.fixed_dictionaries(
    {
        "clock": st.integers(0, 2**62),
        "value": st.integers(-(2**63), 2**63 - 1),
        "src": st.ip_addresses(v=6),
        "dst": st.ip_addresses(v=6),
        "sport": st.integers(0, 65535),
        "dport": st.integers(0, 65535),
        "proto": st.integers(0, 255),
    }
)


@given(record)
def test_every_record_is_json(values: dict[str, Any]) -> None:
    """Whatever a record holds, its line reads back to the same numbers."""
    logs = np.zeros(1, LOG_DTYPE)
    for name, value in values.items():
        logs[name] = np.frombuffer(value.packed, np.uint8) if name in ("src", "dst") else value
    logs["nf"], logs["signature"] = 1, 1
    (event,) = (json.loads(json.dumps(one)) for one in events(Chain(Meter() >> Teller()), logs))
    assert event["nfuse"]["ns"] == values["clock"]
    assert event["nfuse"]["value"] == values["value"]
    assert datetime.strptime(event["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").microsecond == (
        values["clock"] % 10**9 // 1000
    )
    assert (event["src_port"], event["dest_port"]) == (values["sport"], values["dport"])
    for key, name in (("src_ip", "src"), ("dest_ip", "dst")):
        assert ipaddress.ip_address(event[key]) in (values[name], values[name].ipv4_mapped)


@pytest.mark.parametrize("engine", list(ENGINES))
def test_many_alerts(engine: str, tmp_path: Any) -> None:
    """Two alerts for each packet of a burst: all arrive, in order, and are appended."""
    count = 5_000
    chain = Chain(Teller())
    packet = f.udp("10.0.0.1", 1, "10.0.0.2", 2, bytes(20))
    result = run(chain, ListInput([(n * 1_000, packet) for n in range(count)]), None, engine)
    target = tmp_path / "eve.json"
    target.write_text('{"event_type": "stats"}\n')
    write(target, chain, result.logs)
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["event_type"] for line in lines] == ["stats"] + ["alert"] * 2 * count
    assert [line["nfuse"]["ns"] for line in lines[1::2]] == [n * 1_000 for n in range(count)]
    assert {line["alert"]["signature"] for line in lines[1::2]} == {"long packet"}


@pytest.mark.parametrize("engine", list(ENGINES))
def test_alerts_while_the_chain_runs(engine: str, tmp_path: Any) -> None:
    """Given away burst by burst, they are the same, and are counted."""
    frames = [(n, f.udp("10.0.0.1", n % 7, "10.0.0.2", 2, bytes(n % 40))) for n in range(300)]
    kept = run(Chain(Teller()), ListInput(frames), None, engine)
    pieces: list[Any] = []
    chain = Chain(Teller())
    given = run(chain, ListInput(frames), None, engine, packets=16, alerts=lambda logs: pieces.append(logs.copy()))
    assert len(given.logs) == 0
    assert len(pieces) > 10
    assert np.concatenate(pieces).tobytes() == kept.logs.tobytes()
    assert (given.alerts, given.alerts_lost) == (len(kept.logs), 0)


def test_no_alerts(tmp_path: Any) -> None:
    target = tmp_path / "eve.json"
    write(target, Chain(Teller()), np.zeros(0, LOG_DTYPE))
    assert target.read_bytes() == b""


def one_alert() -> tuple[Chain, Any]:
    chain = Chain(Teller())
    return chain, run(chain, ListInput([f.udp("10.0.0.1", 1, "10.0.0.2", 2)]), None, "reference").logs


def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    write("-", *one_alert())
    assert json.loads(capsys.readouterr().out)["alert"]["signature"] == "a packet"


@pytest.mark.parametrize(("where", "why"), [("missing/eve.json", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_written(tmp_path: Any, where: str, why: str) -> None:
    with pytest.raises(PortError, match=why) as caught:
        AlertFile(str(tmp_path / where), Chain(Teller()))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk() -> None:
    with pytest.raises(PortError, match=r"/dev/full.*No space left"):
        write("/dev/full", *one_alert())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_ends_the_run() -> None:
    """What was done up to there is told."""
    chain = Chain(Teller())
    file = AlertFile("/dev/full", chain)
    frames = [f.udp("10.0.0.1", 1, "10.0.0.2", 2)] * 100
    result = run(chain, ListInput(frames), None, "reference", packets=10, alerts=file.write)
    file.close()
    assert "No space left" in result.failed
    assert result.conserved
    assert 0 < result.counters["packets_in"] < 100
