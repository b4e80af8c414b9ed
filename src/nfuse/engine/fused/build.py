"""Compiling what a chain needs, on several cores where there is much to do.

Numba compiles one function at a time. With an empty cache a chain is some forty independent pieces, so helper processes
compile a part of them into the cache, and this process then loads them. A job is a name: ``module`` (importing it
compiles it), ``module:function`` (a native function, compiled for callers in Python), or ``module:function:argument``
(a Python function that compiles what its argument names).
"""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
from collections.abc import Sequence

from nfuse.memory.cache import cache_folder
from nfuse.memory.jit import JIT, compile_now

HEAVY = ("apply_record", "answer", "consolidate", "chain", "on_flow", "next_due", "find_quoted", "parse_burst")
"""Jobs that take longest; they are dealt out first."""


def compile_job(job: str) -> None:
    """Do one job."""
    module, *rest = job.split(":")
    loaded = importlib.import_module(module)
    if len(rest) == 1:
        compile_now(getattr(loaded, rest[0]))
    elif rest:
        getattr(loaded, rest[0])(rest[1])
    elif hasattr(loaded, "process"):
        compile_now(loaded.process)


def build(jobs: Sequence[str]) -> None:
    """Make sure that all jobs are done: from the cache, here, or with the help of other processes."""
    folder = cache_folder() if JIT else None
    workers = min(len(os.sched_getaffinity(0)), 4) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if folder is not None:
        todo = [job for job in jobs if not (folder / _mark(job)).exists()]
        if len(todo) > 3 and workers > 1:
            _share(todo, workers)
    for job in jobs:
        compile_job(job)
        if folder is not None and job in todo:
            (folder / _mark(job)).touch()


def _mark(job: str) -> str:
    return f"built_{hashlib.sha256(job.encode()).hexdigest()[:20]}"


def _share(jobs: list[str], workers: int) -> None:
    """Deal jobs out to helper processes and to this one; return when all are done."""
    weight = {job: 4 if any(name in job for name in HEAVY) else 1 for job in jobs}
    hands: list[list[str]] = [[] for _ in range(workers)]
    for job in sorted(jobs, key=lambda job: -weight[job]):
        min(hands, key=lambda hand: sum(weight[j] for j in hand)).append(job)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "nfuse.engine.fused.build"]
    helpers = []
    for hand in hands[1:]:
        helper = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        assert helper.stdin is not None
        helper.stdin.write("\n".join(hand).encode())
        helper.stdin.close()
        helpers.append(helper)
    try:
        for job in hands[0]:
            compile_job(job)
    finally:
        for helper in helpers:
            helper.wait()  # whatever one could not do is done here, and then it raises here


if __name__ == "__main__":
    for line in sys.stdin.read().splitlines():
        compile_job(line)
