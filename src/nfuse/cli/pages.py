"""The parts of the documentation that come from the code: ``python -m nfuse.cli.pages`` (``make docs``) writes them.

Such a part stands between two comments, and is all that changes; the prose around it is written by hand::

    <!-- generated: help run -->
    <!-- end -->

``help COMMAND`` is a command's help as printed, ``output COMMAND...`` what a command prints, ``nf NAME`` the tables of
a network function, ``mistake CODE`` handler code (``;;`` parts its lines) with the message of its error, ``frame`` the
network function that it stands in. A command or a network function of the library that has no part yet gets one: in
``docs/commands.md``, and in a page of ``docs/nfs``.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from nfuse.cli.benchmark.machine import ROOT
from nfuse.cli.nf_reference import reference, slug

COMMANDS = ROOT / "docs" / "commands.md"
NF_PAGES = ROOT / "docs" / "nfs"
_PART = re.compile(r"<!-- generated: (\w+) ?(.*?) -->\n(.*?)<!-- end -->", re.DOTALL)


def renew(text: str, folder: Path) -> str:
    """Return a page with all its generated parts written anew.

    Args:
        text: The page.
        folder: Where it lies.

    Raises:
        ValueError: A part of a kind that does not exist.
    """

    def part(found: re.Match[str]) -> str:
        kind, argument = found[1], found[2]
        if kind not in _KINDS:
            raise ValueError(f"<!-- generated: {kind} {argument} -->: there is only {', '.join(_KINDS)}")
        return f"<!-- generated: {kind} {argument} -->\n\n{_KINDS[kind](argument, folder)}\n\n<!-- end -->"

    return _PART.sub(part, text)


def _help(argument: str, folder: Path) -> str:
    return _block(f"nfuse {argument} --help", printed([*argument.split(), "--help"]))


def _output(argument: str, folder: Path) -> str:
    return _block(argument, printed(shlex.split(argument.removeprefix("nfuse "))))


def _nf(argument: str, folder: Path) -> str:
    from nfuse.chain.locate import library
    from nfuse.nf.describe import describe

    return reference(describe(library()[argument]), str(folder))


def _mistake(argument: str, folder: Path) -> str:
    from nfuse.cli.mistakes import message

    code = argument.replace(" ;; ", "\n")
    return f"```text\n{code}\n\n{message(code)}\n```"


def _frame(argument: str, folder: Path) -> str:
    from nfuse.cli.mistakes import FILE, FRAME

    return f"```text\n# {FILE}\n{FRAME}```"


_KINDS: dict[str, Callable[[str, Path], str]] = {
    "help": _help,
    "output": _output,
    "nf": _nf,
    "mistake": _mistake,
    "frame": _frame,
}


def _block(command: str, output: str) -> str:
    return f"```text\n$ {command}\n{output.rstrip()}\n```"


def printed(arguments: list[str]) -> str:
    """Return what a command prints on standard output, called in the project's folder, 80 columns wide."""
    from nfuse.cli.main import group

    out = io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(out), contextlib.suppress(click.exceptions.Exit):
        group.main(args=arguments, prog_name="nfuse", standalone_mode=False, terminal_width=80)
    return out.getvalue()


def names_of(group: click.Group, context: click.Context, prefix: str = "") -> Iterator[str]:
    """Return the names of all commands of a group and of the groups in it: ``run``, ``nf``, ``nf list``, ..."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield prefix + name
        if isinstance(command, click.Group):
            yield from names_of(command, click.Context(command, parent=context, info_name=name), f"{prefix}{name} ")


def all_commands() -> list[str]:
    """Return the names of all commands, as in ``nfuse NAME``."""
    from nfuse.cli.main import group

    return list(names_of(group, click.Context(group, info_name="nfuse")))


def parts(kind: str, text: str) -> list[str]:
    """Return what a page has generated parts of: the arguments of all parts of one kind."""
    return [found[2] for found in _PART.finditer(text) if found[1] == kind]


def add_commands(text: str) -> str:
    """Return ``docs/commands.md`` with a section for each command that has none."""
    known = parts("help", text)
    for name in all_commands():
        if name not in known:
            text = f"{text.rstrip()}\n\n## nfuse {name}\n\n<!-- generated: help {name} -->\n<!-- end -->\n"
    return text


def add_nfs(pages: dict[Path, str]) -> dict[Path, str]:
    """Return the pages of NFs with a part for each NF of the library that has none, in a new page if need be.

    The part goes to the end of the page whose first line names the NF.
    """
    from nfuse.chain.locate import library

    known = {name for text in pages.values() for name in parts("nf", text)}
    pages = dict(pages)
    for name in sorted(set(library()) - known):
        titled = (path for path, text in pages.items() if re.search(rf"^# .*\b{name}\b", text.split("\n", 1)[0]))
        path = next(titled, NF_PAGES / f"{slug(name)}.md")
        before = pages.get(path, f"# {name}\n").rstrip()
        pages[path] = f"{before}\n\n## Reference\n\n<!-- generated: nf {name} -->\n<!-- end -->\n"
    return pages


def written() -> dict[Path, str]:
    """Return all pages with generated parts, as they should be."""
    pages = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))}
    pages[COMMANDS] = add_commands(pages[COMMANDS])
    pages |= add_nfs({path: text for path, text in pages.items() if path.parent == NF_PAGES})
    return {path: renew(text, path.parent) for path, text in pages.items() if _PART.search(text)}


def main() -> None:
    """Write all generated parts anew and say which pages have changed."""
    for path, text in written().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
