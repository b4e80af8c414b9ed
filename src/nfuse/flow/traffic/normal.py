"""The normal form of traffic classes: expressions with the same normal form mean the same.

Negations stand at atoms only, compositions are flat, sorted and free of repetitions, tests of one field beside each
other are one test, `ip` is `ipv4 or ipv6`. (Two expressions may mean the same and still have different normal forms:
deciding that is another trade, and nobody here needs it.)
"""

from __future__ import annotations

from nfuse.flow.traffic import ranges
from nfuse.flow.traffic.nodes import And, Constant, Expr, Header, Not, Or, Within, everything, nothing


def normalise(expression: Expr) -> Expr:
    """Return the normal form."""
    if isinstance(expression, Not):
        return _negate(normalise(expression.part))
    if isinstance(expression, And | Or):
        kind: type[And | Or] = And if isinstance(expression, And) else Or
        return _compose(kind, [normalise(part) for part in expression.parts])
    if isinstance(expression, Header):
        if expression.header == "ip":
            return _compose(Or, [Header("ipv4"), Header("ipv6")])
        return Header(expression.header)
    if isinstance(expression, Within):
        return _within(expression)
    return expression


def _within(test: Within) -> Expr:
    if not test.ranges:
        return nothing
    if test.ranges == ((0, test.field.maximum),):
        return normalise(test.field.present())
    return test


def _negate(expression: Expr) -> Expr:
    """Negate a normal form."""
    if isinstance(expression, Constant):
        return nothing if expression.value else everything
    if isinstance(expression, Not):
        return expression.part
    if isinstance(expression, And | Or):
        kind: type[And | Or] = Or if isinstance(expression, And) else And
        return _compose(kind, [_negate(part) for part in expression.parts])
    return Not(expression)


def _compose(kind: type[And | Or], parts: list[Expr]) -> Expr:
    """Compose normal forms into a normal form."""
    absorbing, neutral = (nothing, everything) if kind is And else (everything, nothing)
    flat: list[Expr] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    found: dict[object, Expr] = {}
    for part in _merge(kind, flat):
        if isinstance(part, Constant):
            if part.value == absorbing.value:
                return absorbing
            continue
        found[part.shape()] = part
    other = Or if kind is And else And
    for part in found.values():
        opposite = _negate(part)  # of a composition: one of our kind, whose parts are beside it
        if all(one.shape() in found for one in (opposite.parts if isinstance(opposite, kind) else (opposite,))):
            return absorbing
    for shape, part in list(found.items()):  # absorption: a & (a | b) = a
        if isinstance(part, other) and any(inner.shape() in found for inner in part.parts):
            del found[shape]
    kept = sorted(found.values(), key=lambda part: repr(part.shape()))
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else kind(tuple(kept))


def _merge(kind: type[And | Or], parts: list[Expr]) -> list[Expr]:
    """Make one test of all tests of a field, and one of all negated ones."""
    merged: list[Expr] = []
    at: dict[tuple[str, bool], int] = {}
    for part in parts:
        negated = isinstance(part, Not)
        atom = part.part if isinstance(part, Not) else part
        if not isinstance(atom, Within):
            merged.append(part)
            continue
        key = (atom.field.full_name, negated)
        if key not in at:
            at[key] = len(merged)
            merged.append(part)
            continue
        before = merged[at[key]]
        have = before.part if isinstance(before, Not) else before
        assert isinstance(have, Within)
        join = ranges.union if (kind is Or) != negated else ranges.intersection
        test = Within(atom.field, join(have.ranges, atom.ranges))
        merged[at[key]] = Not(test) if negated else test
    result: list[Expr] = []
    changed = False
    for part in merged:  # a merged test may be empty or full
        atom = part.part if isinstance(part, Not) else part
        if isinstance(atom, Within):
            simple = _within(atom)
            if simple is not atom:
                changed = True
                part = _negate(simple) if isinstance(part, Not) else simple
        result.extend(part.parts if isinstance(part, kind) else (part,))
    return _merge(kind, result) if changed else result
