"""Remarks below summaries: made where they help, and nowhere else."""

from __future__ import annotations

import json

import pytest
from tests.cli.test_commands import CHAIN, GEN, ROOT, nfuse

from nfuse import Chain
from nfuse.cli.notes import actions, run_notes, verify_notes
from nfuse.engine.verify import VerifyResult
from nfuse.nf.library import IPFilter, MazuNat, Monitor


class Result:
    """The part of a run's result that remarks look at."""

    def __init__(self, dropped: int) -> None:
        self.drops = {("chain", "reverse key in use"): dropped}
        self.counters = {"packets_in": 1000}


@pytest.mark.parametrize(("dropped", "remarked"), [(0, False), (50, False), (51, True), (1000, True)])
def test_replies_that_are_in_use(dropped: int, remarked: bool) -> None:
    found = run_notes(Result(dropped))  # type: ignore[arg-type]
    assert bool(found) is remarked
    assert all(f"{dropped:,} of 1,000" in note and "docs/semantics.md" in note for note in found)


def test_a_run_over_a_capture_from_the_inner_side(capsys) -> None:
    source = GEN + "&reply=yes"
    code, out, _ = nfuse(capsys, "run", CHAIN, "-i", source)
    assert code == 0
    assert "note: " in out
    assert "reverse key in use`: replies to addresses" in out
    assert json.loads(nfuse(capsys, "run", CHAIN, "-i", source, "--json")[1])["notes"]
    assert not json.loads(nfuse(capsys, "run", CHAIN, "-i", GEN, "--json")[1])["notes"]


def test_the_document_that_a_note_names_has_the_section() -> None:
    assert "\n## Replies\n" in (ROOT / "docs" / "semantics.md").read_text()


def test_what_a_chain_may_do() -> None:
    chain = Chain(MazuNat(public="198.51.100.1") >> Monitor() >> IPFilter(rules=["drop tcp any -> any 1"]))
    assert actions(chain) == {"mazunat": ["modify", "drop"], "ipfilter": ["drop"]}


def test_a_comparison_that_shows_little() -> None:
    chain = Chain(IPFilter(rules=["drop tcp any -> any 1"]))
    idle = VerifyResult(("reference", "fused"), packets=9)
    assert "ipfilter may drop" in verify_notes(chain, idle)[0]
    assert verify_notes(Chain(Monitor()), idle) == []
    idle.dropped = {("ipfilter", "denied"): 1}
    assert verify_notes(chain, idle) == []


def test_verify_prints_it(capsys) -> None:
    first = str(ROOT / "examples" / "first_nf.py")
    code, out, _ = nfuse(capsys, "verify", first, "-i", "gen:?packets=5&flows=5&dport=81")
    assert code == 0
    assert "note: nothing was translated or dropped" in out
    assert "packetcap may drop" in out
    assert "note:" not in nfuse(capsys, "verify", first, "-i", "gen:?packets=50&flows=2&dport=80")[1]
