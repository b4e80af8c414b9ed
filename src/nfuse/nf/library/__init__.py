"""The network functions that come with nfuse: one file each, written only with the public API.

They are the best documentation of that API. :data:`LIBRARY` names them for chain files. This package must not know
chains, engines or how handlers are compiled.
"""

from __future__ import annotations

from nfuse.nf.base import NF
from nfuse.nf.library.dos_guard import DosGuard
from nfuse.nf.library.ip_filter import IPFilter
from nfuse.nf.library.ip_ip import IpIpDecap, IpIpEncap
from nfuse.nf.library.maglev import Maglev
from nfuse.nf.library.mazu_nat import MazuNat
from nfuse.nf.library.monitor import Monitor
from nfuse.nf.library.overload_nat import OverloadNat
from nfuse.nf.library.tcp_mss_clamp import TcpMssClamp

__all__ = [
    "LIBRARY",
    "DosGuard",
    "IPFilter",
    "IpIpDecap",
    "IpIpEncap",
    "Maglev",
    "MazuNat",
    "Monitor",
    "OverloadNat",
    "TcpMssClamp",
]

LIBRARY: dict[str, type[NF]] = {
    nf.__name__: nf
    for nf in (DosGuard, IPFilter, IpIpDecap, IpIpEncap, Maglev, MazuNat, Monitor, OverloadNat, TcpMssClamp)
}
"""The library's NFs by the name that a chain file uses."""
