"""Where compiled code is kept, and what names it.

Numba's own cache looks at one file at a time: it misses a change in a function of another module, and it can't keep
code that was generated. So the folder is named by all that can change the meaning of compiled code (the sources of this
package, the versions of Numba, LLVM and Python, the processor, the check mode), and generated modules are files in it
whose names are the hash of their content.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.abc
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import time
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).resolve().parent.parent
"""The folder of the nfuse package."""
NATIVE = ("memory", "packet", "port", "flow", "action", "nf", "engine/fused")
"""Its parts that hold native functions, or write them: any change there makes compiled code stale."""


class CacheWarning(UserWarning):
    """The compile cache can't be used; everything works, but each start compiles again."""


def cache_root() -> Path:
    """Return the folder of all caches: ``NFUSE_CACHE``, else ``$XDG_CACHE_HOME/nfuse``, else ``~/.cache/nfuse``."""
    if named := os.environ.get("NFUSE_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nfuse"


@functools.cache
def environment_key() -> str:
    """Hash everything outside a function's own source that can change its machine code."""
    import llvmlite
    import llvmlite.binding as llvm
    import numba

    digest = hashlib.sha256()
    for part in (
        sys.version,
        numba.__version__,
        llvmlite.__version__,
        llvm.get_host_cpu_name(),
        os.environ.get("NFUSE_CHECK", "0"),
        os.environ.get("NUMBA_OPT", ""),
    ):
        digest.update(part.encode() + b"\0")
    for folder in NATIVE:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            name = path.relative_to(PACKAGE).as_posix()
            if not name.startswith("nf/library/"):  # what NFs compile to is named by its own content
                digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


@functools.cache
def cache_folder() -> Path | None:
    """Return the folder for this environment, or None (with one warning) where it can't be written."""
    folder = cache_root() / environment_key()
    try:
        if not folder.exists():
            forget_unused(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        warnings.warn(
            f"compile cache {folder} can't be written ({error.strerror}); every start will compile anew. "
            "Set NFUSE_CACHE to a writable folder.",
            CacheWarning,
            stacklevel=2,
        )
        return None
    return folder


UNUSED_DAYS = 30
"""After so many days without a start, the cache of another version, processor or mode is removed."""


def forget_unused(root: Path) -> None:
    """Remove folders under `root` that are caches and have not been used for :data:`UNUSED_DAYS`.

    Each start makes a file in its folder for a moment, so that the folder's time of change is that of its last use.
    """
    limit = time.time() - UNUSED_DAYS * 86_400
    with contextlib.suppress(OSError):
        for other in root.iterdir():
            if re.fullmatch("[0-9a-f]{20}", other.name) and other.is_dir() and other.stat().st_mtime < limit:
                shutil.rmtree(other, ignore_errors=True)


@functools.cache
def _scratch_folder() -> Path:
    """Return a folder that lives as long as the process, for generated sources when there is no cache."""
    holder = tempfile.TemporaryDirectory(prefix="nfuse-")
    _keep_alive.append(holder)
    return Path(holder.name)


_keep_alive: list[object] = []


PREFIX = "nfuse_generated_"
"""How the names of all generated modules begin."""


STAMP = 1_000_000_000
"""Modification time of all generated modules: Numba throws compiled code away where it differs, and two processes that
write the same module at once would throw away each other's."""


def _folders() -> list[Path]:
    from nfuse.memory.jit import JIT

    folder = cache_folder() if JIT else None
    return [folder] if folder else [_scratch_folder()]


def write_generated(name: str, source: str) -> str:
    """Put generated source into a file named by its content; return the name of the module that it is."""
    module = f"{PREFIX}{name}_{hashlib.sha256(source.encode()).hexdigest()[:20]}"
    path = _folders()[0] / f"{module}.py"
    if not path.exists() or path.read_text() != source:
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(source)
        os.utime(temporary, (STAMP, STAMP))
        temporary.replace(path)  # atomic: two processes may compile one chain at the same time
    return module


class _Finder(importlib.abc.MetaPathFinder):
    """Finds generated modules by name, so that they may import one another, and other processes may import them."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return where a generated module lies, None for all others."""
        if fullname.startswith(PREFIX):
            for folder in _folders():
                if (folder / f"{fullname}.py").exists():
                    return importlib.util.spec_from_file_location(fullname, folder / f"{fullname}.py")
        return None


sys.meta_path.append(_Finder())


def load_generated(name: str, source: str) -> ModuleType:
    """Import generated source as a module, from a file named by its content.

    Args:
        name: A readable prefix for the file name.
        source: Python source. The same source always gives the same module object within a process.
    """
    return importlib.import_module(write_generated(name, source))
