"""The network functions that there are by name, and the one that a reference means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from nfuse.nf.base import NF


@dataclass(frozen=True)
class Entry:
    """A network function that chain files can name.

    Attributes:
        name: Its name.
        origin: "nfuse", or the package that offers it, with its version.
        summary: What it is for, on one line.
        problem: Why the name can't be used, or means something else; "" if it can.
    """

    name: str
    origin: str
    summary: str
    problem: str


def entries() -> list[Entry]:
    """Return the library's network functions, then those of installed packages, each sorted by name.

    Packages are imported; one that is broken has a problem instead of a summary.
    """
    from nfuse.chain.errors import ChainError
    from nfuse.chain.locate import library, load_offer
    from nfuse.chain.packages import offers
    from nfuse.nf.documentation import docstring_of

    known = library()
    found = [Entry(name, "nfuse", docstring_of(cls).summary, "") for name, cls in sorted(known.items())]
    offered = offers()
    names = [offer.name for offer in offered]
    for offer in offered:
        problem = ""
        if offer.name in known:
            problem = f"the library has this name: use {offer.reference}"
        elif names.count(offer.name) > 1:
            problem = f"several packages offer this name: use {offer.reference}"
        try:
            summary = docstring_of(load_offer(offer)).summary
        except ChainError as error:
            summary, problem = "", str(error.message)
        found.append(Entry(offer.name, offer.origin, summary, problem))
    return found


def find(reference: str) -> tuple[type[NF], str]:
    """Return the class that a reference names, and how a chain file names it.

    Args:
        reference: A name of the library or of an installed package, ``module:Class``, ``file.py:Class``, or ``file.py``
            if that has one network function.

    Raises:
        ChainError: There is no such class; the message names the nearest.
    """
    from nfuse.chain.locate import find_class

    file, _, class_name = reference.partition(":")
    if not file.endswith(".py"):
        return find_class(reference, Path()), reference
    cls = _in_file(Path(file), class_name)
    return cls, f"{Path(file).stem}:{cls.__qualname__}"


def _in_file(path: Path, class_name: str) -> type[NF]:
    from nfuse.chain.errors import ChainError, nearest
    from nfuse.chain.modules import load_module
    from nfuse.nf.base import NF

    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path()
        raise ChainError(
            "there is no such file", file=str(path), near=nearest(path.name, [one.name for one in folder.glob("*.py")])
        )
    module = load_module(path.resolve())
    classes: dict[str, type[Any]] = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, NF) and value.__module__ == module.__name__
    }
    if not class_name and len(classes) == 1:
        return next(iter(classes.values()))
    if class_name in classes:
        return classes[class_name]
    expected = " or ".join(f"{path}:{name}" for name in classes) or "a class derived from nfuse.NF"
    message = f"it has no network function {class_name!r}" if class_name else f"it has {len(classes)} network functions"
    raise ChainError(message, file=str(path), expected=expected, near=nearest(class_name, classes))


def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of network functions, and the files that may have one."""
    from click.shell_completion import CompletionItem

    from nfuse.chain.locate import library
    from nfuse.chain.packages import offers

    names = sorted({*library(), *(offer.name for offer in offers())})
    found = [CompletionItem(name) for name in names if name.lower().startswith(incomplete.lower())]
    return found or [CompletionItem(incomplete, type="file")]
