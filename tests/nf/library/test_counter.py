"""Counter against two sums."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import Counter, Monitor

ARP = bytes.fromhex("ffffffffffff 020000000001 0806 0001080006040001 020000000001 0a000001 000000000000 0a000002")


@pytest.mark.parametrize("engine", engines())
@given(st.lists(st.tuples(st.sampled_from(["udp", "tcp", "icmp", "arp"]), st.booleans(), st.binary(max_size=30))))
@few(20)
def test_sums(engine: str, packets: list[tuple[str, bool, bytes]]) -> None:
    wire = Wire(Counter(), engine, two_sided=True)
    expected = {"forward": [0, 0], "reverse": [0, 0]}
    for proto, reverse, payload in packets:
        packet = Packet(proto="udp" if proto == "arp" else proto, payload=payload)
        frame = ARP if proto == "arp" else (packet.back() if reverse else packet).frame()
        assert wire.frames(frame, side=int(reverse)) == [frame]
        counts = expected["reverse" if reverse else "forward"]
        counts[0] += 1
        counts[1] += len(frame)
    rows = Counter().report(wire.state("counter"))
    assert {row["direction"]: [row["packets"], row["bytes"]] for row in rows} == expected


@pytest.mark.parametrize("engine", engines())
def test_direction_follows_the_session(engine: str) -> None:
    """With one input, packets against the opening direction are the reverse ones, once an NF keeps sessions."""
    wire = Wire(Counter() >> Monitor(), engine)
    for packet in (Packet(), Packet().back(), Packet(), Packet().back(flags="A")):
        wire.send(packet)
    assert [row["packets"] for row in Counter().report(wire.state("counter"))] == [2, 2]
