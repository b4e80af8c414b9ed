"""A test of all of it together: a chain is compiled, run, and compared with plain Python."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from nfuse.cli.health.check import Check

PACKETS = 2000
_GEN = f"gen:?flows=20&packets={PACKETS}&seed=1&proto=mixed&reply=yes"


def checks() -> list[Check]:
    """Compile a Monitor, run it from the generator to a capture, and verify it on that capture."""
    try:
        return _run()
    except Exception as error:
        detail = f"failed: {type(error).__name__}: {error}"
        return [Check("self-test", "compile and run", False, detail, required=True)]


def _run() -> list[Check]:
    from nfuse.chain.spec import Chain
    from nfuse.engine.driver import run
    from nfuse.engine.verify import verify
    from nfuse.nf.library import Monitor

    with tempfile.TemporaryDirectory(prefix="nfuse-doctor-") as folder:
        capture = str(Path(folder) / "out.pcap")
        begin = time.perf_counter()
        result = run(Chain(Monitor()), _GEN, capture)
        ready = time.perf_counter() - begin - result.run_seconds
        ran = result.conserved and result.counters["packets_out"] == PACKETS
        compared = verify(Chain(Monitor()), capture)
    same = compared.identical and compared.packets == PACKETS
    each = f"{1e9 * result.run_seconds / PACKETS:,.0f} ns a packet, ports included"
    return [
        Check("self-test", "compile", True, f"ready after {ready:.2f} s", required=True),
        Check(
            "self-test", "run", ran, f"{result.counters['packets_out']} of {PACKETS} packets out, {each}", required=True
        ),
        Check("self-test", "verify", same, "identical to plain Python" if same else str(compared), required=True),
    ]
