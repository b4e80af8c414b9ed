"""Captures built and read with struct alone: what the ports are compared with."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nfuse.port import Burst, Input

Record = tuple[int, bytes, int]
"""Time stamp in ns, bytes, length on the wire."""


def pcap(records: Iterable[Record], order: str = "<", unit: int = 1000, link: int = 1, snap: int = 65535) -> bytes:
    magic = 0xA1B2C3D4 if unit == 1000 else 0xA1B23C4D
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link)
    for ts, data, wire in records:
        out += struct.pack(order + "IIII", ts // 10**9, ts % 10**9 // unit, len(data), wire) + data
    return out


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 1, order: str = "<", snap: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def enhanced(
    ticks: int, data: bytes, number: int = 0, wire: int | None = None, order: str = "<", options: bytes = b""
) -> bytes:
    wire = len(data) if wire is None else wire
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire)
    return block(6, head + data + bytes(-len(data) % 4) + options, order)


def simple(data: bytes, wire: int | None = None, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", len(data) if wire is None else wire) + data, order)


def obsolete(ticks: int, data: bytes, number: int = 0, order: str = "<") -> bytes:
    head = struct.pack(order + "HHIIII", number, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(2, head + data, order)


def drain(port: Input, packets: int = 64, bytes: int = 1 << 20) -> list[Record]:
    """All packets of an input, which is closed."""
    burst, records = Burst(packets, bytes), []
    with port:
        while n := port.receive(burst):
            assert n == burst.n <= packets
            for i in range(n):
                desc = burst.desc[i]
                records.append((int(desc["ts"]), burst.frame(i), int(desc["wire"])))
        assert port.receive(burst) == 0
    return records


def fill(records: Iterable[Record], link: int = 1, tick: int = 1) -> tuple[Burst, np.ndarray]:
    """A burst with these packets and the order that sends them all."""
    burst = Burst(256, 8 << 20)
    for ts, data, wire in records:
        assert burst.append(data, ts, link, wire)
    burst.tick = tick
    return burst, np.arange(burst.n, dtype=np.int32)


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)
