"""Link types: the numbers of captures (https://www.tcpdump.org/linktypes.html) and those of descriptors."""

from __future__ import annotations

from nfuse.packet.desc import LINK_ETHERNET, LINK_NULL, LINK_RAW, LINK_SLL, LINK_SLL2
from nfuse.port.errors import CaptureError

FROM_CAPTURE = {
    0: LINK_NULL,  # NULL: family in the capturing machine's byte order
    1: LINK_ETHERNET,
    12: LINK_RAW,  # DLT_RAW of most systems
    14: LINK_RAW,  # DLT_RAW of OpenBSD
    101: LINK_RAW,
    108: LINK_NULL,  # LOOP: NULL with the family in network byte order
    113: LINK_SLL,
    228: LINK_RAW,  # IPV4
    229: LINK_RAW,  # IPV6
    276: LINK_SLL2,
}
"""Descriptor link type by the link type of a capture."""

TO_CAPTURE = {LINK_ETHERNET: 1, LINK_RAW: 101, LINK_NULL: 0, LINK_SLL: 113, LINK_SLL2: 276}
"""Link type of a capture by the descriptor's."""


def unknown_link(name: str, number: int) -> CaptureError:
    """Return the error for a capture of a link type that can't be read."""
    return CaptureError(
        f"{name}: link type {number} can't be read; known: 1 Ethernet, 101 raw IP (also 12, 14, 228, 229), "
        "0 NULL, 108 LOOP, 113 Linux SLL, 276 Linux SLL2"
    )
