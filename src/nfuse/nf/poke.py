"""Loads and stores for ordinary Python code (the ones of :mod:`nfuse.memory.raw` work inside native functions only)."""

from __future__ import annotations

import ctypes
from typing import Any

_KINDS: dict[tuple[int, bool], Any] = {
    (1, False): ctypes.c_uint8,
    (2, False): ctypes.c_uint16,
    (4, False): ctypes.c_uint32,
    (8, False): ctypes.c_int64,
    (1, True): ctypes.c_int8,
    (2, True): ctypes.c_int16,
    (4, True): ctypes.c_int32,
    (8, True): ctypes.c_int64,
}


def peek(address: int, size: int = 8, signed: bool = False) -> int:
    """Read an integer of `size` bytes; 8 bytes are read as i64."""
    return int(_KINDS[size, signed].from_address(address).value)


def poke(address: int, value: int, size: int = 8) -> None:
    """Write an integer of `size` bytes, truncated."""
    _KINDS[size, False].from_address(address).value = int(value)


def wipe(address: int, size: int) -> None:
    """Set bytes to zero."""
    if size > 0:
        ctypes.memset(address, 0, size)
