"""The automaton against a search for each text at each place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few

from nfuse.nf.library.aho_corasick import Automaton, build

LETTERS = st.lists(st.sampled_from(b"abAB\x00\xff"), min_size=1, max_size=5).map(bytes)


def found(automaton: Automaton, data: bytes) -> set[tuple[int, int]]:
    at, seen = 0, set()
    for place, byte in enumerate(data):
        at = int(automaton.moves[at + int(automaton.columns[byte])])
        if at >= automaton.accepting:
            state = (at - automaton.accepting) // automaton.width
            ends = automaton.ends[automaton.first[state] : automaton.first[state + 1]].tolist()
            assert ends
            assert len(set(ends)) == len(ends)
            seen |= {(number, place) for number in ends}
    return seen


@given(st.lists(LETTERS, max_size=12), st.lists(st.sampled_from(b"abABc\x00\xff"), max_size=40).map(bytes))
@few(200)
def test_all_occurrences(texts: list[bytes], data: bytes) -> None:
    expected = {
        (number, place)
        for number, text in enumerate(texts)
        for place in range(len(data))
        if data[: place + 1].lower().endswith(text.lower())
    }
    assert found(build(texts), data) == expected


def test_the_example_of_the_paper() -> None:
    automaton = build([b"he", b"she", b"his", b"hers"])
    assert automaton.states == 10
    assert automaton.width == 1 + len(set("heshishers"))
    assert found(automaton, b"ushers") == {(0, 3), (1, 3), (3, 5)}


def test_its_size() -> None:
    texts = [f"/path/{number:04}/index.html".encode() for number in range(1000)]
    automaton = build(texts)
    assert automaton.moves.nbytes == 4 * automaton.states * automaton.width
    assert automaton.width <= 1 + len(set("/path0123456789index.html"))
    assert found(automaton, b"GET /PATH/0777/INDEX.HTML") == {(777, 24)}


def test_nothing() -> None:
    assert found(build([]), b"anything") == set()
    with pytest.raises(ValueError, match="an empty text is everywhere"):
        build([b"a", b""])
