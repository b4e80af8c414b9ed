"""``nfuse flows``: run a chain and show its table of flows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from nfuse.cli import options
from nfuse.cli.main import INTERRUPTED, OK
from nfuse.cli.progress import progress_bar
from nfuse.cli.report import count, say, size, table

if TYPE_CHECKING:
    from nfuse.control.flow_table import FlowTable
    from nfuse.engine.api import RunResult

SHOWN = 20
"""Sessions that are shown unless told otherwise."""


@click.command()
@options.CHAIN
@options.INPUT
@options.REVERSE_INPUT
@options.DIRECTION
@options.LIMIT
@click.option(
    "--filter", "filter_text", metavar="EXPR", help="Only sessions whose opening tuple a pcap filter matches."
)
@click.option("--sort", "column", metavar="COLUMN", help="Sort by a column, the largest first (default: see below).")
@click.option("--ascending", is_flag=True, help="The smallest first.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"The first N sessions (default: {SHOWN} on the screen, else all).",
)
@click.option("--monitor", metavar="NAME", help="The Monitor whose counts are shown (default: the first of the chain).")
@click.option("--csv", "csv_file", metavar="FILE", help="Write the sessions, all columns, as CSV.")
@click.option("--plot", "plot_file", metavar="FILE", help="Draw top talkers, sizes and durations: .png, .svg or .pdf.")
@options.JSON
def command(
    chain_file: str,
    source: str,
    reverse_in: str | None,
    direction: str | None,
    limit: int | None,
    filter_text: str | None,
    column: str | None,
    ascending: bool,
    top: int | None,
    monitor: str | None,
    csv_file: str | None,
    plot_file: str | None,
    as_json: bool,
) -> int:
    """Run CHAIN on the packets of IN and show the sessions that live at the end.

    With a Monitor in the chain: the top talkers, by bytes. Without: the sessions in the order in which they began, with
    what the network functions keep about them. Columns are those of --csv, and of a Monitor bytes, packets,
    duration (both directions together).
    """
    from nfuse.cli.run import create, different

    different({"--csv": csv_file, "--plot": plot_file}, {"--input": source, "--reverse-in": reverse_in})
    chain = options.chain_from(chain_file, direction, two_sided=bool(reverse_in))
    from nfuse.control.flow_table import FlowTable, find_monitor
    from nfuse.engine.driver import run

    name = find_monitor(chain, monitor)
    if plot_file is not None:
        from nfuse.cli.flow_plot import check

        check(plot_file, name)
    arranged(FlowTable.empty(chain, monitor), filter_text, column, ascending)  # what is wrong is told before the run
    for file in (csv_file, plot_file):
        if file is not None:
            create(file)
    with progress_bar("running", quiet=as_json) as progress:
        result = run(
            chain,
            options.pair(source, reverse_in),
            limit=limit,
            progress=progress,
            alerts=lambda logs: None,
            states=False,
        )
    chosen = arranged(FlowTable(chain, result.flows, monitor), filter_text, column, ascending)
    cut = chosen if top is None else chosen.top(top)
    if csv_file is not None:
        save(csv_file, cut)
    if plot_file is not None:
        from nfuse.cli.flow_plot import draw

        draw(plot_file, chosen, top or 10)
    if as_json:
        say(json.dumps(document(result, chosen, cut), indent=2))
    else:
        show(result, chosen, cut if top is not None else chosen.top(SHOWN), filter_text)
        for file in (csv_file, plot_file):
            if file is not None:
                say(f"written: {file}")
    return INTERRUPTED if result.interrupted else OK


def arranged(flows: FlowTable, filter_text: str | None, column: str | None, ascending: bool) -> FlowTable:
    """Select and sort: by the column asked for, else by bytes, else by number."""
    if filter_text:
        flows = flows.select(filter_text)
    if column is None and not flows.monitor:
        return flows.sort("number", not ascending)
    return flows.sort(column or "bytes", ascending)


def save(path: str, flows: FlowTable) -> None:
    """Write the sessions as CSV.

    Raises:
        PortError: The file can't be written.
    """
    from nfuse.control.flow_file import write_table
    from nfuse.port.errors import PortError

    try:
        write_table(path, flows)
    except OSError as error:
        raise PortError(f"{path}: flows can't be written: {error.strerror}") from None


def document(result: RunResult, chosen: FlowTable, cut: FlowTable) -> dict[str, Any]:
    """Return the table as plain data; addresses are texts."""
    return {
        "chain": chosen.chain.name,
        "packets": result.counters["packets_in"],
        "sessions_created": result.counters["sessions_created"],
        "sessions_live": len(result.flows),
        "selected": len(chosen),
        "monitor": chosen.monitor,
        "flows": [
            {
                name: value if isinstance(value, int) else str(value)
                for name, value in zip(cut.columns, row, strict=True)
            }
            for row in cut.rows()
        ],
    }


def show(result: RunResult, chosen: FlowTable, cut: FlowTable, filter_text: str | None) -> None:
    """Print the table, and how many sessions there are."""
    say(f"chain: {chosen.chain}")
    created = count(result.counters["sessions_created"])
    say(f"{count(result.counters['packets_in'])} packets, {created} sessions created, {count(len(result.flows))} live")
    if filter_text:
        say(f"{count(len(chosen))} match {filter_text!r}")
    if len(cut):
        say()
        say(talkers(cut) if cut.monitor else sessions(cut))
    if len(cut) < len(chosen):
        say(f"  ... {count(len(chosen) - len(cut))} more (--top N)")
    for warning in result.warnings:
        say(f"note: {warning}")


def talkers(flows: FlowTable) -> str:
    """Lay out what a Monitor has counted, one session a line; the arrow is that of the opening direction."""
    heads = ("", "opened by", "to", "state", "bytes ->", "<- bytes", "packets ->", "<- packets", "duration")
    rows: list[tuple[object, ...]] = [heads]
    sums = [flows.total(what, way).tolist() for what in ("bytes", "packets") for way in ("forward", "reverse")]
    for row, sent, back, packets, replies, duration in zip(
        flows.rows(), *sums, flows.total("duration").tolist(), strict=True
    ):
        volumes = (size(sent), size(back), count(packets), count(replies))
        rows.append((*opening(row), *volumes, f"{duration / 1000:.3f} s"))
    return table(rows, right=(4, 5, 6, 7, 8))


def sessions(flows: FlowTable) -> str:
    """Lay out sessions with what the network functions keep, one a line."""
    from nfuse.control.flow_table import COLUMNS

    kept = [name.partition(".") for name in flows.columns[len(COLUMNS) :]]
    owners = [nf if number == 0 or nf != kept[number - 1][0] else "" for number, (nf, _, _) in enumerate(kept)]
    rows: list[tuple[object, ...]] = [
        ("", "", "", "", "", "", *owners),
        ("number", "", "opened by", "to", "state", "ends (UTC)", *(field for _, _, field in kept)),
    ]
    for row in flows.rows():
        ends = datetime.fromtimestamp(row[9] // 1000, UTC)
        rows.append((row[0], *opening(row), f"{ends:%Y-%m-%d %H:%M:%S}", *row[len(COLUMNS) :]))
    return table(rows, right=(0, *range(6, 6 + len(kept))))


def opening(row: list[Any]) -> tuple[str, str, str, str]:
    """Return protocol, source, destination and state of a session, in words."""
    from nfuse.engine.trace.headers import endpoints

    _, _, proto, src, sport, dst, dport, _, state, *_ = row
    return (*endpoints(src, sport, dst, dport, proto), state)
