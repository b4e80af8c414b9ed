"""Memory per session: growth of resident memory while a million sessions come into being, all tables included."""

from __future__ import annotations

from typing import Any

import numpy as np

from nfuse.cli.benchmark.chain1 import VIP, Loaded, chain1, warm
from nfuse.cli.benchmark.machine import resident
from nfuse.cli.benchmark.packets import START, Packets, flow_tuples, frames_of


def per_session(sessions: int = 1_000_000, version: int = 4) -> dict[str, Any]:
    """Return bytes of resident memory per session of chain 1 (IPv6 flows are not translated)."""
    warm(Loaded("fused", chain1(capacity=1024)))  # another engine: not a page of the one measured is touched
    loaded = Loaded("fused", chain1(capacity=sessions + 1024))
    step = 50_000
    packets = _chunk(0, step, version)
    packets.refill(_frames(0, step, version), START)  # what making packets takes, it takes here
    before = resident()
    for first in range(0, sessions, step):
        packets.refill(_frames(first, step, version), START + first * 100)
        loaded.run(packets)
    grown = resident() - before
    live = loaded.engine.counters["sessions_created"] - loaded.engine.counters["sessions_ended"]
    loaded.close()
    return {"version": version, "sessions": live, "bytes": round(grown / max(1, live), 1)}


def _chunk(first: int, count: int, version: int) -> Packets:
    return Packets(_frames(first, count, version), np.arange(count))


def _frames(first: int, count: int, version: int) -> Any:
    frames = frames_of(flow_tuples(count, int(VIP), first=first))
    return frames if version == 4 else as_ipv6(frames)


def as_ipv6(frames: Any) -> Any:
    """Turn the benchmark's IPv4 frames into IPv6 UDP frames of 64 bytes with the same ports and hosts."""
    out = np.zeros_like(frames)
    out[:, 0:12] = frames[:, 0:12]
    out[:, 12:16] = (0x86, 0xDD, 0x60, 0)
    out[:, 18:22] = (0, 10, 17, 64)  # payload length, next header, hop limit
    for at, old in ((22, 26), (38, 30)):
        out[:, at : at + 4] = (0x20, 0x01, 0x0D, 0xB8)
        out[:, at + 12 : at + 16] = frames[:, old : old + 4]
    out[:, 54:58] = frames[:, 34:38]
    out[:, 58:60] = (0, 10)
    words = (out[:, 22:64:2].astype(np.uint32) << 8 | out[:, 23:64:2]).sum(axis=1) + 17 + 10
    for _ in range(2):
        words = (words & 0xFFFF) + (words >> 16)
    checksum = ~words & 0xFFFF
    checksum[checksum == 0] = 0xFFFF
    out[:, 60], out[:, 61] = checksum >> 8, checksum & 0xFF
    return out
