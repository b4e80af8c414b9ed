"""``nfuse bench``: figures with their baselines, from one run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from nfuse.cli import options
from nfuse.cli.main import DIFFERENT, OK
from nfuse.cli.report import count, say, table

PARTS = ("packets", "setup", "filter", "capture", "start", "memory")
_HEADINGS = {
    "packets": "subsequent packets",
    "setup": "flow set-up",
    "filter": "an IPFilter with 10,000 rules",
    "capture": "capture to capture",
    "start": "start of a process",
    "memory": "memory",
}


@click.command()
@click.argument("what", type=click.Choice(["chain1"]))
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Only this part (may be repeated).")
@click.option(
    "--flows", multiple=True, type=click.IntRange(min=8), help="Numbers of flows (default: 1,000 to 1,000,000)."
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds of which the median is taken."
)
@click.option(
    "--proto", type=click.Choice(["udp", "tcp", "mixed"]), default="udp", show_default=True, help="Of the flows."
)
@click.option("--core", type=click.IntRange(min=0), help="The core to run on (default: the last).")
@click.option("--quick", is_flag=True, help="Smaller numbers everywhere: to see that it works.")
@options.JSON
@click.option("--markdown", is_flag=True, help="Print the result as the README's table.")
def command(
    what: str,
    parts: tuple[str, ...],
    flows: tuple[int, ...],
    rounds: int,
    proto: str,
    core: int | None,
    quick: bool,
    as_json: bool,
    markdown: bool,
) -> int:
    """Measure chain 1 (NAT -> load balancer -> monitor -> firewall) beside a C loop, --no-consolidate and dpkt."""
    from nfuse.cli.benchmark import machine

    pinned = machine.pin(core)
    facts: dict[str, Any] = {"benchmark": what, "machine": machine.describe(), "core": pinned}
    quiet = as_json or markdown
    if not quiet:
        about = facts["machine"]
        versions = f"Python {about['python']}, Numba {about['numba']}, nfuse {about['commit']}"
        say(f"{about['processor']}, core {pinned}; {versions}")
    code = OK
    for part in parts or PARTS:
        if not quiet:
            say()
            say(_HEADINGS[part])
        facts[part] = _PARTS[part](tuple(flows), rounds, proto, quick)
        if not quiet:
            say(_SHOWN[part](facts[part]))
        if part == "packets" and any(row.get("equal_output") is False for row in facts[part]):
            code = DIFFERENT
    if as_json:
        say(json.dumps(facts, indent=2))
    elif markdown:
        from nfuse.cli.benchmark.markdown import section

        say(section(facts))
    return code


def _packets(flows: tuple[int, ...], rounds: int, proto: str, quick: bool) -> list[dict[str, Any]]:
    from nfuse.cli.benchmark import c_loop
    from nfuse.cli.benchmark.chain1 import steady

    library = c_loop.build()
    if library is None:
        say("no C compiler, or no bench/chain1.c: the C loop is left out", error=True)
    numbers = flows or ((1_000, 10_000) if quick else (1_000, 100_000, 1_000_000))
    engines = ("fused", "original")
    least = 1 << 14 if quick else 1 << 18
    return [steady(number, 1 if quick else rounds, library, engines, proto, least=least) for number in numbers]


def _setup(flows: tuple[int, ...], rounds: int, proto: str, quick: bool) -> dict[str, Any]:
    from nfuse.cli.benchmark.set_up import sustained, warm_table

    if quick:
        return {"warm": warm_table(50_000, 1), "sustained": sustained(500_000, 100_000)}
    return {"warm": warm_table(rounds=rounds), "sustained": sustained()}


def _filter(flows: tuple[int, ...], rounds: int, proto: str, quick: bool) -> dict[str, Any]:
    from nfuse.cli.benchmark.set_up import filter_cost

    return filter_cost(1_000, 20_000) if quick else filter_cost()


def _capture(flows: tuple[int, ...], rounds: int, proto: str, quick: bool) -> dict[str, Any]:
    from nfuse.cli.benchmark.capture import capture_to_capture

    return capture_to_capture(50_000, 1) if quick else capture_to_capture(rounds=rounds)


def _start(flows: tuple[int, ...], rounds: int, proto: str, quick: bool) -> dict[str, Any]:
    from nfuse.cli.benchmark.start import start_up

    return start_up(1 if quick else rounds)


def _memory(flows: tuple[int, ...], rounds: int, proto: str, quick: bool) -> list[dict[str, Any]]:
    from nfuse.cli.benchmark.memory import per_session

    return [per_session(100_000 if quick else 1_000_000, version) for version in (4, 6)]


def _show_packets(rows: list[dict[str, Any]]) -> str:
    head = ("flows", "nfuse", "C loop", "of its rate", "no-consolidate", "times its rate", "same bytes as C")
    lines: list[tuple[object, ...]] = [head]
    for row in rows:
        has_c = "c" in row
        lines.append(
            (
                count(row["flows"]),
                f"{row['fused']['ns']:.1f} ns",
                f"{row['c']['ns']:.1f} ns" if has_c else "-",
                f"{row['rate_to_c']:.2f}" if has_c else "-",
                f"{row['original']['ns']:.1f} ns",
                f"{row['rate_to_original']:.2f}",
                ("yes" if row["equal_output"] else "NO") if has_c else "-",
            )
        )
    return table(lines, right=range(7))


def _show_setup(facts: dict[str, Any]) -> str:
    warm, sustained = facts["warm"], facts["sustained"]
    return (
        f"  warm table: {warm['ns']:.0f} ns a flow, {warm['flows_per_second'] / 1e6:.2f} million flows a second\n"
        f"  sustained, {count(sustained['flows'])} flows through a table of {count(sustained['capacity'])}, "
        f"expiry included: {sustained['ns']:.0f} ns a flow"
    )


def _show_filter(facts: dict[str, Any]) -> str:
    built = f"{count(facts['rules'])} rules, built in {facts['building_seconds']} s"
    return f"  {facts['ns']:.0f} ns a new flow of its own ({built})"


def _show_capture(facts: dict[str, Any]) -> str:
    text = f"  {facts['packets_per_second'] / 1e6:.2f} million packets a second ({facts['ns']:.0f} ns a packet)"
    if "dpkt_ns" in facts:
        text += f"; dpkt: {facts['dpkt_ns']} ns a packet, nfuse is {facts['rate_to_dpkt']:.0f} times as fast"
    return text


def _show_start(facts: dict[str, Any]) -> str:
    return (
        f"  cached: {facts['cached_seconds']} s; another chain of cached NFs: {facts['other_chain_seconds']} s; "
        f"empty cache: {facts['cold_seconds']} s"
    )


def _show_memory(rows: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"  {row['bytes']:.0f} bytes per IPv{row['version']} session ({count(row['sessions'])})" for row in rows
    )


_PARTS: dict[str, Callable[[tuple[int, ...], int, str, bool], Any]] = {
    "packets": _packets,
    "setup": _setup,
    "filter": _filter,
    "capture": _capture,
    "start": _start,
    "memory": _memory,
}
_SHOWN: dict[str, Callable[[Any], str]] = {
    "packets": _show_packets,
    "setup": _show_setup,
    "filter": _show_filter,
    "capture": _show_capture,
    "start": _show_start,
    "memory": _show_memory,
}
