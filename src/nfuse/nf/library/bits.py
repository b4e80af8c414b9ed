"""Bit tricks that handlers share; plain functions, compiled with each handler that calls them."""

from __future__ import annotations


def lowest_bit(word):
    """Return the number (0-63) of the lowest bit set in a 64-bit word that is not zero."""
    count = 0
    shift = 32
    while shift:
        if word & ((1 << shift) - 1) == 0:
            word >>= shift
            count += shift
        shift >>= 1
    return count


def mix(word):
    """Mix a 64-bit word to a number from 0 to 2**31 - 1 (multiply and shift, 64-bit wrap-around)."""
    word = (word ^ (word >> 29)) * 0x5851F42D4C957F2D
    word = (word ^ (word >> 32)) * 0x2545F4914F6CDD1D
    return word >> 33 & 0x7FFFFFFF
