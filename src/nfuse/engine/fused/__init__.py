"""The fused engine: the whole chain in one native loop.

A session's first packets take the slow path, NF by NF, with every action applied at its NF's place. What the NFs
recorded is then consolidated, and the session's other packets take the fast path: one look-up, the state functions, one
rewrite (SpeedyBox sections III to V).

``layout`` decides where everything lies in a session's flow control block; ``context`` names the engine's own memory;
``sessions``, ``records`` and ``consolidate`` are the native kernels, driven by tables and compiled once for all chains;
``codegen`` writes the part that is particular to a chain; ``engine`` puts them together.
"""

from nfuse.engine.fused.engine import FusedEngine as FusedEngine
from nfuse.engine.fused.engine import OriginalEngine as OriginalEngine
