"""``nfuse doctor``: what works on this machine, and the one command that enables what does not."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

import nfuse
from nfuse.cli import options
from nfuse.cli.layout import coloured, definitions
from nfuse.cli.main import DIFFERENT, OK
from nfuse.cli.report import say

if TYPE_CHECKING:
    from nfuse.cli.health.check import Check

LOOKS = ("machine", "software", "ports", "kernel")
_HEADINGS = {
    "extras": "extras (optional: pip install 'nfuse[NAME]')",
    "tools": "tools (optional)",
    "packages": "network functions of installed packages",
    "privileges": "privileges (optional: for live ports, which this version does not have yet)",
    "kernel": "kernel (optional: for live ports)",
}


@click.command()
@click.option("--deep", is_flag=True, help="Also compile and run a small chain, and compare it with plain Python.")
@options.JSON
def command(deep: bool, as_json: bool) -> int:
    """Say what works on this machine, and the one command that enables what does not.

    Changes nothing. Exit code 0 if all that nfuse requires works, 1 if not; what is optional does not count.
    """
    checks: list[Check] = []
    for name in LOOKS:
        checks += importlib.import_module(f"nfuse.cli.health.{name}").checks()
    if deep:
        from nfuse.cli.health import selftest
        from nfuse.cli.progress import progress_bar

        with progress_bar("compiling a small chain", quiet=as_json):
            checks += selftest.checks()
    healthy = all(check.works for check in checks if check.required)
    if as_json:
        facts = {"nfuse": nfuse.__version__, "healthy": healthy, "checks": [asdict(check) for check in checks]}
        say(json.dumps(facts, indent=2))
    else:
        say(text(checks))
        if not deep and healthy:
            say("Compile and run a small chain as well: nfuse doctor --deep")
    return OK if healthy else DIFFERENT


def text(checks: Sequence[Check]) -> str:
    """Lay the checks out for people, by group, with a verdict at the end."""
    lines = [f"nfuse {nfuse.__version__}"]
    for group in dict.fromkeys(check.group for check in checks):
        mine = [check for check in checks if check.group == group]
        lines += ["", _HEADINGS.get(group, group)]
        widest = max(len(check.name) for check in mine)
        for check in mine:
            mark, colour = ("ok", "green") if check.works else ("FAIL", "red") if check.required else ("no", "yellow")
            row = definitions([(f"{mark:<4}", check.name.ljust(widest), check.detail)])
            lines.append(row.replace(mark, coloured(mark, colour), 1))
            if check.enable:
                lines.append(f"        enable: {check.enable}")
    return "\n".join([*lines, "", verdict(checks)])


def verdict(checks: Sequence[Check]) -> str:
    """Return one sentence: whether all that is required works, and how many optional things do not."""
    broken = [check.name for check in checks if check.required and not check.works]
    off = sum(not check.works for check in checks if not check.required)
    optional = f"{off} optional thing{'s do' if off != 1 else ' does'} not" if off else "so does all that is optional"
    if broken:
        return f"nfuse does not work here: {', '.join(broken)}."
    return f"All that nfuse requires works; {optional}."
