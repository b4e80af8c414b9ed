"""Frames in memory for tests: exact bounds (so that the check mode sees every byte too far), 0xa5 around the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from scapy.all import Ether, NoPayload

from nfuse.memory.arena import View, read_bytes
from nfuse.packet.desc import DESC_DTYPE, DESC_SIZE, F_MADE, FLAG_NAMES, LINK_ETHERNET
from nfuse.packet.parse import parse
from nfuse.packet.reasons import MALFORMED

A = "02:00:00:00:00:01"
B = "02:00:00:00:00:02"


def ether() -> Any:
    """An Ethernet header between two hosts."""
    return Ether(src=A, dst=B)


class Frame:
    """A frame with its parsed descriptor, as ports hand it over."""

    def __init__(
        self, data: Any = b"", link: int = LINK_ETHERNET, wire: int | None = None, room: int = 128, space: int = 0
    ) -> None:
        data = bytes(data)
        self.buffer = np.full(room + max(len(data), space), 0xA5, np.uint8)
        self.buffer[room : room + len(data)] = np.frombuffer(data, np.uint8)
        self.record = np.zeros(DESC_SIZE, np.uint8)
        self.views = View(self.buffer), View(self.record)
        self.desc: Any = self.record.view(DESC_DTYPE)[0]
        self.desc["addr"] = self.views[0].address + room
        self.desc["len"], self.desc["wire"] = len(data), len(data) if wire is None else wire
        self.desc["link"], self.desc["room"] = link, room
        self.P = self.views[1].address
        parse(self.P)

    @property
    def data(self) -> bytes:
        """The frame as it is now."""
        return read_bytes(int(self.desc["addr"]), int(self.desc["len"]))

    @property
    def flags(self) -> set[str]:
        """Names of the flags."""
        return {name for name, bit in FLAG_NAMES.items() if int(self.desc["flags"]) & bit}

    @property
    def reason(self) -> str:
        """Why it is malformed."""
        return MALFORMED[int(self.desc["bad"])]

    def __getitem__(self, name: str) -> int:
        return int(self.desc[name])

    def facts(self) -> dict[str, int]:
        """All that the parser found."""
        names = ("flags", "l3", "l4", "pay", "etype", "proto", "bad", "sport", "dport", "vlans")
        found = {name: int(self.desc[name]) for name in names}
        found["flags"] &= ~F_MADE
        return found


def renewed(data: bytes, layer: Any = Ether) -> bytes:
    """Let scapy compute all checksums of a frame anew, also those of quoted packets; a UDP checksum of 0 stays."""
    packet = layer(data)
    at: Any = packet
    while not isinstance(at, NoPayload):
        for name in ("chksum", "cksum"):
            if name in at.fields and not ("UDP" in type(at).__name__ and at.chksum == 0):
                delattr(at, name)
        at = at.payload
    return bytes(packet)


__all__ = ["A", "B", "Frame", "ether", "renewed"]
