"""``nfuse plan``: what the compiler made of a chain, as text, JSON or a picture; what differs between two chains."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nfuse.cli import options
from nfuse.cli.report import say

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain
    from nfuse.engine.plan import Plan


@click.command()
@options.CHAIN
@click.argument("other_file", metavar="[OTHER]", required=False)
@options.DIRECTION
@options.JSON
@click.option("--flows", type=click.IntRange(1, 1 << 28), metavar="N", help="Memory for N flows (default: capacity).")
@click.option("--source", is_flag=True, help="Print the generated source of the chain.")
@click.option("--svg", is_flag=False, flag_value="-", metavar="[FILE]", help="Draw the chain.")
@click.option("--mermaid", is_flag=False, flag_value="-", metavar="[FILE]", help="Write it as a Mermaid flowchart.")
@click.option("--dot", is_flag=False, flag_value="-", metavar="[FILE]", help="Write it in the language of Graphviz.")
def command(
    chain_file: str,
    other_file: str | None,
    direction: str | None,
    as_json: bool,
    flows: int | None,
    source: bool,
    svg: str | None,
    mermaid: str | None,
    dot: str | None,
) -> None:
    """Show what the compiler made of CHAIN; with OTHER, what differs in the plan of OTHER.

    For each network function what it reads, changes, keeps and may drop; what consolidation removed; where recorded
    changes are applied; every slot of a session in memory; which pairs could run in parallel; memory for N flows.
    Pictures without FILE go to standard output.
    """
    pictures = {"svg": svg, "mermaid": mermaid, "dot": dot}
    wanted = {kind: file for kind, file in pictures.items() if file is not None}
    _judge_options(chain_file, other_file, wanted, source, as_json)
    chain, plan = planned(chain_file, direction, flows)
    if other_file is not None:
        _compare(plan, planned(other_file, direction, flows)[1], as_json)
    elif source:
        from nfuse.engine.plan import chain_source

        say(chain_source(chain))
    elif wanted:
        _draw(chain, plan, wanted)
    elif as_json:
        say(json.dumps(plan.as_dict(), indent=2))
    else:
        from nfuse.cli.plan_text import plan_text

        say(plan_text(plan))


def _judge_options(chain: str, other: str | None, wanted: dict[str, str], source: bool, as_json: bool) -> None:
    """Refuse combinations that can't be meant. Raises click.UsageError."""
    names = [f"--{kind}" for kind in wanted]
    outputs = names + ["--source"] * source + ["--json"] * as_json
    if other is not None and (wanted or source):
        raise click.UsageError(f"{outputs[0]} shows one chain; two chains are compared as text or --json")
    if (source or as_json) and len(outputs) > 1:
        raise click.UsageError(f"{outputs[0]} and {outputs[-1]} exclude each other")
    targets = list(wanted.values())
    for kind, file in wanted.items():
        if targets.count(file) > 1:
            raise click.UsageError(f"{' and '.join(names)} would write the same file: {file}")
        if file != "-" and Path(file).suffix in {".yaml", ".yml", ".py"}:
            raise click.UsageError(f"--{kind} {file}: this is the name of a chain file, not of a picture")


def planned(file: str, direction: str | None, flows: int | None) -> tuple[Chain, Plan]:
    """Load a chain and plan it. Raises what loading, compiling and starting its network functions raise."""
    chain = options.chain_from(file, direction)
    from nfuse.engine.plan import plan_of
    from nfuse.engine.start import check

    states = check(chain)
    return chain, plan_of(chain, flows, states)


def _compare(old: Plan, new: Plan, as_json: bool) -> None:
    from nfuse.cli.plan_text import differences_text
    from nfuse.engine.plan.compare import compare

    differences = compare(old, new)
    if as_json:
        say(json.dumps({"old": old.graph, "new": new.graph, "differences": [asdict(d) for d in differences]}, indent=2))
    else:
        say(differences_text(old, new, differences))


def _draw(chain: Chain, plan: Plan, wanted: dict[str, str]) -> None:
    from nfuse.engine.plan import picture

    scene = picture.scene_of(chain, plan)
    write = {"svg": picture.to_svg, "mermaid": picture.to_mermaid, "dot": picture.to_dot}
    for kind, file in wanted.items():
        text = write[kind](scene)
        if file == "-":
            click.echo(text, nl=False)
            continue
        try:
            Path(file).write_text(text, encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"--{kind} {file}: can't be written: {error.strerror}") from None
        say(f"{file}: {plan.name} as {kind.upper() if kind != 'mermaid' else 'Mermaid'}")
