"""The software: Python, what nfuse needs and what its extras add, tools, the compile cache, packages of NFs."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from nfuse.cli.health.check import Check, pip_install, system_install

_MODULES = {"pyyaml": "yaml"}
_STUBS = "types-"
"""Packages that only type checkers read: there is no module to import."""


@dataclass(frozen=True)
class Requirement:
    """A package that nfuse declares: its name, the least version, the extra that wants it ("": nfuse itself)."""

    name: str
    least: str
    extra: str

    def __str__(self) -> str:
        return f"{self.name}>={self.least}" if self.least else self.name


def checks() -> list[Check]:
    """Look at Python, the required packages, the extras, tools, the cache and the packages that offer NFs."""
    required: list[Check] = []
    extras: dict[str, list[Requirement]] = {}
    for one in declared():
        if one.extra:
            extras.setdefault(one.extra, []).append(one)
        else:
            required.append(_required(one))
    optional = [_extra(name, wanted) for name, wanted in extras.items()]
    return [_python(), *required, _mode(), *cache(), *optional, *_tools(), *_packages()]


def declared() -> list[Requirement]:
    """Return what nfuse declares to need: its ``pyproject.toml`` in a source tree, else its installed metadata."""
    from nfuse.cli.benchmark.machine import ROOT

    found = []
    file = ROOT / "pyproject.toml"
    if file.is_file() and (ROOT / "src" / "nfuse").is_dir():
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        found += [requirement(text) for text in project["dependencies"]]
        for extra, texts in project.get("optional-dependencies", {}).items():
            found += [requirement(text, extra) for text in texts]
        return found
    try:
        return [requirement(text) for text in importlib.metadata.requires("nfuse") or ()]
    except importlib.metadata.PackageNotFoundError:
        return []


def requirement(text: str, extra: str = "") -> Requirement:
    """Read a requirement: ``numba>=0.60``, ``dpkt>=1.9.8; extra == "bench"``."""
    name = re.match(r"[A-Za-z0-9._-]+", text)
    least = re.search(r">=\s*([0-9.]+)", text)
    marked = re.search(r"extra\s*==\s*['\"]([^'\"]+)", text)
    return Requirement(name[0] if name else text, least[1] if least else "", marked[1] if marked else extra)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text.partition("+")[0])[:4])


def wrong_with(one: Requirement) -> str:
    """Say what is wrong with a required package, "" if nothing is. Broken installations are found by importing."""
    try:
        version = importlib.metadata.version(one.name)
    except importlib.metadata.PackageNotFoundError:
        return "is not installed"
    if one.least and _version(version) < _version(one.least):
        return f"{version} is too old: {one.least} or later is needed"
    return ""


def _python() -> Check:
    suits = sys.version_info >= (3, 11)
    detail = f"{platform.python_version()} ({sys.executable})" + ("" if suits else "; 3.11 or later is needed")
    return Check("software", "Python", suits, detail, required=True)


def _required(one: Requirement) -> Check:
    wrong = wrong_with(one)
    if not wrong:
        try:
            importlib.import_module(_MODULES.get(one.name, one.name))
        except Exception as error:  # two versions that do not go together, a library that is missing
            wrong = f"can't be imported: {type(error).__name__}: {error}"
    detail = wrong or importlib.metadata.version(one.name)
    return Check("software", one.name, not wrong, detail, True, pip_install("-U", str(one)) if wrong else "")


def _extra(name: str, wanted: list[Requirement]) -> Check:
    wrong = {str(one): f"{one.name} {what}" for one in wanted if (what := wrong_with(one))}
    detail = "; ".join(wrong.values()) or ", ".join(one.name for one in wanted if not one.name.startswith(_STUBS))
    return Check("extras", name, not wrong, detail, enable=pip_install(*wrong) if wrong else "")


def _mode() -> Check:
    if os.environ.get("NFUSE_JIT") == "0":
        return Check(
            "software", "compilation", False, "off: NFUSE_JIT=0 runs all as plain Python", enable="unset NFUSE_JIT"
        )
    if os.environ.get("NFUSE_CHECK") == "1":
        detail = "on, but slow: NFUSE_CHECK=1 verifies each load and store"
        return Check("software", "compilation", False, detail, enable="unset NFUSE_CHECK")
    return Check("software", "compilation", True, "on")


def cache() -> list[Check]:
    """Look at the compile cache: whether it can be written, and how much is in it."""
    import tempfile

    from nfuse.cli.report import count, size
    from nfuse.memory.cache import cache_root

    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        detail = f"{root} can't be written ({error.strerror}): each start compiles again"
        return [Check("software", "cache", False, detail, enable="export NFUSE_CACHE=/tmp/nfuse-cache")]
    sizes = [_size(path) for path in root.rglob("*") if path.is_file()]
    return [Check("software", "cache", True, f"{root}: {count(len(sizes))} files, {size(sum(sizes))}")]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another process has just removed it
        return 0


def _tools() -> list[Check]:
    found = []
    for name, candidates, package, purpose in (
        ("C compiler", ("cc", "gcc", "clang"), "gcc", "the C loop of nfuse bench"),
        ("tcpdump", ("tcpdump",), "tcpdump", "tests of the filter language compare with it"),
    ):
        path = next(filter(None, map(shutil.which, candidates)), None)
        enable = "" if path else system_install(package)
        found.append(Check("tools", name, path is not None, f"{path or 'is not installed'} ({purpose})", False, enable))
    return found


def _packages() -> list[Check]:
    """Look at the packages that offer network functions; none is nothing to report."""
    from nfuse.cli.catalogue import entries

    return [
        Check("packages", entry.name, not entry.problem, f"{entry.origin}: {entry.problem or entry.summary}")
        for entry in entries()
        if entry.origin != "nfuse"
    ]
