from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.port.files import Record, drain

from nfuse.port import Burst, ListInput, ListOutput, UriError, open_input, open_output
from nfuse.port.fault import Faults, FaultyInput, FaultyOutput

PACKETS: list[Record] = [(i, bytes([i % 256, i // 256]) * (10 + i % 50), 2000 + i) for i in range(600)]


def faulty(size: int = 64, **faults: float) -> tuple[list[Record], dict[str, int]]:
    port = FaultyInput(ListInput(PACKETS), Faults(**faults))  # type: ignore[arg-type]
    return drain(port, size), port.faults.counts


def test_none() -> None:
    assert faulty() == (PACKETS, dict.fromkeys(["lost", "truncated", "flipped", "duplicated", "reordered"], 0))


def test_loss() -> None:
    got, counts = faulty(loss=0.3)
    assert [p for p in PACKETS if p in got] == got
    assert len(got) == 600 - counts["lost"]
    assert 130 < counts["lost"] < 230
    assert faulty(loss=1)[0] == []


def test_truncation_keeps_the_length_on_the_wire() -> None:
    got, counts = faulty(truncate=1)
    assert counts["truncated"] == 600
    for (ts, data, wire), (ts0, data0, wire0) in zip(got, PACKETS, strict=True):
        assert (ts, wire) == (ts0, wire0)
        assert data == data0[: len(data)]
        assert len(data) < len(data0)


def test_flips_one_bit() -> None:
    got, counts = faulty(flip=1)
    assert counts["flipped"] == 600
    for (_, data, _), (_, data0, _) in zip(got, PACKETS, strict=True):
        assert (int.from_bytes(data) ^ int.from_bytes(data0)).bit_count() == 1


def test_duplicates_follow_at_once() -> None:
    got, counts = faulty(duplicate=0.5)
    assert len(got) == 600 + counts["duplicated"]
    assert list(dict.fromkeys(got)) == PACKETS
    assert faulty(duplicate=1)[0] == [p for p in PACKETS for _ in range(2)]


@pytest.mark.parametrize("depth", [1, 3, 50])
def test_reordering_delays_at_most_by_the_depth(depth: int) -> None:
    got, counts = faulty(reorder=0.2, depth=depth)
    assert sorted(got) == PACKETS
    assert counts["reordered"] > 5
    assert got != PACKETS
    for at, (ts, _, _) in enumerate(got):
        assert -1 <= at - ts + 1 <= depth + 1


def test_what_is_held_back_leaves_at_the_end() -> None:
    assert sorted(faulty(reorder=1, depth=1 << 20)[0]) == PACKETS


def test_the_same_for_all_bursts_and_in_all_modes() -> None:
    faults = {"loss": 0.1, "truncate": 0.1, "flip": 0.1, "duplicate": 0.1, "reorder": 0.2, "seed": 5}
    got, counts = faulty(64, **faults)
    for size in (1, 7, 1000):
        assert faulty(size, **faults) == (got, counts)
    assert counts == COUNTS
    assert len(got) == 600 - counts["lost"] + counts["duplicated"]


COUNTS = {"lost": 68, "truncated": 51, "flipped": 56, "duplicated": 56, "reordered": 64}


def test_an_output_suffers_as_an_input_does() -> None:
    faults = {"loss": 0.1, "flip": 0.1, "duplicate": 0.1, "reorder": 0.2}
    inner = ListOutput()
    port, burst = ListInput(PACKETS), Burst(37)
    with FaultyOutput(inner, Faults(**faults)) as out:  # type: ignore[arg-type]
        while n := port.receive(burst):
            out.send(burst, np.arange(n, dtype=np.int32))
    got, counts = faulty(**faults)
    assert [(ts, data) for ts, data, *_ in inner.records] == [(ts, data) for ts, data, _ in got]
    assert out.faults.counts == counts
    assert (out.packets, out.bytes) == (len(got), sum(wire for _, _, wire in got))


def test_uris(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    with open_input("fault:loss=0.5,seed=3!gen:?packets=100&flows=3") as port, open_output(f"fault:!{path}") as out:
        burst = Burst()
        n = port.receive(burst)
        assert 20 < n < 80
        out.send(burst, np.arange(n, dtype=np.int32))
    assert len(drain(open_input(f"fault:loss=0.0!pcap:{path}"))) == n
    nested = open_input(f"fault:loss=0.5!fault:duplicate=1!{path}")
    assert len(drain(nested)) < 2 * n


def test_large_frames() -> None:
    packets = [(i, bytes(65_549), 65_549) for i in range(9)]
    port = FaultyInput(ListInput(packets), Faults(duplicate=1, reorder=0.5))
    assert sorted(drain(port, 64, 1)) == sorted(packets * 2)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("fault:loss=0.1", "names no port"),
        ("fault:loss=2!null:", "expected a probability"),
        ("fault:los=1!null:", r"did you mean 'loss'\?"),
        ("fault:loss!null:", "has no value"),
        ("fault:depth=0!null:", "depth=0"),
        ("fault:loss=1!nul:", r"did you mean 'null:'\?"),
    ],
)
def test_mistakes(uri: str, message: str) -> None:
    with pytest.raises(UriError, match=message):
        open_input(uri)


def test_warnings_of_the_inner_input_are_heard(tmp_path: Path) -> None:
    from tests.port.files import pcap

    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(PACKETS[:3])[:-1])
    port = open_input(f"fault:!{path}")
    assert len(drain(port)) == 2
    assert port.truncated
    assert "breaks off" in port.warnings[0]
