"""Sets of unsigned integers as sorted, disjoint, non-adjacent ranges: what a field may be.

Addresses are 128-bit numbers here, IPv4 ones v4-mapped (``::ffff:a.b.c.d``), so one kind of set serves both families.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Ranges = tuple[tuple[int, int], ...]
"""Inclusive (low, high) pairs in ascending order."""

V4_LOW = 0xFFFF_0000_0000
V4_HIGH = 0xFFFF_FFFF_FFFF
"""The block of v4-mapped addresses."""

ADDRESS_MAX = (1 << 128) - 1


def normal(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Sort and merge pairs; pairs with low > high are empty."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(pair for pair in pairs if pair[0] <= pair[1]):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def union(a: Ranges, b: Ranges) -> Ranges:
    """Return the numbers in either set."""
    return normal(a + b)


def intersection(a: Ranges, b: Ranges) -> Ranges:
    """Return the numbers in both sets."""
    return normal((max(low, lo), min(high, hi)) for low, high in a for lo, hi in b)


def complement(a: Ranges, maximum: int) -> Ranges:
    """Return the numbers of [0, maximum] that are not in the set."""
    found: list[tuple[int, int]] = []
    start = 0
    for low, high in a:
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    if start <= maximum:
        found.append((start, maximum))
    return tuple(found)


def contains(a: Ranges, value: int) -> bool:
    """Tell whether `value` is in the set."""
    return any(low <= value <= high for low, high in a)


def prefixes(a: Ranges, bits: int = 128) -> Iterator[tuple[int, int]]:
    """Split a set into prefixes: (value, length) pairs of `bits`-bit numbers, ascending, as few as possible."""
    for low, high in a:
        while low <= high:
            size = min((low & -low).bit_length() - 1 if low else bits, (high - low + 1).bit_length() - 1)
            yield low, bits - size
            low += 1 << size


def split_families(a: Ranges) -> tuple[Ranges, Ranges]:
    """Split a set of addresses into (IPv4 as 32-bit numbers, IPv6).

    The block of v4-mapped addresses never is part of the IPv6 set's meaning; it is filled in where both its neighbours
    belong to the set, so that ``::/0`` stays one prefix.
    """
    inside = intersection(a, ((V4_LOW, V4_HIGH),))
    outside = intersection(a, complement(((V4_LOW, V4_HIGH),), ADDRESS_MAX))
    if contains(outside, V4_LOW - 1) and contains(outside, V4_HIGH + 1):
        outside = union(outside, ((V4_LOW, V4_HIGH),))
    return tuple((low - V4_LOW, high - V4_LOW) for low, high in inside), outside


def v6_only(low: int, high: int) -> Ranges:
    """Return the range without the v4-mapped block: what an IPv6 prefix means."""
    return intersection(((low, high),), complement(((V4_LOW, V4_HIGH),), ADDRESS_MAX))
