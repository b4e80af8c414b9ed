"""The habits of the house: one decorator owns Numba, words of the field, files one can read in a sitting."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEXTS = sorted(
    [
        *SOURCES,
        *(p for p in (ROOT / "tests").rglob("*.py") if p != Path(__file__).resolve()),
        *(ROOT / "examples").rglob("*.*"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "bench").rglob("*.[ch]"),
        ROOT / "README.md",
        ROOT / "Makefile",
    ]
)
NUMBA_OWNER = ROOT / "src" / "nfuse" / "memory" / "jit.py"
COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "generated_jit", "stencil"}
FORBIDDEN = {
    r"/work/(main|shared|venv)|/tmp/brief": "a path of one machine",
    r"\bissue #?\d": "tickets belong into commit messages",
    r"\bcontract\.md|\bcontract section": "documents that are not in the project",
    r"\bworkplace\b|\bthis session's\b": "how the work was organised",
    r"\b(TODO|FIXME|XXX)\b": "unfinished work",
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_numba_is_called_in_one_place_only(path: Path) -> None:
    if path == NUMBA_OWNER:
        pytest.skip("the owner")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            taken = COMPILERS & {alias.name for alias in node.names}
            assert not taken, f"{name(path)}:{node.lineno}: {taken}: use `from nfuse.memory.jit import native`"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"numba", "nb"}:
            assert node.attr not in COMPILERS, f"{name(path)}:{node.lineno}: use `from nfuse.memory.jit import native`"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_kernels_take_no_numpy_scalars(path: Path) -> None:
    """Unsigned NumPy scalars mean one thing compiled and another interpreted; kernels use i64 only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef):
            continue
        if not any(isinstance(d, ast.Name) and d.id == "native" for d in node.decorator_list):
            continue
        for inner in ast.walk(node):
            scalar = isinstance(inner, ast.Attribute) and re.fullmatch(r"u?int(8|16|32|64)|float(32|64)", inner.attr)
            assert not scalar, f"{name(path)}:{inner.lineno}: a NumPy scalar in the kernel {node.name}"


@pytest.mark.parametrize("path", [p for p in TEXTS if p.exists() and p.suffix not in {".pcap", ".pcapng"}], ids=name)
def test_texts_speak_of_the_product(path: Path) -> None:
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        for pattern, what in FORBIDDEN.items():
            found = re.search(pattern, line)
            assert not found, f"{name(path)}:{number}: {found and found.group()!r}: {what}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_can_be_read_in_a_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 700


def test_every_package_says_what_it_is() -> None:
    for path in sorted((ROOT / "src" / "nfuse").glob("*/__init__.py")):
        assert ast.get_docstring(ast.parse(path.read_text())), f"{name(path)} has no docstring"
