"""Chain 1 (MazuNat -> Maglev -> Monitor -> IPFilter with 100 rules): subsequent packets and flow set-up.

Each engine gets the same packets: first one packet of each flow, then packets of all flows in uniform random order.
"""

from __future__ import annotations

import ipaddress
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.chain.spec import Chain, Timeouts
from nfuse.cli.benchmark.c_loop import CLoop
from nfuse.cli.benchmark.packets import START, Packets, flow_tuples, frames_of
from nfuse.engine.driver import engine_class
from nfuse.packet.parse import parse_burst

VIP = ipaddress.IPv4Address("203.0.113.80")
ADDRESSES = slice(26, 38)
"""Where a frame of the benchmark has its addresses and ports."""


def rules(count: int = 100) -> list[str]:
    """Return rules that differ in prefixes and ports, none of which matches the benchmark's packets."""
    actions = ("drop", "reject", "allow")
    out = []
    for n in range(count):
        proto = ("tcp", "udp")[n % 2]
        source = f"172.{16 + n % 16}.{n}.0/{18 + n % 12}" if n % 3 else f"10.{n}.0.0/{12 + n % 8}"
        target = f"192.0.{n % 3}.{n}/{24 + n % 8}" if n % 5 else f"100.64.{n}.0/{16 + n % 8}"
        source, target = (str(ipaddress.ip_network(net, strict=False)) for net in (source, target))
        out.append(f"{actions[n % 3]} {proto} {source} -> {target} {1000 + 7 * n}-{1500 + 9 * n}")
    return out


def chain1(capacity: int, rule_count: int = 100, timeouts: Timeouts | None = None) -> Chain:
    """Return chain 1 for `capacity` sessions, with a pool of 32 public addresses."""
    from nfuse.nf.library import IPFilter, Maglev, MazuNat, Monitor

    return Chain(
        MazuNat(public="198.18.0.0/27", inside="10.0.0.0/8", ports="1024-65535", hairpin=False)
        >> Maglev(vip=f"{VIP}/32", backends=[f"192.168.0.{host}:8080" for host in range(1, 11)])
        >> Monitor()
        >> IPFilter(rules=rules(rule_count)),
        capacity=capacity,
        name="chain1",
        timeouts=timeouts,
    )


@dataclass
class Round:
    """Nanoseconds a packet of each round, and what left in the last one."""

    each: list[float]

    @property
    def median(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.each)

    def facts(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return {"ns": round(self.median, 2), "ns_all": [round(ns, 2) for ns in self.each]}


class Loaded:
    """An engine that runs chain 1, driven as the driver drives it."""

    def __init__(self, engine: str, chain: Chain) -> None:
        begin = time.perf_counter()
        self.chain = chain
        self.engine: Any = engine_class(engine)(chain)
        self.compile_seconds = time.perf_counter() - begin

    def run(self, packets: Packets) -> int:
        """Process all packets; return how many left."""
        out = 0
        for window in packets.windows():
            if self.engine.parses:
                order, done = self.engine.take(window, 0, window.n)
                if done != window.n:
                    raise RuntimeError("the engine stopped at a fragment, but there is none")
            else:
                parse_burst(window.desc_address, 0, window.n)
                order = self.engine.process(window, 0, window.n)
            out += len(order)
        return out

    def close(self) -> None:
        """Give the memory back."""
        self.engine.close()


def timed(run: Callable[[Packets], int], packets: Packets, rounds: int, clock: Clock) -> Round:
    """Time `run` over whole rounds of the packets; every packet must leave."""
    each = []
    for _ in range(rounds):
        packets.restore(clock.next(packets.count))
        begin = time.perf_counter_ns()
        left = run(packets)
        each.append((time.perf_counter_ns() - begin) / packets.count)
        if left != packets.count:
            raise RuntimeError(f"only {left} of {packets.count} packets left the chain: the benchmark is wrong")
    return Round(each)


class Clock:
    """Time stamps that go on from round to round."""

    def __init__(self) -> None:
        self.now = START

    def next(self, packets: int, gap: int = 100) -> int:
        """Return the stamp of the first of so many packets, and move past the last."""
        first = self.now
        self.now += packets * gap
        return first


def steady(
    flows: int,
    rounds: int,
    library: Any = None,
    engines: tuple[str, ...] = ("fused",),
    proto: str = "udp",
    seed: int = 1,
    least: int = 1 << 18,
) -> dict[str, Any]:
    """Measure subsequent packets at a number of flows.

    Args:
        flows: How many.
        rounds: Rounds to time, after one that is not.
        library: The C loop (:func:`nfuse.cli.benchmark.c_loop.build`), or None.
        engines: Which engines.
        proto: ``tcp``, ``udp`` or ``mixed``.
        seed: Of the flows' order.
        least: Packets in memory, unless twice the flows are more.

    Returns:
        By engine and for ``"c"``: ns a packet; ``"equal_output"``: whether C loop and engine gave the same bytes.
    """
    random = np.random.default_rng(seed)
    tuples = flow_tuples(flows, int(VIP), proto=proto)
    first = Packets(frames_of(tuples, syn=True), random.permutation(flows))
    count = max(least, 2 * flows)
    packets = Packets(frames_of(tuples), random.integers(0, flows, count))
    result: dict[str, Any] = {"flows": flows, "packets": count, "rounds": rounds}
    outputs: dict[str, NDArray[np.uint8]] = {}
    size = 0
    for name in engines:
        clock = Clock()
        loaded = Loaded(name, chain1(max(1024, flows + flows // 8)))
        warm(loaded)
        size = size or int(loaded.engine.plan.size)
        first.restore(clock.next(flows))
        begin = time.perf_counter_ns()
        loaded.run(first)
        set_up = (time.perf_counter_ns() - begin) / flows
        if name == engines[0]:
            after = first.frames()
        timed(loaded.run, packets, 1, clock)
        figures = timed(loaded.run, packets, rounds, clock)
        outputs[name] = packets.frames()
        result[name] = {**figures.facts(), "first_packets_ns": round(set_up, 1)}
        loaded.close()
    if library is not None:
        clock = Clock()
        loop = CLoop(library, max(1024, flows + flows // 8), size)
        first.restore(clock.next(flows))
        before = first.frames()
        loop.add(before[:, ADDRESSES], after[:, ADDRESSES], before[:, 23], START // 1_000_000)

        def run(all_packets: Packets) -> int:
            return sum(loop.run(window.desc_address, window.n) for window in all_packets.windows())

        timed(run, packets, 1, clock)
        figures = timed(run, packets, rounds, clock)
        result["c"] = {**figures.facts(), "session_bytes": loop.session_bytes}
        result["equal_output"] = bool(np.array_equal(outputs[engines[0]], packets.frames()))
        result["rate_to_c"] = round(figures.median / result[engines[0]]["ns"], 3)
    if "original" in engines and "fused" in engines:
        result["rate_to_original"] = round(result["original"]["ns"] / result["fused"]["ns"], 3)
    return result


def warm(loaded: Loaded) -> None:
    """Let one packet through a twin of the engine's code paths: whatever compiles at its first call does so now."""
    tuples = flow_tuples(8, int(VIP), first=1 << 29)
    for syn in (True, False):
        loaded.run(Packets(frames_of(tuples, syn=syn), np.arange(8), start=START - 1_000_000))
