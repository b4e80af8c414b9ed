"""Traffic classes: which packets an NF, a branch or a filter speaks of.

In Python they are expressions, ``tcp & (dport == 80)``, and in text the pcap-filter language, ``tcp dst port 80``; both
give the same objects. A class can be evaluated on a packet view, and turned into source of the data path; several
classes become one classifier (`synthesize`).

Reading order: `ranges` and `values` (sets of field values), `nodes` (the expressions), `names` (what users write),
`normal` (when two are equal), `lexer` and `syntax` (text to tree), `loose` (tree to class), `strict` (tree to tcpdump's
own meaning), `synthesis`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from nfuse.flow.traffic.lexer import FilterError
from nfuse.flow.traffic.names import (
    FieldName,
    HeaderName,
    arp,
    dport,
    eth,
    field_named,
    five_tuple,
    header_named,
    host,
    icmp,
    icmp6,
    ingress,
    ip,
    ipv4,
    ipv6,
    length,
    port,
    sport,
    tcp,
    udp,
    vlan,
)
from nfuse.flow.traffic.nodes import Expr, everything, nothing
from nfuse.flow.traffic.synthesis import synthesize

if TYPE_CHECKING:
    from nfuse.flow.traffic.strict import CaptureFilter

__all__ = [
    "Expr",
    "FieldName",
    "FilterError",
    "HeaderName",
    "arp",
    "dport",
    "eth",
    "everything",
    "field_named",
    "five_tuple",
    "header_named",
    "host",
    "icmp",
    "icmp6",
    "ingress",
    "ip",
    "ipv4",
    "ipv6",
    "length",
    "nothing",
    "pcap_filter",
    "port",
    "sport",
    "synthesize",
    "tcp",
    "udp",
    "vlan",
]


@overload
def pcap_filter(text: str, strict: Literal[False] = ...) -> Expr: ...


@overload
def pcap_filter(text: str, strict: Literal[True]) -> CaptureFilter: ...


def pcap_filter(text: str, strict: bool = False) -> Expr | CaptureFilter:
    """Read a filter in pcap-filter(7) syntax: ``pcap_filter("tcp and dst port 80")``.

    Args:
        text: The filter.
        strict: False gives a traffic class: it looks through VLAN tags, and ``tcp`` holds only where the TCP header is
            there (`nfuse.flow.traffic.loose` has the list of differences). True gives a filter for captures, with
            tcpdump's own meaning.

    Raises:
        FilterError: With the column, what was expected, and the nearest word.
    """
    if strict:
        from nfuse.flow.traffic.strict import CaptureFilter

        return CaptureFilter(text)
    from nfuse.flow.traffic.loose import to_class
    from nfuse.flow.traffic.syntax import parse

    return to_class(parse(text), text)
