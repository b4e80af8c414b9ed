"""nfuse: network functions, fused.

Write network functions in Python, declare a chain, run it as one native data path. Everything that a network function
or a chain needs is imported from here::

    from nfuse import NF, Chain, event, ipv4, tcp, udp, u32

Names are loaded when they are first used: ``import nfuse`` costs nothing, and the commands start quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES: dict[str, tuple[str, ...]] = {
    "nfuse.nf.base": ("NF", "event"),
    "nfuse.nf.types": (
        *("u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "boolean"),
        *("Address", "IPv4Address", "IPv6Address", "Prefix", "PortRange", "Mac"),
        *("Stack", "Ring", "Array", "HashMap", "IpIpHeader"),
    ),
    "nfuse.flow.traffic": (
        *("eth", "vlan", "arp", "ip", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmp6"),
        *("sport", "dport", "port", "src", "dst", "ingress", "everything", "five_tuple", "pcap_filter"),
    ),
    "nfuse.chain.spec": ("Chain", "Node", "Timeouts"),
    "nfuse.chain.graph": ("branch",),
    "nfuse.chain.yaml": ("load_chain", "from_yaml", "to_yaml"),
    "nfuse.chain.errors": ("ChainError",),
}

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME_OF, "__version__"])  # noqa: PLE0605

if TYPE_CHECKING:
    from nfuse.chain.errors import ChainError as ChainError
    from nfuse.chain.graph import branch as branch
    from nfuse.chain.spec import Chain as Chain
    from nfuse.chain.spec import Node as Node
    from nfuse.chain.spec import Timeouts as Timeouts
    from nfuse.chain.yaml import from_yaml as from_yaml
    from nfuse.chain.yaml import load_chain as load_chain
    from nfuse.chain.yaml import to_yaml as to_yaml


def __getattr__(name: str) -> Any:
    """Load a public name from the module that defines it (PEP 562)."""
    if name not in _HOME_OF:
        from difflib import get_close_matches

        near = get_close_matches(name, _HOME_OF, 1)
        raise AttributeError(f"nfuse has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
