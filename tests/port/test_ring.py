from __future__ import annotations

import numpy as np
import pytest
from tests.port.files import drain
from tests.port.test_gen import flow

from nfuse.memory.arena import write_bytes
from nfuse.port import Burst, ListInput, PortError, open_input
from nfuse.port.gen_flow import TUPLE_DTYPE
from nfuse.port.ring import Ring

URI = "gen:?flows=5&packets=50&ip=mixed&reply=sides"


def test_delivers_what_the_source_gave_again_and_again() -> None:
    expected = drain(open_input(URI))
    ring = Ring(open_input(URI), 30, total=70)
    assert ring.packets == 30
    assert drain(ring, 16) == (expected[:30] * 3)[:70]
    assert drain(Ring(open_input(URI))) == expected


def test_sides_and_stamps_are_kept() -> None:
    burst, plain = Burst(), Burst()
    Ring(open_input(URI)).receive(burst)
    open_input(URI).receive(plain)
    for name in ("ts", "len", "wire", "link", "side", "inport", "room"):
        assert (burst.desc[:50][name] == plain.desc[:50][name]).all()


def test_bursts_point_at_the_frames_which_may_be_restored() -> None:
    for restore, expected in ((False, b"zzz"), (True, b"abc")):
        ring, burst = Ring(ListInput([b"abc", b"de"]), total=0, restore=restore), Burst(8)
        assert ring.receive(burst) == 2
        assert burst.desc[0]["addr"] == ring.frames.desc[0]["addr"]
        write_bytes(int(burst.desc[0]["addr"]), b"zzz")
        burst.desc[0]["addr"] += 1
        burst.desc[0]["len"] -= 1
        assert ring.receive(burst) == 2
        assert [burst.frame(0), burst.frame(1)] == [expected, b"de"]


def test_made_packets_have_the_whole_buffer_of_the_burst() -> None:
    burst = Burst(8)
    Ring(ListInput([b"abc"])).receive(burst)
    assert burst.used == 0


def test_from_tuples() -> None:
    tuples = np.zeros(4, TUPLE_DTYPE)
    tuples["src_lo"][:3], tuples["dst_lo"][:3] = 0xFFFF_0A000001, 0xFFFF_0A000002
    tuples[3] = (0x20010DB8 << 32, 1, 0x20010DB8 << 32, 2, 0, 0, 0)
    tuples["sport"], tuples["dport"], tuples["proto"] = [11, 12, 13, 14], [21, 22, 0, 24], [6, 17, 1, 6]
    ring, burst = Ring.from_tuples(tuples, np.array([0, 1, 2, 3, ~0, ~3, 0], np.int32), size=90), Burst()
    assert ring.receive(burst) == 7
    a, b = "10.0.0.1", "10.0.0.2"
    c, d = "2001:db8::1", "2001:db8::2"
    expected = [
        (a, b, 6, 11, 21),
        (a, b, 17, 12, 22),
        (a, b, 1, 13, 0),
        (c, d, 6, 14, 24),
        (b, a, 6, 21, 11),
        (d, c, 6, 24, 14),
        (a, b, 6, 11, 21),
    ]
    assert [flow(burst.frame(i)) for i in range(7)] == expected
    assert burst.desc[:7]["side"].tolist() == [0, 0, 0, 0, 1, 1, 0]
    assert burst.desc[:7]["len"].tolist() == [90] * 7
    assert [burst.frame(i)[47] for i in (0, 4, 6)] == [2, 24, 24]


def test_nothing_to_deliver() -> None:
    with pytest.raises(PortError, match="no packets"):
        Ring(ListInput([]))
    with pytest.raises(PortError, match="a flow that there is not"):
        Ring.from_tuples(np.zeros(2, TUPLE_DTYPE), np.array([2], np.int32))
