"""Test NFs that together use every handler, action, session kind, payload access, container and reply."""

# ruff: noqa: RET503  (handlers: `return flow.drop(...)` ends them early)
from ipaddress import ip_address

from nfuse import (
    NF,
    Address,
    Array,
    HashMap,
    IpIpHeader,
    IPv4Address,
    Ring,
    Stack,
    arp,
    dport,
    event,
    five_tuple,
    i64,
    icmp,
    ip,
    ipv4,
    sport,
    tcp,
    u8,
    u16,
    u32,
    udp,
)


class Snat(NF):
    """Source NAT from a small pool: two-way translation, a resource that comes back in on_end."""

    traffic = ipv4 & (tcp | udp | icmp)
    public: IPv4Address = "192.0.2.1"
    low: u16 = 1024
    many: u16 = 6

    class State:
        free: Stack[u16]
        given: u32

    class Session:
        port: u16

    def on_start(self):
        self.free.reserve(16)
        self.free.fill(range(self.low, self.low + self.many))

    def on_update(self):
        pass

    def on_flow(self, pkt, flow):
        if not self.free:
            return flow.drop("no port left")
        flow.port = self.free.pop()
        self.given += 1
        flow.modify(ip_src=self.public, sport=flow.port)

    def on_end(self, flow):
        if flow.port:
            self.free.push(flow.port)


class Balancer(NF):
    """Destination NAT to a backend that control input may change: on_change re-routes."""

    traffic = tcp | udp
    backend: Address = "10.9.0.1"
    port: u16 = 8080

    class Session:
        changes: u8

    def on_flow(self, pkt, flow):
        if pkt.ip.version == 4:
            flow.modify(ip_dst=self.backend, dport=self.port)

    def on_change(self, flow):
        flow.changes += 1
        if flow.ip_src.version == 4:
            flow.modify(ip_dst=self.backend, dport=self.port)


class Rerouter(NF):
    """Moves a flow to another backend at its third packet (an event)."""

    traffic = ipv4 & (tcp | udp)
    first: IPv4Address = "10.8.0.1"
    second: IPv4Address = "10.8.0.2"
    after: u32 = 3

    class Session:
        packets: u32

    def on_flow(self, pkt, flow):
        flow.modify(ip_dst=self.first)

    def on_packet(self, pkt, flow):
        flow.packets += 1

    @event
    def enough(self, flow):
        return flow.packets >= self.after

    @enough.then
    def move(self, flow):
        flow.modify(ip_dst=self.second, ip_ttl=33)


class Meter(NF):
    """Counts per flow and direction; every third packet writes a log record (a repeated event)."""

    class Session:
        packets: u32
        octets: i64
        back: u16
        last: i64
        alarms: u8

    def on_packet(self, pkt, flow):
        flow.packets += 1
        flow.octets += pkt.payload_len
        flow.last = pkt.time
        if not flow.initiator:
            flow.back += 1

    @event(repeat=True)
    def third(self, flow):
        return flow.packets % 3 == 0

    @third.then
    def tell(self, flow):
        flow.alarms += 1
        self.alert("third packet", flow.packets)


class Sources(NF):
    """SYNs per flow and per source; a source that sends too many is dropped with a reset."""

    traffic = tcp
    session = {"flow": five_tuple, "source": (ip.src,)}
    most: u32 = 4

    class Session:
        syns: u32

    class Source:
        syns: u32
        flows: u32

    def on_flow(self, pkt, flow):
        flow.source.flows += 1

    def on_packet(self, pkt, flow):
        if pkt.tcp.syn and flow.initiator:
            flow.syns += 1
            flow.source.syns += 1

    @event
    def flood(self, flow):
        return flow.source.syns > self.most

    @flood.then
    def block(self, flow):
        self.alert("flood", flow.source.syns)
        flow.drop("flood", reply="reject")

    def on_end(self, flow):
        if flow.source.flows > 0:
            flow.source.flows -= 1


class PerHost(NF):
    """A session coarser than the flow only: packets per destination host and protocol."""

    traffic = tcp | udp
    session = (ip.dst, ip.proto)

    class Session:
        packets: u16

    def on_packet(self, pkt, flow):
        flow.packets += 1
        if flow.packets > 12:
            return pkt.drop("host is busy")


class Hops(NF):
    """Stateless: decrements the TTL, answers packets whose time is over."""

    session = None

    class State:
        dead: u32

    def on_packet(self, pkt):
        if pkt.ip.ttl <= 1:
            self.dead += 1
            pkt.reply("ttl exceeded")
            return pkt.drop("TTL exceeded")
        pkt.ip.ttl -= 1


class Echoer(NF):
    """Stateless: answers pings itself."""

    session = None
    traffic = icmp

    def on_packet(self, pkt):
        if pkt.icmp.type == 8 and pkt.icmp.seq == 1:
            pkt.reply("echo")
            return pkt.drop("answered")


class Listener(NF):
    """Stateless, not IP: counts ARP, marks tagged frames."""

    session = None
    traffic = arp

    class State:
        seen: u16

    def on_packet(self, pkt):
        self.seen += 1


class Scrubber(NF):
    """Reads and writes payload and a header field of each packet."""

    traffic = tcp | udp

    class Session:
        sum: u32
        zero: u16

    def on_packet(self, pkt, flow):
        n = len(pkt.payload)
        for i in range(min(n, 8)):
            flow.sum += pkt.payload[i]
        if n > 1:
            pkt.payload[1] = pkt.payload[0] ^ 0x55
        if pkt.tcp:
            pkt.tcp.window = 1000 + flow.sum % 7


class Watcher(NF):
    """Reads payload only; drops a packet by it, faults on another."""

    traffic = udp

    class State:
        table: Array[u16, 4]

    class Session:
        n: u8

    def on_packet(self, pkt, flow):
        if len(pkt.payload) > 0:
            if pkt.payload[0] == 88:
                return pkt.drop("bad byte")
            self.table[pkt.payload[0] % 5] += 1
            flow.n += 1


class Picky(NF):
    """Faults in on_flow, in a condition and in an action of an event."""

    traffic = tcp | udp

    class Session:
        n: i64
        quotient: i64

    def on_flow(self, pkt, flow):
        flow.n = 3
        flow.modify(ip_dscp=10)
        flow.quotient = 100 // (pkt.dport % 7)

    def on_packet(self, pkt, flow):
        flow.n += 1

    @event(repeat=True)
    def doubtful(self, flow):
        return 12 // (flow.n - 9) > 5

    @event
    def late(self, flow):
        return flow.n > 5

    @late.then
    def shifted(self, flow):
        flow.modify(ip_ecn=1)
        flow.n = 1 << (flow.n + 57)

    @doubtful.then
    def forget(self, flow):
        flow.forward()


class Chooser(NF):
    """Chooses a state function per flow, and another by an event."""

    traffic = tcp | udp

    class Session:
        odd: u16
        even: u16
        other: u16

    def on_flow(self, pkt, flow):
        if pkt.sport % 2:
            flow.run(self.count_odd)
        elif pkt.sport % 4:
            flow.run(self.count_even)

    def on_packet(self, pkt, flow):
        flow.other += 1

    def count_odd(self, pkt, flow):
        flow.odd += 1

    def count_even(self, pkt, flow):
        flow.even += 1
        if flow.even == 3:
            return pkt.drop("third even")

    @event
    def many(self, flow):
        return flow.odd >= 2

    @many.then
    def change(self, flow):
        flow.run(self.count_even)


class Rejecter(NF):
    """Drops whole flows, each packet answered, in every way there is."""

    traffic = tcp | udp | icmp
    kind: u8 = 0

    def on_flow(self, pkt, flow):
        way = (pkt.ip.src.lo + self.kind) % 8
        if way == 0:
            flow.drop("rst", reply="rst")
        elif way == 1:
            flow.drop("unreachable", reply="unreachable")
        elif way == 2:
            flow.drop("reject", reply="reject")
        elif way == 3:
            flow.drop("port", reply="port unreachable")
        elif way == 4:
            flow.drop("quiet")

    def on_change(self, flow):
        if flow.sport % 2:
            flow.forward()


class Painter(NF):
    """Writes all fields that apply to the opening direction only."""

    ttl: u8 = 77

    def on_flow(self, pkt, flow):
        flow.modify(
            ip_ttl=self.ttl,
            ip_dscp=21,
            ip_ecn=2,
            eth_src=0x02AABBCCDDEE,
            eth_dst=0x020102030405,
            vlan_vid=99,
            vlan_pcp=5,
        )


class Reader(NF):
    """Decides by what earlier NFs have written; told again when they change it."""

    traffic = tcp | udp

    class Session:
        told: u8
        seen: u32

    def on_flow(self, pkt, flow):
        flow.seen = pkt.ip.dst.lo & 0xFFFF
        flow.modify(ip_dscp=flow.seen % 64)

    def on_change(self, flow):
        flow.told += 1
        flow.seen = flow.ip_dst.lo & 0xFFFF
        flow.modify(ip_dscp=flow.seen % 64)


class Clock(NF):
    """Acts on time: counts ticks, remembers the longest gap, grants a budget of packets per tick."""

    tick = 0.5
    budget: u32 = 20

    class State:
        ticks: u32
        longest: i64
        left: i64

    def on_start(self):
        self.left = self.budget

    def on_update(self):
        self.left += self.budget

    def on_tick(self, elapsed):
        self.ticks += 1
        self.longest = max(self.longest, elapsed)
        self.left = self.budget
        if elapsed > 5000:
            self.left = 7 // (elapsed - elapsed)

    def on_packet(self, pkt, flow):
        self.left -= 1
        if self.left < 0:
            return pkt.drop("over budget")


class Ledger(NF):
    """Uses every container."""

    traffic = tcp | udp

    class State:
        ports: HashMap[u32, u32]
        recent: Ring[u16]
        hits: Array[u32]
        hosts: HashMap[Address, u16]

    class Session:
        slot: u8

    def on_start(self):
        self.ports.reserve(8)
        self.recent.reserve(4)
        self.hits.reserve(4)
        self.hosts.reserve(4)

    def on_update(self):
        pass

    def on_flow(self, pkt, flow):
        if self.ports.put(pkt.dport, self.ports.get(pkt.dport, 0) + 1):
            flow.slot = 1
        if len(self.recent) == 4:
            self.recent.pop()
        self.recent.push(pkt.sport)
        self.hosts.put(pkt.ip.dst, 7)

    def on_packet(self, pkt, flow):
        for hit in self.hits:
            if hit > 40:
                return pkt.drop("hits")
        self.hits[pkt.dport & 3] += 1

    def on_end(self, flow):
        if flow.slot and flow.dport in self.ports:
            self.ports.delete(flow.dport)


class Spinner(NF):
    """Loops: some end, one does not."""

    traffic = udp

    class Session:
        turns: u32

    def on_packet(self, pkt, flow):
        n = pkt.udp.length % 11
        while n != 0:
            n -= 1
            flow.turns += 1
            if pkt.udp.length == 1008:
                n += 1


TUNNEL_A, TUNNEL_B = ip_address("198.51.100.1"), ip_address("198.51.100.2")


class Tunnel(NF):
    """Encapsulates flows of one protocol."""

    traffic = udp

    def on_flow(self, pkt, flow):
        flow.encap(IpIpHeader(src=TUNNEL_A, dst=TUNNEL_B, ttl=40, tos=8))


class TunnelEnd(NF):
    """Removes what Tunnel has pushed."""

    traffic = ip.proto == 4

    def on_flow(self, pkt, flow):
        flow.decap("ipip")


class Interpreted(NF):
    """Set up by ordinary Python, any library; on_packet is compiled."""

    compiled = False
    traffic = tcp | udp

    class State:
        flows: u32

    class Session:
        mark: u16

    def on_flow(self, pkt, flow):
        import zlib

        self.flows += 1
        flow.mark = zlib.crc32(str(pkt.ip.src).encode()) & 0xFFFF
        if flow.mark % 3 == 0:
            flow.modify(ip_dscp=3)

    def on_packet(self, pkt, flow):
        flow.mark += 1


class Picket(NF):
    """Stops what comes from outside first (two-sided chains)."""

    traffic = tcp | udp

    def on_flow(self, pkt, flow):
        if pkt.reverse:
            flow.drop("unsolicited", reply="reject")


class Rewriter(NF):
    """Stateless: stores addresses and ports of single packets, with no session to remember them."""

    session = None
    traffic = udp

    def on_packet(self, pkt):
        if pkt.udp.dport == 7:
            pkt.udp.dport = 9
        if pkt.ipv4 and pkt.ip.ttl == 2:
            pkt.ip.src = ANYBODY


ANYBODY = ip_address("10.77.0.1")


class Turner(NF):
    """Sends flows to odd ports back to where they came from; events and control input change its mind."""

    traffic = tcp | udp | icmp
    to: IPv4Address = "10.0.0.3"

    class Session:
        n: u16
        back: u16

    def on_flow(self, pkt, flow):
        if pkt.dport % 2:
            if pkt.ipv4:
                flow.modify(ip_src=TURNED, ip_dst=self.to)
            flow.turn_back()

    def on_change(self, flow):
        if flow.ip_src.version == 4:
            flow.modify(ip_src=TURNED, ip_dst=self.to)
        flow.turn_back()

    def on_packet(self, pkt, flow):
        flow.n += 1
        flow.back += pkt.reverse

    @event(repeat=True)
    def fifth(self, flow):
        return flow.n % 5 == 0

    @fifth.then
    def straight(self, flow):
        flow.modify(ip_dscp=5)

    @event(repeat=True)
    def seventh(self, flow):
        return flow.n % 7 == 0

    @seventh.then
    def again(self, flow):
        flow.turn_back()


TURNED = ip_address("192.0.2.44")


class Turncoat(NF):
    """Records a header drop late, and takes it back: an event in either direction."""

    traffic = tcp | udp | icmp

    class Session:
        n: u8
        back: u8

    def on_flow(self, pkt, flow):
        flow.modify(ip_ttl=40, ip_dscp=1)

    def on_packet(self, pkt, flow):
        flow.n += 1
        if not flow.initiator:
            flow.back += 1
            if flow.back == 4:
                pkt.reply("unreachable")

    @event(repeat=True)
    def fourth(self, flow):
        return flow.n % 4 == 0

    @fourth.then
    def close(self, flow):
        flow.drop("every fourth", reply="unreachable")

    @event(repeat=True)
    def fifth(self, flow):
        return flow.n % 4 == 1 and flow.n > 4

    @fifth.then
    def open(self, flow):
        flow.modify(ip_ttl=41, dport=99)


class Stubborn(NF):
    """An event whose condition would fault if it were still looked at after it has fired."""

    class State:
        opened: u32
        ended: u32

    class Session:
        n: i64

    def on_flow(self, pkt, flow):
        self.opened += flow.initiator

    def on_packet(self, pkt, flow):
        flow.n += 1

    @event
    def soon(self, flow):
        return 6 // (3 - flow.n) > 5

    @soon.then
    def note(self, flow):
        self.alert("soon")

    def on_end(self, flow):
        self.ended += flow.initiator


class Runner(NF):
    """A state function that goes when something else is recorded, and comes back by a later event."""

    traffic = tcp | udp

    class Session:
        n: u16
        plain: u16
        chosen: u16

    def on_flow(self, pkt, flow):
        flow.modify(ip_ecn=1)
        flow.run(self.choose)

    def on_packet(self, pkt, flow):
        flow.n += 1
        flow.plain += 1

    def choose(self, pkt, flow):
        flow.n += 1
        flow.chosen += 1

    @event
    def third(self, flow):
        return flow.n == 3

    @third.then
    def record(self, flow):
        flow.modify(ip_ecn=2)

    @event
    def fifth(self, flow):
        return flow.n == 5

    @fifth.then
    def again(self, flow):
        flow.run(self.choose)

    @event
    def seventh(self, flow):
        return flow.n == 7

    @seventh.then
    def back(self, flow):
        flow.run(self.on_packet)


class Fragile(NF):
    """Its on_change faults where a parameter says so; later NFs have read what it had recorded."""

    traffic = ipv4 & (tcp | udp)
    bad: u8 = 0

    def on_flow(self, pkt, flow):
        flow.modify(ip_dst=FRAGILE, ip_dscp=7)

    def on_change(self, flow):
        flow.modify(ip_dst=FRAGILE, ip_dscp=8 // (1 - self.bad))


FRAGILE = ip_address("10.66.0.1")


class Levels(NF):
    """Four sessions: the flow's, and by source, by destination and port, and by protocol."""

    traffic = tcp | udp
    session = {
        "flow": five_tuple,
        "source": (ip.src,),
        "service": (ip.dst, dport, ip.proto),
        "protocol": (ip.proto,),
    }
    most: u16 = 9

    class Session:
        n: u8
        seen: i64

    class Source:
        packets: u32
        flows: u8

    class Service:
        last: i64
        packets: u16

    class Protocol:
        octets: i64
        flows: u32

    def on_flow(self, pkt, flow):
        flow.source.flows += 1
        flow.protocol.flows += 1
        flow.seen = flow.service.packets

    def on_packet(self, pkt, flow):
        flow.n += 1
        flow.source.packets += 1
        flow.service.packets += 1
        flow.service.last = pkt.time
        flow.protocol.octets += pkt.len
        if flow.source.packets > 3 * self.most:
            return pkt.drop("source")

    @event(repeat=True)
    def busy(self, flow):
        return flow.service.packets % self.most == 0

    @busy.then
    def mark(self, flow):
        self.alert("busy service", flow.protocol.octets)
        flow.modify(ip_dscp=flow.source.flows)

    def on_end(self, flow):
        flow.source.flows -= 1
        flow.protocol.flows -= 1
        flow.service.packets = 0


class Services(NF):
    """Sessions by ports alone, and by a source and its port: keys that no address takes part in, or only one."""

    traffic = tcp | udp
    session = {"flow": five_tuple, "pair": (sport, dport), "endpoint": (ip.src, sport)}

    class Session:
        n: u16

    class Pair:
        n: u16

    class Endpoint:
        n: u8

    def on_packet(self, pkt, flow):
        flow.n += 1
        flow.pair.n += 1
        flow.endpoint.n += flow.initiator

    def on_change(self, flow):
        flow.pair.n = 0


class Hoarder(NF):
    """Containers that each packet feeds and empties: a map beyond its room, a ring, and a stack of a flow's turns."""

    traffic = tcp | udp
    keep: u16 = 5

    class State:
        sizes: HashMap[u16, u32]
        talkers: HashMap[Address, u16]
        recent: Ring[u32]
        spare: Stack[u16]
        refused: u32
        oldest: u32

    class Session:
        token: u16
        given: u8

    def on_start(self):
        self.sizes.reserve(6)
        self.talkers.reserve(3)
        self.recent.reserve(8)
        self.spare.reserve(6)
        self.spare.fill(range(100, 106))

    def on_update(self):
        self.recent.clear()

    def on_packet(self, pkt, flow):
        size = pkt.payload_len & 0xFFFF
        if not self.sizes.put(size, self.sizes.get(size, 0) + 1):
            self.refused += 1
            self.sizes.delete(self.recent.pop() if self.recent else 0)
        if len(self.recent) >= self.keep:
            self.oldest = self.recent.pop()
        self.recent.push(size)
        if pkt.ip.src in self.talkers:
            self.talkers.put(pkt.ip.src, self.talkers.get(pkt.ip.src, 0) + 1)
        elif not self.talkers.put(pkt.ip.src, 1):
            self.talkers.delete(pkt.ip.dst)
        if flow.given:
            self.spare.push(flow.token)
            flow.given = 0
        elif self.spare:
            flow.token = self.spare.pop()
            flow.given = 1
        else:
            return pkt.drop("nothing to spare")

    def on_end(self, flow):
        if flow.given:
            self.spare.push(flow.token)


class Cipher(NF):
    """Writes every byte of the payload, in one direction one way and back in the other."""

    traffic = tcp | udp
    key: u8 = 0x5A

    class Session:
        octets: u32

    def on_packet(self, pkt, flow):
        for i in range(len(pkt.payload)):
            pkt.payload[i] ^= self.key + i
        flow.octets += len(pkt.payload)


class Stamper(NF):
    """Stateless: writes the last byte of the payload, and drops by it."""

    session = None
    traffic = udp

    def on_packet(self, pkt):
        n = len(pkt.payload)
        if n > 0:
            pkt.payload[n - 1] = pkt.payload[0] + pkt.ip.ttl
            if pkt.payload[n - 1] == 99:
                return pkt.drop("stamped")
