"""All engines on the same packets: does a chain do compiled and fused what its NFs do one by one?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nfuse.engine.api import Control
from nfuse.engine.start import ENGINES
from nfuse.engine.verify import verify
from nfuse.port.memory import ListInput
from nfuse.testing.outcome import Outcome, Packets, as_chain
from nfuse.testing.packet import given, text

SHOWN = 12
"""Packets that a message of a difference shows, at most."""


def assert_equivalent(
    chain: Any,
    packets: Packets,
    *,
    control: Sequence[Control] = (),
    engines: Sequence[str] = tuple(ENGINES),
    burst: int = 256,
    **settings: Any,
) -> Outcome:
    """Assert that all engines do the same with a chain and packets; return what that was.

    Compared are the packets that leave, byte for byte and in order, drops by reason, counters, State, the sessions with
    their scratchpads, and alerts.

    Args:
        chain: A chain, a graph (``A() >> B()``) or one network function.
        packets: Text (see :func:`nfuse.testing.packets`), or a list.
        control: Changes of parameters on the way.
        engines: The engines, two or more; the first one is what the others are compared with. By default the reference
            engine (NF by NF, plain Python), the fused one, and the unconsolidated one.
        burst: Packets that the engines are given at once.
        settings: Settings of the chain: ``capacity=2``, ``two_sided=True``, ...

    Returns:
        What the first engine did.

    Raises:
        AssertionError: There is a difference; the message explains the first one.
        ValueError: There is nothing to compare, or no engine of that name.
    """
    if len(engines) < 2:
        raise ValueError(f"engines={list(engines)}: expected two engines or more of {', '.join(ENGINES)}")
    chain = as_chain(chain, settings)
    source = given(packets)
    found = verify(chain, ListInput(source), tuple(engines), control, packets=burst, keep=True)
    assert found.identical, _explained(str(found.difference), chain, source, found.difference.packet)  # type: ignore[union-attr]
    assert found.run is not None
    assert found.run.conserved, f"packets in + made = out + dropped does not hold: {found.run.counters}"
    return Outcome(chain, found.run)


def _explained(difference: str, chain: Any, source: list[Any], at: int | None) -> str:
    """Add the chain and the packets up to the one that shows the difference."""
    last = len(source) if at is None else min(at + 1, len(source))
    first = max(0, last - SHOWN)
    shown = text(source[first:last]).splitlines()
    head = f"packets {first} to {last - 1}" if first else "packets"
    return f"the engines differ {difference}\nchain: {chain}\n{head}:\n" + "\n".join(f"  {line}" for line in shown)
