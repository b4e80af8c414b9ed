"""The machine, the versions and the commit that figures belong to; pinning to one core."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import nfuse

ROOT = Path(__file__).resolve().parents[4]
"""The project's folder, where nfuse runs from its source tree."""


def pin(core: int | None = None) -> int | None:
    """Bind this process to one core (default: the last it may use); return its number, None where that can't be."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    chosen = allowed[-1] if core is None else core
    try:
        os.sched_setaffinity(0, {chosen})
    except OSError:
        return None
    return chosen


def describe() -> dict[str, Any]:
    """Return machine, versions and commit as plain data."""
    import llvmlite
    import numba
    import numpy

    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "numpy": numpy.__version__,
        "nfuse": nfuse.__version__,
        "commit": _output("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "cc": _output("cc", "--version").splitlines()[:1],
    }


def resident() -> int:
    """Return this process's resident memory in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def processor() -> str:
    """Return the model of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
