"""What several commands take: a chain, a limit, a direction."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from nfuse.chain.spec import Chain

F = TypeVar("F", bound=Callable[..., Any])


def chain_files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the paths of chain files (.yaml, .yml, .py), and of folders."""
    from click.shell_completion import CompletionItem

    folder, beginning = os.path.split(incomplete)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    names = [name for name in names if name.startswith(beginning) and (beginning or not name.startswith("."))]
    paths = [os.path.join(folder, name) for name in names if name.endswith((".yaml", ".yml", ".py"))]
    return [CompletionItem(incomplete, type="dir"), *map(CompletionItem, paths)]  # bash forgets what precedes a "dir"


def any_file(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the paths of files: captures to read, files to write."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def port_help(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Print the help of a port whose options are asked for (``gen:?help``), and exit; pass all other values on."""
    for uri in (value,) if isinstance(value, str) else value or ():
        if uri.endswith("?help"):
            from nfuse.port.errors import PortHelp
            from nfuse.port.registry import open_input, open_output

            try:
                (open_output if parameter.name in ("sink", "reverse_out") else open_input)(uri).close()
            except PortHelp as help_text:
                click.echo(str(help_text))
                context.exit(0)
    return value


CHAIN = click.argument("chain_file", metavar="CHAIN", shell_complete=chain_files)
INPUT = click.option(
    "-i",
    "--input",
    "source",
    metavar="IN",
    required=True,
    shell_complete=any_file,
    is_eager=True,
    callback=port_help,
    help="A capture, - (standard input), or any input port, such as gen:?flows=1000. gen:?help shows a port's options.",
)
REVERSE_INPUT = click.option(
    "--reverse-in",
    metavar="IN",
    shell_complete=any_file,
    is_eager=True,
    callback=port_help,
    help="Packets of the reverse direction: the chain sits between two networks.",
)
DIRECTION = click.option(
    "--direction", metavar="FILTER", help="A pcap filter that is true for packets of the reverse direction (one input)."
)
LIMIT = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N packets.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def chain_from(file: str, direction: str | None = None, two_sided: bool = False) -> Chain:
    """Load a chain file and apply the command line's settings to it."""
    from nfuse.chain.yaml import load_chain

    chain = load_chain(file)
    if direction is not None:
        chain = chain.with_settings(direction=direction)
    if two_sided:
        chain = chain.with_settings(two_sided=True)
    return chain


def pair(forward: str | None, reverse: str | None) -> Any:
    """Return one port, a pair of ports, or None."""
    if reverse is None:
        return forward
    return (forward if forward is not None else "null:", reverse)
