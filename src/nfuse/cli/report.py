"""What a run did, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain
    from nfuse.engine.api import RunResult
    from nfuse.nf.faults import FaultSite


def count(number: float) -> str:
    """Return a whole number with thousands separated."""
    return f"{round(number):,}"


def counted(number: int, what: str) -> str:
    """Return a number with its noun: ``1 session``, ``2,000 sessions``."""
    return f"{count(number)} {what}{'' if number == 1 else 's'}"


def size(number: float) -> str:
    """Return a number of bytes in a readable unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError


def rate(per_second: float) -> str:
    """Return packets a second in a readable unit."""
    if per_second >= 1e6:
        return f"{per_second / 1e6:.2f} million packets/s"
    if per_second >= 1e4:
        return f"{per_second / 1e3:.0f} thousand packets/s"
    return f"{per_second:.0f} packets/s"


def table(rows: Iterable[Sequence[object]], indent: int = 2, right: Sequence[int] = ()) -> str:
    """Align rows in columns; the columns numbered in `right` are flushed right."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for row in texts:
        cells = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def summary(chain: Chain, result: RunResult) -> str:
    """Return the summary of a run: packets by fate, the conservation equation, sessions, rate."""
    c = result.counters
    rows = [
        ("in", count(c["packets_in"]), size(c["bytes_in"])),
        ("out", count(c["packets_out"]), size(c["bytes_out"])),
    ]
    if c["made"]:
        rows.append(("made", count(c["made"]), ""))
    rows.append(("dropped", count(c["dropped"]), ""))
    if c.get("unmatched"):
        rows.append(("unmatched", count(c["unmatched"]), ""))
    lines = [
        table(
            [(name, packets, "packets" if packets != "1" else "packet", volume) for name, packets, volume in rows],
            right=(1, 3),
        )
    ]
    if result.drops:
        order = {node.name: node.index for node in chain.nodes}
        drops = sorted(result.drops.items(), key=lambda item: (order.get(item[0][0], -1), -item[1], item[0]))
        lines.append("dropped by")
        lines.append(table([(nf, spoken(chain, nf, why), count(packets)) for (nf, why), packets in drops], right=(2,)))
    lines.append(conservation(c))
    sessions = f"sessions: {count(c['sessions_created'])} created, {count(len(result.flows))} live"
    ends = [f"{count(c[key])} {key}" for key in ("expired", "evicted", "reopened") if c.get(key)]
    lines.append(sessions + (f" ({', '.join(ends)})" if ends else ""))
    if result.alerts or result.alerts_lost:
        lost = (
            f" ({count(result.alerts_lost)} lost: more than the ring holds came at once)" if result.alerts_lost else ""
        )
        lines.append(f"alerts: {count(result.alerts)}{lost}")
    if not c["packets_in"]:
        lines.append(f"no packets came in; engine {result.engine} ready after {result.compile_seconds:.2f} s")
    elif result.run_seconds:
        each = 1e9 * result.run_seconds / c["packets_in"]
        lines.append(
            f"rate: {rate(result.rate)} ({result.run_seconds:.3f} s, {count(each)} ns a packet, ports included); "
            f"engine {result.engine} ready after {result.compile_seconds:.2f} s"
        )
    if c["faults"]:
        lines.append(f"faults outside packets (on_tick, on_end): {count(c['faults'])}")
    for (nf, line), text in result.exceptions.items():
        lines.append(f"note: {nf}: the first exception at {site(chain, nf, line).place} was {text}")
    lines += [f"note: {warning}" for warning in result.warnings]
    if result.failed:
        lines.append(
            f"stopped: {result.failed}; the output is valid up to there, the numbers hold for what was processed"
        )
    if result.interrupted:
        lines.append("stopped by Ctrl-C: the output and these numbers hold for what was processed so far")
    return "\n".join(lines)


BAR = 24
"""Letters of the bar that stands for all."""


def reporting(chain: Chain) -> list[str]:
    """Return the names of the NFs that report of their State (:meth:`nfuse.nf.base.NF.report`)."""
    from nfuse.nf.base import NF

    return [node.name for node in chain.nodes if type(node.nf).report is not NF.report]


def rows_of(chain: Chain, result: RunResult) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return what the NFs report of their State at the end of a run, by their names in the chain."""
    from nfuse.nf.compile import analyse

    found = []
    for name in reporting(chain):
        nf, state = chain.node(name).nf, result.states.get(name, {})
        info = analyse(type(nf))
        if set(info.state.slots) - set(info.params) <= set(state):  # the run was asked for the containers too
            found.append((name, list(nf.report(state))))
    return found


def reports(chain: Chain, result: RunResult) -> list[str]:
    """Return the NFs' reports as tables for people; a column ``share`` (0 to 1) becomes per cents and a bar."""
    return [f"{name}\n{_rows(rows) if rows else '  nothing'}" for name, rows in rows_of(chain, result)]


def _rows(rows: Sequence[dict[str, Any]]) -> str:
    numbers = [place for place, value in enumerate(rows[0].values()) if isinstance(value, int | float)]
    cells = [[_cell(key, value) for key, value in row.items()] for row in rows]
    shares = [key for key in rows[0] if key == "share"]
    lines = table([list(rows[0]), *cells], right=numbers).splitlines()
    bars = ["", *(["█" * round(BAR * row["share"]) for row in rows] if shares else [""] * len(rows))]
    return "\n".join(f"{line}  {bar}".rstrip() for line, bar in zip(lines, bars, strict=True))


def _cell(key: str, value: object) -> str:
    if key == "share" and isinstance(value, float):
        return f"{100 * value:.1f} %"
    return count(value) if isinstance(value, int) and key != "sid" else str(value)


def site(chain: Chain, nf: str, line: int) -> FaultSite:
    """Return what the compiler knows of a line at which an NF of the chain faulted."""
    from nfuse.nf.compile import analyse

    return analyse(type(chain.node(nf).nf)).faults_at(line)


def spoken(chain: Chain, nf: str, reason: str) -> str:
    """Return a drop reason for people: a fault (``fault:Cap:9``) as ``cap.py:9: division by zero``."""
    from nfuse.nf.faults import fault_line

    line = fault_line(reason)
    return reason if line is None or nf == "chain" else str(site(chain, nf, line))


def faults(chain: Chain, result: RunResult) -> list[dict[str, Any]]:
    """Return the faults of a run as plain data: where, of what kinds, how many packets were dropped for each."""
    from nfuse.nf.faults import fault_line

    found: dict[tuple[str, int], int] = dict.fromkeys(result.exceptions, 0)
    for (nf, reason), packets in sorted(result.drops.items()):
        if nf != "chain" and (line := fault_line(reason)) is not None:
            found[nf, line] = packets
    facts = []
    for (nf, line), packets in found.items():
        where = site(chain, nf, line)
        one: dict[str, Any] = {"nf": nf, "file": where.file, "line": line, "kinds": list(where.kinds)}
        one["packets"] = packets
        if (nf, line) in result.exceptions:
            one["exception"] = result.exceptions[nf, line]
        facts.append(one)
    return facts


def conservation(c: dict[str, int]) -> str:
    """Return the equation that must hold for each run, with its numbers."""
    left, right = c["packets_in"] + c["made"], c["packets_out"] + c["dropped"]
    return (
        "packets in + made = out + dropped: "
        f"{count(c['packets_in'])} + {count(c['made'])} {'=' if left == right else '≠'} "
        f"{count(c['packets_out'])} + {count(c['dropped'])}"
    )


def as_dict(chain: Chain, result: RunResult) -> dict[str, Any]:
    """Return a run's numbers as plain data (for ``--json``)."""
    counters = dict(result.counters)
    counters["faults_outside_packets"] = counters.pop("faults")
    drops: dict[str, dict[str, int]] = {}
    for (nf, reason), packets in sorted(result.drops.items()):
        drops.setdefault(nf, {})[reason] = packets
    return {
        "chain": chain.name,
        "nfs": [node.name for node in chain.nodes],
        "engine": result.engine,
        "counters": counters,
        "drops": drops,
        "faults": faults(chain, result),
        "conserved": result.conserved,
        "reports": dict(rows_of(chain, result)),
        "sessions_live": len(result.flows),
        "alerts": result.alerts,
        "alerts_lost": result.alerts_lost,
        "compile_seconds": round(result.compile_seconds, 6),
        "run_seconds": round(result.run_seconds, 6),
        "packets_per_second": round(result.rate, 1),
        "warnings": list(result.warnings),
        "interrupted": result.interrupted,
        "failed": result.failed,
    }


def program() -> str:
    """Return how the user calls this program from where they are: ``nfuse``, or the path of it."""
    import os
    import shutil
    import sys

    script = os.path.realpath(sys.argv[0])
    if os.path.basename(script) != "nfuse":
        return "nfuse" if shutil.which("nfuse") else "python -m nfuse"
    found = shutil.which("nfuse")
    if found and os.path.realpath(found) == script:
        return "nfuse"
    near = os.path.relpath(sys.argv[0])
    return near if not near.startswith("..") else sys.argv[0]


def say(text: str = "", *, error: bool = False) -> None:
    """Print a line for people."""
    click.echo(text, err=error)
