"""Capture to capture: 64-byte packets from a pcap in the page cache to a pcap, beside dpkt doing the same rewrite."""

from __future__ import annotations

import statistics
import struct
import tempfile
import time
from pathlib import Path
from typing import Any

from nfuse.chain.spec import Chain
from nfuse.cli.benchmark.chain1 import VIP, chain1
from nfuse.engine.driver import run
from nfuse.nf.library import Monitor

TRAFFIC = "gen:?flows=1000&packets={packets}&size=64&proto=udp&inside=10.0.0.0/16&outside=203.0.113.80/32&dport=80"


def capture_to_capture(packets: int = 2_000_000, rounds: int = 3) -> dict[str, Any]:
    """Measure chain 1 from capture to capture, and dpkt on a part of the same capture."""
    with tempfile.TemporaryDirectory(prefix="nfuse-bench-", dir=_memory()) as folder:
        source, target = Path(folder) / "in.pcap", Path(folder) / "out.pcap"
        run(Chain(Monitor()), TRAFFIC.format(packets=packets), str(source))
        seconds = []
        for number in range(rounds + 1):
            result = run(chain1(1 << 16), str(source), str(target))
            if number:
                seconds.append(result.run_seconds)
        median = statistics.median(seconds)
        each = _dpkt(source, Path(folder) / "dpkt.pcap", min(packets, 50_000))
    figures: dict[str, Any] = {
        "packets": packets,
        "packets_per_second": round(packets / median),
        "ns": round(1e9 * median / packets, 1),
    }
    if each is not None:
        figures |= {"dpkt_ns": round(each), "rate_to_dpkt": round(each * packets / (1e9 * median), 1)}
    return figures


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _dpkt(source: Path, target: Path, packets: int) -> float | None:
    """Rewrite addresses and ports with dpkt, checksums included; return ns a packet, None where dpkt is missing."""
    try:
        import dpkt
    except ImportError:
        return None
    begin = time.perf_counter_ns()
    done = 0
    sessions: dict[Any, tuple[bytes, int, bytes, int]] = {}
    with open(source, "rb") as file, open(target, "wb") as out:
        writer = dpkt.pcap.Writer(out)
        for stamp, data in dpkt.pcap.UniversalReader(file):
            frame = dpkt.ethernet.Ethernet(data)
            ip = frame.data
            udp = ip.data
            key = (ip.src, ip.dst, ip.p, udp.sport, udp.dport)
            if key not in sessions:
                port = 1024 + len(sessions)
                sessions[key] = (struct.pack(">I", 0xC6336401), port, struct.pack(">I", int(VIP) + 1), 8080)
            ip.src, udp.sport, ip.dst, udp.dport = sessions[key]
            ip.sum = udp.sum = 0  # dpkt computes both when it packs
            writer.writepkt(bytes(frame), stamp)
            done += 1
            if done == packets:
                break
    return (time.perf_counter_ns() - begin) / done
