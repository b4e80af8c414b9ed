from __future__ import annotations

import pytest

from nfuse import NF, Chain, ChainError, Control, tcp, u32
from nfuse.nf.library import DosGuard, IPFilter, MazuNat, Monitor
from nfuse.testing import Alert, assert_packets, packets, run

LINES = """
    10.0.0.1:1 > 192.0.2.1:80 tcp S
    10.0.0.1:1 < 192.0.2.1:80 tcp SA
    10.0.0.1:1 > 192.0.2.1:80 tcp S
"""


class Total(NF):
    """Count packets in State."""

    traffic = tcp
    session = None

    class State:
        packets: u32

    def on_packet(self, pkt):
        self.packets += 1


@pytest.mark.parametrize("engine", ["reference", "fused", "original"])
def test_everything(engine: str) -> None:
    result = run(DosGuard(threshold=1) >> Total(), LINES, engine=engine)
    assert result.result.engine == engine
    assert result.text == "10.0.0.1:1 > 192.0.2.1:80 tcp S\n192.0.2.1:80 > 10.0.0.1:1 tcp SA"
    assert [one.time for one in result.out] == [0, 1_000_000]
    assert result.drops == {"dosguard: SYN flood": 1}
    assert (result.counters["packets_in"], result.counters["dropped"]) == (3, 1)
    assert result.alerts == [Alert("dosguard", "SYN flood", 2, 2_000_000, "10.0.0.1:1 > 192.0.2.1:80 tcp")]
    assert result.flows["dosguard.syns"].tolist() == [2]
    assert result.state("total") == {"packets": 2}
    with pytest.raises(ChainError, match="did you mean 'total'"):
        result.state("totall")
    assert repr(result).startswith(f"<Outcome of the {engine} engine: 3 packets in, 2 out, 1 dropped, 1 live session")


def test_sides_count_between_two_networks_only() -> None:
    result = run(Monitor(), LINES, two_sided=True, engine="reference")
    assert [one.side for one in result.out] == [0, 1, 0]
    result.assert_out(LINES)
    with pytest.raises(
        AssertionError, match=r"- 192.0.2.1:80 > 10.0.0.1:1 tcp SA\n\+ 10.0.0.1:1 < 192.0.2.1:80 tcp SA"
    ):
        result.assert_out(LINES.replace("10.0.0.1:1 < 192.0.2.1:80", "192.0.2.1:80 > 10.0.0.1:1"))
    result = run(Monitor(), LINES, engine="reference")
    assert [one.side for one in result.out] == [0, 0, 0]
    result.assert_out(LINES)


def test_control_and_settings() -> None:
    chain = Chain(DosGuard(threshold=9), capacity=5)
    result = run(chain, LINES, engine="reference", control=[Control("dosguard", {"threshold": 0}, at_packet=2)])
    assert result.drops == {"dosguard: SYN flood": 1}
    assert run(chain, LINES, engine="reference").chain is chain
    assert run(chain, LINES, engine="reference", capacity=2).chain.capacity == 2
    with pytest.raises(ChainError, match="did you mean 'capacity'"):
        run(chain, LINES, capacty=2)


def test_what_differs_is_shown() -> None:
    nat = MazuNat(public="198.51.100.1", inside="10.0.0.0/8")
    lines = "10.0.0.2:1 > 192.0.2.1:23 udp\n10.0.0.1:1 > 192.0.2.1:80 tcp S"
    result = run(nat >> IPFilter(rules=["drop udp any -> any 23"]), lines, engine="reference")
    with pytest.raises(AssertionError) as caught:
        result.assert_out("198.51.100.1:1024 > 192.0.2.1:80 tcp S ttl 63")
    first, *lines, last = str(caught.value).splitlines()
    assert first == "other packets than expected (- missing, + unexpected)"
    assert lines == ["- 198.51.100.1:1024 > 192.0.2.1:80 tcp S ttl 63", f"+ {result.text}"]
    assert last == "dropped by ipfilter: denied: 1"


def test_assert_packets() -> None:
    assert_packets(packets(LINES), [(99, one.bytes) for one in packets(LINES)], sides=False)
    for other in (LINES + LINES, "", LINES.replace("SA", "S")):
        with pytest.raises(AssertionError, match="other packets than expected"):
            assert_packets(LINES, other)
