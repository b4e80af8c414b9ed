"""SpeedyBox VII-C: what events and consolidation change is not to be seen in output, counters and logs."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.engine import frames as f
from tests.engine.conversation import need

from nfuse import NF, Chain, event, tcp, u8, u32, udp
from nfuse.engine.driver import ENGINES, Feed, run
from nfuse.engine.reference import ReferenceEngine
from nfuse.engine.source import Stages
from nfuse.engine.verify import verify
from nfuse.nf.abi import LOG_DTYPE
from nfuse.nf.library import IPFilter, Maglev, MazuNat, Monitor
from nfuse.packet.view import PacketView
from nfuse.port.burst import Burst
from nfuse.port.memory import ListInput, ListOutput
from nfuse.testing import Packet, reply

VIP = "203.0.113.80"
BACKENDS = ["192.168.7.1:8001", "192.168.7.2:8002", "192.168.7.3:8003"]
MOVED = 80
"""Flows to this port of the virtual address are re-routed."""
NATIVE = [name for name in ENGINES if name != "reference"]


class Rerouting(Maglev):
    """A balancer that moves the flows to one port to the next backend at their sixth packet, and says so."""

    at: u32 = 6

    class Session(Maglev.Session):
        packets: u32
        moves: u8

    def on_packet(self, pkt, flow):
        if flow.initiator:
            flow.packets += 1
            if pkt.dport == 80:
                flow.moves = 1

    @event
    def sixth(self, flow):
        return flow.moves and flow.packets >= self.at and flow.backend != 0

    @sixth.then
    def move(self, flow):
        slot = flow.backend % self.slots
        flow.backend = slot + 1
        self.alert("re-routed", slot)
        flow.modify(ip_dst=self.address[slot], dport=self.port[slot])


def chain_1() -> Chain:
    """NAT, the re-routing balancer, monitor, firewall."""
    return Chain(
        MazuNat(public=["198.51.100.1", "198.51.100.2"], inside="10.0.0.0/8")
        >> Rerouting(vip=VIP, ports="80-84", backends=BACKENDS, size=251)
        >> Monitor()
        >> IPFilter(rules=["drop tcp any -> 192.168.8.0/24 23", "drop udp any -> any 53"]),
        capacity=4096,
    )


class Talks:
    """Flows of ten packets each, shuffled, with answers of the backend that each packet went to.

    Attributes:
        frames: The input.
        what: Of each frame (flow, number of the packet in its direction, whether it is an answer).
        answered: Of each answer, the number of the packet that it answers.
    """

    def __init__(self, flows: int, packets: int = 10, answers: float = 0.4, seed: int = 1) -> None:
        rng = random.Random(seed)
        chain = chain_1()
        feed = Feed(ReferenceEngine(chain), chain)
        self.frames: list[Packet] = []
        self.what: list[tuple[int, int, bool]] = []
        self.answered: dict[int, int] = {}
        burst = Burst(16)
        left = [flow for flow in range(flows) for _ in range(packets)]
        rng.shuffle(left)
        sent: dict[int, list[bytes]] = {flow: [] for flow in range(flows)}
        back = dict.fromkeys(range(flows), 0)

        def send(data: bytes) -> bytes:
            frame = Packet(data, 1_700_000_000_000_000_000 + len(self.frames) * 10_000)
            self.frames.append(frame)
            (out,) = [
                filled.frame(index)
                for filled in Stages(chain, ListInput([frame]), burst)
                for order in feed.process(filled)
                for index in order.tolist()
            ]
            return out

        for flow in left:
            number = len(sent[flow])
            self.what.append((flow, number, False))
            sent[flow].append(send(self.packet(flow, number)))
            if rng.random() < answers:
                # now and then the answer to an older packet: the old backend speaks after the flow has moved
                which = number if rng.random() < 0.5 else rng.randrange(number + 1)
                self.answered[len(self.frames)] = which
                self.what.append((flow, back[flow], True))
                send(bytes(reply(Packet(sent[flow][which]), bytes([back[flow]]))))
                back[flow] += 1

    @staticmethod
    def packet(flow: int, number: int) -> bytes:
        """The packet of a flow, as its client sends it."""
        maker = f.tcp if flow % 2 else f.udp
        flags = {"flags": "S" if number == 0 else "PA"} if flow % 2 else {}
        return maker(client(flow), 3000 + flow, VIP, MOVED + flow % 5, data=bytes([number, flow]), **flags)


def client(flow: int) -> str:
    return f"10.1.{flow % 7}.{1 + flow % 11}"


def backend(frame: bytes) -> str:
    """Address and port that a frame goes to."""
    view = PacketView(bytearray(frame))
    return f"{view.ip.dst}:{view.dport}"


def outcome(engine: str, frames: list[Packet]) -> tuple[list[bytes], Any]:
    """Run chain 1; return what left, and the result."""
    sink = ListOutput()
    result = run(chain_1(), ListInput(frames), sink, need(engine))
    assert result.conserved
    return sink.frames, result


@pytest.mark.parametrize("engine", list(ENGINES))
def test_the_event_at_the_sixth_packet(engine: str) -> None:
    """One flow of ten packets: five go to one backend, five to the next; the sixth packet itself has moved."""
    talks = Talks(1, answers=0)
    out, result = outcome(engine, talks.frames)
    places = [backend(frame) for frame in out]
    assert places == [places[0]] * 5 + [places[5]] * 5
    assert places[5] == BACKENDS[(BACKENDS.index(places[0]) + 1) % 3]
    assert result.logs["value"].tolist() == [BACKENDS.index(places[5])]
    assert result.logs["clock"].tolist() == [talks.frames[5].time]
    (row,) = Monitor.table(result.flows)
    assert (row["packets"], row["bytes"]) == (10, sum(map(len, out)))


@pytest.fixture(scope="module")
def talks() -> Talks:
    return Talks(100)


@pytest.mark.parametrize("engine", NATIVE)
def test_a_fifth_of_the_flows_is_rerouted(talks: Talks, engine: str) -> None:
    """Output bytes, counters, Monitor's counts and logs are those of the reference engine."""
    result = verify(chain_1(), ListInput(talks.frames), ("reference", need(engine)))
    assert result.identical, str(result)
    assert result.translated == result.packets == len(talks.frames)
    assert result.sessions == 100


@pytest.mark.parametrize("engine", list(ENGINES))
def test_what_a_rerouted_flow_sees(talks: Talks, engine: str) -> None:
    """A flow moves at its sixth packet or not at all; answers of the old and the new backend reach the client."""
    out, result = outcome(engine, talks.frames)
    assert len(out) == len(talks.frames)
    places: dict[int, list[str]] = {flow: [] for flow in range(100)}
    late = 0
    for index, ((flow, number, answered), frame) in enumerate(zip(talks.what, out, strict=True)):
        assert f.sound(frame)
        if answered:
            view = PacketView(bytearray(frame))
            assert (str(view.ip.src), view.sport) == (VIP, MOVED + flow % 5)
            assert (str(view.ip.dst), view.dport) == (client(flow), 3000 + flow)
            late += flow % 5 == 0 and len(places[flow]) >= 6 and talks.answered[index] < 5
        else:
            assert number == len(places[flow])
            places[flow].append(backend(frame))
    assert late > 5  # answers of a backend that the flow had left
    moved = {flow for flow, seen in places.items() if len(set(seen)) > 1}
    assert moved == {flow for flow in range(100) if flow % 5 == 0}
    for flow, seen in places.items():
        after = BACKENDS[(BACKENDS.index(seen[0]) + (flow in moved)) % 3]
        assert seen == [seen[0]] * 5 + [after] * 5, flow
    assert len({seen[0] for seen in places.values()}) == 3
    assert len(result.logs) == 20
    rows = {(row["src"], row["sport"]): row for row in Monitor.table(result.flows)}
    for flow in range(100):
        row = rows[client(flow), 3000 + flow]
        answers = sum(1 for which, _, answered in talks.what if answered and which == flow)
        assert (row["packets"], row["reverse_packets"]) == (10, answers)


class Ids(NF):
    """Inspects payload: lets pass, raises an alert, or drops, by the pattern that is found; gives up on a flow."""

    traffic = tcp | udp
    patience: u32 = 3

    class State:
        inspected: u32

    class Session:
        alerts: u32
        drops: u32

    def on_packet(self, pkt, flow):
        n = len(pkt.payload)
        self.inspected += 1
        for i in range(n - 2):
            if pkt.payload[i] == 0x45 and pkt.payload[i + 1] == 0x56:  # "EV"
                what = pkt.payload[i + 2]
                if what == 0x41:  # "A"
                    flow.alerts += 1
                    self.alert("suspicious", i)
                elif what == 0x44:  # "D"
                    flow.drops += 1
                    self.alert("attack", i)
                    return pkt.drop("attack")
                else:
                    return None
        return None

    @event
    def too_many(self, flow):
        return flow.alerts >= self.patience

    @too_many.then
    def give_up(self, flow):
        self.alert("flow blocked", flow.alerts)
        flow.drop("too many alerts", reply="reject")


def payloads(seed: int, count: int) -> list[bytes]:
    """Payloads without a pattern, with one, with several."""
    rng = random.Random(seed)
    words = [b"", b"hello", b"EVA", b"EVD", b"EVP", b"EV", b"E", b"xxEVAxEVA", b"yEVPEVD"]
    return [b"".join(rng.choices(words, [4, 6, 2, 1, 1, 1, 1, 1, 1], k=2)) for _ in range(count)]


def inspected(frames: list[tuple[int, bytes]]) -> tuple[list[tuple[int, int, str, int]], list[bytes]]:
    """What the NF must log, as (packet, flow, signature, value), and which payloads leave, by a plain reading."""
    logs, out = [], []
    alerts: dict[int, int] = {}
    blocked: set[int] = set()
    for number, (flow, data) in enumerate(frames):
        dropped = False
        for i in range(len(data) - 2):
            if data[i : i + 2] == b"EV":
                if data[i + 2 : i + 3] == b"A":
                    alerts[flow] = alerts.get(flow, 0) + 1
                    logs.append((number, flow, "suspicious", i))
                elif data[i + 2 : i + 3] == b"D":
                    logs.append((number, flow, "attack", i))
                    dropped = True
                    break
                else:
                    break
        if alerts.get(flow, 0) >= 3 and flow not in blocked:
            logs.append((number, flow, "flow blocked", alerts[flow]))
            blocked.add(flow)
        if not dropped and flow not in blocked:
            out.append(data)
    return logs, out


def ids_chain() -> Chain:
    return Chain(MazuNat(public="198.51.100.1") >> Ids() >> Monitor())


@pytest.mark.parametrize("engine", NATIVE)
def test_an_ids_logs_the_same(engine: str) -> None:
    """Pass, alert and drop by payload: logs, drops and output equal the reference's, and a plain reading's."""
    rng = random.Random(7)
    drawn = [(rng.randrange(12), data) for data in payloads(3, 400)]
    frames = []
    for number, (flow, data) in enumerate(drawn):
        packet = (f.tcp if flow % 2 else f.udp)("10.0.0.1", 100 + flow, "203.0.113.9", 80, data=data)
        frames.append(Packet(packet, 1_700_000_000_000_000_000 + number * 1_000))
    result = verify(ids_chain(), ListInput(frames), ("reference", need(engine)))
    assert result.identical, str(result)

    logs, out = inspected(drawn)
    sink = ListOutput()
    native = run(ids_chain(), ListInput(frames), sink, engine)
    assert native.logs.dtype == LOG_DTYPE
    signatures = ["suspicious", "attack", "flow blocked"]
    assert sorted({log[2] for log in logs}) == sorted(signatures)
    found = [
        (int(log["clock"] - frames[0].time) // 1_000, int(log["sport"]) - 100, int(log["value"])) for log in native.logs
    ]
    assert found == [(number, flow, value) for number, flow, _, value in logs]
    assert [int(log["signature"]) for log in native.logs] == [1 + signatures.index(log[2]) for log in logs]
    assert native.drops.keys() == {("ids", "attack"), ("ids", "too many alerts")}
    left = [frame for frame in sink.frames if str(PacketView(bytearray(frame)).ip.src) == "198.51.100.1"]
    assert len(left) == len(out)
    assert native.counters["made"] > 10
