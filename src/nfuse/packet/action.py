"""Header actions on one packet, as engines use them: native functions over the descriptor of a parsed packet.

The set functions are in :mod:`~nfuse.packet.write`, those for ICMP errors in :mod:`~nfuse.packet.quoted`,
encapsulation in :mod:`~nfuse.packet.encap`, made packets in :mod:`~nfuse.packet.reply`.
"""

from __future__ import annotations

from nfuse.packet.encap import pop_ipip, push_ipip
from nfuse.packet.quoted import err_set_dport, err_set_dst, err_set_sport, err_set_src
from nfuse.packet.reply import make_reply
from nfuse.packet.write import (
    set_dport,
    set_eth_dst,
    set_eth_src,
    set_ip_dscp,
    set_ip_dst,
    set_ip_ecn,
    set_ip_src,
    set_ip_ttl,
    set_sport,
    set_vlan_pcp,
    set_vlan_vid,
)

__all__ = [
    "err_set_dport",
    "err_set_dst",
    "err_set_sport",
    "err_set_src",
    "make_reply",
    "pop_ipip",
    "push_ipip",
    "set_dport",
    "set_eth_dst",
    "set_eth_src",
    "set_ip_dscp",
    "set_ip_dst",
    "set_ip_ecn",
    "set_ip_src",
    "set_ip_ttl",
    "set_sport",
    "set_vlan_pcp",
    "set_vlan_vid",
]
