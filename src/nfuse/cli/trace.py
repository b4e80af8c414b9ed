"""``nfuse trace``: what single packets went through, NF by NF."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from nfuse.cli import options
from nfuse.cli.main import DIFFERENT, OK
from nfuse.cli.progress import progress_bar
from nfuse.cli.report import count, say

if TYPE_CHECKING:
    from nfuse.engine.trace import Trace, TracedPacket


@click.command()
@options.CHAIN
@options.INPUT
@click.option(
    "--filter", "filter_text", metavar="EXPR", default="", help="A pcap filter, as for tcpdump (default: all packets)."
)
@click.option(
    "-n",
    "--count",
    "most",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="K",
    help="Tell of the first K packets that match.",
)
@options.REVERSE_INPUT
@options.DIRECTION
@options.LIMIT
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a packet, each on a line.")
def command(
    chain_file: str,
    source: str,
    filter_text: str,
    most: int,
    reverse_in: str | None,
    direction: str | None,
    limit: int | None,
    as_json: bool,
) -> int:
    """Tell what the first packets of IN that match EXPR go through in CHAIN, NF by NF.

    For each NF: handlers that ran, events, the rule or entry that the flow met, header fields before and after, what
    changed in session and state, the verdict. Then what the fused engine did with the packet: fast or slow path, the
    rewrites that were applied, and whether what left is the same. All packets before it are run too, so that the state
    is right.

    Exit code 0, also if no packet matches; 1 if the engines differ; 2 for a filter that can't be read.
    """
    chain = options.chain_from(chain_file, direction, two_sided=bool(reverse_in))
    from nfuse.chain.errors import ChainError
    from nfuse.engine.trace import Trace
    from nfuse.flow.traffic import FilterError

    told: list[TracedPacket] = []
    try:
        with progress_bar("tracing", quiet=as_json) as progress:
            trace = Trace(chain, options.pair(source, reverse_in), filter_text, most, limit, progress)
            told.extend(trace)
    except FilterError as error:
        raise ChainError(f"--filter can't be read: {error}") from None
    finally:  # Ctrl-C: what was found so far
        show(told, as_json)
    say(closing(trace, filter_text, source), error=True)
    for warning in trace.warnings:
        say(f"note: {warning}", error=True)
    different = any(packet.fused is not None and not packet.fused.identical for packet in told)
    return DIFFERENT if different else OK


def show(told: list[TracedPacket], as_json: bool) -> None:
    """Print stories: as text, an empty line between them, or as JSON, one on a line."""
    from nfuse.cli.style import echo
    from nfuse.cli.trace_text import story

    for number, packet in enumerate(told):
        if as_json:
            say(json.dumps(packet.as_dict()))
        else:
            echo(("\n" if number else "") + story(packet))


def closing(trace: Trace, filter_text: str, source: str) -> str:
    """Return the last line: how many packets were read, how many matched."""
    run = f"{count(trace.run)} packets of {source}"
    if not trace.matched:
        return (
            f"no packet of {source} matches"
            + (f" {filter_text!r}" if filter_text else "")
            + f" ({count(trace.run)} run)"
        )
    return f"traced {count(trace.matched)} of the first {run}"
