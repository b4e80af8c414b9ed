"""A traffic class written as a pcap filter is the class that it reads as, everywhere."""

from __future__ import annotations

import pytest
from tests.engine import frames as f
from tests.nf.both import nf_class

from nfuse import Chain, dport, ingress, run, tcp, udp
from nfuse.nf.compile import analyse
from nfuse.nf.errors import CompileError
from nfuse.port.memory import ListInput

COUNTS = "\n    class State:\n        n: u32\n    def on_packet(self, pkt, flow):\n        self.n += pkt.tcp.syn\n"


def test_it_is_an_expression() -> None:
    nf = nf_class(f"class Tested(NF):\n    traffic = 'tcp and dst port 80'{COUNTS}")
    assert nf.traffic == tcp & (dport == 80)
    assert analyse(nf).traffic == tcp & (dport == 80)
    assert str(analyse(nf).traffic) == str(tcp & (dport == 80))
    assert nf.traffic | udp != nf.traffic


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_it_judges_packets(engine: str) -> None:
    nf = nf_class(f"class Tested(NF):\n    traffic = 'tcp and dst port 80'{COUNTS}")
    frames = [f.tcp("10.0.0.1", 1000 + n, "10.0.0.2", port, "S") for n, port in enumerate((80, 81, 80))]
    result = run(Chain(nf()), ListInput([(1, frame) for frame in frames]), engine=engine)
    assert result.states["tested"] == {"n": 2}
    assert result.counters["unmatched"] == 1


def test_inputs_by_name() -> None:
    nf = nf_class(f"class Tested(NF):\n    traffic = 'ingress lan and tcp'{COUNTS}")
    assert nf.traffic == (ingress == "lan") & tcp
    chain = Chain(nf(), inputs=["lan"])
    assert chain.nodes[0].nf.traffic == (ingress == 0) & tcp


def test_a_subclass_may_give_another() -> None:
    nf = nf_class("class Base(NF):\n    traffic = 'udp'\nclass Tested(Base):\n    traffic = 'tcp'\n")
    assert nf.traffic == tcp
    assert nf.__mro__[1].traffic == udp


def test_a_class_that_changes_within_a_flow_is_refused_as_ever() -> None:
    with pytest.raises(CompileError, match="differs between packets of one flow"):
        analyse(nf_class(f"class Tested(NF):\n    traffic = 'tcp[tcpflags] & tcp-syn != 0'{COUNTS}"))
