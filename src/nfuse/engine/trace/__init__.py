"""Tracing: the story of single packets, NF by NF, and what the fused engine made of them.

The reference engine tells the story (:mod:`recorder` observes it), the fused engine runs beside it on the same input
and is asked which path each packet took. All packets before a traced one are run too, so its state is the right one.
This package makes plain data (:mod:`record`); it must not know how it is shown.
"""

from nfuse.engine.trace.record import TracedPacket
from nfuse.engine.trace.run import Trace

__all__ = ["Trace", "TracedPacket"]
