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
        "IpIpHeader",
    ),
    "nfuse.nf.containers": ("Stack", "Ring", "Array", "HashMap", "PortStack"),
    "nfuse.flow.traffic": (
        *("eth", "vlan", "arp", "ip", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmp6"),
        *("sport", "dport", "ingress", "everything", "five_tuple", "pcap_filter"),
    ),
    "nfuse.chain.spec": ("Chain", "Node", "Timeouts"),
    "nfuse.chain.graph": ("branch",),
    "nfuse.chain.yaml": ("load_chain", "from_yaml", "to_yaml"),
    "nfuse.chain.errors": ("ChainError",),
    "nfuse.nf.errors": ("CompileError",),
    "nfuse.nf.findings": ("Finding", "Outcome"),
    "nfuse.nf.parameters": ("ParameterError",),
    "nfuse.engine.api": ("Control",),
    "nfuse.engine.driver": ("run",),
    "nfuse.engine.verify": ("verify",),
}

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME_OF, "__version__"])

if TYPE_CHECKING:
    from nfuse.chain.errors import ChainError as ChainError
    from nfuse.chain.graph import branch as branch
    from nfuse.chain.spec import Chain as Chain
    from nfuse.chain.spec import Node as Node
    from nfuse.chain.spec import Timeouts as Timeouts
    from nfuse.chain.yaml import from_yaml as from_yaml
    from nfuse.chain.yaml import load_chain as load_chain
    from nfuse.chain.yaml import to_yaml as to_yaml
    from nfuse.engine.api import Control as Control
    from nfuse.engine.driver import run as run
    from nfuse.engine.verify import verify as verify
    from nfuse.flow.traffic import arp as arp
    from nfuse.flow.traffic import dport as dport
    from nfuse.flow.traffic import eth as eth
    from nfuse.flow.traffic import everything as everything
    from nfuse.flow.traffic import five_tuple as five_tuple
    from nfuse.flow.traffic import icmp as icmp
    from nfuse.flow.traffic import icmp6 as icmp6
    from nfuse.flow.traffic import ingress as ingress
    from nfuse.flow.traffic import ip as ip
    from nfuse.flow.traffic import ipv4 as ipv4
    from nfuse.flow.traffic import ipv6 as ipv6
    from nfuse.flow.traffic import pcap_filter as pcap_filter
    from nfuse.flow.traffic import sport as sport
    from nfuse.flow.traffic import tcp as tcp
    from nfuse.flow.traffic import udp as udp
    from nfuse.flow.traffic import vlan as vlan
    from nfuse.nf.base import NF as NF
    from nfuse.nf.base import event as event
    from nfuse.nf.containers import Array as Array
    from nfuse.nf.containers import HashMap as HashMap
    from nfuse.nf.containers import PortStack as PortStack
    from nfuse.nf.containers import Ring as Ring
    from nfuse.nf.containers import Stack as Stack
    from nfuse.nf.errors import CompileError as CompileError
    from nfuse.nf.findings import Finding as Finding
    from nfuse.nf.findings import Outcome as Outcome
    from nfuse.nf.parameters import ParameterError as ParameterError
    from nfuse.nf.types import Address as Address
    from nfuse.nf.types import IpIpHeader as IpIpHeader
    from nfuse.nf.types import IPv4Address as IPv4Address
    from nfuse.nf.types import IPv6Address as IPv6Address
    from nfuse.nf.types import Mac as Mac
    from nfuse.nf.types import PortRange as PortRange
    from nfuse.nf.types import Prefix as Prefix
    from nfuse.nf.types import boolean as boolean
    from nfuse.nf.types import i8 as i8
    from nfuse.nf.types import i16 as i16
    from nfuse.nf.types import i32 as i32
    from nfuse.nf.types import i64 as i64
    from nfuse.nf.types import u8 as u8
    from nfuse.nf.types import u16 as u16
    from nfuse.nf.types import u32 as u32
    from nfuse.nf.types import u64 as u64


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
