"""The rule language: what it reads, and what it says of what it can't read."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfuse.nf.library.acl import ALLOW, DROP, REJECT, Rule, RuleError, load_rules, parse_rules

NET10 = (0x0A000000, 0x0AFFFFFF)


def test_rules_are_read_in_order_and_comments_skipped() -> None:
    rules = parse_rules(
        [
            "# web",
            "allow tcp 10.0.0.0/8 1024-65535 -> any 80 flags S/SA   # the handshake",
            "",
            "  reject udp any->2001:db8::1 53",
            "drop 47 any any -> any any",
        ]
    )
    host = 0x20010DB8 << 96 | 1
    assert rules == [
        Rule(ALLOW, 6, 4, NET10, None, (1024, 65535), (80, 80), (2, 18)),
        Rule(REJECT, 17, 6, None, (host, host), None, (53, 53)),
        Rule(DROP, 47),
    ]


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("alow tcp any -> any", 1, "did you mean 'allow'"),
        ("allow", 6, "too early: expected a protocol"),
        ("drop tpc any -> any", 6, "did you mean 'tcp'"),
        ("drop 256 any -> any", 6, "unknown protocol"),
        ("drop tcp 10.0.0.1/8 -> any", 10, "host bits"),
        ("drop tcp 10.0.0 -> any", 10, "not 'any', an address or a prefix"),
        ("drop tcp any 5 any", 16, "expected '->'"),
        ("drop tcp any -> ::1 80-70", 21, "is not a port"),
        ("drop tcp any 65536 -> any", 14, "is not a port"),
        ("drop icmp any -> any 80", 22, "only TCP and UDP have ports"),
        ("drop tcp 1.2.3.4 -> ::1", 21, "different families"),
        ("drop udp any -> any flags S/SA", 21, "flags need protocol tcp"),
        ("drop tcp any -> any flags S/A", 27, "SET/MASK"),
        ("drop tcp any -> any flags", 26, "too early"),
        ("drop tcp any -> any 80 90", 24, "unexpected '90'"),
        ("drop tcp any ->", 16, "expected a destination"),
    ],
)
def test_a_mistake_is_named_with_line_and_column(line: str, column: int, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rules(["# first", line], "acl.txt")
    assert str(caught.value).startswith(f"acl.txt:2:{column}: ")
    assert message in str(caught.value)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "acl.txt"
    path.write_text("drop any any -> 10.0.0.0/8\n")
    assert load_rules(path) == [Rule(DROP, None, 4, None, NET10)]
    path.write_text("\n\ndrop any\n")
    with pytest.raises(RuleError, match=r"acl.txt:3:9: "):
        load_rules(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RuleError, match="can't be read"):
        load_rules(path)
    with pytest.raises(RuleError, match="can't be read: No such file"):
        load_rules(tmp_path / "none")


def test_an_item_that_is_no_text() -> None:
    with pytest.raises(RuleError, match="rule:1:1: a rule is text, not int"):
        load_rules([5])  # type: ignore[list-item]
