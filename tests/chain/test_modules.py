"""Mistakes in Python files: one message with file, line, column and what was meant."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nfuse.chain.errors import ChainError
from nfuse.chain.yaml import load_chain
from nfuse.nf.errors import CompileError

HEAD = """from __future__ import annotations
from nfuse import *
from own_nfs import Cap

"""
OWN = """from nfuse import NF, u32

class Cap(NF):
    limit: u32 = 10

    def on_packet(self, pkt, flow):
        pass
"""


@pytest.fixture(autouse=True)
def own(folder: Path) -> None:
    (folder / "own_nfs.py").write_text(OWN)


def failure(folder: Path, text: str, name: str = "edge.py") -> str:
    (folder / name).write_text(text)
    with pytest.raises((ChainError, CompileError)) as caught:
        load_chain(folder / name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "parts"),
    [
        ("chain = Chain(Cap(limit='ten'))", "edge.py:5:15:", ["Cap.limit: 'ten' is not valid", "expected: an integer"]),
        ("chain = Chain(Cap(limti=3))", "edge.py:5:15:", ["Cap has no parameter 'limti'", "did you mean 'limit'?"]),
        ("chain = Chain(Cap(5))", "edge.py:5:15:", ["takes its parameters by name", "expected: Cap(limit=5)"]),
        ("chain = Chain(Cap)", "edge.py:5:9:", ["Cap is a class", "^"]),
        ("c = Cap()\nchain = Chain(c >> c)", "edge.py:6:9:", ["the same Cap stands at two places"]),
        ("chain = Chain(Cap(), capacity=0)", "edge.py:5:9:", ["capacity: 0 does not fit"]),
        ("chain = Chain(Cap(), direction='tcp dst prt 80')", "edge.py:5:9:", ["did you mean port?", "in the filter:"]),
        ("web = pcap_filter('tcp dst prt 80')", "edge.py:5:7:", ["the filter can't be read", "did you mean port?"]),
        ("chain = Cap", "edge.py:", ["Cap is a class"]),
        ("chain = Chain(None)", "edge.py:", ["the chain is empty"]),
        ("chein = Chain(Cap())", "edge.py:", ["defines no chain", "the variable `chein` under the name `chain`"]),
        ("chein = Cap() >> Cap()", "edge.py:", ["the variable `chein` under the name `chain`"]),
        ("class Own(NF):\n    pass", "edge.py:", ["a variable: chain = Chain(Own(...))"]),
        ("chain = Chian(Cap())", "edge.py:5:9:", ["name 'Chian' is not defined", "did you mean 'Chain'?"]),
        ("from nfuse import Cahin", "edge.py:5:1:", ["cannot import name 'Cahin'", "did you mean 'Chain'?"]),
        ("from own_nfs import Cpa", "edge.py:5:1:", ["cannot import name 'Cpa'", "did you mean 'Cap'?"]),
        ("class A(NF):\n    to: IPv4Address = '10.0.0'", "edge.py:6:5:", ["A.to: '10.0.0' is not valid (its default)"]),
        ("class A(NF):\n    to: IPv4Adress = '10.0.0.1'", "edge.py:6:5:", ["did you mean `IPv4Address`?"]),
        ("x = 'é' + 1", "edge.py:5:5:", ["TypeError", "    x = 'é' + 1\n        ^"]),
    ],
)
def test_in_the_chains_file(folder: Path, text: str, place: str, parts: list[str]) -> None:
    error = failure(folder, HEAD + text + "\n")
    assert error.startswith(place), error
    for part in parts:
        assert part in error, error


def test_a_type_that_is_not_imported(folder: Path) -> None:
    error = failure(folder, "from nfuse import NF\n\nclass A(NF):\n    limit: u32 = 3\n")
    assert error.startswith("edge.py:4:12: NameError: name 'u32' is not defined")
    assert "expected: from nfuse import u32" in error
    late = failure(
        folder, "from __future__ import annotations\nfrom nfuse import NF\nclass A(NF):\n    limit: u32 = 3\n"
    )
    assert "edge.py:4:5: error: unknown type `u32`" in late
    assert "import it: `from nfuse import u32`" in late


@pytest.mark.parametrize(("name", "text"), [("edge.yaml", "- own_nfs:Cap"), ("edge.py", "import own_nfs")])
def test_in_a_module_beside_it(folder: Path, name: str, text: str) -> None:
    (folder / "own_nfs.py").write_text(OWN.replace("u32 = 10", "u23 = 10"))
    assert failure(folder, text, name).startswith("own_nfs.py:4:12: NameError: name 'u23' is not defined")
    sys.modules.pop("own_nfs", None)
    (folder / "own_nfs.py").write_text("x = (\n")
    assert failure(folder, text, name).startswith("own_nfs.py:1:5: not Python")


def test_files_named_like_modules_of_the_standard_library(folder: Path) -> None:
    """They hide nothing, and a chain can be one of them; a chain file that means one is told why it gets another."""
    before = sys.modules.pop("colorsys", None)
    (folder / "colorsys.py").write_text(OWN)
    (folder / "edge.py").write_text(HEAD + "import colorsys\ncolorsys.hls_to_rgb\nchain = Chain(Cap())\n")
    assert len(load_chain(folder / "edge.py").nodes) == 1
    (folder / "logging.py").write_text(HEAD + "chain = Chain(Cap(limit=7))\n")
    assert load_chain(folder / "logging.py").nodes[0].nf.limit == 7
    assert not hasattr(sys.modules.get("logging"), "chain")
    error = failure(folder, "- colorsys:Cap", "edge.yaml")
    assert "edge.yaml:1:3:" in error
    assert "'colorsys' is a module of Python's own: it hides colorsys.py" in error
    assert "another name for the file" in error
    if before is not None:
        sys.modules["colorsys"] = before
