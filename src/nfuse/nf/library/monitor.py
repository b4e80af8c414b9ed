"""Monitor: what each flow has sent, in both directions."""

from __future__ import annotations

import csv
import ipaddress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse import NF, u8, u32, u64
from nfuse.nf.library.flow_text import flow_text

COLUMNS = (
    *("proto", "src", "sport", "dst", "dport", "packets", "bytes", "reverse_packets", "reverse_bytes"),
    *("first_seen", "last_seen", "flags", "reverse_flags"),
)
FLAGS = "FSRPAUEW"


class Monitor(NF):
    """Count packets and bytes of each flow, by direction, and note times and TCP flags.

    It changes and drops nothing. Bytes are frame bytes on the wire; times are the chain's clock (ns since the epoch).
    Counted are all packets that reach it: also fragments, and ICMP errors that belong to a flow.
    """

    class Session:
        """40 bytes a flow; ``reverse_*`` are those of the direction that did not open the session."""

        first_seen: u64  # nanoseconds since the epoch
        bytes: u64  # of frames on the wire, of the direction that opened the session
        reverse_bytes: u64  # of the other direction
        packets: u32  # of the direction that opened the session, modulo 2^32
        reverse_packets: u32  # of the other direction, modulo 2^32
        duration: u32  # milliseconds from the first packet to the last
        flags: u8  # all TCP flags seen, RFC 9293 section 3.1: FIN = 1, SYN = 2, ...
        reverse_flags: u8  # the same of the other direction

    def on_flow(self, pkt, flow):
        """Note when the flow began."""
        flow.first_seen = pkt.time

    def on_packet(self, pkt, flow):
        """Count the packet for its direction."""
        flow.duration = (pkt.time - flow.first_seen) // 1_000_000
        if flow.initiator:
            flow.packets += 1
            flow.bytes += pkt.len
            if pkt.tcp:
                flow.flags |= pkt.tcp.flags
        else:
            flow.reverse_packets += 1
            flow.reverse_bytes += pkt.len
            if pkt.tcp:
                flow.reverse_flags |= pkt.tcp.flags

    @staticmethod
    def table(flows: NDArray[Any], name: str = "monitor") -> list[dict[str, Any]]:
        """Turn ``chain.flows()`` into one dict a flow (:data:`COLUMNS`), most bytes first.

        Args:
            flows: Structured array with the entry tuple and this NF's fields as ``<name>.<field>``.
            name: The name of the Monitor in the chain.

        Raises:
            ValueError: the array has no fields of an NF of that name.
        """
        if f"{name}.packets" not in (flows.dtype.names or ()):
            raise ValueError(f"these flows have no fields of an NF named {name!r}: is it a Monitor of this chain?")
        rows = [_row(record, name) for record in flows]
        return sorted(rows, key=lambda row: (-row["bytes"] - row["reverse_bytes"], row["first_seen"]))

    @classmethod
    def write_csv(cls, flows: NDArray[Any], path: str | Path, name: str = "monitor") -> int:
        """Write ``chain.flows()`` as CSV with a header line; return the number of flows."""
        rows = cls.table(flows, name)
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        return len(rows)

    @classmethod
    def text(cls, flows: NDArray[Any], name: str = "monitor", limit: int = 20) -> str:
        """Lay the `limit` largest flows out as a table for people: sizes and times rounded, in UTC."""
        return flow_text(cls.table(flows, name)[:limit])


def _row(record: Any, name: str) -> dict[str, Any]:
    value = {c: int(record[f"{name}.{c}"]) for c in ("packets", "bytes", "reverse_packets", "reverse_bytes")}
    first = int(record[f"{name}.first_seen"])
    return {
        "proto": int(record["proto"]),
        "src": _address(record["src"]),
        "sport": int(record["sport"]),
        "dst": _address(record["dst"]),
        "dport": int(record["dport"]),
        **value,
        "first_seen": first,
        "last_seen": first + int(record[f"{name}.duration"]) * 1_000_000,
        "flags": _letters(int(record[f"{name}.flags"])),
        "reverse_flags": _letters(int(record[f"{name}.reverse_flags"])),
    }


def _address(value: Any) -> str:
    """Show 16 bytes in network order, IPv4 as v4-mapped."""
    address = ipaddress.IPv6Address(np.asarray(value).tobytes())
    return str(address.ipv4_mapped or address)


def _letters(flags: int) -> str:
    return "".join(letter for bit, letter in enumerate(FLAGS) if flags >> bit & 1)
