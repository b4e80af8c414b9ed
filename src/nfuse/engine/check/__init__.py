"""Everything that can be wrong with a chain, found without traffic: ``nfuse check``.

Reading order: ``reach`` (which flows can come to each NF), ``facts`` (what an NF may ask), ``whole``, ``ports``;
``run`` puts them together. What concerns one kind of NF is not here: NFs check themselves
(:meth:`nfuse.nf.base.NF.check`).
"""

from __future__ import annotations

from nfuse.engine.check.run import Report, check_file

__all__ = ["Report", "check_file"]
