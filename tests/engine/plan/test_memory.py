"""What sessions cost: beside what was measured, and beside the pages that an engine really has."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
from pathlib import Path

import pytest
from tests.engine.plan import chains

from nfuse.cli.benchmark.chain1 import VIP, Loaded, chain1
from nfuse.cli.benchmark.packets import Packets, flow_tuples, frames_of
from nfuse.engine.fused.layout import plan_chain
from nfuse.engine.plan.memory import memory_of
from nfuse.memory.arena import Arena

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("version", "row"), [(4, "memory of an IPv4 session"), (6, "memory of an IPv6 session")])
def test_as_measured(version: int, row: str) -> None:
    """The README's figures: growth of resident memory while a million sessions of chain 1 come into being."""
    measured = re.search(rf"{row} \| (\d+) bytes", (ROOT / "README.md").read_text())
    assert measured is not None
    memory = memory_of(plan_chain(chain1(capacity=1_001_024)), 1_000_000)
    reckoned = next(family.each for family in memory.families if family.version == version)
    assert reckoned == pytest.approx(int(measured[1]), rel=0.15)


def resident(arena: Arena) -> int:
    """Bytes of an arena that are in memory."""
    pages = arena.size // mmap.PAGESIZE
    found = (ctypes.c_ubyte * pages)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mincore(ctypes.c_void_p(arena.address), ctypes.c_size_t(arena.size), found):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return sum(page & 1 for page in found) * mmap.PAGESIZE


def test_as_an_engine_has_it() -> None:
    """Tables of an engine that holds as many sessions as it can: so small that no huge pages blur the count."""
    flows = 1000
    loaded = Loaded("fused", chain1(capacity=flows, rule_count=1))
    loaded.run(Packets(frames_of(flow_tuples(flows, int(VIP))), range(flows)))  # type: ignore[arg-type]
    engine = loaded.engine
    assert engine.counters["sessions_created"] == flows
    tables = [engine._pool, engine._index4]  # type: ignore[attr-defined]
    for blocks in engine.blocks.values():  # type: ignore[attr-defined]
        tables += [blocks._blocks, blocks._index]
    memory = memory_of(engine.plan, flows)  # type: ignore[attr-defined]
    assert memory.families[0].total == pytest.approx(sum(map(resident, tables)), rel=0.15)
    loaded.close()


def test_parts_add_up() -> None:
    memory = memory_of(plan_chain(chains.chain1()), 1000, [100, 0, 7, 9])
    for family in memory.families:
        assert family.total == sum(part.total for part in family.parts)
    assert [part.name for part in memory.fixed] == [
        "State of mazunat", "State of monitor", "State of ipfilter", "timing wheel",
    ]  # fmt: skip
    assert memory.most > max(family.total for family in memory.families)


def test_tables_are_laid_out_for_the_capacity() -> None:
    plan = plan_chain(chains.chain1())
    assert memory_of(plan).flows == 1_000_000
    assert memory_of(plan, 10).capacity == 1_000_000
    assert memory_of(plan, 3_000_000).capacity == 3_000_000
    assert memory_of(plan, 10).families[0].each > memory_of(plan).families[0].each


def test_blocks_count_for_the_families_that_have_them() -> None:
    four, six = memory_of(plan_chain(chains.chain1())).families
    assert any("mazunat.endpoint" in part.name for part in four.parts)
    assert not any("mazunat.endpoint" in part.name for part in six.parts)  # its class is IPv4
    for family in memory_of(plan_chain(chains.branches())).families:
        assert any("dosguard.source" in part.name for part in family.parts)
