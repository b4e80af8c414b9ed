"""A plan, and the differences between two, as text for a terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from nfuse.cli.report import count, size, table

if TYPE_CHECKING:
    from nfuse.engine.plan.compare import Difference
    from nfuse.engine.plan.document import Plan
    from nfuse.engine.plan.nodes import NodeFacts

WIDEST = 120


def columns() -> int:
    """Return how wide the text may be: the terminal's width, 100 where there is no terminal."""
    return max(60, min(WIDEST, shutil.get_terminal_size((100, 24)).columns))


def hanging(head: str, text: str, indent: int) -> str:
    """Return a head and a text, wrapped; lines after the first begin below the text."""
    lead = head.ljust(indent)
    return textwrap.fill(text, columns(), initial_indent=lead, subsequent_indent=" " * indent, break_on_hyphens=False)


def rows(pairs: Iterable[tuple[str, str]], indent: int = 2) -> str:
    """Align heads and texts in two columns; the texts are wrapped."""
    found = list(pairs)
    wide = indent + max(len(head) for head, _ in found) + 2
    return "\n".join(hanging(" " * indent + head, text, wide) for head, text in found)


def aligned(lines: Sequence[Sequence[str]], indent: int = 2) -> str:
    """Align rows in columns; the last column is wrapped."""
    wides = [max(map(len, column)) for column in zip(*(line[:-1] for line in lines), strict=True)]
    out = []
    for line in lines:
        head = " " * indent + "  ".join(cell.ljust(wide) for cell, wide in zip(line[:-1], wides, strict=True))
        out.append(hanging(head + "  ", line[-1], indent + sum(wides) + 2 * len(wides)))
    return "\n".join(out)


def plan_text(plan: Plan) -> str:
    """Return the whole plan."""
    sections = [titled(plan)]
    sections += [nf_text(fact) for fact in plan.nfs]
    most = ", on the way that passes the most NFs" if any(fact.ways for fact in plan.nfs) else ""
    sections += [
        f"what consolidation removed, for a packet of a known session{most}\n{savings_text(plan)}",
        f"where recorded changes are applied\n{points_text(plan)}",
        f"a session in memory\n{layout_text(plan)}",
        f"could run in parallel\n{pairs_text(plan)}",
        f"memory for {count(plan.memory.flows)} flows\n{memory_text(plan)}",
    ]
    return "\n\n".join(sections)


def titled(plan: Plan) -> str:
    """Return the chain's name and its graph."""
    return hanging(f"{plan.name}: ", plan.graph, len(plan.name) + 2)


def nf_text(fact: NodeFacts) -> str:
    """Return what was found out about one network function."""
    return f"{fact.name} ({fact.cls})\n{rows(_facts(fact))}"


def _facts(fact: NodeFacts) -> Iterator[tuple[str, str]]:
    from nfuse.engine.plan.words import access_words, modify_words

    yield "traffic", fact.traffic + (", judged for each packet" if fact.stateless else "")
    if fact.ways:
        yield "in the branch", ", then ".join(fact.ways)
    yield "handlers", ", ".join(fact.handlers) or "none"
    for when, reads in (("first packet", fact.reads_first), ("each packet", fact.reads_each)):
        if reads:
            yield f"reads, {when}", ", ".join(access_words(reads))
    for head, words in (
        ("stores", access_words(fact.writes)),
        ("modifies", modify_words(fact.modifies)),
        ("pushes", fact.encaps),
        ("removes", fact.decaps),
        ("may drop", fact.may_drop),
        ("alerts", fact.alerts),
        ("State written", fact.state_written),
    ):
        if words:
            yield head, ", ".join(words)
    if fact.payload != "IGNORE":
        yield "payload", {"READ": "read", "WRITE": "written"}[fact.payload]
    yield "for each packet", ", ".join(fact.per_packet) or "nothing runs"
    keeps = [f"{fact.scratchpad} bytes a flow"] if fact.scratchpad else []
    keeps += [f"{block.bytes} bytes for each {block.name} ({', '.join(block.key)})" for block in fact.blocks]
    if keeps:
        yield "keeps", "; ".join(keeps)
    if fact.opaque:
        yield "note", "ordinary Python (compiled = False): taken to read and change everything"


def savings_text(plan: Plan) -> str:
    """Return what was removed, by R1 to R4."""
    from nfuse.engine.plan.savings import TITLES

    lines = []
    for kind, title in TITLES.items():
        lines.append(f"  {kind} {title}")
        mine = [saving for saving in plan.savings if saving.kind == kind]
        lines += [hanging("     ", saving.text, 5) for saving in mine] or ["     nothing to remove"]
    return "\n".join(lines)


def points_text(plan: Plan) -> str:
    """Return the points of application, and what runs for each packet."""
    if not plan.consolidated:
        return hanging("  ", "each NF's at its place: packets of this chain always go NF by NF", 2)
    names = {"forward": "forward", "reverse": "reverse"}
    lines = [
        (names[direction], point.sentence())
        for direction in names
        for point in plan.points
        if point.direction == direction
    ]
    found = {direction for direction, _ in lines}
    lines += [(direction, "nothing to rewrite") for direction in names if direction not in found]
    return rows(lines)


def layout_text(plan: Plan) -> str:
    """Return the table of slots."""
    lines: list[tuple[str, ...]] = [("offset", "bytes", "owner", "what")]
    notes = {"FCB": "flow control block", "IPv6": "extension, of IPv6 sessions only"}
    out = []
    for part, note in notes.items():
        slots = [slot for slot in plan.layout if slot.part == part]
        body = [(str(slot.offset), str(slot.size), slot.owner or "-", slot.field) for slot in slots]
        out.append(f"  {note}: {sum(slot.size for slot in slots)} bytes")
        out.append(table([*lines, *body], indent=4, right=(0, 1)))
    return "\n".join(out)


def pairs_text(plan: Plan) -> str:
    """Return the pairs with code that runs for each packet, and who has none."""
    judged = [pair for pair in plan.pairs if pair.verdict != "idle"]
    lines = []
    if judged:
        words = {"yes": "yes", "copy": "yes", "no": "no", "apart": "-"}
        lines.append(aligned([(f"{p.first} | {p.second}", words[p.verdict], p.reason) for p in judged]))
    idle = [fact.name for fact in plan.nfs if not fact.per_packet]
    if idle:
        lines.append(hanging("  ", f"nothing of these runs for each packet: {', '.join(idle)}", 2))
    return "\n".join(lines) or "  there is one network function"


def memory_text(plan: Plan) -> str:
    """Return what the sessions cost."""
    memory = plan.memory
    lines: list[tuple[str, str, str]] = []
    for family in memory.families:
        lines.append((f"IPv{family.version}", f"{family.each:.0f} bytes a flow", size(family.total)))
        lines += [(f"  {part.name}", f"{part.each:.1f}".removesuffix(".0"), size(part.total)) for part in family.parts]
    lines.append(("whatever the flows", "", size(sum(part.total for part in memory.fixed))))
    lines += [(f"  {part.name}", "", size(part.total)) for part in memory.fixed]
    lines.append(("once the table has been full", "", f"up to {size(memory.full)}"))
    text = table(lines, right=(1, 2))
    if memory.capacity > plan.memory.flows:
        text += f"\n  The table has room for {count(memory.capacity)} flows (settings: capacity)."
    return text


def differences_text(old: Plan, new: Plan, differences: Sequence[Difference]) -> str:
    """Return the differences between two plans, by section."""
    lines = [titled(old), titled(new)]
    if not differences:
        return "\n".join([*lines, "", "the two plans say the same"])
    for section in dict.fromkeys(difference.section for difference in differences):
        lines += ["", section]
        lines += [hanging(f"  {d.sign} ", d.text, 4) for d in differences if d.section == section]
    return "\n".join(lines)
