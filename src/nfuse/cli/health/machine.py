"""The machine: platform, processor, memory."""

from __future__ import annotations

import os
import platform
import resource
import struct
import sys
from pathlib import Path

from nfuse.cli.health.check import Check

GROUP = "machine"


def checks() -> list[Check]:
    """Look at the platform, the cores this process may use, and the limits on memory."""
    return [_platform(), _cores(), _memory()]


def _platform() -> Check:
    suits = sys.platform == "linux" and sys.byteorder == "little" and struct.calcsize("P") == 8
    detail = f"{platform.system()} {platform.release()} on {platform.machine()}"
    wrong = "; nfuse needs Linux on a little-endian 64-bit processor"
    return Check(GROUP, "platform", suits, detail + ("" if suits else wrong), required=True)


def _cores() -> Check:
    from nfuse.cli.benchmark.machine import processor

    all_of_them = os.cpu_count() or 1
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(all_of_them))
    bound = "" if len(allowed) == all_of_them else f"; this process may use {numbers(allowed)} only"
    plural = "" if all_of_them == 1 else "s"
    return Check(GROUP, "processor", True, f"{processor()}, {all_of_them} core{plural}{bound}", required=True)


def numbers(cores: list[int]) -> str:
    """Return core numbers as ranges: ``core 0-3, 8``."""
    runs: list[list[int]] = []
    for core in cores:
        if runs and core == runs[-1][-1] + 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return "core " + ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _memory() -> Check:
    """Arenas reserve address space that is used later: a limit on it, or strict accounting, stops large tables."""
    from nfuse.cli.report import size

    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        detail = f"address space is limited to {size(limit)}: tables of many sessions may not fit"
        return Check(GROUP, "memory", False, detail, enable="ulimit -v unlimited")
    if _read("/proc/sys/vm/overcommit_memory") == "2":
        detail = "the kernel counts reserved memory as used: tables of many sessions may not fit"
        return Check(GROUP, "memory", False, detail, enable="sudo sysctl vm.overcommit_memory=0")
    return Check(GROUP, "memory", True, f"{size(total)}, no limit on address space")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
