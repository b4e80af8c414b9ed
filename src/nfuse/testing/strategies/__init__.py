"""Random packets, flows, traffic and chains: strategies for Hypothesis (https://hypothesis.readthedocs.io).

::

    from hypothesis import given, settings
    from nfuse.testing import assert_equivalent
    from nfuse.testing.strategies import traffic

    @given(traffic())
    @settings(deadline=None)  # the first example compiles
    def test_my_function(packets):
        assert_equivalent(MyFunction(), packets)

Importing this needs the package ``hypothesis``: ``pip install 'nfuse[testing]'``.
"""

try:
    import hypothesis as hypothesis
except ImportError as error:
    raise ImportError(
        "nfuse.testing.strategies needs the package hypothesis: pip install 'nfuse[testing]'", name="hypothesis"
    ) from error

from nfuse.testing.strategies.chains import chain_settings, chains, graphs
from nfuse.testing.strategies.flows import Flow, flows
from nfuse.testing.strategies.packets import damaged, packets
from nfuse.testing.strategies.traffic import Step, converse, steps, traffic

__all__ = [
    "Flow",
    "Step",
    "chain_settings",
    "chains",
    "converse",
    "damaged",
    "flows",
    "graphs",
    "packets",
    "steps",
    "traffic",
]
