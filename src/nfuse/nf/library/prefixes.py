"""Sets of address prefixes as flat tables: sorted edges, in which handlers search."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from nfuse import Prefix

MAPPED = 0xFFFF << 32
"""::ffff:0:0, where IPv4 addresses stand among those of IPv6."""
BEHIND_MAPPED = MAPPED + (1 << 32)
TOP = 1 << 128


def span(prefix: Prefix) -> tuple[int, int]:
    """Return the first address of a prefix and the one behind its last as integers, IPv4 as ::ffff:a.b.c.d."""
    first = int(prefix.address) + (MAPPED if prefix.version == 4 else 0)
    return first, first + prefix.network.num_addresses


def union(prefixes: Iterable[Prefix]) -> list[int]:
    """Return where the union of prefixes begins and ends, in turn, sorted (128-bit integers; the last may be 2**128).

    An address is in one of them if an odd number of edges are not greater than it. Prefixes of IPv6 hold no IPv4
    address (``::/0`` neither).
    """
    spans = []
    for prefix in prefixes:
        first, end = span(prefix)
        if prefix.version == 4:
            spans.append((first, end))
        else:
            spans += [(first, min(end, MAPPED)), (max(first, BEHIND_MAPPED), end)]
    return merged(spans)


def merged(spans: Iterable[tuple[int, int]]) -> list[int]:
    """Return the edges of the union of half-open spans; empty ones count for nothing."""
    found: list[int] = []
    for first, end in sorted(one for one in spans if one[0] < one[1]):
        if found and first <= found[-1]:
            found[-1] = max(found[-1], end)
        else:
            found += [first, end]
    return found


def without(edges: list[int], others: list[int], top: int) -> list[int]:
    """Return the edges of what is in the one set and not in the other; `top` is behind all values."""
    inverse = [0, *others, top]
    gaps = list(zip(inverse[::2], inverse[1::2], strict=True))
    spans = zip(edges[::2], edges[1::2], strict=True)
    return merged((max(a, c), min(b, d)) for a, b in spans for c, d in gaps)


def addresses(edges: Iterable[int]) -> list[ipaddress.IPv6Address]:
    """Return edges as addresses, for ``Array[Address]``; one behind all addresses is left out."""
    return [ipaddress.IPv6Address(edge) for edge in edges if edge < TOP]


def mask(version: int, length: int) -> ipaddress.IPv6Address:
    """Return what handlers AND an address with (both halves) to keep `length` bits of an address of IPv4 or IPv6.

    Raises:
        ValueError: The length is more than the address has.
    """
    bits = 32 if version == 4 else 128
    if length > bits:
        raise ValueError(f"prefix{version}: {length} is more than the {bits} bits of an IPv{version} address")
    return ipaddress.IPv6Address(TOP - (1 << (bits - length)))
