"""The driver: bursts, limits, directions, fragments across bursts, control input, Ctrl-C."""

from __future__ import annotations

import itertools
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine import frames as f
from tests.engine.nfs import Meter, Picket, Rejecter, Snat

from nfuse import NF, Chain, ChainError, from_yaml, ip, u32, udp
from nfuse.engine.api import Control
from nfuse.engine.driver import run
from nfuse.engine.merge import Merged
from nfuse.engine.schedule import Schedule
from nfuse.engine.verify import verify
from nfuse.port.burst import Burst
from nfuse.port.errors import PortError
from nfuse.port.memory import ListInput, ListOutput

A, V = "10.0.0.1", "203.0.113.5"


def u(n: int = 0) -> bytes:
    return f.udp(A, 1, V, 53, bytes([n]))


def test_limit_and_conservation():
    sink = ListOutput()
    result = run(Chain(Meter()), ListInput([u(n) for n in range(10)]), sink, "reference", limit=7, packets=3)
    assert len(sink.frames) == result.counters["packets_out"] == result.counters["packets_in"] == 7
    assert result.counters["bytes_in"] == 7 * 43
    assert result.conserved


def test_progress_and_interrupt():
    seen = []

    def progress(packets, position, size):
        seen.append((packets, position, size))
        if packets >= 4:
            raise KeyboardInterrupt

    sink = ListOutput()
    result = run(Chain(Meter()), ListInput([u(n) for n in range(9)]), sink, "reference", progress=progress, packets=2)
    assert seen == [(2, 2, 9), (4, 4, 9)]
    assert result.interrupted
    assert result.counters["packets_out"] == len(sink.frames) == 4


def test_fragments_that_never_complete_are_counted():
    pieces = f.fragments(f.udp(A, 1, V, 53, bytes(40)), 16)
    result = run(Chain(Meter()), ListInput([u(), pieces[1], pieces[2]]), None, "reference")
    assert result.drops == {("chain", "fragment: no first fragment"): 2}
    assert result.counters["packets_in"] == 3
    assert result.conserved


@pytest.mark.parametrize("packets", [1, 2, 3, 64])
def test_fragments_across_bursts(packets):
    pieces = f.fragments(f.udp(A, 1, V, 53, bytes(range(40))), 16)
    sink = ListOutput()
    run(Chain(Snat()), ListInput([pieces[2], u(1), pieces[1], pieces[0], u(2)]), sink, "reference", packets=packets)
    assert [f.text(frame).split()[0] for frame in sink.frames] == ["udp", "udp", "fragment", "fragment", "udp"]
    assert [f.text(frame).split()[1] for frame in sink.frames][2:4] == ["32", "16"]


def test_direction_expression():
    """One input that carries both directions: the expression says which packets are of the reverse one."""
    outputs = ListOutput(), ListOutput()
    reverse, stranger = f.udp(V, 53, A, 1), f.udp(V, 53, A, 2)
    chain = Chain(Picket(), direction=ip.src == "203.0.113.0/24")
    result = run(chain, ListInput([stranger, u(), reverse]), outputs, "reference")
    assert result.drops == {("picket", "unsolicited"): 1}
    assert [f.text(frame) for frame in outputs[0].frames] == [
        f"icmp 3/13 {A} > {V} [udp {V}:53 > {A}:2]",
        f"udp {A}:1 > {V}:53",
    ]
    assert outputs[1].frames == [reverse]


def test_two_inputs_are_merged_by_time_stamp():
    left = ListInput([(1, u(1)), (5, u(2)), (3, u(3)), (9, u(4))])
    right = ListInput([(2, u(11)), (5, u(12)), (8, u(13))])
    port, burst, got = Merged(left, right, 4), Burst(4), []
    while n := port.receive(burst):
        got += [(int(burst.desc["side"][k]), burst.frame(k)[-1]) for k in range(n)]
    assert got == [(0, 1), (1, 11), (0, 2), (0, 3), (1, 12), (1, 13), (0, 4)]


def test_made_packets_fill_no_burst():
    """As many answers as packets, whatever the size of the burst."""
    packets = [f.tcp("10.0.0.0", n, V, 80, "S") for n in range(1, 41)]
    sink = ListOutput()
    result = run(Chain(Rejecter()), ListInput(packets), sink, "reference", packets=8)
    assert result.counters["made"] == len(sink.frames) == 40


def test_unknown_names():
    with pytest.raises(ValueError, match="no engine"):
        run(Chain(Meter()), ListInput([]), None, "fast")
    with pytest.raises(ChainError, match="did you mean 'meter'"):
        run(Chain(Meter()), ListInput([]), None, "reference", [Control("metre", {}, at_packet=1)])
    with pytest.raises(ValueError, match="exactly one"):
        Control("meter", {})


@given(
    stamps=st.lists(st.integers(0, 50), max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=4),
    due=st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=5),
)
def test_schedule_against_one_packet_at_a_time(stamps, cuts, due):
    """However the packets come, changes fall before the same packets as when each one is looked at."""
    changes = [
        Control(str(n), {}, at_packet=at) if by_packet else Control(str(n), {}, at_time=at)
        for n, (by_packet, at) in enumerate(due)
    ]

    def events(lengths):
        schedule, seen, at = Schedule(changes), [], 0
        for length in lengths:
            part = np.array(stamps[at : at + length], np.int64)
            for now, start, stop in schedule.split(part):
                seen += [change.nf for change in now]
                seen += list(range(at + start, at + stop))
            at += length
        return seen

    edges = sorted({0, len(stamps), *(cut for cut in cuts if cut < len(stamps))})
    pieces = [b - a for a, b in itertools.pairwise(edges)]
    assert events(pieces) == events([1] * len(stamps))


def test_ctrl_c_stops_after_the_burst_in_hand():
    def progress(packets, position, size):
        if packets == 4:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    sink = ListOutput()
    result = run(Chain(Meter()), ListInput([u(n) for n in range(9)]), sink, "reference", progress=progress, packets=2)
    assert result.interrupted
    assert result.conserved
    assert len(sink.frames) == 4
    assert signal.getsignal(signal.SIGINT) is before


class Noisy(NF):
    """Alerts a hundred times a packet."""

    traffic = udp

    def on_packet(self, pkt, flow):
        for number in range(100):
            self.alert("noise", number)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_more_alerts_than_the_ring_holds(engine):
    frames = [u(n % 256) for n in range(700)]
    result = run(Chain(Noisy()), ListInput(frames), None, engine, packets=128)
    assert len(result.logs) == result.alerts == 70_000
    assert result.alerts_lost == 0
    taken = []
    result = run(Chain(Noisy()), ListInput(frames[:10]), None, engine, alerts=taken.append)
    assert sum(map(len, taken)) == result.alerts == 1000
    assert len(result.logs) == 0
    assert result.states == {"noisy": {}}
    assert run(Chain(Noisy()), ListInput(frames[:1]), None, engine, states=False).states == {"noisy": {}}


def test_verify_compares_all_alerts():
    frames = [u(n % 256) for n in range(700)]
    assert verify(Chain(Noisy()), ListInput(frames)).identical


def test_lost_alerts_are_counted():
    frames = [u(n % 256) for n in range(700)]
    result = run(Chain(Noisy()), ListInput(frames), None, "fused", packets=2048)
    assert result.alerts + result.alerts_lost == 70_000
    assert result.alerts_lost == 70_000 - 65_536


class Full(ListOutput):
    """An output that has room for three packets."""

    def send(self, burst, order):
        if len(self.frames) + len(order) > 3:
            raise PortError("out.pcap: writing failed: No space left on device")
        super().send(burst, order)


def test_an_output_that_fails_ends_the_run():
    sink = Full()
    result = run(Chain(Meter()), ListInput([u(n) for n in range(9)]), sink, "reference", packets=2)
    assert result.failed == "out.pcap: writing failed: No space left on device"
    assert len(sink.frames) == 2
    assert result.counters["packets_in"] == 4
    assert result.conserved


class Picky(NF):
    limit: u32 = 3

    def on_start(self):
        if self.limit > 5:
            raise ValueError("limit is over 5")


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_what_an_nf_says_at_its_start_has_its_name_and_place(engine):
    with pytest.raises(ChainError, match=r"test_driver\.py:\d+: second \(Picky\) can't start: limit is over 5\n"):
        run(Chain(Picky() >> Picky(limit=6).named("second")), ListInput([u()]), None, engine)
    chain = from_yaml(f"chain:\n  - {__name__}:Picky\n  - {__name__}:Picky: {{limit: 7}}\n", "edge.yaml")
    with pytest.raises(ChainError) as caught:
        run(chain, ListInput([u()]), None, engine)
    assert str(caught.value).startswith("edge.yaml:3:5: chain[1].")
    assert "picky_2 (Picky) can't start: limit is over 5" in str(caught.value)


def test_control_input_is_checked_before_the_run():
    def fails(change):
        with pytest.raises(ChainError) as caught:
            run(Chain(Picky()), ListInput([u()]), None, "reference", [change])
        return str(caught.value)

    assert "did you mean 'limit'" in fails(Control("picky", {"limt": 1}, at_packet=100))
    assert "'many'" in fails(Control("picky", {"limit": "many"}, at_packet=100))
    assert "refuses the change: limit is over 5" in fails(Control("picky", {"limit": 6}, at_packet=0))


def test_an_empty_chain_is_refused():
    with pytest.raises(ChainError, match="empty"):
        run(Chain(None), ListInput([u()]), None, "reference")
