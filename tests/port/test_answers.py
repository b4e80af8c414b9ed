from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.port.files import drain, pcap, write

from nfuse import Chain, run
from nfuse.nf.library import Maglev, MazuNat, Monitor
from nfuse.port import Burst, ListInput, ListOutput, UriError, open_input, open_output
from nfuse.port.answers import Answers
from nfuse.port.registry import open_input as opened

GEN = "gen:?flows=20&packets=300&proto=mixed&ip=mixed&vlan=3&seed=9&tcp=sessions"
LAN = "gen:?flows=40&packets=800&proto=mixed&inside=10.0.0.0/16&outside=203.0.113.80/31&tcp=sessions&seed=4"


def test_each_packet_is_answered_after_the_delay() -> None:
    sent = drain(open_input(GEN))
    back = drain(open_input(f"answers:{GEN}"))
    assert len(back) == len(sent) == 300
    for (ts, data, wire), (ts0, data0, wire0) in zip(back, sent, strict=True):
        assert (ts, wire) == (ts0 + 1_000_000, wire0)
        assert data[:12] == data0[6:12] + data0[:6]
        assert data[12:18] == data0[12:18]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_bursts_of_any_size_hold_the_same(size: int) -> None:
    assert drain(open_input(f"answers:{GEN}"), size, 1) == drain(open_input(f"answers:{GEN}"))


def test_what_has_no_answer_is_told(tmp_path: Path) -> None:
    packets = [data for _, data, _ in drain(open_input("gen:?packets=5&proto=udp"))]
    packets[1:3] = [b"\0" * 60, b"\xff" * 6 + packets[2][6:]]
    port = Answers(ListInput(packets))
    assert len(drain(port)) == 3
    assert port.silent == 2
    assert len(port.warnings) == 1
    assert "2 packets have no answer" in port.warnings[0]
    path = write(tmp_path / "a.pcap", pcap([(0, packets[0], 64), (1000, b"x", 1)])[:-1])
    port = open_input(f"answers:{path}")
    assert len(drain(port)) == 1
    assert port.truncated
    assert "breaks off" in port.warnings[0]


def test_uris_and_stamps(tmp_path: Path) -> None:
    _, data, wire = drain(open_input("gen:?packets=1"))[0]
    path = write(tmp_path / "a.pcap", pcap([(5_000, data, wire)]))
    for text, delay, tick in (
        ("", 10**6, 1000),
        ("delay=2!", 2 * 10**9, 1000),
        ("delay=5e-7!", 500, 1),
        ("!", 10**6, 1000),
    ):
        port, burst = opened(f"answers:{text}{path}", side=1, inport=4), Burst()
        with port:
            assert port.receive(burst) == 1
            assert int(burst.desc[0]["ts"]) == 5_000 + delay
            assert (burst.desc[0]["side"], burst.desc[0]["inport"], burst.tick) == (1, 4, tick)
            assert port.size == port.position > 0
    assert drain(open_input(f"answers:fault:loss=1!{path}")) == []
    assert len(drain(open_input(f"fault:duplicate=1!answers:delay=0!{path}"))) == 2


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("answers:", "names no port"),
        ("answers:delay=1!", "names no port"),
        ("answers:dela=1!null:", r"did you mean 'delay'\?"),
        ("answers:delay=soon!null:", "a number"),
        ("answers:delay=-1!null:", "0 to 1000000"),
        ("answers:side=1!null:", "no option 'side'"),
        ("answers:nul:", r"did you mean 'null:'\?"),
    ],
)
def test_mistakes(uri: str, message: str) -> None:
    with pytest.raises(UriError, match=message):
        open_input(uri)


def test_it_is_no_output() -> None:
    with pytest.raises(UriError, match=re.escape("no output port has the scheme 'answers:'")):
        open_output("answers:x.pcap")


def test_a_translated_chain_gets_all_its_answers_back(tmp_path: Path) -> None:
    """What reaches the inside has the addresses that the inside knows: the swapped packet it sent."""
    wan = str(tmp_path / "wan.pcap")
    backends = ["192.168.7.1:8080", "192.168.7.2:8080"]
    chain = Chain(
        MazuNat(inside="10.0.0.0/8", public="198.51.100.1")
        >> Maglev(vip="203.0.113.80", backends=backends)
        >> Monitor()
    )
    assert run(chain, LAN, wan).counters["packets_out"] == 800
    two_sided = chain.with_settings(two_sided=True)
    out, back = ListOutput(), ListOutput()
    result = run(two_sided, (LAN, f"answers:{wan}"), (out, back))
    assert result.drops == {}
    assert [(ts, data) for ts, data, *_ in out.records] == [(ts, data) for ts, data, _ in drain(open_input(wan))]
    expected = [(ts, data) for ts, data, _ in drain(open_input(f"answers:{LAN}"))]
    assert [(ts, data) for ts, data, *_ in back.records] == expected
    rows = Monitor.table(result.flows)
    assert all(row["packets"] == row["reverse_packets"] for row in rows)
