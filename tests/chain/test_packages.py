"""Network functions of installed packages: found by name, never in the library's way, and blamed when broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.packages import EXAMPLE, ROOT, install, install_example

from nfuse import ChainError, from_yaml, to_yaml
from nfuse.chain.locate import find_class
from nfuse.chain.packages import offers
from nfuse.nf.library import Monitor

MODULE = "from nfuse import NF\n\n\nclass Own(NF):\n    def on_flow(self, pkt, flow):\n        flow.forward()\n"


def test_a_package_names_nfs_for_chain_files(monkeypatch, tmp_path) -> None:
    install_example(monkeypatch, tmp_path)
    chain = from_yaml("chain:\n  - Gtsm: {hops: 1}\n  - Monitor\n")
    assert [node.name for node in chain.nodes] == ["gtsm", "monitor"]
    assert chain.node("gtsm").nf.hops == 1
    assert from_yaml(to_yaml(chain)) == chain
    (offer,) = offers()
    assert (offer.reference, offer.origin) == ("nfuse_example_nf:Gtsm", "nfuse-example-nf 0.1.0")


def test_the_examples_own_tests_pass() -> None:
    path = os.pathsep.join([str(ROOT / "src"), str(EXAMPLE / "src")])
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "tests"]
    done = subprocess.run(
        arguments,
        cwd=EXAMPLE,
        env={**os.environ, "PYTHONPATH": path, "NFUSE_JIT": "0"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_the_library_comes_first(monkeypatch, tmp_path) -> None:
    install(monkeypatch, tmp_path, "greedy", {"Monitor": "no_such_module:Monitor"})
    assert find_class("Monitor") is Monitor


def test_a_name_that_two_packages_offer_names_both(monkeypatch, tmp_path) -> None:
    for number in (1, 2):
        install(monkeypatch, tmp_path / str(number), f"package-{number}", {"Own": f"own{number}:Own"})
    with pytest.raises(ChainError) as caught:
        from_yaml("chain:\n  - Own\n", file="edge.yaml")
    text = str(caught.value)
    assert "edge.yaml:2:5" in text
    assert "2 installed packages offer 'Own': package-1 1.2, package-2 1.2" in text
    assert "expected: own1:Own or own2:Own" in text


@pytest.mark.parametrize(
    ("value", "source", "message"),
    [
        ("broken_a:Own", None, "there is no module 'broken_a'"),
        ("broken_b:Own", "import no_such_thing\n", "module 'broken_b' needs 'no_such_thing', which is not installed"),
        ("broken_c:Own", "1 / 0\n", "module 'broken_c' can't be imported: ZeroDivisionError"),
        ("broken_d:Wn", MODULE, "module 'broken_d' has no 'Wn'"),
        ("broken_e:os", "import os\n", "broken_e:os is no network function"),
        ("broken_f", MODULE, "its entry point names no class"),
        (
            "broken_g:Own",
            MODULE.replace("    def", "    size: u16 = -1\n\n    def").replace("NF\n", "NF, u16\n"),
            "size",
        ),
    ],
)
def test_a_broken_package_is_named_where_it_is_used(monkeypatch, tmp_path, value, source, message) -> None:
    install(monkeypatch, tmp_path, "broken", {"Own": value})
    if source is not None:
        (tmp_path / f"{value.partition(':')[0]}.py").write_text(source)
    with pytest.raises(ChainError) as caught:
        from_yaml("chain:\n  - Own\n", file="edge.yaml")
    assert "edge.yaml:2:5" in str(caught.value)
    assert "'Own' of the installed package broken 1.2 can't be used: " in str(caught.value)
    assert message in str(caught.value)


def test_a_broken_package_is_in_nobody_elses_way(monkeypatch, tmp_path) -> None:
    install(monkeypatch, tmp_path, "broken", {"Own": "bad_module:Own"})
    (tmp_path / "bad_module.py").write_text("raise SystemExit('imported')\n")
    assert from_yaml("chain:\n  - Monitor\n").nodes
    with pytest.raises(ChainError) as caught:
        from_yaml("chain:\n  - Oqn\n")
    assert "did you mean 'Own'" in str(caught.value)
    assert "bad_module" not in sys.modules


def test_the_page_shows_the_message_as_it_is(monkeypatch, tmp_path) -> None:
    install_example(monkeypatch, tmp_path, source=False)
    with pytest.raises(ChainError) as caught:
        from_yaml("chain:\n  - Gtsm: {hops: 1}\n", file="edge.yaml")
    assert str(caught.value) in (ROOT / "docs" / "packages.md").read_text()


def test_the_page_and_the_readme_declare_what_the_example_does() -> None:
    declaration = 'Gtsm = "nfuse_example_nf:Gtsm"'
    for path in (EXAMPLE / "pyproject.toml", EXAMPLE / "README.md", Path(ROOT / "docs" / "packages.md")):
        assert declaration in path.read_text()
