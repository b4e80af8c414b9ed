from __future__ import annotations

import pytest

from nfuse.nf.library import Monitor
from nfuse.port.errors import UriError
from nfuse.testing import assert_equivalent, faulty, packets, tcp_conversation

TALK = tcp_conversation("10.0.0.1:1234", "192.0.2.1:80", b"x" * 4000, b"y" * 9000, mss=100)


def test_without_faults_nothing_happens() -> None:
    assert faulty(TALK) == TALK


def test_each_fault() -> None:
    lost = faulty(TALK, loss=0.2)
    assert 0 < len(lost) < len(TALK)
    assert [one for one in TALK if one in lost] == lost
    assert len(faulty(TALK, duplicate=1)) == 2 * len(TALK)
    late = faulty(TALK, reorder=0.3, depth=3)
    assert late != TALK
    assert sorted(late, key=lambda one: one.time) == TALK
    cut = faulty(TALK, truncate=1)
    assert all(len(one) < one.wire == whole.wire for one, whole in zip(cut, TALK, strict=True))
    flipped = faulty(TALK, flip=1)
    for one, whole in zip(flipped, TALK, strict=True):
        bits = int.from_bytes(one.bytes, "big") ^ int.from_bytes(whole.bytes, "big")
        assert bits.bit_count() == 1
    assert [one.side for one in flipped] == [one.side for one in TALK]


def test_seeds() -> None:
    rates = {"loss": 0.2, "duplicate": 0.2, "reorder": 0.2, "flip": 0.1}
    assert faulty(TALK, **rates, seed=5) == faulty(TALK, **rates, seed=5) != faulty(TALK, **rates, seed=6)


def test_a_chain_survives() -> None:
    assert_equivalent(Monitor(), faulty(TALK, loss=0.1, duplicate=0.1, reorder=0.1, truncate=0.2, flip=0.2, seed=2))


def test_mistakes() -> None:
    with pytest.raises(UriError, match="loss=2: expected a probability"):
        faulty("10.0.0.1:1 > 10.0.0.2:2 udp", loss=2)
    assert faulty(packets("")) == []
