"""The network functions that come with nfuse: one file each, written only with the public API.

They are the best documentation of that API. :data:`LIBRARY` names them for chain files. This package must not know
chains, engines or how handlers are compiled.
"""

from __future__ import annotations

from nfuse.nf.base import NF
from nfuse.nf.library.check_ip_header import CheckIPHeader
from nfuse.nf.library.classifier import Classifier
from nfuse.nf.library.counter import Counter
from nfuse.nf.library.dec_ttl import DecTtl
from nfuse.nf.library.destination_nat import DestinationNat
from nfuse.nf.library.dos_guard import DosGuard
from nfuse.nf.library.gateway import Gateway
from nfuse.nf.library.heavy_hitters import HeavyHitters
from nfuse.nf.library.ids import Ids
from nfuse.nf.library.ip_filter import IPFilter
from nfuse.nf.library.ip_ip import IpIpDecap, IpIpEncap
from nfuse.nf.library.mac_swap import MacSwap
from nfuse.nf.library.maglev import Maglev
from nfuse.nf.library.mazu_nat import MazuNat
from nfuse.nf.library.monitor import Monitor
from nfuse.nf.library.nptv6 import Nptv6
from nfuse.nf.library.overload_nat import OverloadNat
from nfuse.nf.library.packet_size_histogram import PacketSizeHistogram
from nfuse.nf.library.rate_limiter import RateLimiter
from nfuse.nf.library.static_nat import StaticNat
from nfuse.nf.library.tcp_mss_clamp import TcpMssClamp

__all__ = [
    "LIBRARY",
    "CheckIPHeader",
    "Classifier",
    "Counter",
    "DecTtl",
    "DestinationNat",
    "DosGuard",
    "Gateway",
    "HeavyHitters",
    "IPFilter",
    "Ids",
    "IpIpDecap",
    "IpIpEncap",
    "MacSwap",
    "Maglev",
    "MazuNat",
    "Monitor",
    "Nptv6",
    "OverloadNat",
    "PacketSizeHistogram",
    "RateLimiter",
    "StaticNat",
    "TcpMssClamp",
]

LIBRARY: dict[str, type[NF]] = {
    nf.__name__: nf
    for nf in (
        CheckIPHeader,
        Classifier,
        Counter,
        DecTtl,
        DestinationNat,
        DosGuard,
        Gateway,
        HeavyHitters,
        IPFilter,
        Ids,
        IpIpDecap,
        IpIpEncap,
        MacSwap,
        Maglev,
        MazuNat,
        Monitor,
        Nptv6,
        OverloadNat,
        PacketSizeHistogram,
        RateLimiter,
        StaticNat,
        TcpMssClamp,
    )
}
"""The library's NFs by the name that a chain file uses."""
