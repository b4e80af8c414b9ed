from __future__ import annotations

from typing import Any

import pytest

from nfuse.nf.library.flow_text import TITLES, flow_text

ROW: dict[str, Any] = {
    "proto": 6,
    "src": "10.0.131.20",
    "sport": 49152,
    "dst": "203.0.113.80",
    "dport": 443,
    "packets": 517,
    "bytes": 32_100,
    "reverse_packets": 0,
    "reverse_bytes": 0,
    "first_seen": 1_700_000_000_000_000_000,
    "last_seen": 1_700_000_001_250_000_000,
    "flags": "SPA",
    "reverse_flags": "SA",
}


def cells(**change: Any) -> list[str]:
    """The line of one flow, split where columns are."""
    return [cell for cell in flow_text([{**ROW, **change}]).splitlines()[1].split("  ") if cell]


def test_columns() -> None:
    assert flow_text([ROW, {**ROW, "proto": 1, "packets": 3, "flags": "", "reverse_flags": ""}]).splitlines() == [
        "proto  source             destination       sent  bytes  back  bytes  first     lasts  flags",
        "tcp    10.0.131.20:49152  203.0.113.80:443   517  32 kB     0    0 B  22:13:20  1.2 s  SPA/SA",
        "icmp   10.0.131.20        203.0.113.80         3  32 kB     0    0 B  22:13:20  1.2 s",
    ]
    assert tuple(flow_text([]).split()) == TITLES


@pytest.mark.parametrize(
    ("packets", "shown"),
    [
        (99_999, "99,999"),
        (100_000, "100k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (9_960_000, "10M"),
        (4 * 10**9, "4.0G"),
    ],
)
def test_packets(packets: int, shown: str) -> None:
    assert cells(packets=packets)[3].strip() == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(999, "999 B"), (1000, "1.0 kB"), (999_600, "1.0 MB"), (12_345_678, "12 MB"), (3 * 10**15, "3000 TB")],
)
def test_bytes(size: int, shown: str) -> None:
    assert cells(bytes=size)[4].strip() == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (9950, "10 s"),
        (99_999, "100 s"),
        (100_000, "2 min"),
        (7_200_000, "2 h"),
    ],
)
def test_durations(ms: int, shown: str) -> None:
    assert cells(last_seen=ROW["first_seen"] + ms * 10**6)[8].strip() == shown


def test_ends() -> None:
    assert cells(src="2001:db8::1", proto=17)[1] == "[2001:db8::1]:49152"
    assert cells(proto=99)[:3] == ["99", " 10.0.131.20", "203.0.113.80"]
