"""Pictures of a chain: NFs in order, branches with their conditions, ports, where consolidated actions are applied.

``scene`` says what is to be seen; ``svg``, ``mermaid`` and ``dot`` write it. Nothing is needed to draw the SVG.
"""

from __future__ import annotations

from nfuse.engine.plan.picture.dot import to_dot
from nfuse.engine.plan.picture.mermaid import to_mermaid
from nfuse.engine.plan.picture.scene import scene_of
from nfuse.engine.plan.picture.svg import to_svg

__all__ = ["scene_of", "to_dot", "to_mermaid", "to_svg"]
