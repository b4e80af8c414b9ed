from __future__ import annotations

import numpy as np
from tests.port.files import drain

from nfuse.packet.desc import LINK_RAW
from nfuse.port import Burst, ListInput, ListOutput, open_input, open_output


def test_lists() -> None:
    packets = [b"a", (7, b"bb"), (9, b"ccc", 1500), bytearray(b"d")]
    expected = [(0, b"a", 1), (7, b"bb", 2), (9, b"ccc", 1500), (3000, b"d", 1)]
    for size in (1, 2, 64):
        assert drain(ListInput(packets), size) == expected


def test_position_and_size() -> None:
    port, burst = ListInput([b"a"] * 5), Burst(3)
    assert (port.position, port.size) == (0, 5)
    port.receive(burst)
    assert (port.position, port.size) == (3, 5)


def test_output_collects_in_the_order_given() -> None:
    burst, out = Burst(), ListOutput()
    ListInput([(5, b"a", 100), (6, b"b")], link=LINK_RAW, side=1).receive(burst)
    out.send(burst, np.array([1, 0], dtype=np.int32))
    assert out.records == [(6, b"b", LINK_RAW, 1), (5, b"a", LINK_RAW, 1)]
    assert out.frames == [b"b", b"a"]
    assert (out.packets, out.bytes) == (2, 101)


def test_null_counts_and_drops() -> None:
    burst, out = Burst(), open_output("null:")
    ListInput([(5, b"a", 100), (6, b"bc")]).receive(burst)
    for _ in range(3):
        out.send(burst, np.array([1, 0, 0], dtype=np.int32))
    assert (out.packets, out.bytes) == (9, 3 * 202)
    assert drain(open_input("null:")) == []
    out.send(burst, np.zeros(10_000, dtype=np.int32))
    assert out.packets == 10_009
