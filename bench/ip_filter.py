"""IPFilter's own time for a new flow: its ``on_flow`` alone, over parsed packets in memory.

    python bench/ip_filter.py [rules ...]

Prints, for each number of rules (default 100, 1,000 and 10,000 overlapping ones, as ClassBench makes them), the time
to lay them out and the median processor time of a call over runs of packets at the edges of random rules.
"""

from __future__ import annotations

import random
import statistics
import sys
import time

from tests.nf.library.rule_sets import make, rule_set

from nfuse import NF
from nfuse.memory.arena import Arena
from nfuse.memory.jit import native
from nfuse.memory.raw import i64, zero
from nfuse.nf.abi import CX_SIZE, MAT_SIZE
from nfuse.nf.compile import analyse
from nfuse.nf.instance import Instance
from nfuse.nf.library import IPFilter
from nfuse.nf.library.acl import parse_rules
from nfuse.packet.desc import DESC_SIZE, LINK_ETHERNET
from nfuse.packet.parse import parse_burst
from nfuse.port.burst import Burst

PACKETS = 4000
ROUNDS = 50


def measure(nf: NF, burst: Burst) -> float:
    """Return nanoseconds of processor time a call, the median of 15 runs."""
    instance = Instance(nf)
    instance.start()
    handler = analyse(type(nf)).load().on_flow

    @native
    def loop(S: int, desc: int, n: int, F: int, M: int, X: int, rounds: int) -> int:
        bad = 0
        for _ in range(rounds):
            for i in range(n):
                zero(M, MAT_SIZE)
                if handler(S, i64(desc + i * DESC_SIZE), F, M, X) != 0:
                    bad += 1
        return bad

    room = Arena(CX_SIZE + MAT_SIZE + 4096)
    F, M, X = room.address, room.address + 1024, room.address + 1024 + MAT_SIZE
    assert loop(instance.address, burst.desc_address, burst.n, F, M, X, 1) == 0
    times = []
    for _ in range(15):
        begin = time.process_time()
        loop(instance.address, burst.desc_address, burst.n, F, M, X, ROUNDS)
        times.append(time.process_time() - begin)
    return statistics.median(times) * 1e9 / burst.n / ROUNDS


def main(counts: list[int]) -> None:
    """Measure for each number of rules."""
    for count in counts:
        rng = random.Random(count)
        lines = rule_set(rng, count, v6=0.0)
        rules = parse_rules(lines)
        burst = Burst(PACKETS)
        burst.reset()
        for _ in range(PACKETS):
            frame = make(rng, rules).frame()
            burst.append(frame, 0, LINK_ETHERNET, len(frame), 0, 0)
        parse_burst(burst.desc_address, 0, burst.n)
        nf = IPFilter(rules=lines)
        begin = time.perf_counter()
        Instance(nf).start()
        built = time.perf_counter() - begin
        print(f"{count:6} rules: laid out in {built:.2f} s; {measure(nf, burst):6.1f} ns a new flow")


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [100, 1_000, 10_000])
