"""The story of a traced packet as text: what changed at each NF, and what the fused engine did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from nfuse.cli.style import paint

if TYPE_CHECKING:
    from nfuse.engine.trace.record import Change, Drop, Ended, FusedFacts, Journey, Step, TracedPacket, Value

LABEL = 10
"""Width of the labels within a step."""
SIDES = ("forward", "reverse")


def story(packet: TracedPacket) -> str:
    """Return a packet's story, several lines."""
    return "\n".join(_lines(packet))


def _lines(packet: TracedPacket) -> Iterator[str]:
    title = paint(f"packet {packet.number}", "title")
    side = ", reverse side" if packet.side else ""
    yield f"{title}  +{packet.since / 1e9:.6f} s  {packet.bytes} bytes{side}  {paint(packet.packet, 'title')}"
    if packet.held:
        yield f"  came before its first fragment: held, and run after packet {packet.held}"
    if packet.ticks:
        yield f"  on_tick ran before it: {', '.join(packet.ticks)}"
    if packet.session is not None:
        facts = packet.session
        role = "opened by this packet" if facts.opened else "opening direction" if facts.opening else "reply direction"
        yield f"  session {facts.number}: {facts.flow}, {role}; state {facts.state}"
    late = [ended for ended in packet.ended if ended.cause == "reverse key in use"]
    yield from (_ended(ended) for ended in packet.ended if ended not in late)
    if packet.unmatched:
        yield "  unmatched: no network function is for it"
    yield from _journey(packet.journey, "  ")
    yield from map(_ended, late)
    for made in packet.made:
        yield f"  made by {made.made_by}: {paint(made.packet, 'title')}"
        yield from _journey(made, "    ")
    if packet.fused is None:
        yield "  it never reached the engines"
    else:
        yield from _fused(packet.fused)


def _ended(ended: Ended) -> str:
    return f"  session {ended.number} ended: {ended.flow}: {ended.cause}"


def _journey(journey: Journey, pad: str) -> Iterator[str]:
    for step in journey.steps:
        yield from (pad + line for line in _step(step))
    for why in dict.fromkeys(passed.why for passed in journey.passed):
        names = ", ".join(passed.nf for passed in journey.passed if passed.why == why)
        yield f"{pad}{paint(f'passed by {names}: {why}', 'dim')}"
    if journey.dropped is not None:
        yield f"{pad}{paint(f'dropped by {journey.dropped.nf}: {journey.dropped.reason}', 'bad')}"
    else:
        yield f"{pad}{paint('leaves', 'good')} {SIDES[journey.side]}, {journey.bytes} bytes: {journey.leaves}"


def _step(step: Step) -> Iterator[str]:
    verdict = paint("pass", "good") if step.dropped is None else paint(f"drop: {_reason(step.dropped)}", "bad")
    yield f"{paint(step.nf, 'name')}  {verdict}  {paint(step.place, 'dim')}"
    sums = [change for change in step.header if change.name.endswith(".checksum")]
    others = [change for change in step.header if change not in sums]
    rows: list[tuple[str, Iterable[str]]] = [
        ("ran", [", ".join(step.ran)]),
        ("event", [f"{name} fired" for name in step.events]),
        ("explain", [step.explained]),
        ("alert", step.alerts),
        ("record", [step.recorded]),
        ("pushed", [step.pushed]),
        ("popped", [step.popped]),
        ("header", _changes(others)),
        ("checksum", _changes(sums, ".checksum")),
        ("session", _changes(step.session)),
        ("state", _changes(step.state)),
    ]
    for label, lines in rows:
        for number, line in enumerate(filter(None, lines)):
            yield f"  {'' if number else label:{LABEL}}{line}"


def _reason(drop: Drop) -> str:
    by = f"{drop.nf}: " if drop.nf == "chain" else ""
    return f"{by}{drop.reason}" + (f" ({drop.where})" if drop.where else "")


def _changes(changes: list[Change], tail: str = "") -> Iterator[str]:
    width = max((len(change.name.removesuffix(tail)) for change in changes), default=0)
    for change in changes:
        before, after = (_value(change.name, value) for value in (change.before, change.after))
        name = change.name.removesuffix(tail)
        if before:
            yield f"{name:{width}}  {paint(before, 'bad')} -> {paint(after, 'good')}"
        else:
            yield f"{name:{width}}  {after}"


def _value(name: str, value: Value) -> str:
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return str(value).lower()
    return f"0x{value:04x}" if isinstance(value, int) and name.endswith("checksum") else str(value)


def _fused(facts: FusedFacts) -> Iterator[str]:
    name = {"fast": "fast path", "slow": "slow path, NF by NF"}.get(facts.path, "fast path at first")
    yield f"  {paint('fused', 'name')}  {name}" + (f": {facts.why}" if facts.why else "")
    for one in facts.rewrites:
        yield f"    rewrites {', '.join(one.fields)} {one.place}: consolidated from {', '.join(one.nfs)}"
    for nf in facts.headers:
        yield f"    header of {nf} pushed or removed at its place"
    if facts.early_drop:
        yield f"    early drop: that {facts.early_drop} drops it was known before it set out"
    if facts.path == "fast" and not (facts.rewrites or facts.headers or facts.early_drop):
        yield "    nothing to rewrite"
    if facts.consolidated:
        yield "    then consolidated" + (
            ": the next packet of this direction can take the fast path" if facts.next == "fast path" else ""
        )
    if facts.next not in ("", "fast path"):
        yield f"    no fast path for the next packet of this direction: {facts.next}"
    if facts.identical:
        yield f"    {paint('identical', 'good')} to the reference engine: bytes, order, drops, alerts"
    else:
        yield f"    {paint('DIFFERENT', 'bad')} from the reference engine:"
        yield from ("    " + line for line in facts.difference.splitlines())
