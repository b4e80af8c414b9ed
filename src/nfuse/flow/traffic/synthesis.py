"""One classifier for many traffic classes (MiddleClick's synthesis): what they have in common is tested once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nfuse.flow.traffic.nodes import Constant, Expr, Ingress, Site
from nfuse.packet import desc

MAX_CLASSES = 63
"""Bits of a mask that stay non-negative."""


def synthesize(classes: Sequence[Expr], name: str = "classify") -> str:
    """Return source of a function ``name(P)`` that judges all classes on the parsed descriptor P.

    The function returns an i64 whose bit k is set where the packet is of class k. Atoms that occur more than once are
    computed once. The source defines the function without decorator or imports; it uses names of
    :mod:`nfuse.memory.raw` and :mod:`nfuse.packet.native`.

    Raises:
        ValueError: More than 63 classes, or a class that names a port that is not bound to an index.
    """
    if len(classes) > MAX_CLASSES:
        raise ValueError(f"one classifier judges at most {MAX_CLASSES} classes, not {len(classes)}")
    lines = [f"def {name}(P):", f"    flags = load32(P + {desc.FLAGS})"]
    uses: Counter[Expr] = Counter(atom for one in classes for atom in one.atoms())
    site = Site("P", "flags")
    known: dict[Expr, str] = {}
    for atom, count in uses.items():
        if count > 1 and not isinstance(atom, Constant | Ingress):
            local = f"test_{len(known)}"
            lines.append(f"    {local} = {atom.emit_at(site)}  # {atom}")
            known[atom] = local
    site.known = known
    distinct: dict[Expr, int] = {}
    for bit, one in enumerate(classes):
        distinct[one] = distinct.get(one, 0) | 1 << bit
    lines.append("    mask = 0")
    for one, bits in distinct.items():
        lines.append(f"    if {one.emit_at(site)}:  # {one}")
        lines.append(f"        mask |= {bits}")
    lines.append("    return mask")
    return "\n".join(lines) + "\n"
