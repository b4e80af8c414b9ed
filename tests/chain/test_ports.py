"""Inputs by name: settings, chain files, and the same judgement in all engines."""

from __future__ import annotations

import pytest
from tests.engine import frames as f

from nfuse import NF, Chain, ChainError, branch, everything, from_yaml, ingress, ip, tcp, to_yaml, u64, udp
from nfuse.engine.driver import run
from nfuse.engine.verify import verify
from nfuse.nf.library import Monitor
from nfuse.port.memory import ListInput

A, V = "10.0.0.1", "203.0.113.5"
FORWARD = [f.udp(A, port, V, 53, b"x") for port in (1, 2, 3)]
REVERSE = [f.udp(V, 53, A, port, b"x") for port in (1, 9)]


class FromLan(NF):
    """Counts sessions that begin in the network called lan."""

    traffic = udp & (ingress == "lan")

    class State:
        sessions: u64

    def on_flow(self, pkt, flow):
        self.sessions += 1


class FromOutside(NF):
    traffic = ingress == "outside"
    session = None

    def on_packet(self, pkt):
        pkt.drop("from outside")


class FromOnly(NF):
    traffic = ingress == "in"
    session = None

    def on_packet(self, pkt):
        pkt.drop("from the only input")


def both():
    return ListInput(FORWARD), ListInput(REVERSE)


@pytest.mark.parametrize("engine", ["reference", "fused", "original"])
def test_names(engine):
    chain = Chain(FromLan() >> Monitor(), two_sided=True, inputs=("lan", "wan"))
    assert run(chain, both(), None, engine).states["fromlan"] == {"sessions": 3}
    assert run(chain.with_settings(inputs=["wan", "lan"]), both(), None, engine).states["fromlan"] == {"sessions": 1}
    assert str(chain) == "fromlan >> monitor"
    assert verify(chain, both).identical


def test_default_names():
    result = run(Chain(FromOutside(), two_sided=True), both(), None, "reference")
    assert result.drops == {("fromoutside", "from outside"): 2}
    assert run(Chain(FromOnly()), ListInput(FORWARD), None, "fused").counters["dropped"] == 3


def test_a_direction_says_by_which_input():
    chain = Chain(FromOutside(), direction=ip.src == "203.0.113.0/24")
    for engine in ("reference", "fused"):
        assert run(chain, ListInput(FORWARD + REVERSE), None, engine).drops == {("fromoutside", "from outside"): 2}


def test_branches():
    graph = branch((ingress == "outside", FromOutside()), (everything, Monitor()))
    chain = Chain(graph, two_sided=True)
    assert verify(chain, both).identical
    assert run(chain, both(), None, "fused").counters["dropped"] == 1  # the other one is of a session from inside


def test_wrong_names():
    for graph in (FromLan(), branch((tcp & (ingress == "lan"), Monitor()))):
        with pytest.raises(ChainError, match="does not have: 'lan'") as caught:
            Chain(graph)
        assert "expected: in; with two_sided also inside and outside" in str(caught.value)
    with pytest.raises(ChainError, match="did you mean 'lan_a'"):
        Chain(FromLan(), inputs=("lan_a",))
    with pytest.raises(ChainError, match="names one input"):
        Chain(Monitor(), inputs=("lan",), two_sided=True)
    for wrong in ((), ("a", "a"), ("a", "b", "c"), 5, ("a b",)):
        with pytest.raises(ChainError, match="inputs"):
            Chain(Monitor(), inputs=wrong)
    with pytest.raises(ChainError, match="names an input"):
        Chain(Monitor(), direction=ingress == "wan")


def test_chain_files():
    text = f"chain:\n- {__name__}:FromLan\nsettings:\n  two_sided: true\n  inputs:\n  - lan\n  - wan\n"
    chain = from_yaml(text)
    assert to_yaml(chain) == text
    assert chain == from_yaml(to_yaml(chain))
    with pytest.raises(ChainError) as caught:
        from_yaml(text.replace("- lan", "- lanx"), "edge.yaml")
    assert str(caught.value).startswith("edge.yaml:2:3: chain[0]")
    assert "expected: lanx or wan" in str(caught.value)
    assert "did you mean 'lanx'" in str(caught.value)
    with pytest.raises(ChainError, match=r"settings\.inputs"):
        from_yaml(text.replace("- lan", "- 5"))


def test_egress_is_refused():
    with pytest.raises(ChainError, match="`egress` can't be judged"):
        branch(("egress wan", Monitor()))
