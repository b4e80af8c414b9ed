"""The names of the API, in one place: what handlers may call, and what fields must not be called."""

from __future__ import annotations

from nfuse.nf.abi import CX_PLACE, TUPLE_DPORT, TUPLE_DST, TUPLE_PROTO, TUPLE_SPORT, TUPLE_SRC

FLOW_METHODS = ("forward", "drop", "modify", "encap", "decap", "run", "turn_back")
PKT_METHODS = ("drop", "reply")

PLACE_NAMES: dict[str, int] = {
    "ip_src": CX_PLACE + TUPLE_SRC,
    "ip_dst": CX_PLACE + TUPLE_DST,
    "sport": CX_PLACE + TUPLE_SPORT,
    "dport": CX_PLACE + TUPLE_DPORT,
    "proto": CX_PLACE + TUPLE_PROTO,
}
"""The opening tuple at the NF's place: attributes of ``flow`` and their offsets in the context."""

CONTAINER_METHODS: dict[str, tuple[str, ...]] = {
    "stack": ("push", "pop", "clear"),
    "ring": ("push", "pop", "clear"),
    "array": (),
    "map": ("get", "put", "delete"),
}
"""What handlers may call on a container, by its shape."""

RESERVED_FLOW = frozenset({*FLOW_METHODS, *PLACE_NAMES, "initiator"})
"""Names that Session fields can't have."""

RESERVED_SELF = frozenset(
    {"alert", "traffic", "session", "tick", "compiled", "parameters", "name", "named", "values"}
    | {"check", "outcomes", "report", "owns"}
    | {"on_start", "on_update", "on_flow", "on_packet", "on_change", "on_end", "on_tick", "State", "Session"}
)
"""Names that State fields and parameters can't have."""
