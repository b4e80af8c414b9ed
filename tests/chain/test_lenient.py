"""Reading a chain file past its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfuse.chain.errors import ChainError
from nfuse.chain.lenient import load_leniently


def load(tmp_path: Path, text: str, name: str = "c.yaml") -> tuple[str, list[tuple[int | None, str]]]:
    (tmp_path / name).write_text(text)
    chain, errors = load_leniently(tmp_path / name)
    return str(chain), [(error.line, error.message) for error in errors]


def test_a_good_file_has_no_mistakes(tmp_path, root) -> None:
    chain, errors = load_leniently(root / "examples" / "chain1.yaml")
    assert str(chain) == "mazunat >> maglev >> monitor >> ipfilter"
    assert errors == []


def test_all_mistakes_are_found_and_the_rest_is_kept(tmp_path) -> None:
    chain, errors = load(
        tmp_path,
        """\
chain:
  - MazuNat:
      insde: 10.0.0.0/8
      public: 198.51.100.0/28
      ports: 99-3
  - Maglov: {vip: 1.2.3.4/32}
  - branch:
      - when: tcp adn port 80
        chain: [Monitr]
      - when: udp
        chain: [Counter7]
  - Monitor
settings:
  capacity: lots
  timeots: {}
  timeouts: {tcp_new: -1}
""",
    )
    assert chain == "mazunat >> monitor"
    assert [line for line, _ in errors] == [3, 5, 6, 8, 9, 11, 14, 15, 16]
    assert errors[0][1] == "MazuNat has no parameter 'insde'"
    assert "did you mean and?" in errors[3][1]


def test_what_follows_from_a_mistake_is_no_mistake(tmp_path) -> None:
    """A required parameter that can't be read is not missing; a branch whose only NF is unknown is not empty."""
    text = (
        "chain:\n  - Maglev: {vip: nonsense, backends: []}\n  - branch:\n      - when: tcp\n        chain: [Monitr]\n"
    )
    chain, errors = load(tmp_path, text)
    assert chain == "None"
    assert errors == [(2, "'nonsense' is not valid"), (5, "unknown network function 'Monitr'")]


def test_a_missing_parameter_is_a_mistake(tmp_path) -> None:
    assert load(tmp_path, "- Maglev: {backends: []}\n- Monitor\n") == (
        "monitor",
        [(1, "Maglev needs the parameter 'vip'")],
    )


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("chain: [Monitor\n", 2, "not YAML"),
        ("", 1, "the file is empty"),
        ("chain: []\n", 1, "the chain is empty"),
        ("chains: [Monitor]\n", 1, "unknown key 'chains'"),
    ],
)
def test_mistakes_of_the_whole(tmp_path, text, line, message) -> None:
    chain, errors = load(tmp_path, text)
    assert chain == "None"
    assert errors[0][0] == line
    assert message in errors[0][1]


def test_two_of_one_name(tmp_path) -> None:
    chain, errors = load(tmp_path, "- {Monitor: {}, name: a}\n- {Monitor: {}, name: a}\n")
    assert chain == "a"
    assert errors == [(2, "two network functions are named 'a'")]


def test_python_files_end_at_their_first_mistake(tmp_path) -> None:
    assert load(tmp_path, "chain = 1 +\n", "c.py")[1][0][0] == 1
    assert load(tmp_path, "import nfuse.nothing_there\n", "d.py")[1][0][0] == 1


def test_mistakes_in_python_have_their_line(tmp_path) -> None:
    text = "from nfuse import Chain\nfrom nfuse.nf.library import Monitor\n\nchain = Chain(\n    Monitor(window=1)\n)\n"
    assert load(tmp_path, text, "e.py") == ("None", [(5, "Monitor has no parameter 'window'")])
    twice = text.replace("Monitor(window=1)", "Monitor().named('a') >> Monitor().named('a')")
    assert load(tmp_path, twice, "f.py") == ("None", [(4, "two network functions are named 'a'")])


def test_a_missing_file(tmp_path) -> None:
    with pytest.raises(ChainError, match="no such chain file"):
        load_leniently(tmp_path / "none.yaml")
