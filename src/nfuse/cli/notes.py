"""Remarks below a summary: what its numbers suggest, and where to read on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nfuse.cli.report import count

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain
    from nfuse.engine.api import RunResult
    from nfuse.engine.verify import VerifyResult

IN_USE = ("chain", "reverse key in use")
IN_USE_SHARE = 0.05
"""Share of the packets from which on drops for :data:`IN_USE` are remarked on."""


def run_notes(result: RunResult) -> list[str]:
    """Return the remarks on a run, one sentence or a few each."""
    dropped, packets = result.drops.get(IN_USE, 0), result.counters["packets_in"]
    if dropped <= IN_USE_SHARE * packets:
        return []
    share = f"{count(dropped)} of {count(packets)} packets ({100 * dropped / packets:.0f} %)"
    return [
        f"{share} were dropped as `reverse key in use`: replies to addresses that the chain had translated, or to what "
        "it had dropped, as in a capture from the inner side. What to do: 'Replies' in docs/semantics.md"
    ]


def verify_notes(chain: Chain, result: VerifyResult) -> list[str]:
    """Return the remarks on a comparison: whether the traffic had anything for the chain to do."""
    if not result.identical or result.changed or result.dropped or result.made:
        return []
    acts = actions(chain)
    if not acts:
        return []
    what = "; ".join(f"{name} may {' and '.join(verbs)}" for name, verbs in acts.items())
    return [f"nothing was translated or dropped, so this shows little: {what}. Take traffic that they act on"]


def actions(chain: Chain) -> dict[str, list[str]]:
    """Return for each network function that may change or drop packets what it may do, by name in chain order."""
    from nfuse.nf.compile import analyse

    found: dict[str, list[str]] = {}
    for node in chain.nodes:
        effects = analyse(type(node.nf)).effects.values()
        modify = any(e.opaque or e.modifies or e.writes or e.encaps or e.decaps for e in effects)
        drop = any(e.opaque or e.drops or e.flow_drops for e in effects)
        verbs = [verb for verb, may in (("modify", modify), ("drop", drop)) if may]
        if verbs:
            found[node.name] = verbs
    return found
