from __future__ import annotations

import numpy as np
import pytest

from nfuse.packet.desc import DESC_DTYPE, DESC_SIZE
from nfuse.port import HEADROOM, MAX_FRAME, Burst
from nfuse.port.burst import append_all, put_desc


def test_frames_are_aligned_and_have_head_room() -> None:
    burst = Burst(100)
    end = burst.buffer.address
    for size in [0, 1, 60, 64, 65, 1514, MAX_FRAME]:
        assert burst.append(bytes(size), 5)
        desc = burst.desc[burst.n - 1]
        assert desc["addr"] % 64 == 0
        assert desc["addr"] - end >= HEADROOM == desc["room"]
        assert desc["len"] == size
        end = int(desc["addr"]) + size
    assert burst.used == end - burst.buffer.address


def test_a_descriptor_holds_what_is_said_and_nothing_else() -> None:
    burst = Burst(1)
    burst.desc[0] = np.ones((), DESC_DTYPE)
    put_desc(burst.desc_address, 0x1234567890, -7, 0xFFFF, 0xFFFFFFFF, 5 | 1 << 8 | 3 << 16)
    said = {"addr": 0x1234567890, "ts": -7, "len": 0xFFFF, "wire": 0xFFFFFFFF, "link": 5, "side": 1, "inport": 3}
    for name in DESC_DTYPE.names or ():
        assert burst.desc[0][name] == {**said, "room": HEADROOM}.get(name, 0), name


def test_full_by_packets_and_by_bytes() -> None:
    burst = Burst(3)
    assert [burst.append(b"x") for _ in range(5)] == [True] * 3 + [False] * 2
    burst.reset()
    assert (burst.n, burst.used) == (0, 0)
    small = Burst(1000, 1)
    count = 0
    while small.append(bytes(1500)):
        count += 1
    assert 10 < count < 100


def test_room_for_made_packets_follows_what_was_received() -> None:
    burst = Burst(8)
    while burst.append(bytes(64)):
        pass
    assert burst.capacity - burst.n >= 8
    assert burst.buffer.size - burst.used >= 8 * (2048 + HEADROOM)


def test_a_frame_that_is_too_long_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="65550 bytes"):
        Burst().append(bytes(MAX_FRAME + 1))


def test_append_all_copies_what_fits() -> None:
    a, b = Burst(8), Burst(2)
    for i in range(4):
        a.append(bytes([i]) * i, i, 2, i + 10, 1, 7)
    assert append_all(b.address, a.desc_address, 4) == 2
    assert append_all(b.address, a.desc_address + 2 * DESC_SIZE, 2) == 0
    assert [b.frame(i) for i in range(2)] == [b"", b"\1"]
    same = ["ts", "len", "wire", "link", "side", "inport", "room"]
    assert b.desc[1][same] == a.desc[1][same]
