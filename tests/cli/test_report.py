"""What NFs report of their State: asked for by name, shown as tables, and as plain data."""

from __future__ import annotations

import json
from typing import Any

from tests.nf.library.frames import Packet

from nfuse import NF, Chain, run, u32
from nfuse.cli.report import as_dict, reporting, reports
from nfuse.nf.library import Counter, Monitor, PacketSizeHistogram
from nfuse.port.memory import ListInput

FRAMES = [(1_700_000_000_000_000_000 + n, Packet(proto="udp", payload=b"x" * n).frame()) for n in range(3)]


class Shares(NF):
    """Reports a column of each kind."""

    session = None

    class State:
        seen: u32

    def on_packet(self, pkt):
        self.seen += 1

    def report(self, state: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"sid": 1000001, "name": "short", "count": 1000 * state["seen"], "share": 0.75},
            {"sid": 2, "name": "a longer name", "count": state["seen"], "share": 0.25},
        ]


class Silent(Shares):
    """Has nothing to report yet."""

    def report(self, state: dict[str, Any]) -> list[dict[str, Any]]:
        return []


def test_reports() -> None:
    chain = Chain(Shares() >> Monitor() >> Counter().named("wire") >> Silent())
    assert reporting(chain) == ["shares", "wire", "silent"]
    result = run(chain, ListInput(FRAMES), None, "reference", states=reporting(chain))
    assert set(result.states) == {"shares", "monitor", "wire", "silent"}
    first, second, third = reports(chain, result)
    assert first.splitlines() == [
        "shares",
        "      sid  name           count   share",
        "  1000001  short          3,000  75.0 %  ██████████████████",
        "        2  a longer name      3  25.0 %  ██████",
    ]
    assert second.splitlines()[2].split() == ["forward", "3", "129"]
    assert third == "silent\n  nothing"
    data = json.loads(json.dumps(as_dict(chain, result)))
    assert data["reports"]["wire"][0] == {"direction": "forward", "packets": 3, "bytes": 129}
    assert data["reports"]["silent"] == []


def test_states_that_were_not_asked_for() -> None:
    """Fields that are no containers are always there; an NF that has containers reports if they were asked for."""
    chain = Chain(Shares() >> PacketSizeHistogram())
    both = {"shares", "packetsizehistogram"}
    for states, names in ((True, both), (False, {"shares"}), (["packetsizehistogram"], both)):
        result = run(chain, ListInput(FRAMES), None, "reference", states=states)
        assert {text.splitlines()[0] for text in reports(chain, result)} == names
