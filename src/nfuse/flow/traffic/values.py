"""From what a user writes (80, "10.0.0.0/8", IPv6Address(...)) to ranges of a field's values, and back to text."""

from __future__ import annotations

import ipaddress
import re

from nfuse.flow.traffic import ranges
from nfuse.flow.traffic.ranges import ADDRESS_MAX, V4_LOW, Ranges

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAC = re.compile(r"[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}", re.IGNORECASE)


def address_number(address: Address) -> int:
    """Return an address as a 128-bit number, IPv4 v4-mapped."""
    return int(address) + (V4_LOW if address.version == 4 else 0)


def network_ranges(network: Network) -> Ranges:
    """Return the addresses of a network. An IPv6 network does not contain IPv4 addresses, not even ``::/0``."""
    low, high = int(network.network_address), int(network.broadcast_address)
    if network.version == 4:
        return ((low + V4_LOW, high + V4_LOW),)
    if network.prefixlen == 128:
        return ((low, high),)
    return ranges.v6_only(low, high)


def address_ranges(value: object, field: str) -> Ranges:
    """Read an address or a prefix, as text or as an object of :mod:`ipaddress`.

    Raises:
        TypeError: The value is something else (a number, say).
        ValueError: The text is not an address or prefix.
    """
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        number = address_number(value)
        return ((number, number),)
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return network_ranges(value)
    if isinstance(value, str):
        try:
            if "/" not in value:
                return address_ranges(ipaddress.ip_address(value), field)
            return network_ranges(ipaddress.ip_network(value))
        except ValueError as error:
            raise ValueError(f"{field}: {error}") from None
    network = getattr(value, "network", None)  # nfuse.Prefix and its like
    if isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return network_ranges(network)
    raise TypeError(
        f"{field} is an address and can't be compared with {value!r}: "
        'expected an address or a prefix, such as "10.0.0.1" or "10.0.0.0/8"'
    )


def mac_number(value: object, field: str) -> int:
    """Read a MAC address: text with colons or dashes, or a 48-bit int."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 48:
        return int(value)
    text = value if isinstance(value, str) else str(value)
    if _MAC.fullmatch(text):
        return int("".join(part.zfill(2) for part in re.split("[:-]", text)), 16)
    raise (ValueError if isinstance(value, str) else TypeError)(
        f'{field} is a MAC address and can\'t be compared with {value!r}: expected "02:00:00:00:00:01"'
    )


def integer(value: object, field: str, maximum: int) -> int:
    """Read an int (or truth value) and check that the field can hold it."""
    if isinstance(value, int):
        if 0 <= value <= maximum:
            return int(value)
        raise ValueError(f"{field} is a number from 0 to {maximum}: it is never {value}")
    raise TypeError(f"{field} is a number and can't be compared with {value!r}: expected a number from 0 to {maximum}")


def address_texts(found: Ranges) -> list[str]:
    """Write a set of addresses as addresses and prefixes."""
    four, six = ranges.split_families(found)
    texts: list[str] = []
    for value, length in ranges.prefixes(four, 32):
        texts.append(_prefix_text(ipaddress.IPv4Address(value), length))
    for value, length in ranges.prefixes(six, 128):
        texts.append(_prefix_text(ipaddress.IPv6Address(value), length))
    return texts


def _prefix_text(address: Address, length: int) -> str:
    return str(address) if length == address.max_prefixlen else f"{address}/{length}"


def mac_text(value: int) -> str:
    """Write a MAC address."""
    return ":".join(f"{value >> shift & 255:02x}" for shift in range(40, -8, -8))


def maximum_of(kind: str, width: int) -> int:
    """Return the largest value of a field."""
    return ADDRESS_MAX if kind == "address" else (1 << width) - 1
