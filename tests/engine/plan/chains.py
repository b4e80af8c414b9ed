"""Chains that the tests of plans share."""

from __future__ import annotations

from pathlib import Path

from nfuse import NF, Chain, boolean, branch, dport, event, ip, load_chain, tcp, u32, udp
from nfuse.engine.plan import Plan, plan_of
from nfuse.nf.library import DosGuard, IPFilter, IpIpDecap, IpIpEncap, Maglev, MazuNat, Monitor

ROOT = Path(__file__).resolve().parents[3]


class Ttl(NF):
    """Without session: judged for each packet."""

    session = None

    def on_packet(self, pkt):
        if pkt.ip.ttl <= 1:
            pkt.drop("TTL exceeded")
        pkt.ip.ttl -= 1


class Marker(NF):
    """Modifies other fields than the tuple's, and reads what it has modified."""

    def on_flow(self, pkt, flow):
        flow.modify(ip_dscp=10)


class SeesDestination(NF):
    """Touches a destination port for each packet, so that what is held back must be applied before it."""

    traffic = tcp | udp

    class Session:
        last: u32
        odd: boolean

    def on_packet(self, pkt, flow):
        flow.last = pkt.dport

    @event
    def strange(self, flow):
        return flow.last == 9

    @strange.then
    def cut(self, flow):
        flow.drop("discard")


class PortStore(NF):
    """Stores a port in each packet: nothing can be consolidated."""

    session = None
    traffic = udp

    def on_packet(self, pkt):
        pkt.udp.dport = 7


class Rewrites(NF):
    """Reads, then writes the payload."""

    traffic = tcp

    def on_packet(self, pkt, flow):
        if len(pkt.payload) > 1 and pkt.payload[0] == 1:
            pkt.payload[1] = 0


class Inspects(NF):
    """Reads the payload."""

    traffic = tcp

    class Session:
        seen: u32

    def on_packet(self, pkt, flow):
        if len(pkt.payload) > 0:
            flow.seen += pkt.payload[0]


def nat(**more) -> MazuNat:
    return MazuNat(inside="10.0.0.0/8", public="198.51.100.0/28", **more)


def balancer(vip: str = "203.0.113.80/32") -> Maglev:
    return Maglev(vip=vip, backends=["192.168.7.1:8080", "192.168.7.2:8080"])


def chain1() -> Chain:
    return load_chain(ROOT / "examples" / "chain1.yaml")


def branches() -> Chain:
    return load_chain(ROOT / "examples" / "branches.yaml")


def split() -> Chain:
    """Rewrites at several points, both directions."""
    return Chain(nat() >> balancer() >> SeesDestination() >> Marker() >> balancer("192.168.7.0/24").named("second"))


def tunnel() -> Chain:
    return Chain(Monitor() >> IpIpEncap(src="192.0.2.1", dst="192.0.2.2") >> IpIpDecap() >> IPFilter())


def nested() -> Chain:
    inner = branch((dport == 80, Monitor()), (dport == 443, Monitor().named("tls")))
    way = DosGuard() >> inner >> IPFilter()
    return Chain(nat() >> branch((tcp & (ip.dst == "192.0.2.0/24"), way), (udp, Marker())) >> Ttl(), two_sided=True)


ALL = {
    "chain1": chain1,
    "branches": branches,
    "split": split,
    "tunnel": tunnel,
    "nested": nested,
    "stores": lambda: Chain(balancer() >> PortStore()),
    "payloads": lambda: Chain(Inspects() >> Rewrites() >> Inspects().named("after")),
    "one": lambda: Chain(Monitor()),
}


def plan(name: str) -> Plan:
    return plan_of(ALL[name]())
