"""``nfuse check``: everything that can be wrong with a chain, found without traffic."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nfuse.cli import options
from nfuse.cli.main import DIFFERENT, OK
from nfuse.cli.report import say

if TYPE_CHECKING:
    from nfuse.engine.check import Report
    from nfuse.nf.findings import Finding


@click.command()
@options.CHAIN
@click.option("-i", "--input", "source", metavar="IN", help="Also check that this input can be opened.")
@click.option("-o", "--output", "sink", metavar="OUT", help="Also check that this output can be written.")
@options.REVERSE_INPUT
@click.option("--reverse-out", metavar="OUT", help="Where packets of the reverse direction would leave.")
@options.DIRECTION
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
@options.JSON
def command(
    chain_file: str,
    source: str | None,
    sink: str | None,
    reverse_in: str | None,
    reverse_out: str | None,
    direction: str | None,
    strict: bool,
    as_json: bool,
) -> int:
    """Find what is wrong with CHAIN (a .yaml or .py file), without any traffic.

    Errors keep the chain from running; warnings say that it hardly does what was meant. Exit code 0 if there is no
    error (with --strict: no finding), 1 if there is, 2 if there is no such file.
    """
    from nfuse.engine.check import check_file

    report = check_file(
        chain_file,
        direction=direction,
        two_sided=bool(reverse_in),
        inputs=[uri for uri in (source, reverse_in) if uri is not None],
        outputs=[uri for uri in (sink, reverse_out) if uri is not None],
    )
    if as_json:
        say(json.dumps(as_dict(report), indent=2))
    else:
        for finding in report.findings:
            say(finding_text(finding))
            say()
        say(summary(report))
    failed = report.count("error") or (strict and report.findings)
    return DIFFERENT if failed else OK


def finding_text(finding: Finding) -> str:
    """Return a finding as a compiler would print it: where, what, the line, why, what to do."""
    from nfuse.cli.plan_text import hanging

    place = ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part is not None)
    lines = [f"{place}: {finding.severity}: {finding.message} [{finding.kind}]".removeprefix(": ")]
    lines += _source(finding)
    for head, text in (("why", finding.why), ("do", finding.hint)):
        if text:
            lines += [hanging(f"  {head}: ", part, 4 + len(head)) for part in text.splitlines()]
    return "\n".join(lines)


def _source(finding: Finding) -> list[str]:
    """Return the line that a finding points at, and a mark below it."""
    if finding.file is None or finding.line is None:
        return []
    try:
        text = Path(finding.file).read_text(encoding="utf-8").splitlines()[finding.line - 1]
    except (OSError, UnicodeDecodeError, IndexError):
        return []
    shown = text.expandtabs(1).rstrip()
    mark = [f"    {' ' * (finding.column - 1)}^"] if finding.column else []
    return [f"    {shown}", *mark] if shown else []


def summary(report: Report) -> str:
    """Return the last line: how many findings of each kind."""
    if not report.findings:
        assert report.chain is not None
        return f"{report.file}: nothing found ({report.chain})"
    counts = [(report.count(severity), severity) for severity in ("error", "warning")]
    words = [f"{number} {severity}{'s' * (number > 1)}" for number, severity in counts if number]
    return f"{report.file}: {', '.join(words)}"


def as_dict(report: Report) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "file": report.file,
        "chain": str(report.chain) if report.chain is not None else None,
        "errors": report.count("error"),
        "warnings": report.count("warning"),
        "findings": [asdict(finding) for finding in report.findings],
    }
