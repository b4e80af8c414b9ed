"""What a run did, on a few lines: how Python and notebooks show a result."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nfuse.engine.api import RunResult

_LEFT = "<td style='text-align:left'>"
"""A cell of text; notebooks align to the right what says nothing."""


def headline(result: RunResult) -> str:
    """Return the fate of the packets in one sentence."""
    c = result.counters
    fates = [f"{c['packets_in']:,} packets in", f"{c['packets_out']:,} out"]
    if c["made"]:
        fates.append(f"{c['made']:,} made")
    fates.append(f"{c['dropped']:,} dropped")
    fates.append(_number(len(result.flows), "live session"))
    if result.alerts:
        fates.append(_number(result.alerts, "alert"))
    return ", ".join(fates)


def remarks(result: RunResult) -> list[str]:
    """Return what went wrong or was reported, one sentence each."""
    found = [f"stopped: {result.failed}"] if result.failed else []
    if result.interrupted:
        found.append("stopped by Ctrl-C")
    if result.alerts_lost:
        found.append(f"{result.alerts_lost:,} alerts lost: more than the ring holds came at once")
    return [*found, *result.warnings]


def as_text(result: RunResult, name: str = "RunResult") -> str:
    """Return a result as text: a headline that begins with `name`, then the drops and remarks, one a line."""
    lines = [f"<{name} of the {result.engine} engine: {headline(result)}>"]
    lines += [f"  dropped by {nf}: {reason}: {count:,}" for (nf, reason), count in result.drops.items()]
    lines += [f"  note: {remark}" for remark in remarks(result)]
    return "\n".join(lines)


def as_html(result: RunResult) -> str:
    """Return a result as HTML: a headline, then a table of the drops, then remarks."""
    parts = [f"<p><b>Run</b> of the {escape(result.engine)} engine: {escape(headline(result))}.</p>"]
    if result.drops:
        rows = "".join(
            f"<tr>{_LEFT}{escape(nf)}</td>{_LEFT}{escape(reason)}</td><td style='text-align:right'>{count:,}</td></tr>"
            for (nf, reason), count in result.drops.items()
        )
        head = f"<tr>{_LEFT}<b>dropped by</b></td>{_LEFT}<b>reason</b></td><td><b>packets</b></td></tr>"
        parts.append(f"<table>{head}{rows}</table>")
    parts += [f"<p>{escape(remark)}</p>" for remark in remarks(result)]
    return "".join(parts)


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
