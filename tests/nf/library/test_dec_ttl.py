"""DecTtl: one less, and nothing with less than two passes."""

from __future__ import annotations

import pytest
from tests.nf.library.frames import Packet, checksum
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import DecTtl

ENDS = {4: ("10.0.0.1", "198.18.0.1"), 6: ("2001:db8::1", "2001:db8::2")}


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("family", [4, 6])
def test_every_ttl(engine: str, family: int) -> None:
    wire = Wire(DecTtl(), engine)
    for ttl in range(256):
        packet = Packet(*ENDS[family], "udp", ttl=ttl)
        assert wire.send(packet) == (packet.to(ttl=ttl - 1) if ttl > 1 else None)
    assert wire.dropped() == {"TTL exceeded": 2}


@pytest.mark.parametrize("engine", engines())
def test_the_answer(engine: str) -> None:
    wire = Wire(DecTtl(answer=True), engine)
    (error,) = wire.frames(Packet(ttl=1, payload=b"hello").frame())
    assert error[23:24] == b"\x01"
    assert error[26:34] == bytes([198, 18, 0, 1, 10, 0, 0, 1])
    assert error[34:36] == b"\x0b\x00"  # time exceeded in transit
    assert error[42:] == Packet(ttl=1, payload=b"hello").frame()[14:]
    assert checksum(error[34:]) == 0
    (error,) = wire.frames(Packet(*ENDS[6], "udp", ttl=0).frame())
    assert error[54:56] == b"\x03\x00"
    assert wire.frames(error[:21] + b"\x01" + error[22:]) == []  # nothing answers an ICMP error
    assert wire.dropped() == {"TTL exceeded": 3}
    assert wire.engine.counters["made"] == 2


def test_bad_parameters() -> None:
    with pytest.raises(ValueError, match="answer: 'perhaps' is not valid; expected true or false"):
        DecTtl(answer="perhaps")
