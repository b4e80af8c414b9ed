"""The rule language of Ids: what it reads, and where it finds a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfuse import Prefix
from nfuse.nf.library.acl import RuleError
from nfuse.nf.library.ids_rules import ACTIONS, PORTS, Content, IdsRule, load_ids_rules
from nfuse.nf.library.prefixes import TOP, union

ANY = (0, TOP)
HEAD = "alert tcp any any -> any any "


def one(line: str, **variables: str) -> IdsRule:
    (rule,) = load_ids_rules([line], variables)
    return rule


def test_a_whole_rule() -> None:
    rule = one(
        'drop udp $HOME 1024: -> !10.0.0.0/8 [53,5353:5355] (msg:"dns; \\"odd\\""; content:"a|00 FF|\\"b\\;"; nocase; '
        'content:"Case"; sid:77; rev:3; classtype:misc; reference:url,example.com/a;)  # why',
        HOME="[192.0.2.0/24,!192.0.2.9]",
    )
    assert rule.action == ACTIONS["drop"]
    assert rule.contents == (Content(b'a\x00\xff"b;', True), Content(b"Case"))
    assert (rule.sid, rule.rev, rule.msg) == (77, 3, 'dns; "odd"')
    header = rule.header
    assert header.proto == 17
    assert not header.either
    assert header.sport == (1024, PORTS)
    assert header.dport == (53, 54, 5353, 5356)
    net, hole = union([Prefix("192.0.2.0/24")]), union([Prefix("192.0.2.9")])
    assert header.src == (net[0], *hole, net[1])
    ten = union([Prefix("10.0.0.0/8")])
    assert header.dst == (0, *ten, TOP)


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("any", (0, PORTS)),
        ("80", (80, 81)),
        (":1023", (0, 1024)),
        ("65535", (65535, 65536)),
        ("!80", (0, 80, 81, PORTS)),
        ("![80,90:91]", (0, 80, 81, 90, 92, PORTS)),
        ("[1:10,5:20]", (1, 21)),
        ("[1:10, !5]", (1, 5, 6, 11)),
    ],
)
def test_ports(text: str, edges: tuple[int, ...]) -> None:
    assert one(f'alert tcp any {text} <> any any (content:"x"; sid:1;)').header.sport == edges


def test_files_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "ids.rules"
    path.write_text(f'# a comment\n\n  {HEAD}(content:"x"; sid:1;)\n{HEAD}(content:"y"; sid:2;)\n')
    assert [rule.sid for rule in load_ids_rules(path, {})] == [1, 2]
    path.write_text(f'{HEAD}(content:"x"; sid:1;)\n{HEAD}(content:"y"; sid:1;)\n')
    with pytest.raises(RuleError, match=r"ids\.rules:2:44: sid 1 is that of another rule too"):
        load_ids_rules(path, {})
    with pytest.raises(RuleError, match=r"none\.rules: the rule file can't be read: No such file"):
        load_ids_rules(tmp_path / "none.rules", {})
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RuleError, match="can't be read"):
        load_ids_rules(path, {})


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("alert tcp any any any any", 1, "expected ACTION PROTOCOL SOURCE PORTS -> DESTINATION PORTS"),
        ("  alert", 3, "expected ACTION"),
        ('alrt tcp any any -> any any (content:"x"; sid:1;)', 1, "unknown action 'alrt': did you mean 'alert'"),
        (
            'alert http any any -> any any (content:"x"; sid:1;)',
            7,
            "unknown protocol 'http': expected ip, icmp, tcp, udp",
        ),
        ('alert ip any 80 -> any any (content:"x"; sid:1;)', 7, "only TCP and UDP have ports"),
        ('alert tcp 10.0.0.1/8/9 any -> any any (content:"x"; sid:1;)', 11, "'10.0.0.1/8/9' is not any, an address"),
        ('alert tcp $NET any -> any any (content:"x"; sid:1;)', 11, r"\$NET has no value: .*known: \$HOME"),
        ('alert tcp !any any -> any any (content:"x"; sid:1;)', 11, "!any holds no address"),
        ('alert tcp ![1.1.1.1,!2.2.2.2] any -> any any (content:"x"; sid:1;)', 11, "'!' in a list that is negated"),
        ('alert tcp any 70000 -> any any (content:"x"; sid:1;)', 15, "'70000' is not any, a port"),
        ('alert tcp any 9:1 -> any any (content:"x"; sid:1;)', 15, "'9:1' is not any, a port"),
        ('alert tcp any !0: -> any any (content:"x"; sid:1;)', 15, "!0: holds no port"),
        (HEAD + "(sid:1;)", 31, "expected a content"),
        (HEAD + '(content:"x";)', 31, "expected a sid"),
        (HEAD + '(content:"x"; sid:one;)', 44, "expected a sid: a number"),
        (HEAD + '(content:"x"; sid:0;)', 44, "expected a sid: a number"),
        (HEAD + '(content:"x"; pcre:"/x/"; sid:1;)', 44, "unknown option 'pcre': expected content, nocase, sid"),
        (HEAD + '(content:"x"; nocse; sid:1;)', 44, "unknown option 'nocse': did you mean 'nocase'"),
        (HEAD + '(nocase; content:"x"; sid:1;)', 31, "nocase stands behind a content"),
        (HEAD + '(content:""; sid:1;)', 39, 'a content is "text", not empty'),
        (HEAD + "(content:x; sid:1;)", 39, 'a content is "text", not empty; got x'),
        (HEAD + '(content:!"x"; sid:1;)', 39, 'a content is "text"'),
        (HEAD + '(content:"x|0g|"; sid:1;)', 41, "0g. is not bytes in hex"),
        (HEAD + '(content:"x|00"; sid:1;)', 41, "in a content: write bytes as"),
        (HEAD + '(content:"\\x"; sid:1;)', 40, "in a content: write bytes as"),
        (HEAD + '(content:"||"; sid:1;)', 39, "the content is empty"),
        (HEAD + '(content:"x" sid:1;)', 31, "expected NAME; or NAME:VALUE; near 'content"),
    ],
)
def test_mistakes(line: str, column: int, message: str) -> None:
    with pytest.raises(RuleError, match=rf"^rule:2:{column}: .*{message}"):
        load_ids_rules(["# rules", line], {"HOME": "10.0.0.0/8"})
