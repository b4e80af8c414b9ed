"""Finding what a chain file names: network functions by name or ``module:Class``, chains in Python files.

A name without a colon is one of the library, else one that an installed package offers (:mod:`nfuse.chain.packages`).
The library's names come first: installing a package never changes what a chain file means.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nfuse.chain.errors import ChainError, nearest
from nfuse.chain.modules import import_module
from nfuse.chain.packages import GROUP, Offer, offers
from nfuse.errors import UserError
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
    module = import_module(module_name, folder)
    found: object = module
    for part in class_name.split("."):
        if not hasattr(found, part):
            hidden = (folder or Path()) / f"{module_name}.py"
            if module_name in sys.stdlib_module_names and hidden.is_file():
                raise ChainError(
                    f"{module_name!r} is a module of Python's own: it hides {hidden.name}",
                    expected="another name for the file",
                )
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
        if not isinstance(error, UserError):
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
    if " - " in name:
        raise ChainError(
            f"{name!r} is no name",
            expected="each network function on a line of its own, all dashes in the same column "
            "(is a dash indented deeper than the one above it?)",
        )
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
