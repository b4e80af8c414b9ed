"""MazuNat: source NAPT with endpoint-independent mapping."""

from __future__ import annotations

from nfuse import (
    NF,
    Address,
    Array,
    HashMap,
    Outcome,
    PortRange,
    Prefix,
    boolean,
    five_tuple,
    icmp,
    ip,
    ipv4,
    sport,
    tcp,
    u8,
    u16,
    u32,
    u64,
    udp,
)
from nfuse.nf.library.address_pool import MOST, pool_addresses
from nfuse.nf.library.bits import lowest_bit, mix

WORDS = 512
"""Words of 64 bits for the ports of one parity."""
ALL = 0xFFFFFFFFFFFFFFFF
V4 = 0xFFFF << 32
"""What stands above an IPv4 address in the low half of an Address."""


class MazuNat(NF):
    """Translate flows opened from inside to a pool of public addresses (RFC 3022 NAPT for TCP, UDP and ICMP echo).

    All flows of one inside endpoint (address, port, protocol) share one public address and port while any of them lives
    (RFC 4787 REQ-1, RFC 5382 REQ-1, RFC 5508 REQ-1): endpoint-independent mapping. An inside host keeps one public
    address while that has ports left (REQ-2, paired), and an even port stays even (section 4.2.2). A flow from inside
    to a public port is turned back to the endpoint that has it, its source translated too (RFC 4787 REQ-9, RFC 5382
    REQ-8). What else comes to a pool address without a flow is dropped; all other traffic passes as it is.

    Example:
        MazuNat(public="203.0.113.0/28", inside="10.0.0.0/8")
    """

    traffic = ipv4 & (tcp | udp | icmp)
    session = {"flow": five_tuple, "endpoint": (ip.src, sport, ip.proto)}
    public: str | list[str]  # the pool: address, prefix, range `low-high`, or a list of them; at most 1024 addresses
    inside: Prefix = Prefix("0.0.0.0/0")  # whose flows are translated
    ports: PortRange = PortRange(1024, 65535)  # public ports and ICMP identifiers
    hairpin: boolean = True  # flows from inside to a public port reach the endpoint that has it; needs `inside`

    class State:
        """Slots are public addresses. Each has six queues of ports: TCP, UDP, ICMP by even and odd."""

        address: Array[Address]
        active: Array[u8]
        members: HashMap[Address, u16]  # the pool: address -> slot
        order: Array[u16]  # slots of the pool
        slots: u32
        first: Array[u32]  # lowest even, lowest odd port
        count: Array[u32]  # how many of each
        taken: Array[u64]  # by queue: one bit a port
        used: Array[u32]  # by queue: ports taken
        hint: Array[u32]  # by queue: where to look first, so that a port that came back rests longest
        span: u32  # ports of an address
        owner: Array[u64]  # by TCP and UDP port: inside address << 16 | port of the endpoint that has it
        hairpins: boolean  # whether it is known who is inside, so that hairpinning lets nobody else in

    class Session:
        """Whether the flow counts among those of its endpoint; whether it is turned back to another endpoint."""

        translated: boolean
        hairpin: boolean

    class Endpoint:
        """An inside endpoint: its public address and port (0: none), and its flows."""

        flows: u32
        slot: u16
        port: u16

    def on_start(self):
        """Lay out the pool."""
        low, high = self.ports.low, self.ports.high
        if low < 1:
            raise ValueError("ports: port 0 can't be used")
        first = [low + (low & 1), low + (~low & 1)]
        self.span = len(self.ports)
        self.owner.reserve(0)
        self.first.fill(first)
        self.count.fill([max(0, (high - port) // 2 + 1) for port in first])
        self.on_update()

    def on_update(self):
        """Change the pool: an address that stays keeps its ports; flows of one that goes get another."""
        pool = pool_addresses(self.public)
        low = min(self.first.view)
        if (self.ports.low, len(self.ports)) != (low, self.span):
            raise ValueError("ports: the range can't change while the chain runs")
        known = {self.address[i]: i for i in range(self.slots)}
        new = [address for address in pool if address not in known]
        if new:
            self.add_slots(new)
        known |= {address: len(known) + i for i, address in enumerate(new)}
        self.active.view[:] = 0
        self.order.fill([known[address] for address in pool])
        self.members.fill({address: known[address] for address in pool})
        for slot in self.order:
            self.active[slot] = 1
        self.hairpins = self.hairpin and self.inside.length > 0
        resize(self.owner, self.slots * 2 * self.span if self.hairpins else 0)

    def add_slots(self, addresses):
        """Make room for more public addresses. Plain Python."""
        before, self.slots = self.slots, self.slots + len(addresses)
        if self.slots > MOST:
            raise ValueError(f"public: more than {MOST} addresses since the start")
        for array in (self.address, self.active):
            resize(array, self.slots)
        for array in (self.used, self.hint):
            resize(array, self.slots * 6)
        resize(self.taken, self.slots * 6 * WORDS)
        for slot, address in enumerate(addresses, before):
            self.address[slot] = address
            for queue in range(slot * 6, slot * 6 + 6):
                count = self.count[queue & 1]
                self.taken.view[queue * WORDS + (count >> 6) : (queue + 1) * WORDS] = ALL
                if count & 63:
                    self.taken[queue * WORDS + (count >> 6)] = -1 << (count & 63)

    def on_flow(self, pkt, flow):
        """Map the endpoint of a flow from inside, at its first flow to a public port."""
        inside = not pkt.reverse and pkt.ip.src in self.inside
        flow.hairpin = inside and self.owner_of(pkt.ip.dst, pkt.dport, pkt.ip.proto)
        if pkt.ip.dst in self.members and not flow.hairpin:
            flow.drop("unsolicited")
        elif inside:
            if pkt.icmp and pkt.icmp.type != 8:  # of ICMP queries, only echo has an identifier to translate
                return
            if pkt.icmp and pkt.icmp.id == 0:  # with it, answers could not be told from requests
                flow.drop("identifier 0")
                return
            if flow.endpoint.port == 0:
                self.allocate(flow, pkt.ip.src, pkt.sport, pkt.ip.proto)
            if flow.endpoint.port:
                flow.translated = True
                flow.endpoint.flows += 1
            self.translate(flow)

    def on_change(self, flow):
        """Move the endpoint if its public address has left the pool."""
        if flow.translated:
            if flow.endpoint.port and not self.active[flow.endpoint.slot]:
                self.give_back(flow)
            if flow.endpoint.port == 0:
                self.allocate(flow, flow.ip_src, flow.sport, flow.proto)
            self.translate(flow)

    def translate(self, flow):
        """Record the endpoint's public address and port, and to which endpoint a hairpinned flow goes."""
        owner = self.owner_of(flow.ip_dst, flow.dport, flow.proto) if flow.hairpin else 0
        if flow.endpoint.port == 0:
            flow.drop("no port left")
        elif flow.hairpin and owner == 0:
            flow.drop("unsolicited")
        else:
            flow.modify(ip_src=self.address[flow.endpoint.slot], sport=flow.endpoint.port)
            if flow.hairpin:
                flow.modify(ip_dst=Address(0, V4 | owner >> 16), dport=owner & 0xFFFF)
                flow.turn_back()

    def owner_of(self, public, port, proto):
        """Return the inside endpoint that has a public TCP or UDP port, as address << 16 | port; 0 if none has."""
        if not self.hairpins or proto == 1 or port not in self.ports or public not in self.members:
            return 0
        return self.owner[self.place(self.members[public], proto, port)]

    def place(self, slot, proto, port):
        """Return where among the owners a TCP or UDP port stands."""
        return (slot * 2 + (proto == 17)) * self.span + port - self.ports.low

    def on_end(self, flow):
        """Free the public port with the endpoint's last flow."""
        if flow.translated:
            flow.endpoint.flows -= 1
            if flow.endpoint.flows == 0 and flow.endpoint.port:
                self.give_back(flow)

    def explain(self, flow):
        """Name the mapping of the flow's endpoint."""
        if not flow.translated:
            return "to an address of the pool, without a flow" if flow.ip_dst in self.members else "not translated"
        public = self.address[flow.endpoint.slot]
        return f"{flow.ip_src}:{flow.sport} mapped to {public}:{flow.endpoint.port}; its flows: {flow.endpoint.flows}"

    def allocate(self, flow, src, sport, proto):
        """Give the endpoint a port: of its host's address, of its parity, if there is one."""
        size = len(self.order)
        start = mix(src.lo) % size
        for turn in range(2 * size):
            slot = self.order[(start + (turn >> 1)) % size]
            port = self.take(slot, proto, (sport ^ turn) & 1)
            if port:
                flow.endpoint.slot = slot
                flow.endpoint.port = port
                if self.hairpins and proto != 1:
                    self.owner[self.place(slot, proto, port)] = src.v4 << 16 | sport
                return

    def take(self, slot, proto, parity):
        """Take the next free port of a public address, 0 if none of this parity is left."""
        queue = queue_of(slot, proto, parity)
        if self.used[queue] >= self.count[parity]:
            return 0
        at = self.hint[queue]
        word = at >> 6
        free = ~self.taken[queue * WORDS + word] & (-1 << (at & 63))
        while free == 0:
            word = word + 1 if (word + 1) * 64 < self.count[parity] else 0
            free = ~self.taken[queue * WORDS + word]
        at = word * 64 + lowest_bit(free)
        self.taken[queue * WORDS + word] |= 1 << (at & 63)
        self.used[queue] += 1
        self.hint[queue] = at + 1 if at + 1 < self.count[parity] else 0
        return self.first[parity] + 2 * at

    def give_back(self, flow):
        """Free the endpoint's port."""
        port = flow.endpoint.port
        queue = queue_of(flow.endpoint.slot, flow.proto, port & 1)
        at = (port - self.first[port & 1]) >> 1
        self.taken[queue * WORDS + (at >> 6)] &= ~(1 << (at & 63))
        self.used[queue] -= 1
        flow.endpoint.port = 0
        if self.hairpins and flow.proto != 1:
            self.owner[self.place(flow.endpoint.slot, flow.proto, port)] = 0

    def check(self, facts):
        """Find a pool that is too small for the table, and an inside that no flow here comes from."""
        pool = len(pool_addresses(self.public))
        ports = len(self.ports)
        if 2 * pool * ports < facts.capacity:
            yield facts.warning(
                "pool-too-small",
                f"the pool has {pool * ports:,} ports for TCP and as many for UDP, the table has room for "
                f"{facts.capacity:,} flows",
                why=f"public addresses: {pool:,}, ports of each: {ports:,}; flows beyond are dropped (no port left)",
                hint="add addresses to public, widen ports, or lower the capacity in settings",
                parameter="public",
            )
        if not facts.sees(self.translated()):
            why = facts.why_not(self.translated())
            hint = "name the addresses that flows have here"
            message = f"no flow from {self.inside} comes here"
            yield facts.warning("unseen-inside", message, why=why, hint=hint, parameter="inside")

    def translated(self):
        """Return the class of the flows that get a public address and port."""
        return ipv4 & (ip.src == self.inside) & (tcp | udp | (icmp.type == 8))

    def outcomes(self):
        """Flows to the pool are dropped; those from inside get an address and a port of the pool."""
        pool = pool_addresses(self.public)
        yield Outcome(self.traffic & ip.dst.within(pool), drop="unsolicited")
        yield Outcome(self.translated(), {"ip_src": pool, "sport": self.ports}, reverse=False)

    def owns(self):
        """The pool."""
        return {"public": pool_addresses(self.public)}


def resize(array, size):
    """Give an array another size; its items stay, as far as there is room. Plain Python."""
    if len(array) != size:
        kept = array.view[:size].nonzero()  # what was never used takes no memory in the new place either
        items = array.view[kept]
        array.reserve(size)
        array.view[kept] = items


def queue_of(slot, proto, parity):
    """Return the number of the queue of an address, protocol and parity."""
    return (slot * 3 + (0 if proto == 6 else 1 if proto == 17 else 2)) * 2 + parity
