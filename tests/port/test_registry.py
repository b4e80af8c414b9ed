from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
from tests.port.files import pcap, write

from nfuse.port import Burst, Input, PortError, UriError, input_port, open_input, open_output
from nfuse.port.errors import PortHelp
from nfuse.port.registry import GROUP, INPUTS, OUTPUTS, Scheme, convert, options_of, split_options, split_uri


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("trace.pcap", ("pcap", "trace.pcap")),
        ("/a/b:c.pcap", ("pcap", "/a/b:c.pcap")),
        ("./gen:x", ("pcap", "./gen:x")),
        ("pcap:x:y", ("pcap", "x:y")),
        ("gen:?flows=1", ("gen", "?flows=1")),
        ("-", ("pcap", "-")),
    ],
)
def test_schemes(uri: str, expected: tuple[str, str]) -> None:
    assert split_uri(uri) == expected


def test_options() -> None:
    assert split_options("file") == ("file", {})
    assert split_options("a?b?x=1&y=%26%20z") == ("a?b", {"x": "1", "y": "& z"})
    assert split_options("what?.pcap?") == ("what?.pcap", {})
    for wrong in ("f?x", "f?x=1&x=2"):
        with pytest.raises(UriError, match="'x'"):
            split_options(wrong)


def maker(
    *, count: int = 1, share: float = 0, quick: bool = False, kind: Literal["a", "b"] = "a", top: int | None = None
):
    """All kinds of options."""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"count": "1e6"}, {"count": 1_000_000}),
        ({"count": "20k", "top": "3M"}, {"count": 20_000, "top": 3_000_000}),
        ({"count": "0x10"}, {"count": 16}),
        ({"share": ".5", "quick": "yes", "kind": "b"}, {"share": 0.5, "quick": True, "kind": "b"}),
        ({"quick": "0"}, {"quick": False}),
    ],
)
def test_values_are_converted(options: dict[str, str], expected: dict[str, object]) -> None:
    assert convert("x", maker, options) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": "1.5"}, "an integer"),
        ({"count": "many"}, "an integer"),
        ({"share": "nan"}, "a number"),
        ({"quick": "perhaps"}, "yes or no"),
        ({"kind": "c"}, "one of a, b"),
        ({"cuont": "1"}, r"did you mean 'count'\?.*its options: count, kind, quick, share, top"),
    ],
)
def test_values_that_do_not_fit(options: dict[str, str], message: str) -> None:
    with pytest.raises(UriError, match=message):
        convert("x", maker, options)


def test_unknown_scheme_names_the_nearest() -> None:
    with pytest.raises(UriError, match=r"did you mean 'pcap:'\?.*gen:.*null:"):
        open_input("pcpa:x")
    with pytest.raises(UriError, match="no output port has the scheme 'gen:'"):
        open_output("gen:?flows=1")
    with pytest.raises(UriError, match="options only"):
        open_input("gen:flows=1")


@pytest.mark.parametrize(
    ("uri", "first", "option"),
    [
        ("gen:?help", "gen:?OPTION=VALUE&...", "flows=1000 "),
        ("pcap:?help", "pcap:PATH?OPTION=VALUE&...", "reverse "),
        ("trace.pcap?help", "pcap:PATH?OPTION=VALUE&...", "reverse "),
        ("fault:?help", "fault:OPTION=VALUE,...!PORT", "duplicate=0 "),
        ("fault:loss=0.1!gen:?help", "gen:?OPTION=VALUE&...", "rate=1e6 "),
        ("answers:?help", "answers:OPTION=VALUE,...!PORT", "delay=0.001 "),
        ("null:?help", "null:  (input)", "No options."),
    ],
)
def test_help(uri: str, first: str, option: str) -> None:
    with pytest.raises(PortHelp) as caught:
        open_input(uri)
    text = str(caught.value)
    assert text.startswith(first)
    assert option in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(("table", "opened"), [(INPUTS, open_input), (OUTPUTS, open_output)])
def test_help_says_something_of_each_option(table: dict[str, Scheme], opened: Callable[[str], object]) -> None:
    for scheme in ("pcap", "gen", "null", "fault", "answers"):
        with pytest.raises(UriError) as caught:
            opened(f"{scheme}:?help")
        if scheme in table:
            for option in options_of(table[scheme].options):
                assert re.search(rf"^  {option}(=\S*)?  +\S", str(caught.value), re.MULTILINE), option


def test_side_and_input_number_reach_the_descriptors(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pcap", pcap([(0, b"x" * 60, 60)]))
    for uri in (path, "gen:?packets=1", f"fault:loss=0!{path}"):
        burst = Burst()
        with open_input(uri, side=1, inport=4) as port:
            assert port.receive(burst) == 1
        assert (burst.desc[0]["side"], burst.desc[0]["inport"]) == (1, 4)


def test_other_packages_add_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        @input_port("carrier-pigeon")
        class Pigeon(Input):
            def __init__(self, rest: str, *, speed: int = 1) -> None:
                super().__init__(f"{rest} at {speed}")

    def points(group: str, name: str | None = None) -> list[SimpleNamespace]:
        assert group == GROUP
        found = [SimpleNamespace(name="carrier-pigeon", value="rfc1149", load=load)]
        return [e for e in found if name in (None, e.name)]

    monkeypatch.setattr(importlib.metadata, "entry_points", points)
    try:
        assert open_input("carrier-pigeon:coop?speed=3").name == "coop at 3"
        with pytest.raises(PortHelp, match=r"\n  speed=1$"):
            open_input("carrier-pigeon:?help")
    finally:
        INPUTS.pop("carrier-pigeon", None)


def test_a_package_that_fails_to_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise ImportError("no wings")

    entry = SimpleNamespace(name="pigeon", value="rfc1149", load=load)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group, name=None: [entry])
    with pytest.raises(PortError, match=r"rfc1149.*no wings"):
        open_input("pigeon:x")
