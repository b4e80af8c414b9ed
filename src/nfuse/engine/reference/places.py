"""The opening tuple of a session at each place of the chain, from what the NFs have recorded."""

from __future__ import annotations

from collections.abc import Iterable

from nfuse.engine.reference.session import TUPLE_FIELDS, Record, Session, Tuple

IPIP = {4: 4, 6: 41}
"""Protocol number of IP in IP, by the family of what is inside."""


def place_of(session: Session, before: Iterable[Record]) -> Tuple:
    """Return the opening tuple after the records of the NFs before, in their order.

    A pushed header hides the tuple below it until it is removed. What a packet has no field for changes nothing.
    """
    here, family, ports = session.entry, session.family, session.ports
    hidden: list[tuple[Tuple, int, frozenset[str]]] = []
    for record in before:
        if record.drop:
            continue
        for name in TUPLE_FIELDS:
            if name not in record.modifies or (name in ("sport", "dport") and name not in ports):
                continue
            value = record.modifies[name]
            if name in ("ip_src", "ip_dst") and value.version != family:
                continue
            here = here._replace(**{name: value})
        if record.decap and hidden:
            here, family, ports = hidden.pop()
        if record.encap is not None:
            hidden.append((here, family, ports))
            outer = record.encap
            here = Tuple(outer.src, outer.dst, 0, 0, IPIP[family])
            family, ports = outer.src.version, frozenset()
    return here
