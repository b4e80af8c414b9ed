"""tcpdump as an oracle: its selection of a capture, and its compiled programs run by a small BPF machine."""

from __future__ import annotations

import functools
import operator
import shutil
import struct
import subprocess
from pathlib import Path

LINKS = {1: (1, "EN10MB"), 2: (101, "RAW"), 3: (0, "NULL"), 4: (113, "LINUX_SLL"), 5: (276, "LINUX_SLL2")}
"""Our link type: number in capture files, name for tcpdump -y."""

AVAILABLE = shutil.which("tcpdump") is not None

Packet = tuple[bytes, int]
"""Captured bytes, length on the wire."""


def write(path: Path, link: int, packets: list[Packet]) -> None:
    """Write a capture; the stamp of packet n is n seconds."""
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, LINKS[link][0]))
        for number, (frame, wire) in enumerate(packets):
            out.write(struct.pack("<IIII", number, 0, len(frame), wire) + frame)


def select(path: Path, expression: str) -> list[int]:
    """Return the numbers of the packets that tcpdump selects from a capture of `write`."""
    done = subprocess.run(["tcpdump", "-r", str(path), "-w", "-", "--", expression], capture_output=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr.decode())
    numbers, at = [], 24
    while at < len(done.stdout):
        number, _, size, _ = struct.unpack_from("<IIII", done.stdout, at)
        numbers.append(number)
        at += 16 + size
    return numbers


@functools.cache
def program(link: int, expression: str, optimised: bool = True) -> tuple[tuple[int, int, int, int], ...] | None:
    """Return tcpdump's program as (code, jt, jf, k), or None if it rejects the expression.

    The optimiser drops loads that can't change the outcome, but for frames that end before them.
    """
    options = ["-ddd", "-y", LINKS[link][1], *([] if optimised else ["-O"])]
    done = subprocess.run(["tcpdump", *options, "--", expression], capture_output=True, check=False, text=True)
    if done.returncode:
        if "rejects all packets" in done.stderr:
            return ((0x06, 0, 0, 0),)
        return None
    rows = [tuple(int(item) for item in line.split()) for line in done.stdout.splitlines()[1:]]
    return tuple(rows)  # type: ignore[arg-type]


ARITHMETIC = {
    0x00: operator.add,
    0x10: operator.sub,
    0x20: operator.mul,
    0x30: operator.floordiv,
    0x40: operator.or_,
    0x50: operator.and_,
    0x60: lambda a, b: a << min(b, 32),
    0x70: lambda a, b: a >> min(b, 32),
    0x80: lambda a, b: -a,
    0x90: operator.mod,
    0xA0: operator.xor,
}
"""What the machine's ALU instructions do with A and their operand."""


def run(rows: tuple[tuple[int, int, int, int], ...], frame: bytes, wire: int) -> bool:
    """Run a program on a packet."""
    a = x = 0
    memory = [0] * 16
    at = 0
    while True:
        code, jt, jf, k = rows[at]
        at += 1
        kind, size, mode = code & 7, {0: 4, 8: 2, 16: 1}.get(code & 0x18, 0), code & 0xE0
        if kind in (0, 1):
            if mode in (0x20, 0x40, 0xA0):
                start = k + (x if mode == 0x40 else 0)
                size = 1 if mode == 0xA0 else size
                if start + size > len(frame):
                    return False
                value = int.from_bytes(frame[start : start + size], "big")
                value = (value & 15) * 4 if mode == 0xA0 else value
            else:
                value = {0x00: k, 0x60: memory[k & 15], 0x80: wire}[mode]
            a, x = (value, x) if kind == 0 else (a, value)
        elif kind == 2:
            memory[k] = a
        elif kind == 3:
            memory[k] = x
        elif kind == 4:
            operand = x if code & 8 else k
            if code & 0xF0 in (0x30, 0x90) and operand == 0:
                return False
            a = ARITHMETIC[code & 0xF0](a, operand) & 0xFFFFFFFF
        elif kind == 5:
            operand = x if code & 8 else k
            test = code & 0xF0
            if test == 0:
                at += k
            else:
                hit = {0x10: a == operand, 0x20: a > operand, 0x30: a >= operand, 0x40: bool(a & operand)}[test]
                at += jt if hit else jf
        elif kind == 6:
            return bool(a if code & 0x18 == 0x10 else k)
        else:
            a, x = (a, a) if code & 0xF8 == 0 else (x, x)
