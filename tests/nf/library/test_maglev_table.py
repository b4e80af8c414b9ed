"""The Maglev table: the paper's pseudo code as oracle, balance, weights, disruption, bad input."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few

from nfuse.nf.library.maglev_table import FREE, build_table, is_prime, parse_backend, parse_backends, permutation


def paper(names: list[str], size: int) -> list[int]:
    """NSDI '16, section 3.4, pseudo code 1, literally."""
    count = len(names)
    parameters = [permutation(name, size) for name in names]
    perm = [[(offset + j * skip) % size for j in range(size)] for offset, skip in parameters]
    following = [0] * count
    entry = [-1] * size
    n = 0
    while True:
        for i in range(count):
            c = perm[i][following[i]]
            while entry[c] >= 0:
                following[i] += 1
                c = perm[i][following[i]]
            entry[c] = i
            following[i] += 1
            n += 1
            if n == size:
                return entry


def names_of(count: int) -> list[str]:
    return [f"10.0.{i // 256}.{i % 256}:80" for i in range(count)]


@given(st.integers(1, 12), st.sampled_from([2, 3, 7, 31, 101, 251]))
@few(40)
def test_equals_the_paper(count: int, size: int) -> None:
    names = sorted(names_of(count))
    table = build_table([(name, 1, i) for i, name in enumerate(names)], size)
    assert table.tolist() == paper(names, size)


def test_the_order_of_the_backends_does_not_matter() -> None:
    members = [(name, 1 + i % 3, i) for i, name in enumerate(names_of(9))]
    assert np.array_equal(build_table(members, 1009), build_table(members[::-1], 1009))


def test_shares_are_nearly_equal() -> None:
    counts = Counter(build_table([(name, 1, i) for i, name in enumerate(names_of(100))], 65537).tolist())
    assert max(counts.values()) - min(counts.values()) <= 1


def test_weights() -> None:
    members = [(name, weight, i) for i, (name, weight) in enumerate(zip(names_of(3), (1, 2, 5), strict=True))]
    counts = Counter(build_table(members, 65537).tolist())
    for slot, weight in enumerate((1, 2, 5)):
        assert counts[slot] == pytest.approx(65537 * weight / 8, rel=0.001)


def test_few_entries_move_when_a_backend_goes() -> None:
    members = [(name, 1, i) for i, name in enumerate(names_of(20))]
    before, after = build_table(members, 65537), build_table(members[:7] + members[8:], 65537)
    stayed = before != 7
    assert not (after == 7).any()
    moved = (before[stayed] != after[stayed]).mean()
    assert moved < 0.05  # section 5.3: a few per cent at this size


def test_no_backend_leaves_the_table_free() -> None:
    assert (build_table([], 13) == FREE).all()


def test_primes() -> None:
    assert [n for n in range(30) if is_prime(n)] == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert is_prime(65537)
    assert is_prime(655373)


@pytest.mark.parametrize(
    ("text", "name", "weight"),
    [
        ("10.0.0.1:8080", "10.0.0.1:8080", 1),
        ("10.0.0.1", "10.0.0.1", 1),
        ("2001:db8::1", "2001:db8::1", 1),
        ("[2001:0db8::1]", "2001:db8::1", 1),
        ("[2001:db8::1]:80 weight=3", "[2001:db8::1]:80", 3),
    ],
)
def test_backends(text: str, name: str, weight: int) -> None:
    backend = parse_backend(text)
    assert (backend.name, backend.weight) == (name, weight)
    assert parse_backend(backend.name).name == name


@pytest.mark.parametrize(
    "text",
    ["", "web", "10.0.0.1:65536", "10.0.0.1:", "10.0.0.1 weight=0", "10.0.0.1 2", "[::1", "10.0.0.1:80:90", "a b c"],
)
def test_bad_backends(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a backend: expected ADDRESS\[:PORT\]"):
        parse_backend(text)


def test_backends_twice() -> None:
    with pytest.raises(ValueError, match=r"down, item 2: 10\.0\.0\.1:80 is already in the list"):
        parse_backends(["10.0.0.1:80", "10.0.0.1:80 weight=2"], "down")
