"""Flows sent out where they came in (`flow.turn_back`): each rule as a small conversation with every engine."""

# ruff: noqa: RET503  (handlers: `return pkt.drop(...)` ends them early)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.engine import frames as f
from tests.engine.conversation import Talk, need

from nfuse import NF, Chain, IPv4Address, boolean, event, ip, ipv4, tcp, u8, u16, udp
from nfuse.engine.api import Control
from nfuse.engine.driver import ENGINES

A, B, N = "10.0.0.1", "10.0.0.2", "192.0.2.1"
A_TO_N, N_TO_B = f"udp {A}:1 > {N}:80", f"udp {N}:5000 > {B}:8080"
B_TO_N, N_TO_A = f"udp {B}:8080 > {N}:5000", f"udp {N}:80 > {A}:1"


@pytest.fixture(params=list(ENGINES))
def engine(request):
    return need(request.param)


class Hairpin(NF):
    """What goes to N is for B, and is turned back; at its third packet or by control input it goes straight."""

    traffic = ipv4 & (tcp | udp)
    public: IPv4Address = N
    owner: IPv4Address = B
    straight: boolean = False
    most: u16 = 99

    class Session:
        packets: u16
        back: u16

    def on_flow(self, pkt, flow):
        if pkt.ip.dst == self.public and pkt.dport == 80:
            flow.modify(ip_src=self.public, ip_dst=self.owner, sport=5000, dport=8080)
            flow.turn_back()

    def on_change(self, flow):
        if flow.ip_dst == self.public and flow.dport == 80:
            flow.modify(ip_src=self.public, ip_dst=self.owner, sport=5000, dport=8080)
            if not self.straight:
                flow.turn_back()

    def on_packet(self, pkt, flow):
        flow.packets += 1
        flow.back += pkt.reverse

    @event
    def enough(self, flow):
        return flow.packets >= self.most

    @enough.then
    def let_go(self, flow):
        flow.modify(ip_src=self.public, ip_dst=self.owner, sport=5000, dport=8080)


class Pace(NF):
    """Stores a TTL that shows in which order packets have passed, and answers what comes with a certain one."""

    session = None
    factor: u8 = 1
    add: u8 = 0
    dead: u8 = 1

    def on_packet(self, pkt):
        if pkt.ip.ttl == self.dead:
            pkt.reply("ttl exceeded")
            return pkt.drop("TTL exceeded")
        pkt.ip.ttl = pkt.ip.ttl * self.factor + self.add


def chain(**settings: Any) -> Chain:
    hairpin = {name: settings.pop(name) for name in ("straight", "most") if name in settings}
    return Chain(
        Pace(factor=2) >> Hairpin(**hairpin) >> Pace(add=1, dead=40).named("last"), **{"two_sided": True, **settings}
    )


def there(at: float, side: int = 0, ttl: int = 10) -> tuple[float, bytes, int]:
    """From A to the public address."""
    return at, f.udp(A, 1, N, 80, b"there", ttl=ttl), side


def back(at: float, side: int = 0, ttl: int = 10) -> tuple[float, bytes, int]:
    """B's answer to what it got."""
    return at, f.udp(B, 8080, N, 5000, b"back", ttl=ttl), side


def talk_of(engine: str, nfs: Chain, packets: list[Any], control: Sequence[Control] = ()) -> Talk:
    """The conversation, in one burst (which goes NF by NF) and packet by packet: the same comes out."""
    whole = Talk(engine, nfs, packets, control)
    single = Talk(engine, nfs, packets, control, burst=1)
    assert single.records == whole.records
    assert single.counters == whole.counters
    assert single.result.flows.tobytes() == whole.result.flows.tobytes()
    return single


def left(talk: Talk) -> list[tuple[int, str]]:
    """Side and text of what left: packets of side 0 leave by the forward output, of side 1 by the reverse one."""
    assert all(f.sound(frame) for frame in talk.out if not int.from_bytes(frame[20:22], "big") & 0x3FFF)
    return [(record[3], line) for record, line in zip(talk.records, talk.lines, strict=True)]


def test_both_directions_leave_where_they_came_in(engine):
    talk = talk_of(engine, chain(), [there(1), back(2), there(3), back(4), there(5)])
    to_b, to_a = (1, f"{N_TO_B} ttl 21"), (1, f"{N_TO_A} ttl 22")
    assert left(talk) == [to_b, to_a, to_b, to_a, to_b]
    flow = talk.result.flows[0]
    assert (flow["side"], flow["hairpin.packets"], flow["hairpin.back"]) == (0, 5, 2)
    assert talk.counters["sessions_created"] == 1


def test_from_the_other_network(engine):
    talk = talk_of(engine, chain(), [there(1, side=1), back(2, side=1), there(3, side=1), back(4, side=1)])
    assert left(talk) == [(0, f"{N_TO_B} ttl 22"), (0, f"{N_TO_A} ttl 21")] * 2
    assert talk.result.flows["hairpin.back"].tolist() == [2]  # the opening direction travels backwards


def test_an_answer_from_the_other_side_is_none(engine):
    talk = talk_of(engine, chain(), [there(1), back(2, side=1), back(3)])
    assert left(talk)[1:] == [(1, f"{B_TO_N} ttl 22"), (1, f"{N_TO_A} ttl 22")]
    assert talk.counters["sessions_created"] == 2


def test_with_one_side_nothing_changes(engine):
    talk = talk_of(engine, chain(two_sided=False), [there(1), back(2), there(3), back(4)])
    assert left(talk) == [(0, f"{N_TO_B} ttl 21"), (0, f"{N_TO_A} ttl 22")] * 2


def test_a_direction_expression_instead_of_ports(engine):
    settings = {"direction": ip.dst == "10.0.0.9/32"}
    talk = talk_of(engine, chain(**settings), [there(1), back(2), there(3), back(4)])
    assert left(talk) == [(1, f"{N_TO_B} ttl 21"), (1, f"{N_TO_A} ttl 22")] * 2


def test_an_event_lets_the_flow_go_straight_on(engine):
    """The reply key moves to the other side; the old one goes on to hold until the session ends."""
    packets = [there(1), back(2), there(3), back(4, side=1), there(5), back(6), back(7, side=1)]
    talk = talk_of(engine, chain(most=3), packets)
    back_to_b, on_to_b, to_a = (1, f"{N_TO_B} ttl 21"), (0, f"{N_TO_B} ttl 21"), (1, f"{N_TO_A} ttl 22")
    assert left(talk) == [back_to_b, to_a, on_to_b, to_a, on_to_b, to_a, to_a]
    assert talk.counters["sessions_created"] == 1


def test_control_input_turns_the_flow_back_and_lets_it_go(engine):
    packets = [there(1), back(2), there(3), back(4, side=1), there(5), back(6)]
    control = [Control("hairpin", {"straight": n == 0}, at_packet=2 + 2 * n) for n in range(2)]
    talk = talk_of(engine, chain(), packets, control)
    assert [side for side, _ in left(talk)] == [1, 1, 0, 1, 1, 1]


def test_made_packets_leave_where_their_cause_came_in(engine):
    """S8: an answer to the opener and one to the peer, who are in one network."""
    talk = talk_of(engine, chain(), [there(1), back(2), there(3, ttl=20), back(4, ttl=0)])
    assert left(talk)[2:] == [
        (1, f"icmp 11/0 {N} > {A} [{A_TO_N} ttl 40] ttl 128"),
        (1, f"icmp 11/0 {N} > {B} [{B_TO_N} ttl 1] ttl 65"),
    ]


def test_icmp_errors_and_fragments_are_turned_back(engine):
    sent = f.udp(N, 5000, B, 8080, b"there", ttl=20)
    error = f.icmp_error("10.0.0.77", N, sent[14:])
    first, second = f.fragments(f.udp(A, 1, N, 80, bytes(24)), 16)
    talk = talk_of(engine, chain(), [there(1), back(2), (3, error, 0), (4, first, 0), (5, second, 0)])
    assert left(talk)[2:] == [
        (1, f"icmp 3/1 10.0.0.77 > {A} [{A_TO_N} ttl 20] ttl 130"),
        (1, f"{N_TO_B} ttl 129"),
        (1, f"fragment 16 {N} > {B} ttl 129"),
    ]


def test_a_reply_key_that_is_taken(engine):
    """B has spoken to the opener's translated address first: A's flow would need the key of that session."""
    talk = talk_of(engine, chain(), [back(1), there(2), back(3)])
    assert talk.drops == {"chain: reverse key in use": 1}
    assert left(talk) == [(0, f"{B_TO_N} ttl 21")] * 2
