"""What an NF has against its parameters, or raises by mistake, when it starts: pointed at in the user's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfuse.chain.errors import ChainError
from nfuse.chain.yaml import load_chain
from nfuse.engine.start import started

OWN = """from nfuse import NF, u32

TABLE = {}

class Picky(NF):
    limit: u32 = 3
    names: list[str] = []
    more: dict[str, int] = {}

    def on_start(self):
        for name in self.names:
            if name == "bad":
                raise ValueError(f"I don't like {name!r}")
        if self.limit == 7:
            raise ValueError("limit: 7 is too odd")
        if self.limit == 8:
            raise ValueError("8 does not go with 8")
        if self.limit == 9:
            self.look("a")

    @staticmethod
    def look(key):
        return TABLE[key]

    def on_packet(self, pkt, flow):
        pass
"""


@pytest.fixture(autouse=True)
def own(folder: Path) -> None:
    (folder / "picky.py").write_text(OWN)


def failure(text: str, name: str = "edge.yaml", engine: str = "reference") -> str:
    Path(name).write_text(text)
    chain = load_chain(name)
    with pytest.raises(ChainError) as caught:
        started(chain, engine)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "rest"),
    [
        ("- MazuNat:\n    public: 198.51.100.300", "2:13", "can't start: '198.51.100.300' is not an IPv4 address"),
        ("- MazuNat:\n    public:\n      - 198.51.100.1\n      - 198.51.100.1", "4:9", "is in the pool already"),
        ("- IPFilter:\n    rules:\n      - drop udp any -> any\n      - dorp tcp any -> any", "4:9", "unknown action"),
        ("- IPFilter:\n    rules: []\n    default: pass", "3:14", "can't start: 'pass' is none of"),
        ("- picky:Picky:\n    names: [good, bad]", "2:19", "can't start: I don't like 'bad'"),
        ("- picky:Picky:\n    names: [bad, bad]", "1:3", "can't start: I don't like 'bad'"),
        ("- picky:Picky:\n    limit: 7", "2:12", "can't start: 7 is too odd"),
        ("- picky:Picky:\n    limit: 8\n    more: {a: 1}", "2:12", "can't start: 8 does not go with 8"),
        ("- picky:Picky:\n    limit: 8\n    more: {a: 8}", "1:3", "can't start: 8 does not go with 8"),
        ("- picky:Picky:\n    limit: 9", "1:3", "can't start: KeyError: 'a'"),
    ],
)
def test_in_a_chain_file(folder: Path, text: str, place: str, rest: str) -> None:
    error = failure(text)
    assert error.startswith(f"edge.yaml:{place}: "), error
    assert rest in error.splitlines()[0]


def test_the_line_of_the_users_on_start(folder: Path) -> None:
    assert failure("- picky:Picky:\n    limit: 9").splitlines()[1:] == [
        "    - picky:Picky:",
        "      ^",
        "  in look, picky.py:23:",
        "      return TABLE[key]",
    ]
    assert "nfuse/nf/library" not in failure("- MazuNat:\n    public: x")


def test_in_python(folder: Path) -> None:
    text = "from nfuse import Chain\nfrom picky import Picky\nnf = Picky(limit=9)\nchain = Chain(nf)\n"
    assert failure(text, "edge.py").splitlines() == [
        "edge.py:3: picky (Picky) can't start: KeyError: 'a'",
        "    nf = Picky(limit=9)",
        "  in look, picky.py:23:",
        "      return TABLE[key]",
    ]


def test_what_an_engine_has_against_a_place(folder: Path) -> None:
    error = failure("- Monitor\n- IpIpDecap", engine="fused")
    assert error.startswith("edge.yaml:2:3: [1]: ipipdecap (IpIpDecap) can't be at this place: "), error
