"""``nfuse plan``: what the compiler made of a chain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nfuse.cli import options
from nfuse.cli.report import say, table

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain


@click.command()
@options.CHAIN
@options.DIRECTION
@options.JSON
@click.option("--source", is_flag=True, help="Print the generated source of the chain function.")
def command(chain_file: str, direction: str | None, as_json: bool, source: bool) -> None:
    """Show what each NF of CHAIN reads, writes and keeps, and what was consolidated."""
    chain = options.chain_from(chain_file, direction)
    if source:
        from nfuse.engine.fused import chain_source

        say(chain_source(chain))
        return
    facts = [facts_of(node) for node in chain.nodes]
    if as_json:
        say(json.dumps({"chain": chain.name, "graph": str(chain), "nfs": facts, "fused": fused_plan(chain)}, indent=2))
        return
    say(f"chain: {chain}")
    for fact in facts:
        say()
        say(f"{fact['name']} ({fact['class']})")
        say(
            table(
                [(key.replace("_", " "), words(value)) for key, value in fact.items() if key not in ("name", "class")]
            )
        )
    say()
    for line in fused_plan(chain):
        say(line)


def words(value: Any) -> str:
    """Return a fact's value as text."""
    if isinstance(value, list):
        return ", ".join(value) or "-"
    return str(value) if value not in ("", None) else "-"


def facts_of(node: Any) -> dict[str, Any]:
    """Return what the compiler found out about one network function, over all its handlers."""
    from nfuse.nf.compile import analyse

    info = analyse(type(node.nf))
    effects = list(info.effects.values())

    def union(name: str) -> list[str]:
        return sorted({item for effect in effects for item in getattr(effect, name)})

    payload = max((effect.payload for effect in effects), key=("IGNORE", "READ", "WRITE").index, default="IGNORE")
    return {
        "name": node.name,
        "class": type(node.nf).__name__,
        "traffic": str(info.traffic),
        "handlers": sorted(info.handlers) + [f"event {name}" for name, *_ in info.events],
        "reads": union("reads"),
        "writes": union("writes"),
        "modifies": union("modifies"),
        "payload": payload,
        "may_drop": list(info.reasons),
        "alerts": list(info.signatures),
        "state_written": union("state_writes"),
        "scratchpad": f"{info.session.size} bytes",
    }


def fused_plan(chain: Chain) -> list[str]:
    """Return in sentences what the fused engine made of the chain."""
    from nfuse.engine.fused import describe_plan

    return list(describe_plan(chain))
