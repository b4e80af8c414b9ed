"""One packet and the answer to it, before and after a chain between two networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nfuse.chain.spec import Chain

FIRST = 4000
"""How many packets are searched."""


def journey(chain: Chain, sides: tuple[str, str], address: str) -> list[tuple[str, str, str]]:
    """Follow the first TCP packet to `address`, and the first packet that comes back in its flow.

    Args:
        chain: A chain between two networks.
        sides: The inputs of both, by URI. Time stamps are of one packet each, on each side.
        address: The destination that the packet has as it comes in.

    Returns:
        Four steps, each (what, source, destination); none if no such packet was answered.
    """
    from nfuse.engine.driver import run
    from nfuse.port.memory import ListOutput

    left = ListOutput(), ListOutput()
    run(chain, sides, left, limit=FIRST, states=False)
    came = [_received(uri) for uri in sides]
    went = [{ts: frame for ts, frame, *_ in output.records} for output in left]
    for ts, frame in came[0].items():
        entry = _ends(frame)
        if entry is None or entry[1].rpartition(":")[0] != address or ts not in went[0]:
            continue
        exit_ = _ends(went[0][ts])
        if exit_ is None:
            continue
        for later, answer in came[1].items():
            if later in went[1] and _ends(answer) == (exit_[1], exit_[0]):
                return [
                    ("from the inside", *entry),
                    ("as it leaves", *exit_),
                    ("the answer", exit_[1], exit_[0]),
                    ("for the inside", *(_ends(went[1][later]) or ("", ""))),
                ]
    return []


def _received(uri: str) -> dict[int, bytes]:
    """Return the first packets of an input by time stamp."""
    from nfuse.port.burst import Burst
    from nfuse.port.registry import open_input

    burst = Burst(FIRST)
    with open_input(uri) as port:
        count = port.receive(burst)
        return {int(burst.desc[index]["ts"]): burst.frame(index) for index in range(count)}


def _ends(frame: bytes) -> tuple[str, str] | None:
    """Return source and destination of a TCP packet, each ``address:port``; None of another packet."""
    from nfuse.packet.view import PacketView

    view = PacketView(bytearray(frame))
    if not view.tcp:
        return None
    ip: Any = view.ip
    return f"{ip.src}:{view.sport}", f"{ip.dst}:{view.dport}"
