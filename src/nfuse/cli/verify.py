"""``nfuse verify``: the compiled chain against its network functions run one by one, on the user's own traffic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nfuse.cli import options
from nfuse.cli.main import DIFFERENT, OK
from nfuse.cli.notes import verify_notes
from nfuse.cli.progress import progress_bar
from nfuse.cli.report import count, say

if TYPE_CHECKING:
    from nfuse.engine.verify import VerifyResult


@click.command()
@options.CHAIN
@click.option(
    "-i",
    "--input",
    "sources",
    metavar="IN",
    required=True,
    multiple=True,
    shell_complete=options.any_file,
    is_eager=True,
    callback=options.port_help,
    help="A capture or port; may be repeated.",
)
@options.REVERSE_INPUT
@options.DIRECTION
@options.LIMIT
@options.JSON
@click.option("--no-consolidate", is_flag=True, help="Verify the chain as it runs with --no-consolidate.")
def command(
    chain_file: str,
    sources: tuple[str, ...],
    reverse_in: str | None,
    direction: str | None,
    limit: int | None,
    as_json: bool,
    no_consolidate: bool,
) -> int:
    """Run CHAIN twice, by the reference engine (NF by NF, plain Python) and compiled, and compare everything.

    Packets byte for byte and in order, drops by reason, counters, the state of the NFs and sessions, alerts. Prints
    "identical", or the first difference, explained. Exit code 1 if any input shows a difference.
    """
    if reverse_in and len(sources) > 1:
        raise click.UsageError("--reverse-in goes with one --input")
    chain = options.chain_from(chain_file, direction, two_sided=bool(reverse_in))
    from nfuse.engine.verify import verify

    code, documents = OK, []
    for source in sources:
        with progress_bar(f"verifying {source}", quiet=as_json) as progress:
            result = verify(
                chain,
                lambda source=source: options.pair(source, reverse_in),  # type: ignore[misc]
                engines=("reference", "original" if no_consolidate else "fused"),
                limit=limit,
                progress=progress,
            )
        code = code if result.identical else DIFFERENT
        if as_json:
            documents.append({"input": source, **facts(result), "notes": verify_notes(chain, result)})
        else:
            say(sentence(source, result))
            for note in verify_notes(chain, result):
                say(f"    note: {note}")
    if as_json:
        say(json.dumps(documents, indent=2))
    return code


def facts(result: VerifyResult) -> dict[str, Any]:
    """Return a comparison's outcome as plain data."""
    return {
        "identical": result.identical,
        "packets": result.packets,
        "sessions": result.sessions,
        "translated": result.translated,
        "dropped": {f"{nf}: {reason}": packets for (nf, reason), packets in sorted(result.dropped.items())},
        "unmatched": result.unmatched,
        "difference": None if result.identical else str(result.difference),
    }


def sentence(source: str, result: VerifyResult) -> str:
    """Return a comparison's outcome for people: one line, and the first difference where there is one."""
    dropped = sum(result.dropped.values())
    parts = [
        f"{source}: {'identical' if result.identical else 'DIFFERENT'}",
        f"{count(result.packets)} packets",
        f"{count(result.sessions)} sessions",
        f"{count(result.translated)} translated",
        f"{count(dropped)} dropped",
        f"{count(result.unmatched)} passed unmatched",
    ]
    lines = [", ".join(parts)]
    lines += [f"    {nf}: {reason}: {count(packets)}" for (nf, reason), packets in sorted(result.dropped.items())]
    if not result.identical:
        lines.append(str(result.difference))
    return "\n".join(lines)
