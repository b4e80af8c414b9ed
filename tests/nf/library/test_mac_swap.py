"""MacSwap: the twelve bytes before the EtherType change places, whatever follows."""

from __future__ import annotations

import pytest
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire, engines

from nfuse.nf.library import MacSwap


@pytest.mark.parametrize("engine", engines())
def test_each_frame(engine: str) -> None:
    wire = Wire(MacSwap(), engine)
    arp = bytes.fromhex("ffffffffffff 020000000001 0806 0001080006040001 020000000001 0a000001 000000000000 0a000002")
    for frame in (
        Packet().frame(),
        Packet("2001:db8::1", "2001:db8::2", "udp").frame(),
        arp,
        arp[:12] + b"\x88\xcc" + arp,
    ):
        assert wire.frames(frame) == [frame[6:12] + frame[:6] + frame[12:]]
