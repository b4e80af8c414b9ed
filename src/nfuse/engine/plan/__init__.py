"""The plan of a chain: what the compiler found, what consolidation removed, where everything lies, what it costs.

Reading order: ``nodes`` (each NF), ``points``, ``savings`` (R1 to R4), ``slots`` (the flow control block), ``memory``,
``pairs`` (Table I); ``document`` puts them together, ``compare`` tells two plans apart, ``picture`` draws one. This
package only reads what :mod:`nfuse.engine.fused.layout` has planned; it changes nothing and prints nothing.
"""

from __future__ import annotations

from nfuse.engine.plan.document import Plan, chain_source, plan_of

__all__ = ["Plan", "chain_source", "plan_of"]
