"""Two plans side by side."""

from __future__ import annotations

from tests.engine.plan import chains
from tests.engine.plan.chains import balancer, nat, plan

from nfuse import Chain, branch, tcp
from nfuse.engine.plan import plan_of
from nfuse.engine.plan.compare import compare
from nfuse.nf.library import DosGuard, IPFilter, Monitor


def told(old: Chain, new: Chain) -> set[tuple[str, str, str]]:
    return {(one.section, one.sign, one.text) for one in compare(plan_of(old), plan_of(new))}


def test_a_plan_does_not_differ_from_itself() -> None:
    assert all(compare(plan(name), plan(name)) == [] for name in chains.ALL)


def test_what_is_added_and_removed() -> None:
    found = told(Chain(nat() >> Monitor()), Chain(nat() >> balancer() >> IPFilter()))
    section = "network functions"
    assert (section, "-", "monitor (Monitor)") in found
    assert (section, "+", "maglev (Maglev), after mazunat") in found
    assert ("fields", "~", "destination address: modified by mazunat -> mazunat and maglev") in found
    assert ("fields", "-", "frame length: read by monitor") in found
    assert any(one[:2] == ("rewrites", "-") and one[2].startswith("forward: source address") for one in found)
    assert any(one[:2] == ("rewrites", "+") and "mazunat and maglev" in one[2] for one in found)
    assert any(one[0] == "bytes a flow" and one[2].startswith("IPv6: ") for one in found)


def test_what_is_changed() -> None:
    old = Chain(DosGuard(threshold=5) >> Monitor() >> IPFilter().named("acl"), capacity=1000)
    new = Chain(Monitor() >> branch((tcp, DosGuard())) >> DosGuard().named("acl"))
    found = told(old, new)
    section = "network functions"
    assert (section, "~", "dosguard: threshold: 5 -> (default)") in found
    assert (section, "~", "dosguard: branch: none -> tcp") in found
    assert (section, "~", "acl: IPFilter -> DosGuard") in found
    assert (section, "~", "the order: dosguard >> monitor >> acl -> monitor >> dosguard >> acl") in found
    assert ("settings", "~", "capacity: 1000 -> (default)") in found


def test_pairs_that_may_run_in_parallel() -> None:
    found = told(Chain(Monitor()), Chain(Monitor() >> Monitor().named("more")))
    assert ("parallel pairs", "+", "monitor | more: neither touches what the other writes") in found
    back = told(Chain(Monitor() >> Monitor().named("more")), Chain(Monitor()))
    assert ("parallel pairs", "-", "monitor | more: neither touches what the other writes") in back


def test_time_outs_count_as_settings() -> None:
    from nfuse import Timeouts

    found = told(Chain(Monitor()), Chain(Monitor(), timeouts=Timeouts(udp=30), mtu=1500))
    assert {one for one in found if one[0] == "settings"} == {
        ("settings", "~", "timeouts.udp: (default) -> 30"),
        ("settings", "~", "mtu: (default) -> 1500"),
    }


def test_a_chain_that_can_not_be_consolidated_any_more() -> None:
    found = told(Chain(balancer()), Chain(balancer() >> chains.PortStore()))
    assert ("rewrites", "~", "packets of a known session: consolidated -> NF by NF") in found
