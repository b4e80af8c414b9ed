"""Searches and bit tricks that handlers share; plain functions, compiled with each handler that calls them."""

from __future__ import annotations

from nfuse import Address


def lowest_bit(word):
    """Return the number (0-63) of the lowest bit set in a 64-bit word that is not zero."""
    count = 0
    if word & 0xFFFFFFFF == 0:
        word >>= 32
        count += 32
    if word & 0xFFFF == 0:
        word >>= 16
        count += 16
    if word & 0xFF == 0:
        word >>= 8
        count += 8
    if word & 0xF == 0:
        word >>= 4
        count += 4
    if word & 3 == 0:
        word >>= 2
        count += 2
    return count if word & 1 else count + 1


def mix(word):
    """Mix a 64-bit word to a number from 0 to 2**31 - 1 (multiply and shift, 64-bit wrap-around)."""
    word = (word ^ (word >> 29)) * 0x5851F42D4C957F2D
    word = (word ^ (word >> 32)) * 0x2545F4914F6CDD1D
    return word >> 33 & 0x7FFFFFFF


def count_up_to(edges, value):
    """Return how many items of a sorted array are at most `value` (integers, or addresses)."""
    return count_between(edges, value, 0, len(edges))


def count_between(edges, value, first, end):
    """Return the same for the items from `first` to before `end`, sorted among themselves."""
    low = first
    high = end
    while low < high:
        middle = (low + high) >> 1
        if edges[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low - first


def masked(address, mask4, mask6):
    """Return the prefix of an address, by the masks of the families (:func:`nfuse.nf.library.prefixes.mask`)."""
    if address.version == 4:
        return Address(address.hi & mask4.hi, address.lo & mask4.lo)
    return Address(address.hi & mask6.hi, address.lo & mask6.lo)
