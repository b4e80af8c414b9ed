"""The packet descriptor: what the data path knows of a packet, 64 bytes, one cache line.

A descriptor does not hold the frame, it points to it. Offsets (``l3``, ``l4``, ``pay``) count from the frame's first
byte. The module constants are byte offsets into a descriptor, to be used with the loads and stores of
:mod:`nfuse.memory.raw`; :data:`DESC_DTYPE` is the same record for NumPy. All values are in native byte
order.
"""

from __future__ import annotations

from typing import Final

import numpy as np

# ------------------------------------------------------------------------------------------------ offsets of fields

ADDR: Final = 0
"""i64: address of the first byte of the frame."""
TS: Final = 8
"""i64: nanoseconds since the epoch."""
LEN: Final = 16
"""u32: bytes of the frame in memory (captured)."""
WIRE: Final = 20
"""u32: original length on the wire, in bytes."""
FLAGS: Final = 24
"""u32: what the packet is, bits ``F_*``."""
L3: Final = 28
"""u16: offset of the IP header, or of what follows the L2 header."""
L4: Final = 30
"""u16: offset of the L4 header, after all IPv6 extension headers."""
PAY: Final = 32
"""u16: offset of the L4 payload."""
ETYPE: Final = 34
"""u16: EtherType after the VLAN tags; 0 if there is none (LLC)."""
PROTO: Final = 36
"""u8: L4 protocol; for IPv6 the last next header."""
LINK: Final = 37
"""u8: link type, ``LINK_*``."""
SIDE: Final = 38
"""u8: 0 if the packet came in by the forward input, 1 by the reverse input."""
BAD: Final = 39
"""u8: reason why the packet is malformed, an index into :data:`nfuse.packet.parse.MALFORMED`; 0 none."""
SPORT: Final = 40
"""u16: source port of the session tuple (an echo request's identifier)."""
DPORT: Final = 42
"""u16: destination port of the session tuple (an echo reply's identifier)."""
HASH: Final = 44
"""u32: free for the engine."""
ROOM: Final = 48
"""u16: bytes of head room before the frame."""
INPORT: Final = 50
"""u8: index of the input port."""
VLANS: Final = 51
"""u8: number of VLAN tags."""
FRAG: Final = 52
"""u32: 1 + the slot of the fragment stage; 0 none."""
USER: Final = 56
"""i64: free for the engine."""
DESC_SIZE: Final = 64
"""Bytes of a descriptor."""

DESC_DTYPE: Final = np.dtype(
    [
        ("addr", "<i8"),
        ("ts", "<i8"),
        ("len", "<u4"),
        ("wire", "<u4"),
        ("flags", "<u4"),
        ("l3", "<u2"),
        ("l4", "<u2"),
        ("pay", "<u2"),
        ("etype", "<u2"),
        ("proto", "u1"),
        ("link", "u1"),
        ("side", "u1"),
        ("bad", "u1"),
        ("sport", "<u2"),
        ("dport", "<u2"),
        ("hash", "<u4"),
        ("room", "<u2"),
        ("inport", "u1"),
        ("vlans", "u1"),
        ("frag", "<u4"),
        ("user", "<i8"),
    ]
)
"""A descriptor as a NumPy record."""

# ------------------------------------------------------------------------------------------------------ flag bits

F_ETH: Final = 1
F_VLAN: Final = 2
F_QINQ: Final = 4
F_ARP: Final = 8
F_IP4: Final = 16
F_IP6: Final = 32
F_TCP: Final = 64
F_UDP: Final = 128
F_ICMP: Final = 256
F_ICMP6: Final = 512
F_FRAG: Final = 1024
"""Any fragment of a datagram (never an IPv6 atomic fragment)."""
F_LATER: Final = 2048
"""A fragment that is not the first: it has no L4 header."""
F_ECHO_REQUEST: Final = 4096
F_ECHO_REPLY: Final = 8192
F_ICMP_ERROR: Final = 16384
"""An ICMP or ICMPv6 error whose embedded IP header and the 8 bytes after it are whole."""
F_L4: Final = 32768
"""An L4 header of a known protocol is whole."""
F_MALFORMED: Final = 65536
F_MADE: Final = 131072
"""The chain made this packet."""
F_IPIP: Final = 262144
"""The IP header carries IP (protocol 4 or 41)."""

F_IP: Final = F_IP4 | F_IP6
"""Either family."""

FLAG_NAMES: Final[dict[str, int]] = {
    "ETH": F_ETH,
    "VLAN": F_VLAN,
    "QINQ": F_QINQ,
    "ARP": F_ARP,
    "IP4": F_IP4,
    "IP6": F_IP6,
    "TCP": F_TCP,
    "UDP": F_UDP,
    "ICMP": F_ICMP,
    "ICMP6": F_ICMP6,
    "FRAG": F_FRAG,
    "LATER": F_LATER,
    "ECHO_REQUEST": F_ECHO_REQUEST,
    "ECHO_REPLY": F_ECHO_REPLY,
    "ICMP_ERROR": F_ICMP_ERROR,
    "L4": F_L4,
    "MALFORMED": F_MALFORMED,
    "MADE": F_MADE,
    "IPIP": F_IPIP,
}
"""The flag bits by the name that people read."""

# ------------------------------------------------------------------------------------------------------ link types

LINK_ETHERNET: Final = 1
LINK_RAW: Final = 2
LINK_NULL: Final = 3
LINK_SLL: Final = 4
LINK_SLL2: Final = 5
