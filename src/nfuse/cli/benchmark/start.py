"""Start-up times of whole processes: cached, with an empty cache, and another chain of cached functions."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nfuse

CHAIN = """chain:
  - MazuNat: {public: 198.18.0.0/28, inside: 10.0.0.0/8}
  - Maglev: {vip: 203.0.113.80/32, backends: [192.168.0.1:8080, 192.168.0.2:8080]}
  - Monitor
  - IPFilter: {rules: ["drop tcp 192.0.2.0/24 -> any 23"]}
"""
OTHER = """chain:
  - Monitor
  - IPFilter: {rules: ["drop tcp 192.0.2.0/24 -> any 23"]}
  - MazuNat: {public: 198.18.0.0/28, inside: 10.0.0.0/8}
"""


def start_up(rounds: int = 3) -> dict[str, Any]:
    """Return seconds of ``nfuse run`` on a capture of 1,000 packets: cold, another chain, cached (median)."""
    with tempfile.TemporaryDirectory(prefix="nfuse-bench-") as name:
        folder = Path(name)
        (folder / "chain1.yaml").write_text(CHAIN)
        (folder / "other.yaml").write_text(OTHER)
        here = str(Path(nfuse.__file__).resolve().parents[1])  # the same nfuse, wherever it runs from
        environment = {**os.environ, "NFUSE_CACHE": str(folder / "cache"), "PYTHONPATH": here}
        capture = str(folder / "in.pcap")

        def seconds(*arguments: str) -> float:
            begin = time.perf_counter()
            command = [sys.executable, "-m", "nfuse", *arguments]
            subprocess.run(command, check=True, env=environment, capture_output=True, cwd=folder)
            return time.perf_counter() - begin

        (folder / "copy.yaml").write_text("chain: [Monitor]\n")
        plain = {**environment, "NFUSE_JIT": "0"}
        make = ["run", "copy.yaml", "-i", "gen:?packets=1000&flows=50&inside=10.0.0.0/16", "-o", capture]
        make += ["--engine", "reference"]
        subprocess.run([sys.executable, "-m", "nfuse", *make], check=True, env=plain, capture_output=True, cwd=folder)
        arguments = ("-i", capture, "-o", str(folder / "out.pcap"))
        cold = seconds("run", "chain1.yaml", *arguments)
        other = seconds("run", "other.yaml", *arguments)
        cached = statistics.median(seconds("run", "chain1.yaml", *arguments) for _ in range(rounds))
    return {"cold_seconds": round(cold, 2), "other_chain_seconds": round(other, 2), "cached_seconds": round(cached, 2)}
