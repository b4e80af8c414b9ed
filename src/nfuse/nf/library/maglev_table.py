"""Maglev hashing: the look-up table of Eisenbud et al., NSDI '16, section 3.4.

Each backend has a permutation of the table's entries, from two hashes of its name. In turn, each takes the next entry
of its permutation that is still free, until all are taken. So all get nearly the same share, and when a backend goes,
few entries of the others change. A backend of weight w takes w turns for each turn of one of weight 1.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FREE = 0xFFFF
"""Entry of a table without backends."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend: address, port (0: the packet's own is kept) and weight."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int = 0
    weight: int = 1

    @property
    def name(self) -> str:
        """Return ``address:port`` (IPv6 in brackets), or the address alone if the port is 0."""
        host = f"[{self.address}]" if self.address.version == 6 and self.port else str(self.address)
        return f"{host}:{self.port}" if self.port else host


def parse_backend(text: str) -> Backend:
    """Read ``ADDRESS[:PORT] [weight=N]``; IPv6 addresses with a port are in brackets (RFC 3986).

    Raises:
        ValueError: the text is something else; the message says what was expected.
    """
    words = str(text).split()
    try:
        if not 1 <= len(words) <= 2:
            raise ValueError
        bare = words[0] if words[0].count(":") > 1 and words[0][0] != "[" else ""
        match = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([\d.]+)(?::(\d+))?", words[0])
        if not (bare or match):
            raise ValueError
        address = ipaddress.ip_address(bare or (match[1] or match[3] if match else ""))
        port = int((match[2] or match[4] or 0) if match else 0)
        key, _, weight_text = words[1].partition("=") if words[1:] else ("weight", "", "1")
        weight = int(weight_text)
        if key != "weight" or port > 65535 or not 1 <= weight <= 1000:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{text!r} is not a backend: expected ADDRESS[:PORT] [weight=N], such as '10.0.0.1:8080', "
            "'[2001:db8::1]:80 weight=2' (port up to 65535, weight 1 to 1000)"
        ) from None
    return Backend(address, port, weight)


def parse_backends(texts: Sequence[str], key: str = "backends") -> list[Backend]:
    """Read a list of backends; two of one name are an error."""
    found: dict[str, Backend] = {}
    for number, text in enumerate(texts, 1):
        try:
            backend = parse_backend(text)
        except ValueError as error:
            raise ValueError(f"{key}, item {number}: {error}") from None
        if backend.name in found:
            raise ValueError(f"{key}, item {number}: {backend.name} is already in the list")
        found[backend.name] = backend
    return list(found.values())


def is_prime(number: int) -> bool:
    """Say whether `number` is prime (trial division: table sizes are small)."""
    return number > 1 and all(number % d for d in range(2, int(number**0.5) + 1))


def permutation(name: str, size: int) -> tuple[int, int]:
    """Return (offset, skip) of the permutation ``(offset + j * skip) % size`` of a backend."""
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    offset, skip = (int.from_bytes(part, "little") for part in (digest[:8], digest[8:]))
    return offset % size, skip % (size - 1) + 1


def build_table(members: Sequence[tuple[str, int, int]], size: int) -> NDArray[np.uint16]:
    """Fill the table: section 3.4, pseudo code 1, with weights.

    Args:
        members: (name, weight, slot number to write into the table) of each backend that takes new flows.
        size: A prime, larger than 100 times the number of backends for an even spread.

    Returns:
        `size` slot numbers; all :data:`FREE` if there are no members. The order of the members does not matter.
    """
    table = [FREE] * size
    turns = [[*permutation(name, size), slot] for name, _, slot in sorted(members)]
    weights = [weight for _, weight, _ in sorted(members)]
    left = size if members else 0
    while left:
        for turn, weight in zip(turns, weights, strict=True):
            at, skip, slot = turn
            for _ in range(weight):
                while table[at] != FREE:
                    at += skip
                    if at >= size:
                        at -= size
                table[at] = slot
                left -= 1
                if not left:
                    return np.array(table, dtype=np.uint16)
            turn[0] = at
    return np.array(table, dtype=np.uint16)
