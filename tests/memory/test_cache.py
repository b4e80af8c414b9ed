"""The compile cache, as a first, a second and a simultaneous process find it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nfuse.memory import cache
from nfuse.memory.jit import JIT

KERNELS = """
from nfuse.memory.jit import entry, native
from nfuse.memory.raw import i64

@native
def inner(a):
    return i64(a * FACTOR)

@native
def outer(a):
    return i64(inner(a) + 1)

def by_address(a):
    return outer(a)

made = entry(by_address)
"""

CHILD = """
import sys
import time
from pathlib import Path
from numba.core import event
from nfuse.memory.cache import load_generated

with event.install_recorder("numba:compile") as seen:
    module = load_generated("kernels", Path(sys.argv[1]).read_text())
    print(module.outer(20), len(seen.buffer))
"""


def _environment(folder: object) -> dict[str, str]:
    return {**os.environ, "NFUSE_CACHE": str(folder)}


def _start(folder: object, tmp_path: Path, factor: int = 2) -> subprocess.Popen[str]:
    path = tmp_path / f"kernels_{factor}.txt"
    path.write_text(KERNELS.replace("FACTOR", str(factor)))
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        env=_environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _finish(process: subprocess.Popen[str]) -> tuple[int, int, str]:
    """Return the kernel's result, how many functions were compiled, and the messages."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    result, compiled = map(int, out.split())
    return result, compiled, err


def _files(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


compiled_only = pytest.mark.skipif(not JIT, reason="nothing is compiled")


@compiled_only
def test_a_second_process_compiles_nothing_and_a_change_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    result, compiled, err = _finish(_start(folder, tmp_path))
    assert (result, err) == (41, "")
    assert compiled > 0
    before = _files(folder)
    assert before
    assert _finish(_start(folder, tmp_path)) == (41, 0, "")
    assert _files(folder) == before, "the second process wrote into the cache"
    result, compiled, _ = _finish(_start(folder, tmp_path, factor=3))
    assert result == 61
    assert compiled > 0


@compiled_only
def test_two_processes_may_compile_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    both = [_start(folder, tmp_path) for _ in range(2)]
    assert [_finish(process)[0] for process in both] == [41, 41]
    assert _finish(_start(folder, tmp_path)) == (41, 0, "")
    assert not list(folder.rglob("*.tmp"))


@compiled_only
def test_without_a_cache_everything_works(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    result, _, err = _finish(_start(tmp_path / "file" / "cache", tmp_path))
    assert result == 41
    assert err.count("CacheWarning") == 1
    assert "Set NFUSE_CACHE" in err


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("NFUSE_CACHE", str(tmp_path / "file"))
    with pytest.warns(cache.CacheWarning, match="compile anew"):
        assert cache.cache_folder.__wrapped__() is None


def test_the_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFUSE_CACHE", str(tmp_path / "named"))
    assert cache.cache_root() == tmp_path / "named"
    folder = cache.cache_folder.__wrapped__()
    assert folder == tmp_path / "named" / cache.environment_key()
    assert folder.is_dir()
    monkeypatch.delenv("NFUSE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_root() == tmp_path / "xdg" / "nfuse"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_root() == tmp_path / ".cache" / "nfuse"


def test_the_key_covers_the_sources_and_the_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PACKAGE", tmp_path)
    monkeypatch.setenv("NFUSE_CHECK", "0")
    folder = tmp_path / cache.NATIVE[-1]
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("one = 1\n")
    keys = [cache.environment_key.__wrapped__()]
    assert keys == [cache.environment_key.__wrapped__()]
    (folder / "a.py").write_text("one = 2\n")
    keys.append(cache.environment_key.__wrapped__())
    (folder / "b.py").write_text("")
    keys.append(cache.environment_key.__wrapped__())
    monkeypatch.setenv("NFUSE_CHECK", "1")
    keys.append(cache.environment_key.__wrapped__())
    assert len(set(keys)) == len(keys)


def test_the_key_covers_whatever_is_compiled() -> None:
    covered = [cache.PACKAGE / folder for folder in cache.NATIVE]
    library = cache.PACKAGE / "nf" / "library"  # what NFs compile to is named by its own content
    for path in cache.PACKAGE.rglob("*.py"):
        if re.search(r"^\s*@(native|inlined|entry|intrinsic)\b", path.read_text(), re.MULTILINE):
            assert any(folder in path.parents for folder in covered), f"{path} is compiled, but not in the key"
            assert library not in path.parents, f"{path} is compiled, but not in the key"


def test_modules_are_named_by_their_content() -> None:
    one = cache.load_generated("of_test", "value = 1\n")
    two = cache.load_generated("of_test", "value = 2\n")
    assert (one.value, two.value) == (1, 2)
    assert one.__name__ != two.__name__
    assert cache.load_generated("of_test", "value = 1\n") is one
    assert sys.modules[one.__name__] is one


def test_a_module_written_twice_keeps_its_stamp() -> None:
    one = cache.load_generated("stamped", "value = 3\n")
    path = Path(one.__file__ or "")
    before = path.stat().st_mtime_ns
    path.unlink()
    cache.write_generated("stamped", "value = 3\n")
    assert path.stat().st_mtime_ns == before


def test_a_damaged_module_is_written_anew() -> None:
    source = "value = 'whole'\n"
    one = cache.load_generated("damaged", source)
    path = Path(one.__file__ or "")
    path.write_text("value = 'ha")
    del sys.modules[one.__name__]
    assert cache.load_generated("damaged", source).value == "whole"
    assert path.read_text() == source


def test_a_module_that_fails_is_not_kept() -> None:
    before = set(sys.modules)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cache.load_generated("failing", "1 // 0\n")
    assert not {name for name in set(sys.modules) - before if name.startswith("nfuse_generated")}


def test_caches_that_nobody_uses_are_removed(tmp_path):
    names = {"0123456789abcdef0123": 31, "fedcba9876543210fedc": 29, "not-a-cache": 99}
    for name, days in names.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
        past = time.time() - days * 86_400
        os.utime(tmp_path / name, (past, past))
    cache.forget_unused(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fedcba9876543210fedc", "not-a-cache"]
    cache.forget_unused(tmp_path / "missing")
