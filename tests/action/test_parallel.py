"""SpeedyBox Table I, cell by cell, and what headers, drops, events and state add to it."""

from __future__ import annotations

import itertools

import pytest

from nfuse.action.parallel import PAYLOAD, Behaviour, may_run_in_parallel

TABLE_I = {  # first -> second: payload access, and whether the two are parallelizable
    ("WRITE", "WRITE"): False,
    ("WRITE", "READ"): False,
    ("WRITE", "IGNORE"): True,
    ("READ", "WRITE"): True,
    ("READ", "READ"): True,
    ("READ", "IGNORE"): True,
    ("IGNORE", "WRITE"): True,
    ("IGNORE", "READ"): True,
    ("IGNORE", "IGNORE"): True,
}


def names(*values: str) -> frozenset[str]:
    return frozenset(values)


def test_the_table_is_whole() -> None:
    assert set(TABLE_I) == set(itertools.product(PAYLOAD, PAYLOAD))


@pytest.mark.parametrize(("first", "second"), TABLE_I)
def test_table_i(first: str, second: str) -> None:
    verdict = may_run_in_parallel(Behaviour("a", payload=first), Behaviour("b", payload=second))
    assert verdict.parallel == TABLE_I[first, second]
    assert verdict.copy == ((first, second) == ("READ", "WRITE"))  # the one addition that concerns payloads
    if not verdict.parallel:
        assert verdict.reason == f"a writes the payload that b {second.lower()}s"


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (Behaviour("a", drops=True), "a may drop the packet before b sees it"),
        (Behaviour("a", events=True), "a may fire an event that changes the packet for b"),
        (
            Behaviour("a", touches=names("tcp.window", "ip.ttl"), stores=names("tcp.window", "ip.ttl")),
            "a stores ip.ttl, tcp.window, which b touches",
        ),
        (Behaviour("a", uses=names("table"), writes=names("table")), "both use the state table, and one writes it"),
        (Behaviour("a", uses=names("seen")), "both use the state seen, and one writes it"),
    ],
)
def test_never(first: Behaviour, reason: str) -> None:
    second = Behaviour(
        "b",
        touches=names("ip.ttl", "tcp.window", "tcp.seq"),
        uses=names("table", "seen", "other"),
        writes=names("seen"),
    )
    verdict = may_run_in_parallel(first, second)
    assert (verdict.parallel, verdict.copy, verdict.reason) == (False, False, reason)


@pytest.mark.parametrize(("first", "second"), TABLE_I)
def test_additions_hold_in_every_cell(first: str, second: str) -> None:
    assert not may_run_in_parallel(Behaviour("a", first, drops=True), Behaviour("b", second)).parallel
    assert not may_run_in_parallel(Behaviour("a", first, events=True), Behaviour("b", second)).parallel
    expected = TABLE_I[first, second]  # the second of the pair may do all that
    assert may_run_in_parallel(Behaviour("a", first), Behaviour("b", second, drops=True)).parallel == expected
    assert may_run_in_parallel(Behaviour("a", first), Behaviour("b", second, events=True)).parallel == expected


def test_what_differs_does_not_connect() -> None:
    first = Behaviour("a", touches=names("ip.ttl"), stores=names("ip.ttl"), uses=names("x", "y"), writes=names("x"))
    second = Behaviour("b", touches=names("tcp.seq"), stores=names("tcp.seq"), uses=names("y", "z"), writes=names("z"))
    verdict = may_run_in_parallel(first, second)
    assert (verdict.parallel, verdict.copy) == (True, False)


def test_a_later_store_needs_a_copy() -> None:
    first = Behaviour("a", touches=names("ip.ttl", "tcp.seq"))
    second = Behaviour("b", touches=names("ip.ttl"), stores=names("ip.ttl"))
    verdict = may_run_in_parallel(first, second)
    assert (verdict.parallel, verdict.copy) == (True, True)
    assert verdict.reason == "on a copy: b stores ip.ttl, which a touches"
    assert not may_run_in_parallel(second, first).parallel
