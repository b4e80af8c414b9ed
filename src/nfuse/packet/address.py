"""Addresses as the data path sees them: one 128-bit form for both families.

An address is a pair of i64, (hi, lo); an IPv4 address a.b.c.d is v4-mapped (RFC 4291, 2.5.5.2): hi = 0, lo =
0x0000ffff_aabbccdd. So equality, hashing and copying need not know the family. An IPv6 packet that really carries
::ffff:a.b.c.d counts as IPv4 wherever only the pair is looked at.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

V4_PREFIX: Final = 0xFFFF_0000_0000
"""What the low half of a v4-mapped pair holds above the 32 bits of the IPv4 address."""

IPAddress = IPv4Address | IPv6Address


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def pack(address: IPAddress | str) -> tuple[int, int]:
    """Return the (hi, lo) pair of i64 of an address (or of its text).

    Raises:
        ValueError: The text is not an address.
    """
    if isinstance(address, str):
        address = ip_address(address)
    if isinstance(address, IPv4Address):
        return 0, V4_PREFIX | int(address)
    value = int(address)
    return _signed(value >> 64), _signed(value & (1 << 64) - 1)


def unpack(hi: int, lo: int) -> IPAddress:
    """Return the address of a (hi, lo) pair; v4-mapped pairs give an IPv4Address."""
    hi, lo = int(hi) & (1 << 64) - 1, int(lo) & (1 << 64) - 1
    if is_v4(hi, lo):
        return IPv4Address(lo & 0xFFFF_FFFF)
    return IPv6Address(hi << 64 | lo)


def is_v4(hi: int, lo: int) -> bool:
    """Tell whether a pair stands for an IPv4 address."""
    return hi == 0 and lo >> 32 == 0xFFFF


def pack_mac(text: str) -> int:
    """Return a MAC address written as six hexadecimal bytes (separated by ``:`` or ``-``) as a 48-bit integer.

    Raises:
        ValueError: The text is not a MAC address.
    """
    parts = text.replace("-", ":").split(":")
    if len(parts) != 6 or not all(1 <= len(p) <= 2 and set(p) <= set("0123456789abcdefABCDEF") for p in parts):
        raise ValueError(f"{text!r} is not a MAC address (expected six bytes such as 02:00:00:00:00:01)")
    return int("".join(p.zfill(2) for p in parts), 16)


def unpack_mac(value: int) -> str:
    """Return the text of a MAC address."""
    return ":".join(f"{byte:02x}" for byte in (value & (1 << 48) - 1).to_bytes(6, "big"))
