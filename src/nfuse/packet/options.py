"""TCP options (RFC 9293, section 3.1): found by walking them, since they have no fixed place.

The parser has checked that the header is whole with all its options, which end where the payload begins. An option
whose length is wrong ends the walk: nothing outside the header is read.
"""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import load8, load16, load16be, load64, store16be
from nfuse.packet.checksum import delta16, fold
from nfuse.packet.desc import ADDR, L4, PAY
from nfuse.packet.write import l4_delta

END, NO_OPERATION, MSS = 0, 1, 2
"""Kinds of options."""


@native
def mss_at(P: int) -> int:
    """Return the offset in the frame of the maximum segment size of a TCP packet; 0 if it has no such option."""
    addr = load64(P + ADDR)
    at = load16(P + L4) + 20
    end = load16(P + PAY)
    while at < end:
        kind = load8(addr + at)
        size = 1
        if kind == END:
            return 0
        if kind != NO_OPERATION:
            if at + 2 > end:
                return 0
            size = load8(addr + at + 1)
            if size < 2 or at + size > end:
                return 0
            if kind == MSS:
                return at + 2 if size == 4 else 0
        at += size
    return 0


@native
def get_tcp_mss(P: int) -> int:
    """Return the maximum segment size that a TCP packet announces; 0 if it has no such option."""
    at = mss_at(P)
    return load16be(load64(P + ADDR) + at) if at else 0


@native
def set_tcp_mss(P: int, value: int) -> int:
    """Store the maximum segment size, if the packet has the option; the checksum follows."""
    at = mss_at(P)
    if at:
        where = load64(P + ADDR) + at
        old = load16be(where)
        new = value & 0xFFFF
        store16be(where, new)
        if (at - load16(P + L4)) & 1:  # each byte lies in another word of the checksum
            l4_delta(P, fold(delta16(old >> 8, new >> 8) + delta16((old & 0xFF) << 8, (new & 0xFF) << 8)), 0)
        else:
            l4_delta(P, delta16(old, new), 0)
    return 1
