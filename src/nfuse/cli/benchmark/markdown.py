"""A benchmark's figures as the section of the README."""

from __future__ import annotations

from typing import Any


def section(facts: dict[str, Any]) -> str:
    """Return the parts that were measured as a Markdown table, with where and how they were measured."""
    about = facts["machine"]
    rows: list[tuple[str, str, str]] = []
    for row in facts.get("packets", ()):
        beside = []
        if "c" in row:
            beside.append(f"hand-written C {row['c']['ns']:.1f} ns ({row['rate_to_c']:.2f} of its rate)")
        beside.append(
            f"`--no-consolidate` {row['original']['ns']:.0f} ns ({row['rate_to_original']:.1f} times its rate)"
        )
        rows.append((f"a packet, {row['flows']:,} flows", f"{row['fused']['ns']:.1f} ns", "; ".join(beside)))
    if setup := facts.get("setup"):
        warm, sustained = setup["warm"], setup["sustained"]
        rows.append(
            ("a new flow, warm table", f"{warm['ns']:.0f} ns", f"{warm['flows_per_second'] / 1e6:.2f} million/s")
        )
        beside_flows = f"{sustained['flows']:,} flows through a table of {sustained['capacity']:,}"
        rows.append(("a new flow, expiry included", f"{sustained['ns']:.0f} ns", beside_flows))
    if cost := facts.get("filter"):
        rows.append((f"a new flow at {cost['rules']:,} rules", f"{cost['ns']:.0f} ns", "IPFilter's own time"))
    if capture := facts.get("capture"):
        beside_capture = f"dpkt {capture['dpkt_ns'] / 1000:.1f} us" if "dpkt_ns" in capture else ""
        rows.append(("a packet, capture to capture", f"{capture['ns']:.0f} ns", beside_capture))
    if start := facts.get("start"):
        other = f"empty cache {start['cold_seconds']} s; another chain of cached NFs {start['other_chain_seconds']} s"
        rows.append(("start of `nfuse run`, cached", f"{start['cached_seconds']} s", other))
    for row in facts.get("memory", ()):
        rows.append((f"memory of an IPv{row['version']} session", f"{row['bytes']:.0f} bytes", "all tables included"))
    lines = ["| chain 1, 64-byte packets, one core | nfuse | beside it |", "|---|---|---|"]
    lines += [f"| {what} | {value} | {beside} |" for what, value, beside in rows]
    lines.append("")
    lines.append(
        f"Measured by `nfuse bench chain1` on {about['processor']} (core {facts['core']}), Python {about['python']}, "
        f"Numba {about['numba']}, commit {about['commit'] or '?'}; how: [docs/benchmarks.md](docs/benchmarks.md)."
    )
    return "\n".join(lines)
