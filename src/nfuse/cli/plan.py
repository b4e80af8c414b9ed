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
@click.option("--source", is_flag=True, help="Print the generated source of the chain.")
def command(chain_file: str, direction: str | None, as_json: bool, source: bool) -> None:
    """Show what each NF of CHAIN reads, writes and keeps, and what was consolidated."""
    chain = options.chain_from(chain_file, direction)
    from nfuse.engine.start import check

    check(chain)
    if source:
        say(chain_source(chain))
        return
    facts = [facts_of(node) for node in chain.nodes]
    if as_json:
        parallel = [dict(zip(("pair", "parallel", "reason"), pair, strict=True)) for pair in parallel_pairs(chain)]
        document = {"chain": chain.name, "graph": str(chain), "nfs": facts, "fused": fused_plan(chain)}
        say(json.dumps({**document, "parallel": parallel}, indent=2))
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
    say("consolidated")
    for line in fused_plan(chain):
        say(f"  {line}")
    if pairs := parallel_pairs(chain):
        say()
        say("could run in parallel")
        say(table(pairs))


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


def chain_source(chain: Chain) -> str:
    """Return the generated sources of the chain, one module after the other."""
    from nfuse.engine.fused.codegen import Generator
    from nfuse.engine.fused.layout import plan_chain

    plan = plan_chain(chain)
    parts = Generator(plan, [node.info.load().__name__ for node in plan.nodes]).generate()
    return "\n".join(f"# ---- module {name}\n{source}" for name, source in parts.items())


def fused_plan(chain: Chain) -> list[str]:
    """Return in sentences what the fused engine made of the chain."""
    from nfuse.engine.fused.layout import plan_chain

    plan = plan_chain(chain)
    lines = [f"a session takes {plan.size} bytes (IPv6: {plan.size + plan.ext_size}), without its keys in the index"]
    for side, direction in enumerate(("opening direction", "other direction")):
        order = plan.order(side)
        for placed in plan.points[side]:
            point = placed.point
            names = ", ".join(order[stage].node.name for stage in point.stages)
            place = "at the end" if point.before == len(order) else f"before {order[point.before].node.name}"
            lines.append(f"{direction}: {', '.join(sorted(point.fields))} of {names}: one rewrite, {place}")
        if not plan.points[side]:
            lines.append(f"{direction}: nothing to rewrite")
    per_packet = [node.node.name for node in plan.nodes if node.per_packet]
    lines.append(f"state functions that run for each packet: {', '.join(per_packet) or 'none'}")
    return lines


def parallel_pairs(chain: Chain) -> list[tuple[str, str, str]]:
    """Return for each pair of NFs whether its state functions could run in parallel, and why (not)."""
    from nfuse.action.parallel import Behaviour, may_run_in_parallel
    from nfuse.nf.compile import analyse

    behaviours = []
    for node in chain.nodes:
        info = analyse(type(node.nf))
        effects = info.effects.values()
        per_packet = [e for name, e in info.effects.items() if name.startswith(("on_packet", "run_", "event_"))]
        stores = frozenset(field for effect in per_packet for field in effect.writes)
        behaviours.append(
            Behaviour(
                name=node.name,
                payload=max((e.payload for e in per_packet), key=("IGNORE", "READ", "WRITE").index, default="IGNORE"),
                touches=stores | frozenset(field for effect in per_packet for field in effect.reads),
                stores=stores,
                drops=any(effect.drops or effect.flow_drops for effect in effects),
                events=bool(info.events),
            )
        )
    pairs = []
    for index, first in enumerate(behaviours):
        for second in behaviours[index + 1 :]:
            verdict = may_run_in_parallel(first, second)
            pairs.append((f"{first.name} | {second.name}", "yes" if verdict.parallel else "no", verdict.reason))
    return pairs
