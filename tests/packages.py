"""Installed packages, made for a test: the metadata that an installer leaves, and modules to import."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "nfuse-example-nf"


def install(
    monkeypatch: pytest.MonkeyPatch, site: Path, package: str, entries: dict[str, str], version: str = "1.2"
) -> None:
    """Put a distribution with entry points of the group ``nfuse.nfs`` on the path."""
    info = site / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
    (info / "entry_points.txt").write_text(f"[nfuse.nfs]\n{lines}")
    monkeypatch.syspath_prepend(str(site))


def install_example(monkeypatch: pytest.MonkeyPatch, site: Path, source: bool = True) -> None:
    """Install the example package, as its ``pyproject.toml`` says; without its source it is broken."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(monkeypatch, site, project["name"], project["entry-points"]["nfuse.nfs"], project["version"])
    for name in [name for name in sys.modules if name.split(".")[0] == "nfuse_example_nf"]:
        monkeypatch.delitem(sys.modules, name)
    if source:
        monkeypatch.syspath_prepend(str(EXAMPLE / "src"))
