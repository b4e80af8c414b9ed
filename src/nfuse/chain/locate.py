"""Finding what a chain file names: network functions by name or ``module:Class``, chains in Python files.

A name without a colon is one of the library, else one that an installed package offers (:mod:`nfuse.chain.packages`).
The library's names come first: installing a package never changes what a chain file means.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from nfuse.chain.errors import ChainError, nearest
from nfuse.chain.packages import GROUP, Offer, offers
from nfuse.nf.base import NF


def library() -> dict[str, type[NF]]:
    """Return the built-in network functions by name."""
    from nfuse.nf.library import LIBRARY

    return dict(LIBRARY)


def find_class(reference: str, folder: Path | None = None) -> type[NF]:
    """Return the class that a chain file names.

    Args:
        reference: A name of the library or of an installed package, or ``module:Class``; modules are looked for in the
            chain file's folder too.
        folder: The chain file's folder.

    Raises:
        ChainError: There is no such class, or it is no network function.
    """
    if ":" not in reference:
        return _by_name(reference)
    module_name, _, class_name = reference.partition(":")
    module = _import(module_name, folder)
    found: object = module
    for part in class_name.split("."):
        if not hasattr(found, part):
            classes = [
                name for name, value in vars(module).items() if isinstance(value, type) and issubclass(value, NF)
            ]
            raise ChainError(
                f"module {module_name!r} has no {class_name!r}",
                expected=f"a network function of {module.__file__}",
                near=nearest(class_name, classes),
            )
        found = getattr(found, part)
    if not (isinstance(found, type) and issubclass(found, NF)):
        raise ChainError(f"{reference} is no network function", expected="a class derived from nfuse.NF")
    return found


def load_offer(offer: Offer) -> type[NF]:
    """Return the class that a package offers.

    Raises:
        ChainError: The package is broken: its entry point names no network function. The message names the package.
    """
    try:
        if not offer.module or not offer.attribute:
            raise ChainError("its entry point names no class", expected=f'{offer.name} = "module:Class" in {GROUP}')
        return find_class(offer.reference)
    except ChainError as error:
        raise ChainError(
            f"{offer.name!r} of the installed package {offer.origin} can't be used: {error.message}",
            expected=error.expected or f"a package that works: reinstall or mend {offer.package}",
            near=error.near,
        ) from error
    except Exception as error:
        if not _is_own(error):
            raise
        raise ChainError(f"{offer.name!r} of the installed package {offer.origin} can't be used: {error}") from error


def _by_name(name: str) -> type[NF]:
    known = library()
    if name in known:
        return known[name]
    offered = offers()
    found = [offer for offer in offered if offer.name == name]
    if len(found) > 1:
        raise ChainError(
            f"{len(found)} installed packages offer {name!r}: {', '.join(offer.origin for offer in found)}",
            expected=" or ".join(offer.reference for offer in found),
        )
    if found:
        return load_offer(found[0])
    names = sorted({*known, *(offer.name for offer in offered)})
    raise ChainError(
        f"unknown network function {name!r}",
        expected=f"one of {', '.join(names)}, or module:Class",
        near=nearest(name, names),
    )


def reference_to(nf_class: type[NF]) -> str:
    """Return the name under which a chain file can name `nf_class` (the inverse of :func:`find_class`).

    Raises:
        ChainError: The class can't be named: it is defined inside a function.
    """
    for name, known in library().items():
        if known is nf_class:
            return name
    if "<locals>" in nf_class.__qualname__:
        raise ChainError(
            f"{nf_class.__name__} is defined inside a function: a chain file can't name it",
            expected="a class at the top level of a module",
        )
    module = nf_class.__module__
    if module == "__main__":
        main = getattr(sys.modules["__main__"], "__file__", None)
        if main is None:
            raise ChainError(f"{nf_class.__name__} is defined interactively: a chain file can't name it")
        module = Path(main).stem
    return f"{module}:{nf_class.__qualname__}"


def load_module(path: Path) -> ModuleType:
    """Execute a Python file as a module under its own stem, with its folder importable meanwhile.

    Raises:
        ChainError: The file raises, or is no Python. Errors that speak of a chain or of a network function's source
            pass through unchanged.
    """
    name = path.stem
    other = sys.modules.get(name)
    if other is not None and getattr(other, "__file__", None) != str(path):
        name = f"{name}_{abs(hash(str(path))):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ChainError("this is no Python file", file=str(path), expected="a .py or .yaml file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _importable(path.parent):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ChainError(
            f"not Python: {error.msg}",
            file=str(error.filename or path),
            line=error.lineno,
            column=error.offset,
            source=(error.text or "").rstrip("\n"),
        ) from None
    except ChainError:
        raise
    except Exception as error:
        if _is_own(error):
            raise
        line = _line_in(error, path)
        raise ChainError(f"{type(error).__name__}: {error}", file=str(path), line=line) from error
    return module


def _import(name: str, folder: Path | None) -> ModuleType:
    main = sys.modules.get("__main__")
    main_file = getattr(main, "__file__", None)
    if main is not None and main_file is not None and Path(main_file).stem == name and name not in sys.modules:
        return main
    try:
        with _importable(folder):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name != name.split(".")[0] and error.name != name:
            raise ChainError(f"module {name!r} needs {error.name!r}, which is not installed") from error
        near = nearest(name, [path.stem for path in (folder or Path()).glob("*.py")])
        raise ChainError(
            f"there is no module {name!r}", expected="an installed module, or a file beside the chain file", near=near
        ) from None
    except Exception as error:
        if _is_own(error):
            raise
        raise ChainError(f"module {name!r} can't be imported: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _importable(folder: Path | None) -> Iterator[None]:
    if folder is None:
        yield
        return
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(entry)


def _is_own(error: Exception) -> bool:
    """Whether an error is one of nfuse's own, whose message already says where and what."""
    return type(error).__module__.split(".")[0] == "nfuse"


def _line_in(error: Exception, path: Path) -> int | None:
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
