"""``nfuse check`` and the rest of the library: what these network functions find in their parameters and places."""

from __future__ import annotations

import pytest
from tests.engine.check.test_check import NAT, at, findings, only


def rules(nf: str, *lines: str, more: str = "") -> str:
    return f"- {nf}:\n    rules:\n" + "".join(f"      - '{line}'\n" for line in lines) + more


# --------------------------------------------------------------------------------------------------------------- NAT


@pytest.mark.parametrize(
    "nf", ["StaticNat: {pairs: {10.0.0.0/24: 192.0.2.0/24}}", "StaticNat: {pairs: {10.0.0.5: 192.0.2.5}}"]
)
def test_a_static_nat_behind_another(tmp_path, nf) -> None:
    found = only(tmp_path, f"- {NAT}\n- {nf}\n", "unseen-inside")
    assert (found.severity, found.nf, at(found)) == ("warning", "staticnat", ("c.yaml", 2, 22))
    assert found.why == "mazunat has given them a source address of 198.51.100.0/28 by then"
    assert "flows to 192.0.2." in found.hint
    assert findings(tmp_path, f"- {nf}\n- Monitor\n") == []


def test_nptv6_twice(tmp_path) -> None:
    nptv6 = "Nptv6: {{inside: 'fd00:1::/48', outside: '2001:db8:{}::/48'}}"
    text = f"- {nptv6.format(1)}\n- {{{nptv6.format(2)}, name: second}}\n"
    found = only(tmp_path, text, "unseen-inside")
    assert (found.nf, at(found)) == ("second", ("c.yaml", 2, 20))
    assert found.why == "nptv6 has given them a source address of 2001:db8:1::/48 by then"


def test_nats_of_one_address(tmp_path) -> None:
    forward = "- DestinationNat: {rules: [tcp 198.51.100.3:80 -> 10.0.0.5]}\n"
    found = only(tmp_path, f"{forward}- {NAT}\n", "address-owned-twice")
    assert "both answer for 198.51.100.3" in found.message
    pairs = "- StaticNat: {pairs: {10.9.0.1: 198.51.100.3}}\n"
    assert "address-owned-twice" in [one.kind for one in findings(tmp_path, pairs + forward)]
    one, two = (f"Nptv6: {{inside: 'fd00:{n}::/48', outside: '2001:db8:1::/48'}}" for n in (1, 2))
    assert only(tmp_path, f"- {one}\n- {{{two}, name: b}}\n", "address-owned-twice").nf == "b"


def test_forwards_that_can_not_be_read_are_all_listed(tmp_path) -> None:
    lines = ("tpc 203.0.113.1:80 -> 10.0.0.5", "tcp 203.0.113.1:80 -> 10.0.0.5", "tcp 203.0.113.1 -> 10.0.0.5:80")
    found = findings(tmp_path, rules("DestinationNat", *lines))
    assert [(one.severity, one.kind, at(one)) for one in found] == [
        ("error", "rule", ("c.yaml", 3, 9)),
        ("error", "rule", ("c.yaml", 5, 9)),
    ]
    assert found[0].hint == "see docs/nfs/destination-nat.md"


def test_forwards_that_never_decide(tmp_path) -> None:
    other = rules("DestinationNat", "any 203.0.113.1 -> 10.0.0.5", "tcp 203.0.113.1:80 -> 10.0.0.6")
    found = only(tmp_path, other, "shadowed-rule")
    assert at(found) == ("c.yaml", 4, 9)
    assert found.why == "rule 1 (`any 203.0.113.1 -> 10.0.0.5`) matches all of it first"
    same = rules("DestinationNat", "tcp 203.0.113.1:80-89 -> 10.0.0.5:8080", "tcp 203.0.113.1:81 -> 10.0.0.5:8081")
    assert only(tmp_path, same, "redundant-rule").why.endswith("matches all of it, with the same translation")


def test_a_forward_that_no_flow_here_can_match(tmp_path) -> None:
    (tmp_path / "forwards.txt").write_text("\n udp 203.0.113.9 -> 10.0.0.9\n tcp 198.51.100.3:80 -> 10.0.0.5  # web\n")
    found = findings(tmp_path, f"- {NAT}\n- DestinationNat: {{rules: forwards.txt}}\n")
    unseen = next(one for one in found if one.kind == "unseen-rule")
    assert at(unseen) == ("forwards.txt", 3, 2)
    assert unseen.why == "mazunat drops them (unsolicited)"
    assert unseen.hint.endswith("or move this NAT")


# ---------------------------------------------------------------------------------------------------- other functions


def test_classes_that_no_flow_gets(tmp_path) -> None:
    text = rules("Classifier", "web tcp any -> any 1-99", "mail tcp any -> any 25", "web tcp any -> any 80", "1a any")
    found = findings(tmp_path, text)
    assert [(one.kind, at(one)[1]) for one in found] == [("shadowed-rule", 4), ("redundant-rule", 5), ("rule", 6)]
    assert found[1].why.endswith("matches all of it, with the same class")


def test_rules_of_an_ids_that_can_not_be_read(tmp_path) -> None:
    good = 'alert tcp any any -> any 80 (content:"x"; sid:1;)'
    found = findings(tmp_path, rules("Ids", "alert tpc any any -> any 80 ()", good, "# no rule", good))
    assert [(one.kind, at(one)[:2]) for one in found] == [("rule", ("c.yaml", 3)), ("rule", ("c.yaml", 6))]
    assert "sid 1 is that of another rule too" in found[1].message
    (tmp_path / "ids.rules").write_text(f'{good}\n\ndrop tcp $HOME any -> any 80 (content:"y"; sid:2;)\n')
    found = [only(tmp_path, "- Ids: {rules: ids.rules}\n", "rule")]
    assert at(found[0]) == ("ids.rules", 3, 10)
    assert findings(tmp_path, "- Ids: {rules: ids.rules, variables: {HOME: 10.0.0.0/8}}\n") == []
    assert only(tmp_path, "- Ids: {rules: missing.rules}\n", "rule-file").severity == "error"


def test_a_gateway_that_changes_nothing(tmp_path) -> None:
    found = only(tmp_path, "- Monitor\n- Gateway\n", "nothing-given")
    assert at(found) == ("c.yaml", 2, 3)
    assert findings(tmp_path, "- Gateway: {vlan_pcp: 0}\n") == []


def test_rules_on_sources_that_were_dropped(tmp_path) -> None:
    text = "- CheckIPHeader\n- IPFilter: {rules: [drop any 127.0.0.0/8 -> any]}\n"
    assert only(tmp_path, text, "unseen-rule").why == "checkipheader drops them (bad source)"
