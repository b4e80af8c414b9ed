"""OverloadNat: source NAPT in which one public port serves flows to many destinations."""

from __future__ import annotations

from nfuse import NF, Address, Array, HashMap, PortRange, Prefix, boolean, icmp, ipv4, tcp, u16, u32, u64, udp
from nfuse.nf.library.address_pool import pool_addresses
from nfuse.nf.library.bits import lowest_bit, mix

COUNT = 0xFFFF
"""In place of a group of ports: the number of ports taken in all."""


class OverloadNat(NF):
    """Translate flows opened from inside to a pool of public addresses; flows to different destinations share ports.

    Address and port-dependent mapping with port overloading (RFC 4787, sections 4.1 and 4.2.1): a public address and
    port is unique only together with destination and protocol, so that an address serves as many flows to each
    destination as it has ports. A flow keeps its source port if it can; an inside host keeps one public address while
    that has a port left for the destination. What comes to a pool address without a flow is dropped; all other traffic
    passes as it is.

    Example:
        OverloadNat(public="203.0.113.7", inside="10.0.0.0/8")
    """

    traffic = ipv4 & (tcp | udp | icmp)
    public: str | list[str]  # the pool: address, prefix, range `low-high`, or a list of them; at most 1024 addresses
    inside: Prefix = Prefix("0.0.0.0/0")  # whose flows are translated
    ports: PortRange = PortRange(1024, 65535)  # public ports and ICMP identifiers
    flows: u32 = 1_000_000  # flows that it can keep at a time, however they are spread over destinations

    class State:
        """The pool, and which of its ports are taken towards which destination."""

        address: Array[Address]  # the pool
        members: HashMap[Address, u16]  # the pool: address -> slot
        low: u16  # first port
        span: u32  # ports of an address
        groups: u32  # groups of 64 ports
        taken: HashMap[Address, u64]  # by destination, public address and group: a bit a port; see key_of

    class Session:
        """The public address and port of the flow (0: none), and the destination for which it has them."""

        peer: u32
        peer_port: u16
        slot: u16
        port: u16
        translated: boolean

    def on_start(self):
        """Lay out the pool."""
        if self.ports.low < 1:
            raise ValueError("ports: port 0 can't be used")
        pool = pool_addresses(self.public)
        self.address.fill(pool)
        self.members.fill({address: slot for slot, address in enumerate(pool)})
        self.low, self.span = self.ports.low, len(self.ports)
        self.groups = -(-self.span // 64)
        self.taken.reserve(2 * self.flows)

    def on_update(self):
        """Refuse what would take the flows' ports away."""
        if pool_addresses(self.public) != list(self.address):
            raise ValueError("public: the pool can't change while the chain runs")
        if (self.ports.low, len(self.ports)) != (self.low, self.span):
            raise ValueError("ports: the range can't change while the chain runs")
        if 2 * self.flows != self.taken.capacity:
            raise ValueError("flows: it can't change while the chain runs")

    def on_flow(self, pkt, flow):
        """Find a public port that is free towards the destination of a flow from inside."""
        if pkt.ip.dst in self.members:
            flow.drop("unsolicited")
        elif not pkt.reverse and pkt.ip.src in self.inside:
            if pkt.icmp and pkt.icmp.type != 8:  # of ICMP queries, only echo has an identifier to translate
                return
            if pkt.icmp and pkt.icmp.id == 0:  # with it, answers could not be told from requests
                flow.drop("identifier 0")
                return
            flow.translated = True
            self.translate(flow, pkt.ip.src, pkt.ip.dst, pkt.sport, pkt.dport, pkt.ip.proto)

    def on_change(self, flow):
        """Find another port if the flow now goes to another destination: there its own may be taken."""
        if flow.translated and (flow.peer != flow.ip_dst.v4 or flow.peer_port != flow.dport):
            self.give_back(flow)
            self.translate(flow, flow.ip_src, flow.ip_dst, flow.sport, flow.dport, flow.proto)

    def on_end(self, flow):
        """Free the port towards this destination."""
        self.give_back(flow)

    def translate(self, flow, src, dst, sport, dport, proto):
        """Record a public address, the host's if it can be, and a port of it, the flow's own if it can be."""
        flow.peer = dst.v4
        flow.peer_port = dport
        size = len(self.address)
        start = mix(src.lo) % size
        for turn in range(size):
            slot = (start + turn) % size
            port = self.take(flow, slot, sport, proto)
            if port:
                flow.slot = slot
                flow.port = port
                flow.modify(ip_src=self.address[slot], sport=port)
                return
        flow.drop("no port left")

    def take(self, flow, slot, wanted, proto):
        """Take a port of a public address that is free towards the flow's destination; 0 if there is none."""
        count = key_of(flow.peer, flow.peer_port, proto, slot, COUNT)
        used = self.taken.get(count)
        if used == self.span or len(self.taken) + 2 > self.taken.capacity:
            return 0
        place = (wanted - self.low) % self.span
        for turn in range(self.groups):
            group = ((place >> 6) + turn) % self.groups
            key = key_of(flow.peer, flow.peer_port, proto, slot, group)
            taken = self.taken.get(key)
            ports = min(64, self.span - group * 64)
            free = ~taken & (-1 if ports == 64 else (1 << ports) - 1)
            if free:
                bit = place & 63 if turn == 0 and free >> (place & 63) & 1 else lowest_bit(free)
                self.taken.put(key, taken | 1 << bit)
                self.taken.put(count, used + 1)
                return self.low + group * 64 + bit
        return 0

    def give_back(self, flow):
        """Free the flow's port, if it has one."""
        if flow.port:
            place = flow.port - self.low
            key = key_of(flow.peer, flow.peer_port, flow.proto, flow.slot, place >> 6)
            self.keep(key, self.taken[key] & ~(1 << (place & 63)))
            count = key_of(flow.peer, flow.peer_port, flow.proto, flow.slot, COUNT)
            self.keep(count, self.taken[count] - 1)
            flow.port = 0

    def keep(self, key, value):
        """Change what stands under a key; nothing need stand there for 0."""
        if value:
            self.taken.put(key, value)
        else:
            self.taken.delete(key)


def key_of(peer, peer_port, proto, slot, group):
    """Return the key of what is known of a group of ports towards a destination; a key may have 128 bits."""
    return Address(peer << 16 | peer_port, proto << 32 | slot << 16 | group)
