"""The beginning of a new network function: a file that works, and its test."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click


@dataclass(frozen=True)
class Written:
    """What was written: the class, the paths of its file and its test, and the commands to go on with."""

    name: str
    file: str
    test: str
    next: tuple[str, ...]


def write(name: str, folder: str = ".") -> Written:
    """Write a network function and its test into a folder, which is made if it is missing.

    Args:
        name: The class, in CamelCase; the module is its name in snake_case.
        folder: Where to.

    Raises:
        BadParameter: The name can't be used; the message says why, and names one that can.
        UsageError: A file is there already, or can't be written.
    """
    module = module_name(name)
    place = Path(folder)
    target, test = place / f"{module}.py", place / f"test_{module}.py"
    check_form(name, module)
    for path in (target, test):
        if path.exists():
            raise click.UsageError(f"{path} is there already; choose another NAME, or another --dir")
    if owner := owner_of(name, module):
        raise _refused(f"{name!r} is taken: {owner}")
    words = {"@Name@": name, "@module@": module, "@node@": name.lower()}
    try:
        place.mkdir(parents=True, exist_ok=True)
        for path, template in ((target, "nf.py.txt"), (test, "test_nf.py.txt")):
            text = files("nfuse.cli").joinpath("templates", template).read_text(encoding="utf-8")
            for mark, word in words.items():
                text = text.replace(mark, word)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise click.UsageError(f"{error.filename or place}: can't be written: {error.strerror}") from None
    return Written(name, str(target), str(test), tuple(_next(target, test)))


def _next(target: Path, test: Path) -> list[str]:
    need = [] if importlib.util.find_spec("pytest") else ["python -m pip install pytest"]
    return [
        *need,
        f"python -m pytest {test}",
        f"nfuse nf show {target}",
        f'nfuse run {target} -i "gen:?flows=100&packets=20000&dport=80"',
    ]


def module_name(name: str) -> str:
    """Return the module for a class: ``PacketCap`` -> ``packet_cap``, ``IPFilter`` -> ``ip_filter``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def check_form(name: str, module: str) -> None:
    """Refuse a name that is no CamelCase word, or that Python or pytest would misunderstand.

    Raises:
        BadParameter: The message says why.
    """
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
        words = re.split(r"[^A-Za-z0-9]+", name.lstrip("0123456789"))
        better = "".join(word[:1].upper() + word[1:] for word in words)
        raise _refused(
            f"{name!r} is no name of a class in CamelCase" + (f"; did you mean {better!r}?" if better else "")
        )
    if keyword.iskeyword(name) or keyword.iskeyword(module):
        raise _refused(f"{module if keyword.iskeyword(module) else name!r} is a keyword of Python")
    if name.startswith("Test"):
        raise _refused(f"{name!r}: pytest would take a class that begins with Test for a test")


def owner_of(name: str, module: str) -> str:
    """Say what has the name of a class or of its module already, "" if nothing."""
    import nfuse
    from nfuse.chain.locate import library
    from nfuse.chain.packages import offers

    if name in library():
        return f"the library has it (nfuse nf show {name})"
    if package := next((offer.origin for offer in offers() if offer.name == name), ""):
        return f"the installed package {package} has it (nfuse nf show {name})"
    if name in nfuse.__all__:
        return f"nfuse.{name} is part of nfuse"
    if module in sys.stdlib_module_names:
        return f"{module}.py would hide the module {module} of Python"
    if importlib.util.find_spec(module):
        return f"{module}.py would hide the installed module {module}"
    return ""


def _refused(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="NAME")
