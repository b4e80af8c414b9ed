"""Maglev: a consistent-hashing load balancer (NSDI '16)."""

from __future__ import annotations

import numpy as np

from nfuse import NF, Address, Array, Outcome, PortRange, Prefix, dport, ip, tcp, u8, u16, u32, udp
from nfuse.nf.library.bits import mix
from nfuse.nf.library.maglev_table import FREE, Backend, build_table, is_prime, parse_backend, parse_backends

NONE = FREE
"""In place of a slot's number: none was there."""
SLOTS = 4096
"""Most backends a balancer can have had."""
OUT, UP, DRAINING = 0, 1, 2
"""States of a backend: down or removed; taking flows; keeping its flows but taking no new ones."""


class Maglev(NF):
    """Spread flows to a virtual address over backends, by the look-up table of the Maglev paper, section 3.4.

    The destination of a flow to `vip` (and `ports`) becomes its backend's address and port; replies are translated
    back. A flow stays with its backend while that is up or draining, whatever becomes of the table; when it is down, or
    no longer listed, the flow moves to another at its next packet.

    Example:
        Maglev(vip="198.18.0.1", ports=80, backends=["192.168.1.1:8080", "192.168.1.2:8080 weight=2"])
    """

    traffic = tcp | udp
    vip: Prefix  # the virtual address, or a prefix of them; IPv4 or IPv6
    backends: list[str]
    """`ADDRESS[:PORT] [weight=N]`, of the family of `vip`; without a port the packet's is kept; IPv6 with a port in
    brackets."""
    ports: PortRange = PortRange(0, 65535)  # the virtual ports
    down: list[str] = []  # health: these of the backends get no packets
    draining: list[str] = []  # these of the backends keep their flows and get no new ones
    size: u32 = 65537  # entries of the look-up table, a prime; for an even spread at least 100 times the backends

    class State:
        """The look-up table of slots, and the slots. A slot belongs to one address and port for good."""

        table: Array[u16]  # by hash: a slot; 65535 where no backend takes flows
        address: Array[Address]  # by slot: the backend's address
        port: Array[u16]  # by slot: its port; 0: the packet's stays
        state: Array[u8]  # by slot: 0 down or removed, 1 up, 2 draining
        slots: u32  # that were ever used

    class Session:
        """Where the flow goes."""

        backend: u16  # 1 + slot of the backend; 0: not balanced; 65535: there was none

    def on_start(self):
        """Build the table."""
        if not is_prime(self.size) or self.size > 5_000_011:
            raise ValueError(f"size: {self.size} is not a prime number up to 5000011 (NSDI '16 section 3.4)")
        self.table.reserve(self.size)
        for array in (self.address, self.port, self.state):
            array.reserve(SLOTS)
        self.on_update()

    def on_update(self):
        """Give new backends slots, set the states, and build the table anew."""
        backends = {backend.name: backend for backend in parse_backends(self.backends)}
        for name in [b.name for key in ("down", "draining") for b in parse_backends(getattr(self, key), key)]:
            if name not in backends:
                raise ValueError(f"{name} is not one of the backends: {', '.join(backends) or 'there are none'}")
        if any(b.address.version != self.vip.version for b in backends.values()):
            raise ValueError(f"backends: the addresses must be of the family of vip, IPv{self.vip.version}")
        if self.size != len(self.table.view):
            raise ValueError("size: it can't change while the chain runs")
        known = {(self.address[i], self.port[i]): i for i in range(self.slots)}
        for backend in backends.values():
            if (key := (backend.address, backend.port)) not in known:
                if self.slots == SLOTS:
                    raise ValueError(f"backends: more than {SLOTS} since the start")
                slot = known[key] = self.slots
                self.address[slot], self.port[slot] = key
                self.slots = slot + 1
        self.state.view[:] = OUT
        down, draining = ({b.name for b in parse_backends(names)} for names in (self.down, self.draining))
        members = []
        for name, backend in backends.items():
            slot = known[backend.address, backend.port]
            self.state[slot] = OUT if name in down else DRAINING if name in draining else UP
            if self.state[slot] == UP:
                members.append((name, backend.weight, slot))
        self.table.view[:] = build_table(members, self.size).astype(np.uint16)

    def on_flow(self, pkt, flow):
        """Choose a backend for a flow to the virtual address."""
        if pkt.ip.dst in self.vip and pkt.dport in self.ports:
            self.choose(flow, pkt.ip.src, pkt.ip.dst, pkt.sport, pkt.dport, pkt.ip.proto)

    def on_change(self, flow):
        """Leave the flow where it is unless its backend is out."""
        if flow.backend == NONE or (flow.backend and self.state[flow.backend - 1] == OUT):
            self.choose(flow, flow.ip_src, flow.ip_dst, flow.sport, flow.dport, flow.proto)

    def explain(self, flow):
        """Name the backend of the flow, and its state."""
        if flow.backend == 0:
            return "no flow to the virtual address"
        if flow.backend == NONE:
            return "no backend takes flows"
        slot = flow.backend - 1
        backend = Backend(self.address[slot], self.port[slot])
        return f"backend {backend.name} ({('down', 'up', 'draining')[self.state[slot]]})"

    def choose(self, flow, src, dst, sport, dport, proto):
        """Look the 5-tuple up in the table and send the flow there."""
        slot = self.table[hash_flow(src, dst, sport, dport, proto) % self.size]
        if slot == NONE:
            flow.backend = NONE
            flow.drop("no backend")
        else:
            flow.backend = 1 + slot
            if self.port[slot]:
                flow.modify(ip_dst=self.address[slot], dport=self.port[slot])
            else:
                flow.modify(ip_dst=self.address[slot])

    def check(self, facts):
        """Find backends that can't be read or can't take a flow, and a virtual address that no flow here goes to."""
        names = {"backends": set(), "down": set(), "draining": set()}
        for key, known in names.items():
            for number, text in enumerate(getattr(self, key)):
                try:
                    name = parse_backend(text).name
                except ValueError as error:
                    yield facts.error("backend", str(error), parameter=key, item=number)
                    return
                if name in known:
                    yield facts.error("backend", f"{name} is already in the list", parameter=key, item=number)
                    return
                known.add(name)
        backends = parse_backends(self.backends)
        if not names["backends"] - names["down"] - names["draining"]:
            yield facts.warning(
                "no-backend",
                f"no backend takes flows to {self.vip}",
                why="all of them are down or draining" if backends else "the list of backends is empty",
                hint="flows are dropped with the reason `no backend` until one is added",
                parameter="backends",
            )
        for number, backend in enumerate(backends):
            if backend.address in self.vip:
                why = "a flow that is sent there comes back to the balancer, or goes nowhere"
                message = f"the backend {backend.name} is a virtual address of {self.vip}"
                yield facts.warning("backend-is-vip", message, why=why, parameter="backends", item=number)
        if not facts.sees(self.balanced()):
            message = f"no flow to {self.vip}, ports {self.ports}, comes here"
            why = facts.why_not(self.balanced())
            hint = "move it ahead of what keeps them away, or name another vip"
            yield facts.warning("unseen-vip", message, why=why, hint=hint, parameter="vip")

    def balanced(self):
        """Return the class of the flows that are spread over the backends."""
        return self.traffic & (ip.dst == self.vip) & (dport == self.ports)

    def outcomes(self):
        """Flows to the virtual address go to one of the backends, or are dropped if there is none."""
        backends = parse_backends(self.backends)
        if not backends:
            yield Outcome(self.balanced(), drop="no backend")
            return
        modify = {"ip_dst": [backend.address for backend in backends]}
        ported = [backend.port for backend in backends if backend.port]
        if ported:
            modify["dport"] = ported if len(ported) == len(backends) else None
        yield Outcome(self.balanced(), modify)

    def owns(self):
        """The virtual address."""
        return {"vip": self.vip}


def hash_flow(src, dst, sport, dport, proto):
    """Mix a 5-tuple to 31 bits."""
    word = (src.lo ^ src.hi * 3) * 0x2545F4914F6CDD1D + (dst.lo ^ dst.hi * 5)
    return mix(mix(word) ^ (sport << 48 | dport << 32 | proto << 24) ^ word)
