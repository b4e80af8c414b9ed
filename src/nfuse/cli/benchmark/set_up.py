"""Flow set-up: new flows into a warm table, and many more flows than the table holds, expiry included."""

from __future__ import annotations

import ipaddress
import statistics
import time
from typing import Any

import numpy as np

from nfuse.chain.spec import Chain, Timeouts
from nfuse.cli.benchmark.chain1 import VIP, Loaded, chain1, warm
from nfuse.cli.benchmark.packets import START, Packets, flow_tuples, frames_of

GAP = 400
"""Nanoseconds between new flows in the sustained run: 2.5 million a second by the packets' clock."""


def _chunk(first: int, count: int, start: int, gap: int, proto: str = "udp") -> Packets:
    frames = frames_of(flow_tuples(count, int(VIP), first=first, proto=proto))
    return Packets(frames, np.arange(count), gap=gap, start=start)


def _time(loaded: Loaded, packets: Packets) -> float:
    begin = time.perf_counter_ns()
    left = loaded.run(packets)
    nanoseconds = (time.perf_counter_ns() - begin) / packets.count
    if left != packets.count:
        raise RuntimeError(f"only {left} of {packets.count} packets left the chain: the benchmark is wrong")
    return nanoseconds


def warm_table(flows: int = 400_000, rounds: int = 3) -> dict[str, Any]:
    """Set up flows in a table that was used before and has been emptied: no page is touched for the first time."""
    chain = chain1(capacity=1 << 20, timeouts=Timeouts(udp_new=1.0, udp=1.0))
    loaded = Loaded("fused", chain)
    warm(loaded)
    now, first, figures = START, 0, []
    for number in range(rounds + 1):
        took = _time(loaded, _chunk(first, flows, now, gap=100))
        if number:
            figures.append(took)
        now += flows * 100 + 3_000_000_000
        one = frames_of(flow_tuples(1, int(VIP), first=(1 << 29) + number))
        loaded.run(Packets(one, np.zeros(flows // 8 + 8, dtype=np.int64), gap=1, start=now))  # each ends 8 old sessions
        now += 1_000_000
        first += flows
    loaded.close()
    median = statistics.median(figures)
    return {"flows": flows, "ns": round(median, 1), "flows_per_second": round(1e9 / median)}


def sustained(flows: int = 10_000_000, capacity: int = 1_000_000) -> dict[str, Any]:
    """Set up ten times as many flows as the table holds; old ones expire as new ones come."""
    live = int(capacity * 0.9)
    seconds = live * GAP / 1e9
    loaded = Loaded("fused", chain1(capacity=capacity, timeouts=Timeouts(udp_new=seconds, udp=seconds)))
    warm(loaded)
    step, now, figures = 250_000, START, []
    for first in range(0, flows, step):
        figures.append(_time(loaded, _chunk(first, step, now, gap=GAP)))
        now += step * GAP
    counters = dict(loaded.engine.counters)
    loaded.close()
    return {
        "flows": flows,
        "capacity": capacity,
        "ns": round(statistics.mean(figures), 1),
        "ns_last_million": round(statistics.mean(figures[-4:]), 1),
        "expired": counters.get("expired", 0),
    }


def overlapping_rules(count: int, seed: int = 7) -> list[str]:
    """Return rules in the manner of ClassBench: nested prefixes of few networks, few port ranges, all overlapping."""
    random = np.random.default_rng(seed)
    ports = ["any", "80", "443", "53", "1024-65535", "0-1023", "8000-8999", "22", "123", "5000-5010"]
    out = []
    for _ in range(count):
        source = _prefix(10 << 24 | int(random.integers(0, 1 << 24)), int(random.integers(10, 33)))
        target = _prefix(int(VIP) ^ int(random.integers(0, 1024)), int(random.integers(20, 33)))
        proto = ("tcp", "udp")[random.integers(0, 2)]
        sport, dport = ports[random.integers(0, 10)], ports[random.integers(0, 10)]
        out.append(f"allow {proto} {source} {sport} -> {target} {dport}")
    return out


def _prefix(address: int, length: int) -> str:
    return str(ipaddress.IPv4Network((address, length), strict=False))


def filter_cost(rules: int = 10_000, flows: int = 200_000) -> dict[str, Any]:
    """Measure what an IPFilter with many rules adds to the set-up of a flow, against one without rules."""
    from nfuse.nf.library import IPFilter

    figures: dict[int, float] = {}
    building = 0.0
    for count in (0, rules):
        begin = time.perf_counter()
        loaded = Loaded("fused", Chain(IPFilter(rules=overlapping_rules(count)), capacity=4 * flows))
        building = time.perf_counter() - begin
        warm(loaded)
        _time(loaded, _chunk(0, flows, START, gap=100))
        figures[count] = min(
            _time(loaded, _chunk(flows * turn, flows, START + turn * flows * 100, gap=100)) for turn in (1, 2)
        )
        loaded.close()
    return {
        "rules": rules,
        "ns": round(figures[rules] - figures[0], 1),
        "set_up_ns": round(figures[rules], 1),
        "set_up_ns_without_rules": round(figures[0], 1),
        "building_seconds": round(building, 2),
    }
