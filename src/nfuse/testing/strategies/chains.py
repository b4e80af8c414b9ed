"""Random chains of given network functions: sequences, branches, settings that make tables small and time short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from nfuse.chain.graph import Graph, as_graph, branch
from nfuse.chain.spec import Chain, Timeouts
from nfuse.flow.traffic import dport, icmp, ip, ipv4, ipv6, tcp, udp

SHORT = Timeouts(tcp_new=2, tcp_established=30, tcp_closing=1, udp_new=2, udp=8, icmp=1, other_new=2)
"""Time-outs that random traffic reaches."""
CLASSES = (tcp, udp, ipv4, ipv6, icmp, tcp & (dport == 80), ip.src == "10.0.0.0/31", ~udp)

Maker = Callable[[], Any]
"""Makes a network function or a graph anew: a class whose parameters have defaults, or ``lambda: MazuNat(...)``."""


def parts(of: Sequence[Maker]) -> st.SearchStrategy[Any]:
    """Return a strategy of new network functions (one instance can't stand at two places)."""
    if not of:
        raise ValueError("chains of nothing: expected network functions, such as chains(of=[Monitor])")
    for maker in of:
        if not callable(maker):
            raise TypeError(f"{maker!r} can't be made anew: expected a class or a function, such as lambda: {maker!r}")
    return st.sampled_from(range(len(of))).map(lambda number: of[number]())


@st.composite
def graphs(draw: st.DrawFn, of: Sequence[Maker], min_size: int = 1, max_size: int = 4, branches: bool = True) -> Graph:
    """Draw a graph: a sequence, perhaps with a branch, perhaps with a branch in it.

    Args:
        draw: Given by Hypothesis.
        of: What makes its network functions.
        min_size: Network functions in sequence, at least.
        max_size: And at most.
        branches: Whether there may be branches behind them.
    """
    part = parts(of)
    graph = as_graph(draw(st.lists(part, min_size=min_size, max_size=max_size)))
    shape = draw(st.integers(0, 2)) if branches else 2
    if shape == 0:
        ways = draw(st.lists(st.tuples(st.sampled_from(CLASSES), part), min_size=1, max_size=3))
        graph = graph >> branch(*ways) >> as_graph(draw(st.lists(part, max_size=1)))
    elif shape == 1:
        inner = branch((draw(st.sampled_from(CLASSES)), draw(part)))
        graph = graph >> branch((draw(st.sampled_from(CLASSES)), as_graph(draw(part)) >> inner), (udp, draw(part)))
    return graph


def chain_settings() -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of settings of a chain: small tables, short time-outs, drops, a small MTU, two sides."""
    return st.fixed_dictionaries(
        {
            "capacity": st.sampled_from([64, 64, 5, 2]),
            "timeouts": st.sampled_from([Timeouts(), SHORT]),
            "unmatched": st.sampled_from(["pass", "pass", "drop"]),
            "malformed": st.sampled_from(["drop", "drop", "pass"]),
            "mtu": st.sampled_from([None, None, 68]),
            "idle": st.sampled_from([60, 1, 0]),
            "two_sided": st.integers(0, 3).map(lambda number: number == 0),
        }
    )


@st.composite
def chains(
    draw: st.DrawFn,
    of: Sequence[Maker] = (),
    graph: st.SearchStrategy[Any] | None = None,
    settings: st.SearchStrategy[dict[str, Any]] | None = None,
) -> Chain:
    """Draw a chain.

    Args:
        draw: Given by Hypothesis.
        of: What makes its network functions: classes whose parameters have defaults, ``lambda: MazuNat(...)``.
        graph: Its graph; None: :func:`graphs` of these.
        settings: Its settings; None: :func:`chain_settings`.
    """
    shape = draw(graphs(of) if graph is None else graph)
    return Chain(shape, **draw(chain_settings() if settings is None else settings))
