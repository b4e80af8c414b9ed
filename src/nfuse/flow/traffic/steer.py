"""Which side packets came in by, where one input carries both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nfuse.memory.cache import load_generated

_SOURCE = '''"""Marks packets of the reverse direction: {text}."""

from nfuse.memory.jit import native
from nfuse.memory.raw import *  # noqa: F403
from nfuse.packet.native import *  # noqa: F403


@native
def steer(base, start, stop):
    for i in range(start, stop):
        P = base + i * {size}
        store8(P + {side}, 1 if {condition} else 0)
    return 0
'''


def steering(direction: Any) -> Callable[[int, int, int], int]:
    """Return a native function ``steer(descriptors, start, stop)`` that sets SIDE of parsed packets.

    Args:
        direction: Traffic class of the packets of the reverse direction (they get 1, all others 0).
    """
    from nfuse.packet.desc import DESC_SIZE, SIDE

    text = str(direction).replace("\\", " ").replace('"', "'")
    source = _SOURCE.format(text=text, size=DESC_SIZE, side=SIDE, condition=direction.emit("P"))
    return load_generated("direction", source).steer  # type: ignore[no-any-return]
