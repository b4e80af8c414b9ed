"""Input and state at their worst, through whole chains: nothing crashes, nothing is lost without a counter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.engine import frames as f
from tests.engine.conversation import Talk, need
from tests.engine.nfs import Clock, Meter

from nfuse import NF, Array, Chain, HashMap, Ring, Stack, Timeouts, i64, tcp, u8, u16, u32, udp
from nfuse.engine.api import Control
from nfuse.engine.driver import ENGINES, run
from nfuse.memory.jit import JIT
from nfuse.nf.library import IPFilter, Maglev, MazuNat, Monitor
from nfuse.port.memory import ListInput, ListOutput

A, B, V = "10.0.0.1", "10.0.0.2", "203.0.113.80"
BACKENDS = ["192.168.7.1:8001", "192.168.7.2:8002"]
YEAR = 365 * 86_400
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=list(ENGINES))
def engine(request: Any) -> str:
    return need(request.param)


def chain_1(**more: Any) -> Any:
    pool = more.pop("public", "198.51.100.1")
    return (
        MazuNat(public=pool, inside="10.0.0.0/8", ports=more.pop("ports", "2000-2003"))
        >> Maglev(vip=V, backends=BACKENDS, size=13, **more)
        >> Monitor()
        >> IPFilter(rules=["drop udp any -> any 53"])
    )


# ------------------------------------------------------------------------------------------------------------- time


def test_time_stamps_that_run_backwards(engine: str) -> None:
    """The clock stands still meanwhile: no session ends, none lives longer for it, packets keep their stamps."""
    packets = [(1000, u()), (400, u()), (0, u()), (999.5, u(2)), (1001, u())]
    talk = Talk(engine, Meter(), packets, timeouts=Timeouts(udp_new=10))
    assert talk.counters["sessions_created"] == 2
    assert talk.counters["expired"] == 0
    assert [record[0] for record in talk.records] == [round(at * 1e9) for at, _ in packets]
    rows = talk.result.flows
    assert rows["deadline"].tolist() == [1_011_000, 1_010_000]
    assert rows["meter.last"].tolist() == [1_001 * 10**9, 1_000 * 10**9]
    assert rows["meter.packets"].tolist() == [4, 1]


def test_time_stamps_that_jump_a_year(engine: str) -> None:
    """All that was live ends, one on_tick spans the gap, and what follows at the old time is in the new time."""
    packets = [*((1000, u(port)) for port in range(1, 21)), (1000 + YEAR, u(1)), (1001, u(2)), (1000 + YEAR, u(1))]
    talk = Talk(engine, Quiet() >> Meter(), packets)
    assert len(talk.lines) == len(packets)
    assert talk.result.states["quiet"] == {"ticks": 1, "longest": YEAR * 1000}
    assert talk.counters["expired"] == 20
    assert talk.counters["sessions_created"] == 22
    assert talk.result.flows["number"].tolist() == [21, 22]
    assert talk.result.flows["meter.packets"].tolist() == [2, 1]
    assert talk.result.flows["deadline"].tolist() == [(1000 + YEAR + 120) * 1000] * 2


@pytest.mark.parametrize("stamp", [0, 1, 2**31, 2**32 - 1, 9_000_000_000])
def test_stamps_at_the_ends(engine: str, stamp: int) -> None:
    """From the epoch to what 64 bits of nanoseconds hold: sessions live as long as ever."""
    times = Timeouts(udp_new=10)
    talk = Talk(engine, Meter(), [(stamp, u()), (stamp + 9, u()), (stamp + 19, u())], timeouts=times)
    assert talk.counters["sessions_created"] == 2
    assert talk.counters["expired"] == 1


class Quiet(NF):
    tick = 1.0

    class State:
        ticks: u32
        longest: i64

    def on_tick(self, elapsed):
        self.ticks += 1
        self.longest = max(self.longest, elapsed)


def test_a_fault_in_on_tick(engine: str) -> None:
    """It drops no packet, is counted, and what the NF had done before it stays."""
    talk = Talk(engine, Clock(), [(1000, u()), (1010, u()), (1011, u())])
    assert len(talk.lines) == 3
    assert talk.counters["faults"] == 1
    assert talk.result.states["clock"]["ticks"] == 2


def u(sport: int = 1, src: str = A, dst: str = V, dport: int = 80, data: bytes = b"") -> bytes:
    return f.udp(src, sport, dst, dport, data)


# ------------------------------------------------------------------------------------------------ what is used up


def test_nat_out_of_ports(engine: str) -> None:
    """Endpoints without a port are dropped and counted, as flows; a wider pool or the end of flows helps new ones."""
    packets = [(1000, u(sport)) for sport in range(10, 22, 2)]
    packets += [(1001, u(18)), (1001, u(22)), (1001, u(10)), (1500, u(18)), (1500, u(20))]
    wider = Control("mazunat", {"public": ["198.51.100.1", "198.51.100.2"]}, at_packet=7)
    talk = Talk(engine, chain_1(), packets, [wider])
    assert talk.drops == {"mazunat: no port left": 3}
    sources = [line.split()[1] for line in talk.lines]
    first = [f"198.51.100.1:{port}" for port in (2000, 2002, 2001, 2003)]
    assert sources[:6] == [*first, "198.51.100.2:2000", first[0]]
    assert len({*sources[6:]}) == 2


def test_all_backends_down(engine: str) -> None:
    """Flows are dropped and counted while there is no backend, and come back with the first one."""
    down, up = {"down": BACKENDS}, {"down": BACKENDS[:1]}
    control = [Control("maglev", down, at_packet=2), Control("maglev", up, at_packet=6)]
    packets = [u(1), u(2), u(1), u(2), u(3), u(1, dst="203.0.113.9"), u(1), u(2), u(3), u(4)]
    talk = Talk(engine, chain_1(ports="2000-2031"), packets, control)
    assert talk.drops == {"maglev: no backend": 3}
    goes = [line.split(" > ")[1].split(" ")[0] for line in talk.lines]
    assert set(goes[:2]) <= set(BACKENDS)
    assert goes[2:] == ["203.0.113.9:80"] + [BACKENDS[1]] * 4
    assert all(f.sound(frame) for frame in talk.out)


def test_a_full_table(engine: str) -> None:
    """Chain 1 with room for four sessions, all answered: newcomers are dropped and counted, those inside go on."""
    opening = [u(sport, dst="203.0.113.9") for sport in (10, 12, 14, 16)]
    answers = [u(80, "203.0.113.9", "198.51.100.1", port) for port in (2000, 2002, 2001, 2003)]
    more = [u(18, dst="203.0.113.9"), *opening, *answers, u(20, dst="203.0.113.9")]
    talk = Talk(engine, chain_1(), [*opening, *answers, *more], capacity=4)
    assert talk.drops == {"chain: table full": 2}
    assert len(talk.lines) == 16
    assert [line.split(" > ")[1] for line in talk.lines[4:8]] == [f"{A}:{sport}" for sport in (10, 12, 14, 16)]
    rows = Monitor.table(talk.result.flows)
    assert [(row["packets"], row["reverse_packets"]) for row in rows] == [(2, 2)] * 4


def test_growing_past_the_mtu(engine: str) -> None:
    """What a tunnel makes too long is dropped at the output, counted by the chain, and the session lives on."""
    from nfuse.nf.library import IpIpEncap

    graph = Monitor() >> IpIpEncap(src="198.51.100.7", dst="198.51.100.8")
    sizes = [100, 1452, 1453, 1472, 200]
    talk = Talk(engine, graph, [u(data=bytes(size)) for size in sizes], mtu=1500)
    assert talk.drops == {"chain: MTU": 2}
    assert [len(frame) - 14 - 48 for frame in talk.out] == [100, 1452, 200]
    assert talk.result.flows["monitor.packets"].tolist() == [5]


# ------------------------------------------------------------------------------------------------- handlers' faults


class Clumsy(NF):
    """Each destination port is another mistake."""

    traffic = tcp | udp

    class State:
        four: Array[u16, 4]
        sizes: HashMap[u32, u16]
        ring: Ring[u8]
        stack: Stack[u32]

    class Session:
        n: u8
        x: i64

    def on_start(self):
        self.sizes.reserve(2)
        self.ring.reserve(2)
        self.stack.reserve(2)

    def on_packet(self, pkt, flow):
        flow.n += 1
        if pkt.dport == 1:
            flow.x = self.four[pkt.sport]
        elif pkt.dport == 2:
            self.four[0 - pkt.sport] = 1
        elif pkt.dport == 3:
            flow.x = 10 // (pkt.sport - 9)
        elif pkt.dport == 4:
            flow.x = 10 % (pkt.sport - 9)
        elif pkt.dport == 5:
            flow.x = 1 << (pkt.sport + 60)
        elif pkt.dport == 6:
            flow.x = self.ring.pop()
        elif pkt.dport == 7:
            flow.x = self.stack.pop()
        elif pkt.dport == 8:
            flow.x = pkt.payload[len(pkt.payload)]
        elif pkt.dport == 9:
            self.stack.push(1)
        elif pkt.dport == 10:
            while flow.n > 0:
                flow.x += 1
        elif pkt.dport == 11:
            flow.x = self.sizes[pkt.sport]


def test_every_fault_is_a_counted_drop(engine: str) -> None:
    """It names NF and line, costs that packet only, and leaves flow and chain usable."""
    packets = [u(9, dport=port, data=b"x") for port in range(1, 12)] + [u(9, dport=9), u(9, dport=9), u(9, dport=12)]
    talk = Talk(engine, Clumsy() >> Monitor(), packets)
    lines = sorted(int(cause.rsplit(":", 1)[1]) for cause in talk.drops)
    source = Path(__file__).read_text().splitlines()
    assert all(cause.startswith("clumsy: fault:Clumsy:") for cause in talk.drops)
    first = next(n for n, line in enumerate(source, 1) if line.startswith("class Clumsy"))
    told = [source[first - 1 + line - 1 if line < first else line - 1].strip() for line in lines]
    assert told == [
        "flow.x = self.four[pkt.sport]",
        "self.four[0 - pkt.sport] = 1",
        "flow.x = 10 // (pkt.sport - 9)",
        "flow.x = 10 % (pkt.sport - 9)",
        "flow.x = 1 << (pkt.sport + 60)",
        "flow.x = self.ring.pop()",
        "flow.x = self.stack.pop()",
        "flow.x = pkt.payload[len(pkt.payload)]",
        "self.stack.push(1)",
        "while flow.n > 0:",
        "flow.x = self.sizes[pkt.sport]",
    ]
    assert set(talk.drops.values()) == {1}
    assert len(talk.lines) == 3
    assert talk.result.flows["clumsy.n"].tolist() == [1] * 8 + [3] + [1] * 3


# ------------------------------------------------------------------------------------------- frames cut and garbled


@pytest.mark.parametrize("wire", [True, False], ids=["snapped", "cut"])
def test_truncated_at_every_byte(engine: str, wire: bool) -> None:
    """By a snap length: processed if the headers are whole. On the wire: malformed. Never lost without a counter."""
    whole = f.tcp(A, 10, V, 80, "S", b"payload")
    size = len(whole)
    frames = [(n, whole[:n], size) if wire else (n, whole[:n]) for n in range(size + 1)]
    sink = ListOutput()
    result = run(Chain(chain_1()), ListInput(frames), sink, engine)
    assert result.conserved
    assert result.counters["packets_in"] == size + 1
    lengths = [len(frame) for frame in sink.frames]
    translated = [n for n, frame in zip(lengths, sink.frames, strict=True) if frame[26:30] == bytes([198, 51, 100, 1])]
    assert translated == (list(range(54, size + 1)) if wire else [size])
    assert all(length in translated or length < 34 for length in lengths)


# ------------------------------------------------------------------------------------------------ an unusable cache


@pytest.mark.skipif(not JIT, reason="nothing is compiled")
def test_the_command_without_a_cache(tmp_path: Path) -> None:
    """It compiles, says once that it will do so each time, and works."""
    (tmp_path / "file").write_text("not a folder")
    target = tmp_path / "out.pcap"
    chain = str(ROOT / "examples" / "first_nf.py")
    process = subprocess.run(
        [sys.executable, "-m", "nfuse", "run", chain, "-i", "gen:?packets=100&dport=80", "-o", str(target)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "NFUSE_CACHE": str(tmp_path / "file" / "cache")},
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "packets in + made = out + dropped: 100 + " in process.stdout
    assert process.stderr.count("can't be written") == 1
    assert target.stat().st_size > 24
