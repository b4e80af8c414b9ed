"""Pools of public IPv4 addresses, as text."""

from __future__ import annotations

import ipaddress

MOST = 1024
"""Most addresses of a pool."""


def pool_addresses(texts: str | list[str]) -> list[ipaddress.IPv4Address]:
    """Read addresses, prefixes (``203.0.113.0/28``) and ranges (``203.0.113.1-203.0.113.9``) in the order given.

    Raises:
        ValueError: an item is none of these, there are none or too many, or an address comes twice.
    """
    found: dict[ipaddress.IPv4Address, None] = {}
    for number, text in enumerate([texts] if isinstance(texts, str) else texts, 1):
        try:
            if "-" in str(text):
                low, high = (ipaddress.IPv4Address(part.strip()) for part in str(text).split("-"))
            else:
                net = ipaddress.IPv4Network(str(text))
                low, high = net.network_address, net.broadcast_address
            span = range(int(low), int(high) + 1)
            if not 1 <= len(span) <= MOST:
                raise ValueError
        except ValueError:
            raise ValueError(
                f"public, item {number}: {text!r} is not an IPv4 address, prefix or range low-high of at most {MOST}"
            ) from None
        for address in map(ipaddress.IPv4Address, span):
            if address in found:
                raise ValueError(f"public, item {number}: {address} is in the pool already")
            found[address] = None
    if not 1 <= len(found) <= MOST:
        raise ValueError(f"public: expected 1 to {MOST} addresses, got {len(found)}")
    return list(found)
