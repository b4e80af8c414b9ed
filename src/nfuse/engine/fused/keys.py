"""Keys of coarser sessions: the declared fields, packed into as few words as they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nfuse.flow.blocks import stride
from nfuse.nf.abi import CX_PLACE, TUPLE_DPORT, TUPLE_DST, TUPLE_PROTO, TUPLE_SPORT, TUPLE_SRC
from nfuse.packet.fields import emit_read

TUPLE_NAMES = {"ip.src", "ip.dst", "ip.proto", "ipv6.next_header", "sport", "dport"}
"""Fields that stand in the session's tuple."""


def _sources(field: Any, four: bool, place: int) -> list[tuple[str, int]]:
    """Return the parts of a field's value as (source expression, bits)."""
    header, name = field.header, field.name
    if (header, name) in (("ip", "src"), ("ip", "dst")):
        at = place + (TUPLE_SRC if name == "src" else TUPLE_DST)
        if four:
            return [(f"(load64(X + {at + 8}) & 0xFFFFFFFF)", 32)]
        return [(f"load64(X + {at})", 64), (f"load64(X + {at + 8})", 64)]
    if name in ("sport", "dport"):
        return [(f"load32(X + {place + (TUPLE_SPORT if name == 'sport' else TUPLE_DPORT)})", 16)]
    if (header, name) in (("ip", "proto"), ("ipv6", "next_header")):
        return [(f"load32(X + {place + TUPLE_PROTO})", 8)]
    return [(emit_read(header, name, "P"), field.width)]


def key_words(fields: Sequence[Any], traffic: Any, place: int = CX_PLACE) -> list[str]:
    """Return source expressions of the key's words, over the opening tuple at the NF's place and packet ``P``.

    Args:
        fields: The declared fields of the session.
        traffic: The NF's traffic class: where it proves IPv4, an address takes 32 bits.
        place: Offset of the tuple in the context.
    """
    words: dict[int, list[str]] = {}
    for field, places in zip(fields, key_parts(fields, traffic), strict=True):
        for (source, _), (word, shift, _) in zip(_sources(field, _four(traffic), place), places, strict=True):
            words.setdefault(word, []).append(f"{source} << {shift}" if shift else source)
    return [f"i64({' | '.join(parts)})" for parts in words.values()]


def key_parts(fields: Sequence[Any], traffic: Any) -> list[list[tuple[int, int, int]]]:
    """Return where each field lies in the key: parts (word, shift, bits), the most significant first."""
    found: list[list[tuple[int, int, int]]] = []
    word, used = -1, 64
    for field in fields:
        found.append([])
        for _, bits in _sources(field, _four(traffic), CX_PLACE):
            if used + bits > 64:
                word, used = word + 1, 0
            found[-1].append((word, used, bits))
            used += bits
    return found


def _four(traffic: Any) -> bool:
    return "ipv4" in traffic.proves


def stride_of(plan: Any, number: int) -> int:
    """Return the bytes of a block of a node's coarser session `number`; scratchpads hold its offset in units of 8."""
    _, fields, layout = plan.info.coarse[number]
    return stride(layout.size, len(key_words(fields, plan.traffic)))
