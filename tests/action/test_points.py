"""S7: where consolidated actions are applied."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfuse.action.points import Point, Stage, apply_points, inverse_fields, modify_fields

FIELDS = ("ip_src", "ip_dst", "sport", "dport", "ip_ttl")


def names(*values: str) -> frozenset[str]:
    return frozenset(values)


def modify(*fields: str) -> Stage:
    return Stage(modifies=names(*fields))


def touch(*fields: str) -> Stage:
    return Stage(touches=names(*fields))


def test_s7_one_rewrite_at_the_end_where_nobody_could_tell() -> None:
    stages = [modify("ip_src", "sport"), touch("ip_ttl"), modify("ip_dst"), Stage()]
    assert apply_points(stages) == (Point(4, (0, 2), names("ip_src", "sport", "ip_dst")),)


def test_s7_a_function_that_touches_a_held_field_gets_it_applied_before() -> None:
    stages = [modify("ip_src"), modify("dport"), touch("dport"), modify("ip_ttl")]
    assert apply_points(stages) == (Point(2, (0, 1), names("ip_src", "dport")), Point(4, (3,), names("ip_ttl")))


def test_s7_a_stage_sees_the_header_before_its_own_action() -> None:
    own = Stage(modifies=names("ip_src"), touches=names("ip_src"))
    assert apply_points([own]) == (Point(1, (0,), names("ip_src")),)
    assert apply_points([own, own]) == (Point(1, (0,), names("ip_src")), Point(2, (1,), names("ip_src")))


def test_s7_what_was_applied_is_not_applied_again() -> None:
    stages = [modify("ip_src"), touch("ip_src"), touch("ip_src")]
    assert apply_points(stages) == (Point(1, (0,), names("ip_src")),)


def test_s7_pushed_headers_and_answers_see_what_is_held() -> None:
    stages = [modify("ip_src"), Stage(barrier=True), modify("ip_dst"), Stage(barrier=True)]
    assert apply_points(stages) == (Point(1, (0,), names("ip_src")), Point(3, (2,), names("ip_dst")))
    assert apply_points([Stage(barrier=True), modify("ip_src")]) == (Point(2, (1,), names("ip_src")),)


def test_s7_nothing_to_apply() -> None:
    assert apply_points([]) == ()
    assert apply_points([touch("ip_src"), Stage(barrier=True)]) == ()


stage = st.builds(
    Stage,
    modifies=st.frozensets(st.sampled_from(FIELDS), max_size=2),
    touches=st.frozensets(st.sampled_from(FIELDS), max_size=2),
    barrier=st.integers(0, 5).map(lambda n: n == 0),
)


@given(st.lists(stage, max_size=8))
def test_s7_equals_applying_each_action_at_its_place(stages: list[Stage]) -> None:
    """Each touched field holds the value of the last action before it; at barriers and at the end all fields do."""
    points = {point.before: point for point in apply_points(stages)}
    assert sorted(n for p in points.values() for n in p.stages) == [n for n, s in enumerate(stages) if s.modifies]
    at_place: dict[str, int] = {}
    applied: dict[str, int] = {}
    for position in range(len(stages) + 1):
        if point := points.get(position):
            for number in point.stages:
                applied |= dict.fromkeys(stages[number].modifies, number)
            assert point.fields == frozenset().union(*(stages[number].modifies for number in point.stages))
        if position == len(stages) or stages[position].barrier:
            assert applied == at_place
        if position < len(stages):
            for field in stages[position].touches:
                assert applied.get(field) == at_place.get(field)
            at_place |= dict.fromkeys(stages[position].modifies, position)


@given(st.lists(stage, max_size=8))
def test_s7_no_point_without_need(stages: list[Stage]) -> None:
    for point in apply_points(stages):
        if point.before < len(stages):
            reader = stages[point.before]
            assert reader.barrier or reader.touches & point.fields


@pytest.mark.parametrize(
    ("accesses", "fields"),
    [
        ({"tcp.sport"}, {"sport"}),
        ({"udp.dport", "ip.src"}, {"dport", "ip_src"}),
        ({"ip.ttl", "eth.dst", "vlan.vid"}, {"ip_ttl", "eth_dst", "vlan_vid"}),
        ({"tcp.syn", "tcp.seq"}, set()),
        ({"tcp.checksum"}, {"ip_src", "ip_dst", "sport", "dport"}),
        ({"ipv4.checksum"}, {"ip_src", "ip_dst", "ip_ttl", "ip_dscp", "ip_ecn"}),
        ({"icmp.id"}, {"sport", "dport"}),
        (set(), set()),
    ],
)
def test_accesses_are_translated(accesses: set[str], fields: set[str]) -> None:
    assert modify_fields(accesses) & {*FIELDS, "ip_dscp", "ip_ecn", "eth_dst", "vlan_vid"} == fields


def test_any_access_counts_as_all() -> None:
    assert modify_fields({"*"}) >= {*FIELDS, "eth_src", "eth_dst", "vlan_vid", "vlan_pcp", "ip_dscp", "ip_ecn"}


def test_s3_inverse_fields_are_mirrored_and_others_have_none() -> None:
    assert inverse_fields({"ip_src", "dport"}) == {"ip_dst", "sport"}
    assert inverse_fields({"ip_ttl", "eth_src"}) == frozenset()
