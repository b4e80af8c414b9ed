"""Each kind of handler and each piece of the API, native and interpreted."""

from __future__ import annotations

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, IPv6, Raw
from tests.nf.both import Both, nf_class

from nfuse.nf import abi


def frame(layers):
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / layers)


def line_of(source, text):
    """The line of a source that has `text`."""
    return next(number for number, line in enumerate(source.split("\n"), 1) if text in line)


SYN = frame(IP(src="10.0.0.1", dst="10.0.0.2", ttl=9) / TCP(sport=1000, dport=80, flags="S"))
DATA = frame(
    IP(src="10.0.0.1", dst="10.0.0.2", ttl=9) / TCP(sport=1000, dport=80, flags="A") / Raw(b"GET / HTTP/1.1\r\n")
)
QUERY = frame(IP(src="10.0.0.1", dst="10.0.0.2", ttl=1) / UDP(sport=1000, dport=53) / Raw(b"abc"))
SIX = frame(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1000, dport=53) / Raw(b"abc"))
PING = frame(IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=8, id=77))


def test_source_nat():
    nat = nf_class("""
class Tested(NF):
    traffic = ipv4 & (tcp | udp)
    public: IPv4Address
    ports: PortRange = PortRange(1024, 65535)

    class State:
        free: PortStack

    class Session:
        port: u16

    def on_start(self):
        self.free.fill(self.ports)

    def on_flow(self, pkt, flow):
        if pkt.reverse:
            return flow.drop("unsolicited")
        if not self.free:
            return flow.drop("no port left")
        flow.port = self.free.pop()
        flow.modify(ip_src=self.public, sport=flow.port)

    def on_end(self, flow):
        if flow.port:
            self.free.push(flow.port)
""")
    both = Both(nat(public="192.0.2.1", ports="5000-5001"))
    assert both.call("on_flow", SYN).sessions["flow"] == {"port": 5001}
    assert both.call("on_flow", SYN).sessions["flow"] == {"port": 5000}
    assert both.call("on_flow", SYN).record[abi.MAT_DROP] == 2
    assert both.call("on_end").state == {"free": [5000]}
    assert both.call("on_flow", SYN, reverse=True).record[abi.MAT_DROP] == 1
    assert both.info.effects["on_flow"].modifies == {"ip_src", "sport"}


def test_event():
    guard = nf_class("""
class Tested(NF):
    traffic = tcp
    threshold: u32 = 100

    class Session:
        syns: u32

    def on_packet(self, pkt, flow):
        if pkt.tcp.syn:
            flow.syns += 1

    @event
    def flood(self, flow):
        return flow.syns > self.threshold

    @flood.then
    def block(self, flow):
        flow.drop("SYN flood", reply="rst")
""")
    both = Both(guard(threshold=1))
    for syns in (1, 2):
        assert both.call("on_packet", SYN).sessions["flow"] == {"syns": syns}
        assert both.call("event_flood").result == int(syns > 1)
    both.call("on_packet", DATA)
    found = both.call("then_flood")
    assert (found.record[abi.MAT_DROP], found.record[abi.MAT_REPLY]) == (1, abi.REPLIES.index("rst"))
    assert both.info.effects["on_packet"].reads == {"tcp.syn"}


def test_stateless_stores():
    dec = nf_class("""
class Tested(NF):
    session = None

    def on_packet(self, pkt):
        if pkt.ip.ttl <= 1:
            pkt.reply("ttl exceeded")
            return pkt.drop("TTL exceeded")
        pkt.ip.ttl -= 1
        pkt.ip.dscp = 300
        if pkt.tcp and pkt.tcp.dport == 80:
            pkt.tcp.psh = 1
            pkt.ip.dst = pkt.ip.src
            for i in range(len(pkt.payload)):
                pkt.payload[i] ^= 0x20
""")
    both = Both(dec())
    assert both.call("on_packet", QUERY).result == "TTL exceeded"
    assert both.call("on_packet", QUERY).reply == "ttl exceeded"
    out = Ether(both.call("on_packet", DATA).frame)
    assert (out[IP].ttl, out[IP].tos >> 2, out[IP].dst, bytes(out[Raw])[:3]) == (8, 300 & 63, "10.0.0.1", b"get")
    fresh = out.copy()
    del fresh[IP].chksum, fresh[TCP].chksum
    fresh = Ether(bytes(fresh))
    assert (fresh[IP].chksum, fresh[TCP].chksum) == (out[IP].chksum, out[TCP].chksum)
    assert both.info.effects["on_packet"].payload == "WRITE"
    both.call("on_packet", SIX)


def test_wrong_family_of_a_store_is_a_fault():
    both = Both(
        nf_class("""
class Tested(NF):
    session = None
    to: Address

    def on_packet(self, pkt):
        pkt.ip.dst = self.to
""")(to="2001:db8::9")
    )
    assert both.call("on_packet", SIX).result == 0
    assert both.call("on_packet", DATA).result == ("fault", 7)


CONTAINERS = """
class Tested(NF):
    class State:
        stack: Stack[u16]
        ring: Ring[i8]
        array: Array[u32, 4]
        who: Array[Address]
        small: HashMap[i16, u8]
        hosts: HashMap[Address, u32]
        total: i64
        flag: boolean

    class Session:
        seen: i8
        peer: Address
        ok: boolean

    def on_start(self):
        self.stack.reserve(2)
        self.ring.reserve(3)
        self.who.reserve(2)
        self.small.reserve(30)
        self.hosts.fill({IPv4Address("10.0.0.2"): 5})

    def on_flow(self, pkt, flow):
        flow.peer = pkt.ip.dst
        self.who[1] = flow.peer
        if flow.peer in self.hosts:
            self.hosts[flow.peer] += 1
        self.total = self.hosts.get(pkt.ip.dst, -1)
        if pkt.ip.src not in self.hosts:
            flow.ok = self.hosts.put(pkt.ip.src, 9)
        for address in self.who:
            if address == flow.peer:
                self.array[0] += 1
        self.flag = not self.flag

    def on_packet(self, pkt, flow):
        self.ring.push(flow.seen)
        if len(self.ring) == self.ring.capacity:
            flow.seen -= self.ring.pop() + 100
        self.small[flow.seen * 1000] = flow.seen
        self.array[flow.seen & 3] += 0x1_0000_0001
        self.stack.push(self.array[0])

    def on_change(self, flow):
        if self.small.delete(0):
            flow.forward()
        flow.seen = self.small[0]

    def on_end(self, flow):
        self.stack.pop()
        self.stack.clear()
        self.ring.clear()
        self.stack.pop()
"""


def test_containers():
    both = Both(nf_class(CONTAINERS)())
    for packet in (SYN, SIX, QUERY):
        both.call("on_flow", packet)
    assert both.call("on_flow", SYN).state["total"] == 8
    results = [both.call("on_packet", SYN).result for _ in range(6)]
    assert results[:2] == [0, 0]
    assert results[-1] == ("fault", line_of(CONTAINERS, "self.stack.push"))  # full
    both.call("on_change")
    assert both.call("on_end").result == ("fault", len(CONTAINERS.splitlines()))


TURNING = """
class Tested(NF):
    traffic = ip

    def on_flow(self, pkt, flow):
        flow.turn_back()
        if pkt.udp:
            flow.forward()
        else:
            flow.modify(ip_ttl=3)
"""


def test_turning_back_is_recorded():
    both = Both(nf_class(TURNING)())
    at = abi.MAT_TURN
    assert both.call("on_flow", SYN).record[at : at + 4] == b"\1\0\0\0"
    assert both.call("on_flow", QUERY).record[at : at + 4] == bytes(4)


HELPERS = """
LIMIT = 0xFFFF_FFFF_FFFF_FFFF

def mix(a, b=3):
    while b > 0:
        a = a * 31 + b
        b -= 1
    return a ^ LIMIT

class Tested(NF):
    traffic = ip
    BASE = 7
    inside: Prefix = Prefix("10.0.0.0/8")
    web: PortRange = PortRange(80, 443)

    class State:
        rounds: u32

    class Session:
        value: u64
        peer: Address

    def pick(self, flow, address, n):
        if address in self.inside:
            return n // flow.value
        if address.version == 6:
            return address.hi ^ address.lo
        return address.v4

    @staticmethod
    def twice(n):
        return n + n

    def choose(self, flow, address):
        flow.modify(ip_dst=address, dport=self.twice(40000), ip_ttl=-1)

    def peer(self, pkt):
        return pkt.ip.dst if pkt.reverse else pkt.ip.src

    def on_flow(self, pkt, flow):
        flow.value = mix(self.BASE)
        if pkt.dport in self.web or pkt.dport in (53, 54):
            flow.value += self.pick(flow, self.peer(pkt), b(pkt.sport))
        self.choose(flow, Address(0, 0xFFFF_0102_0304))
        self.alert("seen", flow.value)

    def spin(self, n):
        for i in range(n):
            self.rounds += 1
            if i % 3 == 2:
                continue
            if i > 99_990:
                break

    def on_packet(self, pkt, flow):
        if pkt.tcp:
            self.spin(50_000)
            self.spin(50_000)
            if pkt.tcp.syn:
                self.spin(1)
        else:
            flow.value = 0
            return self.refuse(pkt)
        while True:
            flow.value += 1
            if flow.value > 10:
                return pkt.drop("x")

    def refuse(self, pkt):
        if pkt.udp:
            pkt.drop("not TCP")

def b(x):
    return min(x, 99, 5000) + max(1, x) - abs(1 - x) + len_of(x > 3)

def len_of(flag):
    return int(flag) + (2 if not flag else 3)
"""


def test_helpers_and_loops():
    both = Both(nf_class(HELPERS)())
    both.call("on_flow", SYN)
    both.call("on_flow", QUERY, reverse=True)
    both.call("on_flow", SIX)
    assert both.call("on_flow", SYN).alerts[0][0] == "seen"
    assert both.call("on_packet", SYN).result == ("fault", line_of(HELPERS, "for i in range(n)"))
    assert both.call("on_packet", DATA).result == ("fault", line_of(HELPERS, "while True"))
    assert both.call("on_packet", QUERY).result == "not TCP"
    both.store(value=0)
    assert both.call("on_flow", SYN).result == 0


def test_coarser_sessions_and_place():
    both = Both(
        nf_class("""
class Tested(NF):
    traffic = ip
    session = {"flow": five_tuple, "source": (ip.src,)}
    class Session:
        first: boolean
        at: u64
    class Source:
        flows: u16
        last: Address

    def on_flow(self, pkt, flow):
        flow.source.flows += 65535
        flow.source.last = flow.ip_dst
        flow.first = flow.initiator and flow.sport == 1 and flow.proto == 6
        flow.at = pkt.time
        flow.encap(IpIpHeader(src=flow.ip_src, dst=flow.source.last, tos=3))
        flow.run(self.slow)

    def slow(self, pkt, flow):
        if flow.source.flows == 65535:
            pkt.drop("slow")

    def on_end(self, flow):
        flow.source.flows -= 1
        flow.first = flow.ip_src == flow.ip_dst or flow.initiator

    def on_change(self, flow):
        flow.decap("ipip")
        flow.run(self.on_packet)

    def on_packet(self, pkt, flow):
        flow.at = pkt.len * 1000 + pkt.payload_len + pkt.later_fragment
""")()
    )
    found = both.call("on_flow", SYN, time=5)
    assert found.sessions["source"]["flows"] == 65535
    assert found.sessions["flow"] == {"first": True, "at": 5}
    assert both.call("run_slow", SYN).result == "slow"
    both.call("on_packet", DATA)
    both.call("on_change")
    ended = both.call("on_end", initiator=False).sessions
    assert (ended["source"]["flows"], ended["flow"]["first"]) == (65534, True)


def test_tick():
    both = Both(
        nf_class("""
class Tested(NF):
    tick = 1
    class State:
        age: u32
    def on_tick(self, elapsed):
        self.age += elapsed // 2
        if self.age > 100:
            self.age = 0
""")()
    )
    assert both.call("on_tick", elapsed=101).state == {"age": 50}
    assert both.call("on_tick", elapsed=200).state == {"age": 0}


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("flow.x = 1 // flow.zero", 6),
        ("flow.x = 1 % (flow.zero * 3)", 6),
        ("flow.x = 1 << (flow.zero + 64)", 6),
        ("flow.x = 1 >> (flow.zero - 1)", 6),
        ("if flow.zero == 0 and 5 // flow.zero: pass", 6),
        ("flow.x = pkt.payload[flow.zero - 1]", 6),
        ("flow.x = (3 +\n        1 // flow.zero)", 7),
        ("while True:\n            flow.x += 1", 6),
    ],
)
def test_faults(body, line):
    both = Both(
        nf_class(f"""
class Tested(NF):
    class Session:
        x: u32; zero: u8
    def on_packet(self, pkt, flow):
        {body}
""")()
    )
    assert both.call("on_packet", DATA).result == ("fault", line)


def test_ordinary_python():
    """compiled = False: any Python in on_flow; an exception is a fault at its line; the packet can't be stored to."""
    from nfuse.nf.bridge import call_interpreted

    nf = nf_class("""
import re
class Tested(NF):
    compiled = False
    class State:
        names: HashMap[u32, u32]
    class Session:
        score: i32
    def on_start(self):
        self.names.reserve(4)
    def on_flow(self, pkt, flow):
        table = {"a": 1.5}
        flow.score = len(re.findall("a", "banana")) + int(table["a"] * 2)
        self.names[flow.score] = 7
        if pkt.udp:
            flow.drop(f"{'no UDP'}", reply="port unreachable")
        if pkt.icmp:
            pkt.ip.ttl = 3
        flow.modify(ip_dst=pkt.ip.src, sport=1)
""")
    both = Both(nf())
    for packet, result in ((SYN, 0), (QUERY, 0), (PING, -18)):
        from nfuse.packet.view import PacketView

        view = PacketView(bytearray(packet))
        assert call_interpreted(both.native, "on_flow", view.P, both.F, both.M, both.X) == result
        assert view.frame == packet
    assert both.native.values() == {"names": {6: 7}}
    assert both.info.reasons == ["no UDP"]
