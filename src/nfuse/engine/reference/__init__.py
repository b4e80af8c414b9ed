"""The reference engine: NF by NF, packet by packet, plain Python; the oracle of all other engines.

It knows nothing of consolidation, flow tables or the layout of flat memory, and must not: it is what they are checked
against. Slow (thousands of packets a second), meant for ``nfuse verify`` and for tests.
"""

from nfuse.engine.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
