"""``nfuse run``: a chain over a capture, or between any ports."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from nfuse.cli import options
from nfuse.cli.main import BAD_INPUT, DIFFERENT, INTERRUPTED, OK
from nfuse.cli.notes import run_notes
from nfuse.cli.progress import progress_bar
from nfuse.cli.report import as_dict, count, reporting, reports, say, summary, table
from nfuse.cli.state import counted, plain, rows

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain


@click.command()
@options.CHAIN
@options.INPUT
@click.option(
    "-o",
    "--output",
    "sink",
    metavar="OUT",
    shell_complete=options.any_file,
    is_eager=True,
    callback=options.port_help,
    help="A capture to write, - (standard output), or any output port (default: null:). pcap:?help shows its options.",
)
@options.REVERSE_INPUT
@click.option(
    "--reverse-out",
    metavar="OUT",
    shell_complete=options.any_file,
    is_eager=True,
    callback=options.port_help,
    help="Where packets of the reverse direction leave.",
)
@options.DIRECTION
@options.LIMIT
@options.JSON
@click.option("--no-consolidate", is_flag=True, help="Run NF by NF, natively: what consolidation is compared with.")
@click.option(
    "--engine",
    type=click.Choice(["fused", "reference", "original"]),
    default="fused",
    show_default=True,
    help="How to run the chain. 'reference': NF by NF, your own source lines as plain Python (print, breakpoint, "
    "coverage work; with NFUSE_JIT=0 it starts at once); 'original' is --no-consolidate.",
)
@click.option(
    "--alerts",
    metavar="FILE",
    shell_complete=options.any_file,
    help="Add alerts of the NFs to FILE as EVE JSON, one a line (-: standard output).",
)
@click.option(
    "--flows",
    metavar="FILE.csv",
    shell_complete=options.any_file,
    help="Write the sessions that live at the end, with all that NFs keep of them; coarser sessions beside it.",
)
@click.option("--state", is_flag=True, help="Show all State of the NFs, not only what they count.")
def command(
    chain_file: str,
    source: str,
    sink: str | None,
    reverse_in: str | None,
    reverse_out: str | None,
    direction: str | None,
    limit: int | None,
    as_json: bool,
    no_consolidate: bool,
    engine: str,
    alerts: str | None,
    flows: str | None,
    state: bool,
) -> int:
    """Run CHAIN (a .yaml or .py file) on the packets of IN and write what leaves to OUT.

    Prints packets and bytes in, out, made, dropped by NF and reason; sessions; the rate, and the time to get ready
    apart from it; what the NFs have counted in their State. Ctrl-C stops cleanly: the output is a valid capture and
    the summary holds; so does an output that fails (exit code 2). The summary goes to standard error where packets or
    alerts take standard output.
    """
    different(
        {"--output": sink, "--reverse-out": reverse_out, "--alerts": alerts, "--flows": flows},
        {"--input": source, "--reverse-in": reverse_in},
    )
    chain = options.chain_from(chain_file, direction, two_sided=bool(reverse_in))
    if reverse_out and not chain.two_sided:
        raise click.UsageError("--reverse-out needs --reverse-in, or a direction (--direction FILTER)")
    from nfuse.engine.driver import run

    with ExitStack() as stack:
        taker: Any = ignore
        if alerts:
            from nfuse.control.eve import AlertFile

            file = AlertFile(alerts, chain)
            stack.callback(file.close)
            taker = file.write
        if flows:
            create(flows)
        quiet = as_json or (engine == "reference" and talks(chain))
        progress = stack.enter_context(progress_bar("running", quiet=quiet))
        result = run(
            chain,
            options.pair(source, reverse_in),
            options.pair(sink, reverse_out),
            engine="original" if no_consolidate else engine,
            limit=limit,
            progress=progress,
            alerts=taker,
            states=bool(state or flows) or reporting(chain),
        )
    states = result.states if state else counted(chain, result)
    taken = "-" in {place(one) for one in (sink, reverse_out, alerts) if one}
    if as_json:
        document = {**as_dict(chain, result), "state": plain(states), "notes": run_notes(result)}
        say(json.dumps(document, indent=2), error=taken)
    else:
        say(f"chain: {chain}", error=taken)
        say(summary(chain, result), error=taken)
        for text in reports(chain, result):
            say(text, error=taken)
        if shown := rows(states):
            say("state", error=taken)
            say(table(shown), error=taken)
        for note in run_notes(result):
            say(f"note: {note}", error=taken)
    if flows:
        from nfuse.control.flow_file import write_flows

        names = write_flows(flows, chain, result.flows, result.blocks)
        if not as_json:
            say(f"flows: {count(len(result.flows))} in {', '.join(names)}", error=taken)
    if result.failed:
        return BAD_INPUT
    if result.interrupted:
        return INTERRUPTED
    return OK if result.conserved else DIFFERENT


def talks(chain: Chain) -> bool:
    """Whether handlers print or stop in a debugger: the terminal is theirs then."""
    from nfuse.nf.compile import analyse

    return any(analyse(type(node.nf)).unit.uncompiled for node in chain.nodes)


def place(port: str) -> str:
    """Return the file that a port's URI names: its real path, ``-`` for standard output, the URI for other ports."""
    scheme, _, rest = port.partition(":")
    name = rest.partition("?")[0] if scheme == "pcap" else port
    return name if name == "-" or (":" in name and not os.path.exists(name)) else os.path.realpath(name)


def different(targets: dict[str, str | None], sources: dict[str, str | None]) -> None:
    """Refuse a file that would be written twice, or read and written.

    Raises:
        UsageError: The message names both options.
    """
    seen = {place(port): option for option, port in sources.items() if port and place(port) != "-"}
    for option, port in targets.items():
        if not port or (":" in place(port)):
            continue
        if place(port) in seen:
            raise click.UsageError(f"{option} and {seen[place(port)]} name the same file: {port}")
        seen[place(port)] = option


def create(path: str) -> None:
    """Create a file that is written at the end, so that a wrong path is told at the start."""
    from nfuse.port.errors import PortError

    try:
        with open(path, "w", encoding="utf-8"):
            pass
    except OSError as error:
        raise PortError(f"{path}: can't be written: {error.strerror}") from None


def ignore(logs: object) -> None:
    """Let alerts go: they are counted only."""
