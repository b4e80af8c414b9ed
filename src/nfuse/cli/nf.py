"""``nfuse nf``: the network functions that there are, all about one of them, and the beginning of a new one."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from nfuse.cli import catalogue, options
from nfuse.cli.group import NearestGroup
from nfuse.cli.report import say


@click.group(cls=NearestGroup)
def command() -> None:
    """List, show and write network functions."""


@command.command("list")
@options.JSON
def list_nfs(as_json: bool) -> None:
    """List the network functions that a chain file can name: the library's and those of installed packages."""
    entries = catalogue.entries()
    if as_json:
        say(json.dumps([asdict(entry) for entry in entries], indent=2))
        return
    from nfuse.cli.layout import definitions

    for origin in dict.fromkeys(entry.origin for entry in entries):
        mine = [entry for entry in entries if entry.origin == origin]
        say("the library" if origin == "nfuse" else f"{origin} (an installed package)")
        say(definitions([(entry.name, _line(entry)) for entry in mine]))
    say()
    say("all about one: nfuse nf show NAME; a new one of your own: nfuse nf new NAME")


def _line(entry: catalogue.Entry) -> str:
    if not entry.problem:
        return entry.summary
    return f"{entry.summary} ({entry.problem})" if entry.summary else f"can't be used: {entry.problem}"


@command.command("show")
@click.argument("name", shell_complete=catalogue.complete)
@options.JSON
def show(name: str, as_json: bool) -> None:
    """Show all about the network function NAME, read from its code.

    NAME is one of `nfuse nf list`, or module:Class, or file.py:Class. Shown are parameters, the traffic it is for, what
    it reads and changes, drop reasons, alerts, what it keeps, and an example.
    """
    cls, reference = catalogue.find(name)
    from nfuse.cli.nf_page import as_dict, page
    from nfuse.nf.describe import describe

    facts = describe(cls)
    say(json.dumps(as_dict(cls, reference, facts), indent=2) if as_json else page(cls, reference, facts))


@command.command("new")
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    metavar="DIR",
    default=".",
    show_default=True,
    type=click.Path(),
    help="Where the two files go; made if missing.",
)
@options.JSON
def new(name: str, folder: str, as_json: bool) -> None:
    """Write a working network function NAME and its test, to start from.

    NAME is the class (PacketCap); the files are packet_cap.py and test_packet_cap.py. Nothing is overwritten.
    """
    from nfuse.cli.scaffold import write

    written = write(name, folder)
    if as_json:
        say(json.dumps(asdict(written), indent=2))
        return
    say(f"wrote {written.file}: the network function {written.name}, and a chain of it")
    say(f"wrote {written.test}: its test")
    say("next:")
    for line in written.next:
        say(f"  {line}")
