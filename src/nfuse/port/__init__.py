"""Ports: where packets come from and where they go, named by URI (``pcap:``, ``gen:``, ``null:``, ``fault:``, ...).

An input fills bursts (:class:`~nfuse.port.burst.Burst`) with frames and descriptors, an output takes the descriptors
that leave. Kinds of ports are found in a registry (:mod:`nfuse.port.registry`) that other packages can add to.

A port knows frames, lengths, time stamps and link types. It must not know what the headers mean to a chain, nor flows,
sessions, network functions or engines. (The generator knows header layouts, because it writes them.)
"""

from nfuse.port.base import Input, Output
from nfuse.port.burst import HEADROOM, MAX_FRAME, Burst
from nfuse.port.errors import CaptureError, PortError, UriError
from nfuse.port.frames import Frame
from nfuse.port.memory import ListInput, ListOutput
from nfuse.port.registry import input_port, open_input, open_output, output_port

__all__ = [
    "HEADROOM",
    "MAX_FRAME",
    "Burst",
    "CaptureError",
    "Frame",
    "Input",
    "ListInput",
    "ListOutput",
    "Output",
    "PortError",
    "UriError",
    "input_port",
    "open_input",
    "open_output",
    "output_port",
]
