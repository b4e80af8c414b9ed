"""``nfuse run``: a chain over a capture, or between any ports."""

from __future__ import annotations

import json

import click

from nfuse.cli import options
from nfuse.cli.main import DIFFERENT, INTERRUPTED, OK
from nfuse.cli.progress import progress_bar
from nfuse.cli.report import as_dict, say, summary


@click.command()
@options.CHAIN
@options.INPUT
@click.option("-o", "--output", "sink", metavar="OUT", help="A capture to write, or any output port (default: null:).")
@options.REVERSE_INPUT
@click.option("--reverse-out", metavar="OUT", help="Where packets of the reverse direction leave.")
@options.DIRECTION
@options.LIMIT
@options.JSON
@click.option("--no-consolidate", is_flag=True, help="Run NF by NF, natively: what consolidation is compared with.")
@click.option(
    "--engine",
    type=click.Choice(["fused", "reference", "original"]),
    default="fused",
    show_default=True,
    help="How to run the chain; 'original' is --no-consolidate.",
)
@click.option("--alerts", metavar="FILE", help="Write alerts of the NFs as EVE JSON, one a line (-: standard output).")
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
) -> int:
    """Run CHAIN (a .yaml or .py file) on the packets of IN and write what leaves to OUT.

    Prints packets and bytes in, out, made, dropped by NF and reason; sessions; the rate, and the time to get ready
    apart from it. Ctrl-C stops cleanly: the output is a valid capture and the summary holds.
    """
    chain = options.chain_from(chain_file, direction, two_sided=bool(reverse_in))
    if reverse_out and not chain.two_sided:
        raise click.UsageError("--reverse-out needs --reverse-in, or a direction (--direction FILTER)")
    from nfuse.engine.driver import run

    with progress_bar("running", quiet=as_json) as progress:
        result = run(
            chain,
            options.pair(source, reverse_in),
            options.pair(sink, reverse_out),
            engine="original" if no_consolidate else engine,
            limit=limit,
            progress=progress,
        )
    if alerts:
        from nfuse.control.eve import write_alerts

        write_alerts(alerts, chain, result.logs)
    if as_json:
        say(json.dumps(as_dict(chain, result), indent=2))
    else:
        say(f"chain: {chain}")
        say(summary(chain, result))
    if result.interrupted:
        return INTERRUPTED
    return OK if result.conserved else DIFFERENT
