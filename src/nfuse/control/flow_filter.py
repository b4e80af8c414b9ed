"""Selecting live sessions by a pcap filter, judged on the tuple that opened them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.chain.graph import as_class, constant
from nfuse.chain.spec import Chain
from nfuse.flow.traffic.steer import steering
from nfuse.memory.arena import Arena
from nfuse.packet.desc import DESC_DTYPE, DESC_SIZE, LINK_RAW
from nfuse.packet.parse import parse_burst

CHUNK = 1 << 16
"""Sessions that are judged at a time."""
FRAME = 64
"""Bytes between the frames that stand for them."""
_TCP, _UDP, _ICMPS = 6, 17, (1, 58)
_NO_ECHO = 15


def matching(chain: Chain, flows: NDArray[Any], text: str) -> NDArray[np.bool_]:
    """Say of each session whether a pcap filter (a traffic class) matches its opening tuple at the entry.

    Raises:
        ChainError: The filter can't be read, or asks for what differs between packets of a flow.
    """
    judge = steering(constant(as_class(text), "filter").bind(chain.ports))
    found = [_judged(judge, chain, flows[start : start + CHUNK]) for start in range(0, len(flows), CHUNK)]
    return np.concatenate(found) if found else np.zeros(0, np.bool_)


def _judged(judge: Any, chain: Chain, flows: NDArray[Any]) -> NDArray[np.bool_]:
    """Make a packet of each session, parse it, and judge it as the data path would."""
    count = len(flows)
    arena = Arena(count * (DESC_SIZE + FRAME), "sessions to judge")
    desc: Any = arena.array(DESC_DTYPE, count)
    frames: Any = arena.array(np.uint8, count * FRAME, count * DESC_SIZE).reshape(count, FRAME)
    frames[:] = _packets(flows)
    desc["addr"] = arena.address + count * DESC_SIZE + FRAME * np.arange(count)
    desc["len"] = desc["wire"] = np.where(flows["family"] == 4, 40, 60)
    desc["link"] = LINK_RAW
    desc["inport"] = flows["side"] if chain.two_sided else 0
    parse_burst(arena.address, 0, count)
    judge(arena.address, 0, count)
    return desc["side"] == 1  # type: ignore[no-any-return]


def _packets(flows: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an IP packet with 20 bytes of L4 header for each session, 64 bytes apart."""
    frames = np.zeros((len(flows), FRAME), np.uint8)
    for family, first, l4 in ((4, 0x45, 20), (6, 0x60, 40)):
        mine = np.flatnonzero(flows["family"] == family)
        some = flows[mine]
        rows = np.zeros((len(mine), FRAME), np.uint8)
        rows[:, 0] = first
        if family == 4:
            rows[:, 3], rows[:, 8], rows[:, 9] = 40, 64, some["proto"]
            rows[:, 12:16], rows[:, 16:20] = some["src"][:, 12:], some["dst"][:, 12:]
        else:
            rows[:, 5], rows[:, 6], rows[:, 7] = 20, some["proto"], 64
            rows[:, 8:24], rows[:, 24:40] = some["src"], some["dst"]
        ports = np.stack([some["sport"], some["dport"]], axis=1).astype(">u2").view(np.uint8)
        tcp, udp = some["proto"] == _TCP, some["proto"] == _UDP
        rows[tcp | udp, l4 : l4 + 4] = ports[tcp | udp]
        rows[tcp, l4 + 12] = 0x50
        rows[udp, l4 + 5] = 20
        icmp = np.isin(some["proto"], _ICMPS)
        request, reply = (8, 0) if family == 4 else (128, 129)
        kind = np.where(some["sport"] > 0, request, np.where(some["dport"] > 0, reply, _NO_ECHO))
        rows[icmp, l4] = kind[icmp]
        rows[icmp, l4 + 4 : l4 + 6] = (ports[:, :2] | ports[:, 2:])[icmp]
        frames[mine] = rows
    return frames
