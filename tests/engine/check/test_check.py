"""``nfuse check``: a bad example of every kind of finding, with its place; good chains, of which nothing is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nfuse.engine.check import check_file
from nfuse.nf.findings import Finding


def findings(tmp_path: Path, text: str, name: str = "c.yaml", **more) -> list[Finding]:
    (tmp_path / name).write_text(text)
    return check_file(str(tmp_path / name), **more).findings


def only(tmp_path: Path, text: str, kind: str, **more) -> Finding:
    """The one finding of a chain; it must be of a kind."""
    found = findings(tmp_path, text, **more)
    assert [one.kind for one in found] == [kind], found
    assert found[0].message
    return found[0]


def at(finding: Finding) -> tuple[str, int | None, int | None]:
    return Path(finding.file or "").name, finding.line, finding.column


NAT = "MazuNat: {inside: 10.0.0.0/8, public: 198.51.100.0/28}"


@pytest.mark.parametrize("name", ["chain1.yaml", "branches.yaml", "first_nf.py", "nat_capture.py"])
def test_the_examples_are_clean(root, name) -> None:
    assert check_file(str(root / "examples" / name)).findings == []


# ------------------------------------------------------------------------------------------------- the chain file


def test_mistakes_of_the_file(tmp_path) -> None:
    found = findings(tmp_path, "- Monitr\n- DosGuard: {treshold: 3}\n")
    assert [(one.severity, one.kind, at(one)) for one in found] == [
        ("error", "chain-file", ("c.yaml", 1, 3)),
        ("error", "chain-file", ("c.yaml", 2, 14)),
    ]
    assert "did you mean 'Monitor'?" in found[0].hint


def test_a_mistake_in_a_setting_of_the_command_line(tmp_path) -> None:
    assert "srce" in only(tmp_path, "- Monitor\n", "chain-file", direction="srce net 10.0.0.0/8").message
    found = only(tmp_path, "chain: [Monitor]\nsettings: {inputs: [lan]}\n", "chain-file", two_sided=True)
    assert "names one input" in found.message


def test_an_nf_that_does_not_compile(tmp_path) -> None:
    text = "from nfuse import NF, Chain, tcp\n\n\nclass Wrong(NF):\n    traffic = tcp\n\n"
    text += "    def on_packet(self, pkt, flow):\n        pkt.tcp.snc = 1\n\n\n"
    text += "class Other(NF):\n    def on_packet(self, pkt, flow):\n        x = 1.5\n\n\n"
    text += "chain = Chain(Wrong() >> Wrong() >> Other())\n"
    found = findings(tmp_path, text, "wrong.py")
    assert [(one.kind, one.nf, at(one)[:2]) for one in found] == [
        ("compile", "wrong", ("wrong.py", 8)),
        ("compile", "other", ("wrong.py", 13)),
    ]
    assert "syn" in found[0].hint


def test_a_start_that_is_refused(tmp_path) -> None:
    found = only(tmp_path, "- IpIpEncap: {src: 192.0.2.1, dst: '2001:db8::1'}\n- IpIpDecap\n", "start")
    assert (found.severity, at(found)) == ("error", ("c.yaml", 1, 3))
    assert "not of the family of src" in found.message


def test_a_refused_start_does_not_hide_the_rest(tmp_path) -> None:
    text = "- MazuNat: {public: nonsense}\n- IPFilter: {rules: [drop tcp any -> any, allow tcp any -> any 80]}\n"
    found = findings(tmp_path, text)
    assert [one.kind for one in found] == ["start", "shadowed-rule"]


def test_a_mistake_of_the_file_does_not_hide_what_nfs_find(tmp_path) -> None:
    """Only what depends on the place of an NF can't be judged."""
    rules = "drop tcp 10.0.0.0/8 -> any, drop tpc any -> any, drop tcp 10.0.0.1 -> any"
    text = f"- Monitr\n- {NAT}\n- IPFilter: {{rules: [{rules}]}}\n"
    assert [one.kind for one in findings(tmp_path, text)] == ["chain-file", "rule", "redundant-rule"]


def test_what_no_engine_supports(tmp_path) -> None:
    found = only(tmp_path, "- Monitor\n- IpIpDecap\n", "unsupported")
    assert (found.severity, found.nf, at(found)) == ("error", "ipipdecap", ("c.yaml", 2, 3))


# -------------------------------------------------------------------------------------------------- access lists


def acl(*rules: str, default: str = "allow") -> str:
    lines = "".join(f'      - "{rule}"\n' for rule in rules)
    return f"- Monitor\n- IPFilter:\n    default: {default}\n    rules:\n{lines}"


def test_a_rule_that_can_not_be_read(tmp_path) -> None:
    found = findings(tmp_path, acl("drop tpc any -> any", "allow any any -> any 80", "drop udp any -> 10.0.0.1/8"))
    assert [(one.severity, one.kind, at(one)) for one in found] == [
        ("error", "rule", ("c.yaml", 5, 9)),
        ("error", "rule", ("c.yaml", 7, 9)),
    ]
    assert "did you mean 'tcp'?" in found[0].message


def test_rules_in_a_file_have_their_place_there(tmp_path) -> None:
    (tmp_path / "acl.txt").write_text("# rules\n\n  drop any any -> any\nallow tpc any -> any\nallow tcp any -> any\n")
    found = findings(tmp_path, "- IPFilter: {rules: acl.txt}\n")
    assert [(one.kind, at(one)) for one in found] == [
        ("rule", ("acl.txt", 4, 7)),
        ("shadowed-rule", ("acl.txt", 5, 1)),
    ]
    assert found[1].why == "line 3 (`drop any any -> any`) matches all of it first"


def test_a_rule_file_that_is_not_there(tmp_path) -> None:
    found = only(tmp_path, "- IPFilter: {rules: acl.txt}\n", "rule-file")
    assert at(found) == ("c.yaml", 1, 21)
    assert "No such file" in found.message


def test_a_default_that_is_no_action(tmp_path) -> None:
    assert at(only(tmp_path, acl("drop tcp any -> any", default="alow"), "default")) == ("c.yaml", 3, 14)


def test_a_shadowed_rule(tmp_path) -> None:
    found = only(
        tmp_path, acl("drop tcp any -> any 1-99", "allow udp any -> any", "allow tcp any -> any 80"), "shadowed-rule"
    )
    assert (found.severity, at(found)) == ("warning", ("c.yaml", 7, 9))
    assert found.why == "rule 1 (`drop tcp any -> any 1-99`) matches all of it first"


def test_a_rule_in_the_shadow_of_several(tmp_path) -> None:
    rules = acl("drop udp any -> 10.0.0.0/9", "drop udp any -> 10.128.0.0/9", "allow udp any -> 10.0.0.0/8")
    found = only(tmp_path, rules, "shadowed-rule")
    assert "rule 1" in found.why
    assert "rule 2" in found.why
    assert "together match all of it" in found.why


def test_redundant_rules(tmp_path) -> None:
    ahead = only(tmp_path, acl("drop tcp any -> any 1-99", "drop tcp any -> any 80"), "redundant-rule")
    assert at(ahead) == ("c.yaml", 6, 9)
    behind = only(tmp_path, acl("drop tcp any -> any 80", "drop tcp any -> any 1-99"), "redundant-rule")
    assert at(behind) == ("c.yaml", 5, 9)


def test_many_findings_of_a_kind_are_counted(tmp_path) -> None:
    found = findings(tmp_path, acl("drop any any -> any", *(f"allow tcp any -> any {n}" for n in range(40))))
    assert len(found) == 26
    assert any(one.message == "15 more rules like these" for one in found)


def test_a_rule_that_no_flow_here_can_match(tmp_path) -> None:
    text = f"- {NAT}\n- IPFilter: {{rules: [drop tcp 10.0.0.0/8 -> any 22]}}\n"
    found = only(tmp_path, text, "unseen-rule")
    assert at(found) == ("c.yaml", 2, 22)
    assert found.why == "mazunat has given them a source address of 198.51.100.0/28 by then"


def test_a_rule_in_a_branch_that_its_flows_do_not_take(tmp_path) -> None:
    text = "- branch:\n    - when: udp\n      chain:\n        - IPFilter: {rules: [drop tcp any -> any 22]}\n"
    assert only(tmp_path, text, "unseen-rule").why == "the condition of its branch excludes them"


def test_a_rule_that_names_what_flows_get_only_later(tmp_path) -> None:
    text = f"- IPFilter: {{default: drop, rules: [allow tcp 198.51.100.0/28 -> any]}}\n- {NAT}\n"
    found = only(tmp_path, text, "too-early-rule")
    assert "mazunat gives them this address" in found.why
    drop = f"- IPFilter: {{rules: [drop tcp 198.51.100.0/28 -> any]}}\n- {NAT}\n"
    assert findings(tmp_path, drop) == []  # against forged addresses: it makes sense


def test_backends_named_ahead_of_the_balancer(tmp_path) -> None:
    text = "- IPFilter: {default: drop, rules: [allow tcp any -> 192.168.7.1 8080]}\n"
    text += "- Maglev: {vip: 203.0.113.80/32, backends: ['192.168.7.1:8080']}\n"
    kinds = {one.kind: one for one in findings(tmp_path, text)}
    assert "maglev gives them this address" in kinds["too-early-rule"].why


# --------------------------------------------------------------------------------------------- NAT and load balancer


def test_a_pool_that_is_too_small(tmp_path) -> None:
    text = "chain:\n  - MazuNat: {public: 198.51.100.1, ports: 1024-2023}\nsettings: {capacity: 5000}\n"
    found = only(tmp_path, text, "pool-too-small")
    assert at(found) == ("c.yaml", 2, 23)
    assert "1,000 ports for TCP and as many for UDP, the table has room for 5,000 flows" in found.message
    assert findings(tmp_path, text.replace("5000", "2000")) == []


def test_an_inside_that_nobody_comes_from(tmp_path) -> None:
    text = "- MazuNat: {inside: 10.0.0.0/8, public: 198.51.100.0/28}\n"
    text += "- {MazuNat: {inside: 10.1.0.0/16, public: 192.0.2.0/28}, name: inner}\n"
    found = only(tmp_path, text, "unseen-inside")
    assert (found.nf, at(found)) == ("inner", ("c.yaml", 2, 22))
    assert found.why == "mazunat has given them a source address of 198.51.100.0/28 by then"


MAGLEV = "Maglev: {{vip: {vip}, backends: {backends}}}"


def test_a_virtual_address_that_nobody_comes_to(tmp_path) -> None:
    balancer = MAGLEV.format(vip="198.51.100.3/32", backends="['192.168.7.1:80']")
    found = {one.kind: one for one in findings(tmp_path, f"- {NAT}\n- {balancer}\n")}
    assert set(found) == {"unseen-vip", "address-owned-twice"}
    assert found["unseen-vip"].why == "mazunat drops them (unsolicited)"
    assert at(found["unseen-vip"]) == ("c.yaml", 2, 17)
    assert "both answer for 198.51.100.3" in found["address-owned-twice"].message


def test_two_balancers_of_one_address(tmp_path) -> None:
    one = MAGLEV.format(vip="203.0.113.80/32", backends="['192.168.7.1:80']")
    found = findings(tmp_path, f"- {one}\n- {{{one}, name: second}}\n")
    assert [one.kind for one in found] == ["unseen-vip", "address-owned-twice"]
    assert "maglev has given them the destination address 192.168.7.1" in found[0].why


@pytest.mark.parametrize("backends", ["[]", "['192.168.7.1:80'], down: ['192.168.7.1:80']"])
def test_no_backend(tmp_path, backends) -> None:
    found = only(tmp_path, f"- {MAGLEV.format(vip='203.0.113.80/32', backends=backends)}\n", "no-backend")
    assert found.severity == "warning"


@pytest.mark.parametrize("text", ["192.168.7.2:80 weight=0", "192.168.7.1:80", "192.168.7.2:99999", "localhost:80"])
def test_a_backend_that_is_wrong(tmp_path, text) -> None:
    """Weight 0, one that is there twice, a port that is none, a name."""
    backends = f"['192.168.7.1:80', '{text}']"
    found = only(tmp_path, f"- {MAGLEV.format(vip='203.0.113.80/32', backends=backends)}\n", "backend")
    assert (found.severity, at(found)[:2]) == ("error", ("c.yaml", 1))
    assert (found.column or 0) > 60


def test_a_backend_that_is_the_virtual_address(tmp_path) -> None:
    text = MAGLEV.format(vip="203.0.113.0/24", backends="['203.0.113.5:80']")
    assert only(tmp_path, f"- {text}\n", "backend-is-vip").severity == "warning"


# ----------------------------------------------------------------------------------------------- the chain as a whole


def test_a_class_that_contradicts_the_branch(tmp_path) -> None:
    text = "- branch:\n    - when: udp\n      chain: [DosGuard]\n    - when: tcp\n      chain: [Monitor]\n"
    found = only(tmp_path, text, "unseen-nf")
    assert at(found) == ("c.yaml", 3, 15)
    assert "`tcp` comes to dosguard" in found.message
    assert found.why == "the condition of its branch excludes them"


def test_a_class_that_contradicts_itself(tmp_path) -> None:
    text = "from nfuse import NF, Chain, tcp, vlan\n\n\nclass Never(NF):\n    session = None\n"
    text += "    traffic = (vlan.vid == 5) & (vlan.vid == 6) & tcp\n\n    def on_packet(self, pkt):\n"
    text += "        pkt.ip.ttl -= 1\n\n\nchain = Chain(Never())\n"
    found = findings(tmp_path, text, "never.py")
    assert [(one.kind, at(one)) for one in found] == [("unseen-nf", ("never.py", 12, None))]
    assert "is for" in found[0].why


def test_a_way_that_nobody_takes(tmp_path) -> None:
    text = (
        "- branch:\n    - when: tcp\n      chain: [Monitor]\n    - when: tcp and dst port 22\n      chain: [DosGuard]\n"
    )
    found = only(tmp_path, text, "unseen-way")
    assert at(found) == ("c.yaml", 4, 13)
    assert "put it ahead" in found.hint


def test_a_table_that_does_not_fit_into_memory(tmp_path) -> None:
    text = "chain: [Monitor]\nsettings:\n  capacity: 1000000\n"
    found = only(tmp_path, text, "memory", available=100_000_000)
    assert at(found) == ("c.yaml", 3, 3)
    assert "0.1 GB are available" in found.message
    assert findings(tmp_path, text, available=10_000_000_000) == []


def test_hooks_of_other_peoples_nfs(tmp_path) -> None:
    text = """\
from nfuse import NF, Chain, Outcome, Prefix, ip, tcp, u32


class Guard(NF):
    limit: u32 = 5
    net: Prefix = Prefix("192.0.2.0/24")

    def on_flow(self, pkt, flow):
        if pkt.ip.src in self.net:
            flow.drop("net")

    def check(self, facts):
        if not self.limit:
            yield facts.warning("no-limit", "nothing is limited", hint="set limit", parameter="limit")
        if not facts.sees(ip.src == self.net):
            yield facts.error("no-net", "nobody comes", why=facts.why_not(ip.src == self.net))

    def outcomes(self):
        yield Outcome(ip.src == self.net, drop="net")

    def owns(self):
        return {"net": self.net}


class Fails(NF):
    def on_flow(self, pkt, flow):
        flow.forward()

    def check(self, facts):
        return 1 // 0


"""
    found = findings(tmp_path, text + "chain = Chain(Guard(limit=0) >> Guard().named('b') >> Fails())\n", "own.py")
    kinds = {one.kind: one for one in found}
    assert set(kinds) == {"no-limit", "no-net", "address-owned-twice", "check-failed"}
    assert kinds["no-limit"].line == len(text.splitlines()) + 1
    assert kinds["no-net"].why == "guard drops them (net)"
    assert "Fails.check failed: ZeroDivisionError" in kinds["check-failed"].message


def test_names_of_the_hooks_are_reserved(tmp_path) -> None:
    text = "from nfuse import NF, Chain, u32\n\n\nclass Bad(NF):\n    class State:\n        check: u32\n\n"
    text += "    def on_flow(self, pkt, flow):\n        flow.forward()\n\n\nchain = Chain(Bad())\n"
    assert findings(tmp_path, text, "bad.py")[0].kind == "compile"


# -------------------------------------------------------------------------------------------------------------- ports


GOOD = "- Monitor\n"


def test_inputs(tmp_path) -> None:
    (tmp_path / "text.pcap").write_text("this is no capture")
    uris = [
        str(tmp_path / "none.pcap"),
        str(tmp_path / "text.pcap"),
        "gne:?flows=1",
        "gen:?flws=1",
        "gen:?flows=1",
        "-",
    ]
    found = findings(tmp_path, GOOD, inputs=uris)
    assert [(one.severity, one.kind) for one in found] == [("error", "input")] * 4
    assert "no such file" in found[0].why
    assert "gen:" in found[2].why


def test_outputs(tmp_path) -> None:
    (tmp_path / "in.pcap").write_bytes(b"kept")
    uris = [
        str(tmp_path / "none" / "out.pcap"),
        str(tmp_path),
        str(tmp_path / "in.pcap"),
        "nul:",
        "null:?delay=1",
        "null:",
        "-",
        str(tmp_path / "new.pcap"),
    ]
    found = [
        one
        for one in findings(tmp_path, GOOD, inputs=[str(tmp_path / "in.pcap")], outputs=uris)
        if one.kind == "output"
    ]
    assert [one.message.split()[2] for one in found] == uris[:5]
    assert "there is no folder" in found[0].why
    assert "it is an input too" in found[2].why
    assert not (tmp_path / "new.pcap").exists()
    assert (tmp_path / "in.pcap").read_bytes() == b"kept"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_permissions(tmp_path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    found = findings(tmp_path, GOOD, outputs=[str(tmp_path / "locked" / "out.pcap")])
    assert "no permission" in found[0].why


def test_permissions_are_asked_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = findings(tmp_path, GOOD, outputs=[str(tmp_path / "out.pcap")])
    assert "no permission to write in" in found[0].why


def test_a_port_that_needs_what_is_not_installed(tmp_path, monkeypatch) -> None:
    """A port of another package that can't be loaded is named with its package."""
    import importlib.metadata

    entry = importlib.metadata.EntryPoint("dpdk", "nfuse_dpdk.port", "nfuse.ports")
    original = importlib.metadata.entry_points

    def points(**more):
        return [entry] if more.get("group") == "nfuse.ports" else original(**more)

    monkeypatch.setattr(importlib.metadata, "entry_points", points)
    found = findings(tmp_path, GOOD, inputs=["dpdk:0"], outputs=["dpdk:0"])
    assert [one.kind for one in found] == ["input", "output"]
    assert all("nfuse_dpdk" in one.why for one in found)
