"""The rules of strict equivalence, S1 to S18 (but S11), each as a small conversation with every engine."""

# ruff: noqa: RET503  (handlers: `return flow.drop(...)` ends them early)
from __future__ import annotations

from ipaddress import ip_address

import pytest
from tests.engine import frames as f
from tests.engine.conversation import Talk, need
from tests.engine.nfs import TUNNEL_A, TUNNEL_B, Fragile, Reader, Rewriter, Runner, Spinner, Stubborn, Tunnel, TunnelEnd

from nfuse import (
    NF,
    Address,
    Chain,
    IpIpHeader,
    IPv4Address,
    Timeouts,
    branch,
    dport,
    event,
    five_tuple,
    i64,
    icmp,
    ip,
    ipv4,
    tcp,
    u8,
    u16,
    u32,
    udp,
)
from nfuse.engine.api import Control
from nfuse.engine.driver import ENGINES

A, B, C, N, V = "10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1", "203.0.113.5"


@pytest.fixture(params=list(ENGINES))
def engine(request):
    return need(request.param)


# ---------------------------------------------------------------------------------------------- NFs of the examples


class Nat(NF):
    """Source port 5000, address N, for whatever comes first."""

    traffic = ipv4 & (tcp | udp | icmp)
    public: IPv4Address = N

    def on_flow(self, pkt, flow):
        flow.modify(ip_src=self.public, sport=5000)


class Count(NF):
    """Counts packets by direction, and on_flow calls."""

    class State:
        flows: u32
        ended: u32

    class Session:
        there: u32
        back: u32
        place: Address
        port: u16

    def on_flow(self, pkt, flow):
        self.flows += 1
        flow.place = pkt.ip.src

    def on_packet(self, pkt, flow):
        if flow.initiator:
            flow.there += 1
        else:
            flow.back += 1

    def on_end(self, flow):
        self.ended += 1


class Dst(NF):
    """Destination by parameter; knows on_change."""

    traffic = tcp | udp
    to: Address = "10.9.9.9"

    def on_flow(self, pkt, flow):
        flow.modify(ip_dst=self.to)

    def on_change(self, flow):
        flow.modify(ip_dst=self.to)


class Log(NF):
    """Writes down what it saw, per flow, in base 16."""

    class Session:
        seen: i64

    def on_packet(self, pkt, flow):
        flow.seen = flow.seen * 256 + pkt.ip.ttl


class Ttl(NF):
    value: u8 = 9

    def on_flow(self, pkt, flow):
        flow.modify(ip_ttl=self.value)


class Block(NF):
    traffic = tcp | udp
    port: u16 = 23

    def on_flow(self, pkt, flow):
        if pkt.dport == self.port:
            flow.drop("blocked")


class Third(NF):
    """Counts; at the third packet of a flow, an event drops it."""

    class Session:
        n: u32

    def on_packet(self, pkt, flow):
        flow.n += 1

    @event
    def enough(self, flow):
        return flow.n >= 3

    @enough.then
    def stop(self, flow):
        flow.drop("third")


def syn(src=A, sport=1, dst=V, dport=80, **more):
    return f.tcp(src, sport, dst, dport, "S", **more)


def u(src=A, sport=1, dst=V, dport=53, data=b"hello!", **more):
    return f.udp(src, sport, dst, dport, data, **more)


# --------------------------------------------------------------------------------------------------------- the rules


def test_s01_session(engine):
    """Keyed at the entry: rewriting starts no other session; on_flow once per session at each NF."""
    talk = Talk(engine, Nat() >> Count() >> Dst(), [syn(), f.tcp(A, 1, V, 80, "A"), syn(B)])
    assert talk.result.states["count"]["flows"] == 2
    assert talk.counters["sessions_created"] == 2
    assert talk.lines[:2] == [f"tcp {N}:5000 > 10.9.9.9:80 S", f"tcp {N}:5000 > 10.9.9.9:80 A"]
    assert talk.drops == {"chain: reverse key in use": 1}  # B got the same translation


def test_s01_on_flow_where_first_reached(engine):
    """An NF behind one that drops at first has its on_flow at the session's first packet that gets there."""

    talk = Talk(engine, Gate() >> Count(), [u(), u(), u()])
    assert talk.result.states["count"]["flows"] == 1
    assert talk.result.flows["count.there"].tolist() == [1]
    assert talk.drops == {"gate: closed": 2}


class Gate(NF):
    """Lets the third packet of a flow through, and what comes after."""

    class Session:
        n: u32

    def on_packet(self, pkt, flow):
        flow.n += 1
        if flow.n < 3:
            return pkt.drop("closed")


def test_s02_direction(engine):
    """Replies travel through the NFs in reverse order; pkt.reverse is relative to the first packet."""
    reply = f.udp(V, 53, N, 5000)
    talk = Talk(engine, Way().named("first") >> Nat() >> Way().named("last"), [u(), reply, u()])
    row = talk.result.flows[0]
    assert (row["first.there"], row["first.back"], row["last.there"], row["last.back"]) == (2, 1, 2, 1)
    # on the way back, the last NF sees the translated address, the first one the original
    assert bytes(row["last.seen"].astype("<i8").tobytes())[8:12] == bytes([1, 2, 0, 192])
    assert bytes(row["first.seen"].astype("<i8").tobytes())[8:12] == bytes([1, 0, 0, 10])
    assert talk.lines[1] == f"udp {V}:53 > {A}:1"


class Way(NF):
    class Session:
        there: u16
        back: u16
        seen: Address

    def on_packet(self, pkt, flow):
        if pkt.reverse:
            flow.back += 1
            flow.seen = pkt.ip.dst
        else:
            flow.there += 1


def test_s02_two_sided(engine):
    """With two sides, pkt.reverse is the side; a session may be opened from either; initiator is its own."""
    talk = Talk(
        engine,
        Side().named("left") >> Side().named("right"),
        [(1, u(V, 53, A, 1), 1), (2, u(), 0), (3, u(V, 53, A, 1), 1)],
        two_sided=True,
    )
    row = talk.result.flows[0]
    assert talk.counters["sessions_created"] == 1
    assert (row["left.reverse"], row["left.opening"], row["right.order"]) == (2, 2, 1)
    assert [record[3] for record in talk.records] == [1, 0, 1]


class Side(NF):
    class State:
        turn: u32

    class Session:
        reverse: u16
        opening: u16
        order: u16

    def on_flow(self, pkt, flow):
        flow.order = pkt.reverse

    def on_packet(self, pkt, flow):
        flow.reverse += pkt.reverse
        flow.opening += flow.initiator


def test_s03_inverse(engine):
    """Addresses, ports and ICMP identifiers invert; TTL does not. Checksums hold."""
    talk = Talk(
        engine,
        Nat() >> Ttl(),
        [
            f.tcp(A, 1111, V, 80, "S"),
            f.tcp(V, 80, N, 5000, "SA"),
            f.echo(B, V, 77),
            f.echo(V, N, 5000, reply=True),
        ],
    )
    assert talk.lines == [
        f"tcp {N}:5000 > {V}:80 S ttl 9",
        f"tcp {V}:80 > {A}:1111 SA",
        f"echo request {N} > {V} id 5000 ttl 9",
        f"echo reply {V} > {B} id 77",
    ]
    assert all(f.sound(frame) for frame in talk.out)


def test_s03_reverse_key_in_use(engine):
    """A reply key that belongs to a session already: the newcomer is dropped, counted and ended."""
    talk = Talk(engine, Nat() >> Count(), [u(A), u(B), u(A)])
    assert talk.lines == [f"udp {N}:5000 > {V}:53"] * 2
    assert talk.drops == {"chain: reverse key in use": 1}
    assert talk.result.states["count"] == {"flows": 2, "ended": 1}


def test_s03_one_old_reply_key(engine):
    """A re-route keeps one old reply key: late replies of the old backend are still translated."""
    control = [Control("dst", {"to": "10.9.9.2"}, at_packet=1), Control("dst", {"to": "10.9.9.3"}, at_packet=3)]
    old, new = u("10.9.9.9", 53, A, 1), u("10.9.9.2", 53, A, 1)
    talk = Talk(engine, Dst(), [u(), u(), old, u(), new, old], control)
    assert talk.lines[:5] == [
        f"udp {A}:1 > 10.9.9.9:53",
        f"udp {A}:1 > 10.9.9.2:53",
        f"udp {V}:53 > {A}:1",
        f"udp {A}:1 > 10.9.9.3:53",
        f"udp {V}:53 > {A}:1",
    ]
    assert talk.lines[5] != f"udp {V}:53 > {A}:1"  # the oldest key is gone: this is a session of its own
    assert talk.counters["sessions_created"] == 2


def test_s04_order_within_an_nf(engine):
    """on_flow, on_packet, events in order of definition, then the action; on_packet sees the header before it."""
    talk = Talk(engine, Ordered(), [u(ttl=50), u(ttl=50)])
    assert talk.lines == [f"udp {A}:1 > {V}:53 ttl 7", f"udp {A}:1 > {V}:53 ttl 8"]
    row = talk.result.flows[0]
    assert row["ordered.trace"] == 1 * 1000 + 2 * 100 + 2 * 10 + 3
    assert row["ordered.ttl"] == 50


class Ordered(NF):
    class Session:
        trace: i64
        n: u8
        ttl: u8

    def on_flow(self, pkt, flow):
        flow.trace = 1
        flow.modify(ip_ttl=7)

    def on_packet(self, pkt, flow):
        flow.trace = flow.trace * 10 + 2
        flow.ttl = pkt.ip.ttl
        flow.n += 1

    @event
    def second(self, flow):
        return flow.n == 2

    @second.then
    def change(self, flow):
        flow.trace = flow.trace * 10 + 3
        flow.modify(ip_ttl=8)


def test_s04_fires_once_or_again(engine):
    """An event fires once a flow; with repeat=True again each time it has been found false in between."""
    talk = Talk(engine, Firing(), [u(dport=d) for d in (53,)] + [u(data=bytes(n)) for n in (1, 1, 2, 1, 2, 2)])
    row = talk.result.flows[0]
    assert row["firing.once"] == 1
    assert row["firing.again"] == 2


class Firing(NF):
    traffic = udp

    class Session:
        size: u16
        once: u8
        again: u8

    def on_packet(self, pkt, flow):
        flow.size = pkt.payload_len

    @event
    def one(self, flow):
        return flow.size == 1

    @one.then
    def count_one(self, flow):
        flow.once += 1

    @event(repeat=True)
    def each(self, flow):
        return flow.size == 1

    @each.then
    def count_each(self, flow):
        flow.again += 1


def test_s05_drop(engine):
    """State functions before the NF that drops, and its own, run; those after it do not."""
    talk = Talk(engine, Count().named("before") >> Third() >> Count().named("after"), [u()] * 5)
    row = talk.result.flows[0]
    assert (row["before.there"], row["third.n"], row["after.there"]) == (5, 5, 2)
    assert talk.drops == {"third: third": 3}


def test_s05_drop_holds_both_ways(engine):
    talk = Talk(engine, Third(), [u(), u(V, 53, A, 1), u(), u(V, 53, A, 1)])
    assert len(talk.lines) == 2
    assert talk.drops == {"third: third": 2}


def test_s06_changed_field(engine):
    """An event alters a field that a later NF's on_flow has read: that NF gets on_change."""
    talk = Talk(engine, Moving() >> Follower(), [u(), u(), u()])
    assert talk.lines == [
        f"udp {A}:1 > 10.8.0.1:53 ttl 1",
        f"udp {A}:1 > 10.8.0.2:53 ttl 2",
        f"udp {A}:1 > 10.8.0.2:53 ttl 2",
    ]
    assert talk.result.flows["follower.changes"].tolist() == [1]


class Moving(NF):
    class Session:
        n: u8

    def on_flow(self, pkt, flow):
        if pkt.ipv4:
            flow.modify(ip_dst=FIRST)

    def on_packet(self, pkt, flow):
        flow.n += 1

    @event
    def two(self, flow):
        return flow.n == 2

    @two.then
    def move(self, flow):
        flow.modify(ip_dst=SECOND)


FIRST, SECOND = ip_address("10.8.0.1"), ip_address("10.8.0.2")


class Follower(NF):
    class Session:
        changes: u8

    def on_flow(self, pkt, flow):
        flow.modify(ip_ttl=pkt.ip.dst.lo & 0xFF)

    def on_change(self, flow):
        flow.changes += 1
        flow.modify(ip_ttl=flow.ip_dst.lo & 0xFF)


def test_s06_changed_parameters(engine):
    """Control input: each session gets on_change at its next packet; an NF without one keeps its decision."""
    control = [Control("dst", {"to": "10.9.9.2"}, at_packet=1), Control("ttl", {"value": 3}, at_packet=1)]
    talk = Talk(engine, Dst() >> Ttl(), [u(), u(), u(B)], control)
    assert talk.lines == [
        f"udp {A}:1 > 10.9.9.9:53 ttl 9",
        f"udp {A}:1 > 10.9.9.2:53 ttl 9",
        f"udp {B}:1 > 10.9.9.2:53 ttl 3",
    ]


def test_s07_header_at_its_place(engine):
    """A state function sees the header as it is at its place; a store to a consolidated field comes after it."""
    graph = (
        Log().named("one") >> Ttl(value=20) >> Log().named("two") >> Hop() >> Log().named("three") >> Ttl().named("t")
    )
    talk = Talk(engine, graph, [u(ttl=50), u(ttl=51)])
    row = talk.result.flows[0]
    assert (row["one.seen"], row["two.seen"], row["three.seen"]) == (50 * 256 + 51, 20 * 257, 19 * 257)
    assert talk.lines == [f"udp {A}:1 > {V}:53 ttl 9"] * 2
    assert all(f.sound(frame) for frame in talk.out)


class Hop(NF):
    session = None

    def on_packet(self, pkt):
        if pkt.ip.ttl <= 1:
            pkt.reply("ttl exceeded")
            return pkt.drop("TTL exceeded")
        pkt.ip.ttl -= 1


def test_s08_made_packets(engine):
    """A made packet travels back over the NFs already passed, and leaves right after the one that caused it."""
    talk = Talk(engine, Count() >> Nat() >> Reject(), [u(B, 9, V, 53), syn(dport=23), u(C, 9, V, 53, data=b"")])
    assert talk.lines[0] == f"udp {N}:5000 > {V}:53"
    assert talk.lines[1] == f"tcp {V}:23 > {A}:1 RA"
    assert f.sound(talk.out[1])
    rows = talk.result.flows
    assert (rows["count.there"].tolist()[1], rows["count.back"].tolist()[1]) == (1, 1)
    assert talk.counters["made"] == 1
    assert talk.drops["reject: closed"] == 1


class Reject(NF):
    traffic = tcp

    def on_flow(self, pkt, flow):
        if pkt.tcp.dport == 23:
            flow.drop("closed", reply="rst")


def test_s08_stateless_answer(engine):
    """TTL exceeded: the error quotes the packet as it is at the NF, and is translated on its way back."""
    talk = Talk(engine, Nat() >> Hop(), [u(ttl=1)])
    assert talk.lines == [f"icmp 11/0 {V} > {A} [udp {A}:1 > {V}:53 ttl 1]"]
    assert f.sound(talk.out[0])


def test_s08_nothing_answers(engine):
    """RSTs, ICMP errors and later fragments are not answered."""
    error = f.icmp_error(V, A, u()[14:])
    pieces = f.fragments(u(data=bytes(40)), 16)
    first, later = pieces[0], pieces[1].replace(b"", b"")
    talk = Talk(engine, Refuse(), [f.tcp(A, 1, V, 80, "R"), error, first, later])
    assert [line.split()[0] for line in talk.lines] == ["icmp"]  # to the first fragment only
    assert talk.counters["made"] == 1


class Refuse(NF):
    session = None

    def on_packet(self, pkt):
        pkt.reply("reject")
        return pkt.drop("refused")


def test_s09_icmp_error(engine):
    """An ICMP error belongs to the session of what it embeds, and is translated inside and outside."""
    quoted = f.udp(N, 5000, V, 53, b"hello!")[14:]
    router = f.icmp_error("198.51.100.9", N, quoted)
    end = f.icmp_error(V, N, quoted)
    talk = Talk(engine, Nat() >> Count(), [u(), router, end, f.icmp_error(V, "192.0.2.99", quoted[:16] + quoted[16:])])
    assert talk.lines[1:3] == [
        f"icmp 3/1 198.51.100.9 > {A} [udp {A}:1 > {V}:53]",
        f"icmp 3/1 {V} > {A} [udp {A}:1 > {V}:53]",
    ]
    assert all(f.sound(frame) for frame in talk.out[1:3])
    assert talk.result.flows["count.back"].tolist() == [3]
    assert talk.counters["sessions_created"] == 1


def test_s09_error_of_nobody(engine):
    """No session: unmatched, passes unchanged; no session is opened."""
    error = f.icmp_error(V, A, u()[14:])
    talk = Talk(engine, Nat() >> Count(), [error])
    assert talk.out == [error]
    assert (talk.counters["unmatched"], talk.counters["sessions_created"]) == (1, 0)


def test_s09_later_fragment(engine):
    """Later fragments follow the first, also when they come before it; NFs whose class needs L4 do not see them."""
    pieces = f.fragments(u(data=bytes(range(40))), 16)
    talk = Talk(engine, Nat() >> Count() >> Counting4(), [pieces[1], pieces[0], pieces[2]])
    assert talk.lines == [f"udp {N}:5000 > {V}:53", f"fragment 16 {N} > {V}", f"fragment 32 {N} > {V}"]
    row = talk.result.flows[0]
    assert (row["count.there"], row["counting4.n"]) == (3, 1)


class Counting4(NF):
    traffic = tcp | udp

    class Session:
        n: u32

    def on_packet(self, pkt, flow):
        flow.n += 1


def test_s10_encapsulation(engine):
    """Handlers see the outermost header; the pair cancels; the inner packet is as it was."""
    talk = Talk(engine, Tunnel() >> Outer(), [u(), u()])
    assert talk.lines == [f"ipip {TUNNEL_A} > {TUNNEL_B} ttl 40 [udp {A}:1 > {V}:53]"] * 2
    assert talk.result.flows["outer.outermost"].tolist() == [4]
    pair = Talk(engine, Tunnel() >> TunnelEnd() >> Count(), [u(), u(V, 53, A, 1), u()])
    assert pair.out == [u(), u(V, 53, A, 1), u()]
    assert pair.result.flows["count.back"].tolist() == [1]


class Outer(NF):
    class Session:
        outermost: u8

    def on_packet(self, pkt, flow):
        flow.outermost = pkt.ip.proto


def test_s10_mtu_at_the_output(engine):
    """The MTU is checked at the output only; what grows past it is a counted drop."""
    big = u(data=bytes(1480 - 20 - 8))
    talk = Talk(engine, Tunnel(), [big, u(data=bytes(1480 - 20 - 7))], mtu=1500)
    assert len(talk.lines) == 1
    assert talk.drops == {"chain: MTU": 1}
    assert len(Talk(engine, Tunnel() >> TunnelEnd(), [u(data=bytes(1472))], mtu=1500).lines) == 1


def test_s10_head_room(engine):
    """Encapsulation beyond the head room is a counted drop."""
    graph = Tunnel()
    for number in range(7):
        graph = graph >> More().named(f"more{number}")
    talk = Talk(engine, graph, [u()])
    assert talk.drops == {"chain: no head room": 1}


class More(NF):
    def on_flow(self, pkt, flow):
        flow.encap(IpIpHeader(src=TUNNEL_A, dst=TUNNEL_B))


@pytest.mark.parametrize("value", [0x0000, 0xFFFF, 0x1234])
def test_s12_checksums(engine, value):
    """A checksum is updated whenever a modify is recorded, even where nothing changes; 0x0000 and 0xffff agree."""
    frame = bytearray(f.tcp(A, 5000, V, 80, "A"))
    frame[24:26] = value.to_bytes(2, "big")
    frame[50:52] = value.to_bytes(2, "big")
    talk = Talk(engine, Same() >> Nat() >> Same().named("again"), [bytes(frame)])
    twice = f.tcp(A, 5000, V, 80, "A")
    # RFC 1624 keeps a checksum's error: what differed from the right one still does, modulo 0xffff
    right, out = f.tcp(N, 5000, V, 80, "A"), talk.out[0]
    for at in (24, 50):
        before = (value - int.from_bytes(twice[at : at + 2], "big")) % 0xFFFF
        after = (int.from_bytes(out[at : at + 2], "big") - int.from_bytes(right[at : at + 2], "big")) % 0xFFFF
        assert before == after
        assert out[at : at + 2] != b"\xff\xff"


class Same(NF):
    traffic = tcp | udp

    def on_flow(self, pkt, flow):
        flow.modify(ip_src=pkt.ip.src, sport=pkt.sport, ip_ttl=pkt.ip.ttl)


def test_s12_udp_zero(engine):
    """A UDP checksum of zero stays zero; one that becomes zero is sent as 0xffff."""
    none = f.ether(f.ip(A, V, 17, f.udp_datagram(A, V, 1, 53, b"x", checksum=False)))
    talk = Talk(engine, Nat(), [none])
    assert talk.out[0][40:42] == b"\0\0"
    for spare in range(65536):
        data = spare.to_bytes(2, "big")
        after = f.udp(N, 5000, V, 53, data)
        if after[40:42] == b"\xff\xff":
            assert Talk(engine, Nat(), [u(data=data)]).out[0][40:42] == b"\xff\xff"
            break


def test_s12_later_fragments(engine):
    """L4 checksums are not touched in later fragments."""
    pieces = f.fragments(u(data=bytes(range(40))), 16)
    talk = Talk(engine, Nat(), pieces)
    assert [out[34:] for out in talk.out[1:]] == [piece[34:] for piece in pieces[1:]]


def test_s13_time(engine):
    """Expiry by (deadline, number); stamps that run backwards do not move the clock; only what leaves refreshes."""
    times = Timeouts(udp_new=10, udp=20)
    talk = Talk(
        engine,
        Count() >> Block(),
        [
            (100, u(sport=1)),
            (105, u(sport=2)),
            (90, u(sport=3)),
            (111, u(sport=4)),
            (114.5, u(sport=2)),
            (116, u(sport=1)),
        ],
        timeouts=times,
    )
    # at 111 session 1 (due 110) has ended; 2 was refreshed at 114.5; 3 was due at 115: the clock stood at 105
    assert talk.counters["expired"] == 2
    assert talk.result.flows["number"].tolist() == [2, 4, 5]
    assert talk.result.flows["deadline"].tolist() == [124_500, 121_000, 126_000]


def test_s13_dropped_packets_do_not_refresh(engine):
    times = Timeouts(udp_new=10)
    talk = Talk(engine, Third(), [(t, u()) for t in (100, 101, 102, 105, 111.5)], timeouts=times)
    assert talk.counters["expired"] == 1  # the second packet, at 101, was the last that left: due at 111
    assert talk.result.flows["third.n"].tolist() == [1]


def test_s13_eight_at_a_time(engine):
    """At most eight sessions end per packet; one met after its deadline ends first."""
    opens = [(100, u(sport=p)) for p in range(1, 13)]
    talk = Talk(engine, Count(), [*opens, (500, u(sport=12)), (500, u(sport=40))])
    assert talk.counters["expired"] == 12
    assert talk.result.flows["number"].tolist() == [13, 14]


def test_s13_tick(engine):
    """on_tick fires once per gap, with the elapsed milliseconds; the first packet only starts the clock."""
    talk = Talk(engine, Ticks(), [(t, u()) for t in (100, 100.4, 101.1, 107.25, 107.3)])
    assert talk.result.states["ticks"] == {"ticks": 2, "elapsed": 1100 * 100_000 + 6150}


class Ticks(NF):
    tick = 1

    class State:
        ticks: u32
        elapsed: i64

    def on_tick(self, elapsed):
        self.ticks += 1
        self.elapsed = self.elapsed * 100_000 + elapsed


def test_s14_eviction(engine):
    """The victim is the embryonic session that would expire next; if there is none, the newcomer is dropped."""
    talk = Talk(
        engine,
        Count(),
        [
            u(sport=1),
            u(V, 53, A, 1),  # answered: not embryonic
            (1001, u(sport=2)),
            (1002, u(sport=3)),
            (1003, u(sport=2)),  # refreshed: 3 is due before it
            (1004, u(sport=4)),
        ],
        capacity=3,
    )
    assert talk.counters["evicted"] == 1
    assert talk.result.flows["number"].tolist() == [1, 2, 4]
    full = Talk(engine, Count(), [u(sport=1), u(V, 53, A, 1), u(sport=2)], capacity=1)
    assert full.drops == {"chain: table full": 1}
    assert full.result.flows["number"].tolist() == [1]


def test_s15_end_of_tcp(engine):
    """RST or both FINs shorten the time-out; the session ends when it runs out, or at the opener's new SYN."""

    def c(flags):
        return f.tcp(A, 1, V, 80, flags)

    def s(flags):
        return f.tcp(V, 80, A, 1, flags)

    times = Timeouts(tcp_new=10, tcp_established=1000, tcp_closing=20)
    talk = Talk(engine, Count(), [c("S"), s("SA"), c("A"), (1100, c("FA")), s("FA"), c("A")], timeouts=times)
    assert talk.result.flows["deadline"].tolist() == [1_120_000]
    again = Talk(engine, Count(), [c("S"), s("SA"), c("A"), c("FA"), s("FA"), s("S"), c("S")], timeouts=times)
    assert (again.counters["reopened"], again.counters["sessions_created"]) == (1, 2)
    reset = Talk(engine, Count(), [c("S"), s("RA"), (1019, c("A")), (1040, c("A"))], timeouts=times)
    assert (reset.counters["expired"], reset.counters["sessions_created"]) == (1, 2)
    only_left = Talk(engine, Third(), [c("S"), s("SA"), c("R"), c("R")], timeouts=times)
    assert only_left.result.flows["state"].tolist() == [0]  # the RSTs were dropped


def test_s16_order_of_arrival(engine):
    """NF-wide state follows the order of arrival over all flows, also where on_flow is ordinary Python."""
    talk = Talk(engine, Tickets() >> Python(), [u(sport=1), u(sport=2), u(sport=1), u(sport=3)])
    assert talk.result.flows["tickets.number"].tolist() == [3, 2, 4]
    assert talk.result.flows["python.number"].tolist() == [1, 2, 3]


class Tickets(NF):
    class State:
        next: u32

    class Session:
        number: u32

    def on_packet(self, pkt, flow):
        self.next += 1
        flow.number = self.next


class Python(NF):
    compiled = False

    class State:
        next: u32

    class Session:
        number: u32

    def on_flow(self, pkt, flow):
        self.next += len([pkt])
        flow.number = self.next


def test_s17_control_input(engine):
    """Control input carries a packet number or a time and is applied there, before the packet."""
    control = [
        Control("dst", {"to": "10.9.9.2"}, at_packet=2),
        Control("dst", {"to": "10.9.9.3"}, at_time=1005 * 10**9),
    ]
    talk = Talk(engine, Dst(), [u(), u(), u(), (1004.9, u()), (1005, u()), (1004, u())], control)
    assert [line.split(" > ")[1] for line in talk.lines] == [
        *["10.9.9.9:53"] * 2,
        *["10.9.9.2:53"] * 2,
        *["10.9.9.3:53"] * 2,
    ]


def test_s18_unmatched_and_malformed(engine):
    """Unmatched traffic passes unchanged, malformed drops; both are settings, both are counted."""
    other = f.ether(bytes(46), etype=0x88CC)
    bad = bytearray(u())
    bad[14] = 0x43  # IHL 3
    packets = [other, bytes(bad), u(), f.echo(A, V, 7)]
    talk = Talk(engine, Counting4(), packets)
    assert talk.out == [other, u(), f.echo(A, V, 7)]
    assert talk.drops == {"chain: malformed: IHL": 1}
    assert (talk.counters["unmatched"], talk.counters["malformed"], talk.counters["sessions_created"]) == (2, 1, 1)
    strict = Talk(engine, Counting4(), packets, unmatched="drop", malformed="pass")
    assert strict.out == [bytes(bad), u()]
    assert strict.drops == {"chain: unmatched": 2}


# -------------------------------------------------------------------------------------- faults, families, branches


def test_fault(engine):
    """A faulting handler drops the packet (in on_flow the flow), counts NF and line, and the chain goes on."""
    talk = Talk(engine, Faulty(), [u(dport=7), u(dport=8), u(dport=7), u(dport=8), u(dport=8)])
    (flow_line,) = [key for key in talk.drops if talk.drops[key] == 2]
    assert flow_line.startswith("faulty: fault:Faulty:")
    assert sum(talk.drops.values()) == 3
    assert len(talk.lines) == 2


class Faulty(NF):
    traffic = udp

    class Session:
        n: u8

    def on_flow(self, pkt, flow):
        flow.n = 1 // (pkt.udp.dport - 7)

    def on_packet(self, pkt, flow):
        flow.n += 1
        if flow.n == 4:
            flow.n = 1 % (flow.n - 4)


def test_wrong_address_family(engine):
    talk = Talk(engine, Dst(to="2001:db8::1"), [u(), f.udp("2001:db8::7", 1, "2001:db8::9", 2)])
    assert talk.drops == {"chain: wrong address family": 1}
    assert talk.lines == ["udp 2001:db8::7:1 > 2001:db8::1:2"]


def test_branches(engine):
    """The first alternative that matches; judged once per session; none matches: the block is passed over."""
    graph = branch((tcp & (dport == 80), Count().named("web")), (udp, Ttl() >> Count().named("datagrams"))) >> Count()
    talk = Talk(engine, Chain(graph), [syn(), f.tcp(V, 80, A, 1, "SA"), u(), f.echo(A, V, 1)])
    flows = talk.result.flows
    assert flows["web.there"].tolist() == [1, 0, 0]
    assert flows["web.back"].tolist() == [1, 0, 0]
    assert flows["datagrams.there"].tolist() == [0, 1, 0]
    assert flows["count.there"].tolist() == [1, 1, 1]


def test_coarse_sessions(engine):
    """Blocks are shared by flows with one key at the NF's place, live until they have idled, start anew as zero."""
    times = Timeouts(udp_new=5)
    packets = [(0, u(sport=1)), (1, u(sport=2)), (2, u(B)), (30, u(sport=3)), (36, u(B)), (200, u(sport=4))]
    talk = Talk(engine, PerSource(), packets, timeouts=times, idle=60)
    assert talk.result.flows["persource.source.n"].tolist() == [1]
    early = Talk(engine, PerSource(), packets[:4], timeouts=times, idle=60)
    assert early.result.flows["persource.source.n"].tolist() == [3]


class PerSource(NF):
    session = {"flow": five_tuple, "source": (ip.src,)}

    class Source:
        n: u32

    def on_packet(self, pkt, flow):
        flow.source.n += 1


def test_s04_disarmed_event_is_not_looked_at(engine):
    """A condition is evaluated only while it is armed (or repeated): it can't fault once it has fired."""
    talk = Talk(engine, Stubborn(), [u()] * 6)
    assert (len(talk.lines), talk.drops, len(talk.result.logs)) == (6, {}, 1)


def test_flow_run_is_part_of_the_record(engine):
    """A handler that records anything replaces all that its NF recorded, the chosen state function too."""
    talk = Talk(engine, Runner(), [u()] * 9)
    row = talk.result.flows[0]
    assert (row["runner.chosen"], row["runner.plain"]) == (3 + 2, 2 + 2)  # chosen, on_packet, chosen, on_packet


def test_s06_fault_unsets_fields(engine):
    """A fault in on_change records a drop in place of all else: later NFs that read a field are told."""
    back = f.udp("10.66.0.1", 53, A, 1)
    talk = Talk(engine, Fragile() >> Reader(), [u(), u(), back], [Control("fragile", {"bad": 1}, at_packet=1)])
    assert talk.result.flows["reader.told"].tolist() == [1]
    assert sum(talk.drops.values()) == 2  # a drop holds both ways


def test_on_end_initiator(engine):
    """Outside a packet, flow.initiator is true."""
    talk = Talk(engine, Stubborn(), [u(), (5000, u(V, 7, B, 9))])
    assert talk.result.states["stubborn"] == {"opened": 2, "ended": 1}


def test_s01_keyed_at_the_entry(engine):
    """Stores of stateless NFs change the packet, not what its session is keyed by."""
    talk = Talk(engine, Rewriter() >> Count(), [u(dport=7, ttl=2), u(dport=7, ttl=2)])
    assert talk.lines == ["udp 10.77.0.1:1 > 203.0.113.5:9 ttl 2"] * 2
    row = talk.result.flows[0]
    assert (len(talk.result.flows), row["dport"], bytes(row["src"])[12:]) == (1, 7, bytes([10, 0, 0, 1]))


def test_endless_loop(engine):
    """A loop beyond its budget is a fault."""
    talk = Talk(engine, Spinner(), [u(data=bytes(1000)), u(data=bytes(3))])
    assert len(talk.lines) == 1
    assert list(talk.drops.values()) == [1]


def test_s09_encapsulated_error(engine):
    """What an ICMP error is at the entry it stays, whatever the chain pushes onto it: it refreshes nothing."""
    error = f.icmp_error(V, V, u(V, 53, A, 1)[14:])  # about a packet of the other direction
    talk = Talk(engine, Tunnel(), [(100, u()), (101, error)])
    assert talk.counters["sessions_created"] == 1
    assert len(talk.lines) == 2
    assert talk.result.flows["deadline"].tolist() == [100_000 + 120_000]
