"""Walking headers whose length is only known by reading them: IPv6 extension headers, packets quoted in ICMP errors.

Offsets count from the frame's first byte. `end` is where the IP length says that the packet ends, `have` is the number
of bytes that may be read. No function reads at or beyond `have`.
"""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import load8, load16be
from nfuse.packet.desc import F_FRAG, F_LATER
from nfuse.packet.reasons import BAD_EXTENSIONS, BAD_FRAGMENTED_HEADER, BAD_ICMP_ERROR, BAD_TRUNCATED

MAX_EXTENSIONS = 16
"""More IPv6 extension headers than this in one packet are malformed."""


@native
def walk_ipv6(addr: int, at: int, following: int, end: int, have: int) -> tuple[int, int, int, int]:
    """Walk IPv6 extension headers (RFC 8200, section 4; AH: RFC 4302).

    Args:
        addr: Address of the frame.
        at: Offset of the first header after the fixed IPv6 header.
        following: That header's protocol number (the fixed header's next header).
        end: Offset where the packet ends by its payload length.
        have: Bytes that may be read.

    Returns:
        (offset of the L4 header, its protocol number, F_FRAG and F_LATER bits, reason or 0). A later fragment's walk
        stops after its fragment header. Atomic fragments (RFC 6946) are no fragments.
    """
    flags = 0
    count = 0
    while following == 0 or following == 43 or following == 44 or following == 51 or following == 60:
        count += 1
        if count > MAX_EXTENSIONS or (following == 0 and count > 1):
            return at, following, flags, BAD_EXTENSIONS
        size = 8
        if at + 8 <= end:
            if at + 8 > have:
                return at, following, flags, BAD_TRUNCATED
            if following == 51:
                size = (load8(addr + at + 1) + 2) * 4
            elif following != 44:
                size = (load8(addr + at + 1) + 1) * 8
        if size < 8:
            return at, following, flags, BAD_EXTENSIONS
        if at + size > end:
            return at, following, flags, BAD_FRAGMENTED_HEADER if flags & F_FRAG else BAD_EXTENSIONS
        if at + size > have:
            return at, following, flags, BAD_TRUNCATED
        here = following
        following = load8(addr + at)
        if here == 44:
            field = load16be(addr + at + 2)
            if field & 0xFFF8:
                return at + 8, following, flags | F_FRAG | F_LATER, 0
            if field & 1:
                flags |= F_FRAG
        at += size
    return at, following, flags, 0


@native
def walk_quoted(addr: int, at: int, six: int, end: int, have: int) -> tuple[int, int, int]:
    """Find the L4 header of the packet that an ICMP error quotes (RFC 792; RFC 4443, section 3).

    Args:
        addr: Address of the frame.
        at: Offset of the quoted IP header.
        six: 1 for ICMPv6.
        end: Offset where the error ends.
        have: Bytes that may be read.

    Returns:
        (offset of the quoted L4 header, or 0 if the quoted packet is a later fragment; its protocol; reason or 0). A
        reason says that the quoted IP header, or so much of the L4 header that the ports or the echo identifier
        can be read, is not there.
    """
    least = 40 if six else 20
    if at + least > end:
        return 0, 0, BAD_ICMP_ERROR
    if at + least > have:
        return 0, 0, BAD_TRUNCATED
    first = load8(addr + at)
    if six:
        if first >> 4 != 6:
            return 0, 0, BAD_ICMP_ERROR
        l4, proto, flags, reason = walk_ipv6(addr, at + 40, load8(addr + at + 6), end, have)
        if reason:
            return 0, 0, BAD_TRUNCATED if reason == BAD_TRUNCATED else BAD_ICMP_ERROR
        if flags & F_LATER:
            return 0, proto, 0
    else:
        l4 = at + (first & 15) * 4
        if first >> 4 != 4 or l4 < at + 20 or l4 > end:
            return 0, 0, BAD_ICMP_ERROR
        if l4 > have:
            return 0, 0, BAD_TRUNCATED
        proto = load8(addr + at + 9)
        if load16be(addr + at + 6) & 0x1FFF:
            return 0, proto, 0
    need = 0
    if proto == 6 or proto == 17:
        need = 4
    elif (proto == 58) if six else (proto == 1):
        need = 8
    if l4 + need > end:
        return 0, 0, BAD_ICMP_ERROR
    if l4 + need > have:
        return 0, 0, BAD_TRUNCATED
    return l4, proto, 0
