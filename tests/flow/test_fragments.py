"""The fragment stage: order, ports, bounds, and real captures."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfuse.flow.fragments import NO_FIRST, TOO_MANY, FragmentStage
from nfuse.memory import raw
from nfuse.packet.desc import F_FRAG, F_LATER, F_MALFORMED
from nfuse.packet.parse import parse_burst
from nfuse.port.burst import Burst
from nfuse.port.registry import open_input


@pytest.fixture(autouse=True)
def inside() -> Iterator[None]:
    """In the check mode, fail on any load or store outside the arenas."""
    raw.violations()
    yield
    assert raw.violations()[0] == 0


MILLISECOND = 1_000_000


def fragment4(ident: int, offset: int, more: bool = True, mark: int = 0, port: int = 1000, host: int = 1) -> bytes:
    """A UDP fragment over Ethernet; `offset` in units of 8 bytes; `mark` makes frames distinct."""
    data = struct.pack(">HHHH", port, 53, 32, 0) if offset == 0 else bytes(8)
    data += struct.pack(">IIQ", mark, ident, 0)
    field = offset | (0x2000 if more else 0)
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(data), ident, field, 64, 17, 0, bytes([10, 0, 0, host]), b"\x0a\0\0\2"
    )
    return bytes(12) + b"\x08\0" + head + data


def fragment6(ident: int, offset: int, more: bool = True, port: int = 1000, options: bool = False) -> bytes:
    """A UDP fragment over Ethernet and IPv6, the first one perhaps with destination options before UDP."""
    data = struct.pack(">HHHH", port, 53, 32, 0) + bytes(16) if offset == 0 else bytes(24)
    following = 60 if options else 17
    if options and offset == 0:
        data = struct.pack(">BB6x", 17, 0) + data
    data = struct.pack(">BBHI", following, 0, offset << 3 | more, ident) + data
    return (
        bytes(12)
        + b"\x86\xdd"
        + struct.pack(">IHBB", 6 << 28, len(data), 44, 64)
        + bytes(15)
        + b"\1"
        + bytes(15)
        + b"\2"
        + data
    )


def plain(mark: int) -> bytes:
    data = struct.pack(">HHHHI", 7, 8, 12, 0, mark)
    return (
        bytes(12)
        + b"\x08\0"
        + struct.pack(">BBHHHBBH4s4s", 0x45, 0, 32, 0, 0, 64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
        + data
    )


def feed(stage: FragmentStage, frames: list[tuple[int, bytes]], burst: Burst) -> list[tuple[bytes, int, int, int]]:
    """Pass (stamp in ms, frame) through the stage as one burst; return (frame, source port, FRAG, protocol)."""
    burst.reset()
    for stamp, frame in frames:
        assert burst.append(frame, ts=stamp * MILLISECOND)
    parse_burst(burst.desc_address, 0, burst.n)
    return taken(stage, burst, burst.n)


def taken(stage: FragmentStage, burst: Burst, n: int) -> list[tuple[bytes, int, int, int]]:
    order = stage.process(burst, n)
    if order is None:
        order = np.arange(n, dtype=np.int32)
    assert order.dtype == np.int32
    assert len(set(order.tolist())) == len(order)
    desc = burst.desc
    return [
        (burst.frame(k), int(desc["sport"][k]), int(desc["frag"][k]), int(desc["proto"][k])) for k in order.tolist()
    ]


def frames_of(found: list[tuple[bytes, int, int, int]]) -> list[bytes]:
    return [item[0] for item in found]


def test_without_fragments_nothing_is_done() -> None:
    burst = Burst(4)
    burst.append(plain(1))
    parse_burst(burst.desc_address, 0, 1)
    assert FragmentStage().process(burst, 1) is None


def test_later_fragments_get_the_ports_of_the_first() -> None:
    found = feed(
        FragmentStage(),
        [(0, fragment4(5, 0)), (1, plain(1)), (2, fragment4(5, 4)), (3, fragment4(5, 8, False))],
        Burst(8),
    )
    assert [item[1] for item in found] == [1000, 7, 1000, 1000]
    assert found[0][2] == found[2][2] == found[3][2] != 0
    assert found[1][2] == 0


def test_fragments_that_come_first_are_put_behind_their_first() -> None:
    early, last = fragment4(5, 4, mark=1), fragment4(5, 8, False, mark=2)
    first, other = fragment4(5, 0), plain(1)
    found = feed(FragmentStage(), [(0, last), (1, other), (2, early), (3, first), (4, plain(2))], Burst(8))
    assert frames_of(found) == [other, first, last, early, plain(2)]
    assert [item[1] for item in found] == [7, 1000, 1000, 1000, 7]


def test_and_across_bursts() -> None:
    stage, burst = FragmentStage(), Burst(8)
    assert frames_of(feed(stage, [(0, fragment4(5, 4)), (1, plain(1))], burst)) == [plain(1)]
    assert stage.holding
    assert feed(stage, [(2, plain(2))], burst)[0][0] == plain(2)
    found = feed(stage, [(2, plain(3)), (3, fragment4(5, 0)), (4, plain(4))], burst)
    assert frames_of(found) == [plain(3), fragment4(5, 0), fragment4(5, 4), plain(4)]
    assert found[2][1] == 1000
    assert int(burst.desc["room"][3]) >= 128
    assert not stage.holding


def test_datagrams_are_told_apart() -> None:
    frames = [fragment4(1, 0, port=11), fragment4(2, 0, port=12), fragment4(1, 0, port=13, host=9)]
    frames += [fragment4(2, 4), fragment4(1, 4, host=9), fragment4(1, 4)]
    found = feed(FragmentStage(), list(enumerate(frames)), Burst(8))
    assert [item[1] for item in found] == [11, 12, 13, 12, 13, 11]


def test_duplicates_and_overlaps_follow() -> None:
    frames = [fragment4(1, 0), fragment4(1, 4), fragment4(1, 4), fragment4(1, 3), fragment4(1, 0)]
    assert frames_of(feed(FragmentStage(), list(enumerate(frames)), Burst(8))) == frames


@pytest.mark.parametrize("options", [False, True])
def test_ipv6(options: bool) -> None:
    frames = [fragment6(70000, 5, False, options=options), fragment6(70000, 0, options=options), fragment6(70001, 5)]
    stage = FragmentStage()
    found = feed(stage, list(enumerate(frames)), Burst(8))
    assert frames_of(found) == [frames[1], frames[0]]
    assert [item[1] for item in found] == [1000, 1000]
    assert [item[3] for item in found] == [17, 17]
    stage.finish()
    assert stage.drops == {NO_FIRST: 1}


def test_end_of_input_drops_what_waits() -> None:
    stage = FragmentStage()
    assert feed(stage, [(0, fragment4(1, 4)), (0, fragment4(2, 4)), (0, fragment4(2, 8))], Burst(8)) == []
    stage.finish()
    assert stage.drops == {NO_FIRST: 3}
    assert not stage.holding


def test_time_out_goes_by_the_stamps_of_fragments() -> None:
    stage, burst = FragmentStage(timeout_ms=100), Burst(8)
    assert feed(stage, [(0, fragment4(1, 4))], burst) == []
    assert frames_of(feed(stage, [(99, fragment4(1, 0))], burst)) == [fragment4(1, 0), fragment4(1, 4)]
    assert feed(stage, [(100, fragment4(1, 8))], burst) == []  # the datagram is forgotten
    assert frames_of(feed(stage, [(5000, plain(1)), (201, fragment4(1, 0))], burst)) == [plain(1), fragment4(1, 0)]
    assert stage.drops == {NO_FIRST: 1}


def test_bounds() -> None:
    burst = Burst(64)
    stage = FragmentStage(limit_held=2)
    feed(stage, [(0, fragment4(1, k)) for k in range(4, 9)], burst)
    assert stage.drops == {TOO_MANY: 3}
    stage = FragmentStage(total_held=3)
    feed(stage, [(0, fragment4(k, 4)) for k in range(5)], burst)
    assert stage.drops == {TOO_MANY: 2}
    stage = FragmentStage(total_bytes=2 * len(fragment4(1, 4)))
    feed(stage, [(0, fragment4(k, 4)) for k in range(5)], burst)
    assert stage.drops == {TOO_MANY: 3}
    stage = FragmentStage(limit_datagrams=2)
    feed(stage, [(0, fragment4(k, 4)) for k in range(5)], burst)
    assert stage.drops == {TOO_MANY: 3}
    assert frames_of(feed(stage, [(0, fragment4(4, 0))], burst)) == [fragment4(4, 0), fragment4(4, 4)]


def test_what_does_not_fit_comes_next_in_order() -> None:
    stage, burst = FragmentStage(), Burst(4)  # 8 descriptors, 2 of them stay free
    for k in range(8):
        assert feed(stage, [(0, fragment4(1, 4 + k, mark=k))], burst) == []
    found = frames_of(feed(stage, [(0, plain(1)), (0, fragment4(1, 0)), (0, plain(2))], burst))
    assert stage.pending
    found += frames_of(feed(stage, [(0, plain(3)), (0, fragment4(1, 20)), (0, plain(4)), (0, plain(5))], burst))
    while stage.pending:
        found += frames_of(taken(stage, burst, 0))
    held = [fragment4(1, 4 + k, mark=k) for k in range(8)]
    assert found == [plain(1), fragment4(1, 0), *held, plain(2), plain(3), fragment4(1, 20), plain(4), plain(5)]


def naive(frames: list[tuple[int, bytes]], timeout: int) -> tuple[list[tuple[bytes, int]], Counter[str]]:
    """The same over the whole input at once, without bursts or bounds. Returns (frame, source port) and drops."""
    out: list[tuple[bytes, int]] = []
    drops: Counter[str] = Counter()
    known: dict[tuple[bytes, bytes], tuple[int, int | None, list[bytes]]] = {}
    clock = 0
    for stamp, frame in frames:
        ident, field = frame[18:20], struct.unpack_from(">H", frame, 20)[0]
        if not field & 0x3FFF:
            out.append((frame, struct.unpack_from(">H", frame, 34)[0]))
            continue
        clock = max(clock, stamp)
        for key in [key for key, entry in known.items() if entry[0] + timeout <= clock]:
            drops[NO_FIRST] += len(known.pop(key)[2])
        key = (frame[26:34], ident)
        started, port, held = known.get(key, (clock, None, []))
        if not field & 0x1FFF:
            port = struct.unpack_from(">H", frame, 34)[0]
            out += [(frame, port), *((one, port) for one in held)]
            held = []
        elif port is None:
            held.append(frame)
        else:
            out.append((frame, port))
        known[key] = (started, port, held)
    drops[NO_FIRST] += sum(len(entry[2]) for entry in known.values())
    return out, +drops


@st.composite
def inputs(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    found = []
    for mark in range(draw(st.integers(0, 40))):
        stamp = draw(st.integers(0, 40)) + mark * draw(st.sampled_from([0, 1, 5]))
        ident, host = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        kind = draw(st.sampled_from(["plain", "first", "later", "later", "later", "last"]))
        offset = draw(st.integers(1, 9))
        port = 1000 + mark
        frame = {
            "plain": plain(mark),
            "first": fragment4(ident, 0, mark=mark, port=port, host=host),
            "later": fragment4(ident, offset, mark=mark, host=host),
            "last": fragment4(ident, offset, False, mark=mark, host=host),
        }[kind]
        found.append((stamp, frame))
    return found


@given(inputs(), st.integers(1, 12), st.sampled_from([3, 30, 1000]))
def test_like_the_naive_stage_however_the_input_is_split(
    frames: list[tuple[int, bytes]], size: int, timeout: int
) -> None:
    stage, burst = FragmentStage(timeout_ms=timeout), Burst(size)
    found: list[tuple[bytes, int, int, int]] = []
    for start in range(0, len(frames), size):
        found += feed(stage, frames[start : start + size], burst)
    while stage.pending:
        found += taken(stage, burst, 0)
    stage.finish()
    expected, drops = naive(frames, timeout)
    assert [(frame, port) for frame, port, _, _ in found] == expected
    assert stage.drops == drops
    assert len(found) + sum(drops.values()) == len(frames)


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("backwards", [False, True])
def test_captures(captures: Path, size: int, backwards: bool) -> None:
    """Each later fragment comes behind its first and has its ports; nothing is lost."""
    names = ["ipv4-fragmented-*.pcap", "ipv6-fragmented-dns.pcap", "tunnels-gtp-*fragmentation.pcap"]
    seen = 0
    for path in sorted(path for name in names for path in captures.glob(name)):
        whole = Burst(4096)
        port = open_input(f"pcap:{path}")
        port.receive(whole)
        port.close()
        parse_burst(whole.desc_address, 0, whole.n)
        frames = [(0, whole.frame(k)) for k in range(whole.n)]
        if backwards:
            frames.reverse()
        stage, burst, found = FragmentStage(), Burst(size), []
        link = int(whole.desc["link"][0])
        for start in range(0, len(frames), size):
            burst.reset()
            for _, frame in frames[start : start + size]:
                burst.append(frame, link=link)
            parse_burst(burst.desc_address, 0, burst.n)
            found += taken(stage, burst, burst.n)
        while stage.pending:
            found += taken(stage, burst, 0)
        stage.finish()
        assert len(found) + sum(stage.drops.values()) == len(frames)
        flags = whole.desc["flags"][: whole.n]
        fragments = flags & (F_FRAG | F_MALFORMED) == F_FRAG
        seen += int(np.count_nonzero(fragments))
        ports = {slot: item for _, item, slot, _ in found if slot}
        assert all(item == ports[slot] for _, item, slot, _ in found if slot)
        if not stage.drops:
            later = int(np.count_nonzero(fragments & (flags & F_LATER != 0)))
            assert sum(1 for item in found if item[2]) >= later
    assert seen
