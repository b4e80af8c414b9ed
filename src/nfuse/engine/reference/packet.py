"""A packet as the reference engine holds it: its bytes, where its headers are, and the view that handlers get."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np

from nfuse.engine.reference.rewrite import Headers, quoted_in, set_error_field, set_field
from nfuse.engine.reference.session import Tuple
from nfuse.memory.arena import Arena, read_bytes, write_bytes
from nfuse.nf.abi import REPLIES
from nfuse.packet.action import make_reply, pop_ipip, push_ipip
from nfuse.packet.address import IPAddress, pack
from nfuse.packet.desc import (
    DESC_DTYPE,
    DESC_SIZE,
    F_ETH,
    F_ICMP_ERROR,
    F_IP,
    F_IP4,
    F_IP6,
    F_IPIP,
    F_LATER,
    F_TCP,
    F_VLAN,
)
from nfuse.packet.parse import parse
from nfuse.packet.view import PacketView
from nfuse.port.burst import HEADROOM, MAX_FRAME

TCP_FLAGS = {1: "F", 2: "S", 4: "R"}


class Packet:
    """One packet.

    Args:
        desc: Its descriptor, parsed (a record of DESC_DTYPE).
        frame: Its bytes.

    Attributes:
        desc: A private copy of the descriptor; its offsets follow the frame.
        data: The frame.
    """

    def __init__(self, desc: np.void, frame: bytes) -> None:
        self.desc: Any = desc.copy()
        self.data = bytearray(frame)
        self._read()

    def _read(self) -> None:
        desc = self.desc
        self.flags = int(desc["flags"])
        self.view = PacketView(self.data, int(desc["ts"]), int(desc["link"]), int(desc["wire"]), int(desc["side"]))
        record = self.view.record.view(DESC_DTYPE)
        for name in ("flags", "proto", "sport", "dport", "inport"):
            record[name] = desc[name]
        self.headers = self._headers()

    def _headers(self) -> Headers | None:
        desc, flags = self.desc, self.flags
        if not flags & F_IP:
            return None
        l3 = int(desc["l3"])
        if flags & F_IP4:
            total = int.from_bytes(self.data[l3 + 2 : l3 + 4], "big")
            end = l3 + total if total else int(desc["wire"])
        else:
            end = l3 + 40 + int.from_bytes(self.data[l3 + 4 : l3 + 6], "big")
        l4 = None if flags & F_LATER else int(desc["l4"])
        return Headers(self.data, 4 if flags & F_IP4 else 6, l3, l4, int(desc["proto"]), min(end, len(self.data)))

    @property
    def family(self) -> int:
        """4, 6, or 0 if it is not IP."""
        return 4 if self.flags & F_IP4 else 6 if self.flags & F_IP6 else 0

    @property
    def error(self) -> bool:
        """It is an ICMP error."""
        return bool(self.flags & F_ICMP_ERROR)

    @property
    def later(self) -> bool:
        """It is a later fragment."""
        return bool(self.flags & F_LATER)

    @property
    def tcp_flags(self) -> str:
        """FIN, SYN and RST, as letters; "" if it is not TCP."""
        if not self.flags & F_TCP:
            return ""
        byte = self.data[int(self.desc["l4"]) + 13]
        return "".join(letter for bit, letter in TCP_FLAGS.items() if byte & bit) + ("A" if byte & 16 else "")

    def tuple(self) -> Tuple:
        """The packet's session tuple, as its headers are now (a later fragment has its first fragment's ports)."""
        headers = self.headers
        assert headers is not None
        if self.later:
            ports = int(self.desc["sport"]), int(self.desc["dport"])
        else:
            ports = headers.port("sport"), headers.port("dport")
        return Tuple(address(headers, "ip_src"), address(headers, "ip_dst"), *ports, headers.proto)

    def quoted_tuple(self) -> Tuple:
        """The tuple of the packet that an ICMP error quotes."""
        assert self.headers is not None
        quoted = quoted_in(self.headers)
        ports = quoted.port("sport"), quoted.port("dport")
        return Tuple(address(quoted, "ip_src"), address(quoted, "ip_dst"), *ports, quoted.proto)

    def tuple_below(self, pushed: int) -> Tuple:
        """The tuple below that many pushed headers."""
        if not pushed:
            return self.tuple()
        inner = Packet(self.desc, bytes(self.data))
        for _ in range(pushed):
            inner.pop()
        return inner.tuple()

    def set(self, field: str, value: Any) -> bool:
        """Apply one recorded modify; False if an address is of the wrong family. What is absent stays absent."""
        if field.startswith("eth_"):
            if self.flags & F_ETH:
                at = 6 if field == "eth_src" else 0
                self.data[at : at + 6] = (int(value) & (1 << 48) - 1).to_bytes(6, "big")
            return True
        if field.startswith("vlan_"):
            if self.flags & F_VLAN:
                at = int(self.desc["l3"]) - 4 * int(self.desc["vlans"])
                tag = int.from_bytes(self.data[at : at + 2], "big")
                tag = tag & 0xF000 | value & 0xFFF if field == "vlan_vid" else tag & 0x1FFF | (value & 7) << 13
                self.data[at : at + 2] = tag.to_bytes(2, "big")
            return True
        if self.headers is None:
            return True
        if self.error:
            return set_error_field(self.headers, quoted_in(self.headers), field, value)
        return set_field(self.headers, field, value)

    def push(self, header: Any) -> str:
        """Push an IP-in-IP header; return "" or the reason why it does not fit."""
        if header.src.version != header.dst.version:
            return "wrong address family"
        size = 20 if header.src.version == 4 else 40
        bench = Bench(self)
        if push_ipip(bench.P, *pack(header.src), *pack(header.dst), int(header.ttl), int(header.tos)):
            self._take(bench)
            return ""
        return "no head room" if int(self.desc["room"]) < size else "too long"

    def pop(self) -> bool:
        """Remove the outermost IP header if it carries IP."""
        if not self.flags & F_IPIP:
            return False
        bench = Bench(self)
        done = bool(pop_ipip(bench.P))
        if done:
            self._take(bench)
        return done

    def answer(self, kind: str) -> Packet | None:
        """Make the reply of that kind, or None where none is due."""
        bench = Bench(self)
        bench.reply["addr"] = bench.frame + HEADROOM + MAX_FRAME + HEADROOM
        bench.reply["room"] = HEADROOM
        if not make_reply(bench.P, bench.Q, REPLIES.index(kind)):
            return None
        return Packet(bench.reply, read_bytes(int(bench.reply["addr"]), int(bench.reply["len"])))

    def turn(self, side: int) -> None:
        """Let the packet leave as those of a side do: 0 by the forward output, 1 by the reverse one."""
        if int(self.desc["side"]) != side:
            self.desc["side"] = side
            self._read()

    def _take(self, bench: Bench) -> None:
        self.desc = bench.desc.copy()
        self.data = bytearray(read_bytes(int(self.desc["addr"]), int(self.desc["len"])))
        self._read()


class Bench:
    """A work bench in flat memory, where native functions change the structure of a packet."""

    _arena: Arena | None = None

    def __init__(self, packet: Packet) -> None:
        if Bench._arena is None:
            Bench._arena = Arena(4096 + 2 * (HEADROOM + MAX_FRAME), "reference bench")
        arena = Bench._arena
        records = arena.array(DESC_DTYPE, 2)
        self.P, self.Q = arena.address, arena.address + DESC_SIZE
        self.frame = arena.address + 4096
        records[0] = packet.desc
        records[1] = np.zeros((), DESC_DTYPE)
        self.desc: Any = records[0]
        self.reply: Any = records[1]
        at = self.frame + int(packet.desc["room"])
        self.desc["addr"] = at
        write_bytes(at, bytes(packet.data))
        parse(self.P)
        self.desc["flags"] |= packet.flags


def address(headers: Headers, which: str) -> IPAddress:
    """Return an address of the packet as an object."""
    data = headers.address(which)
    return IPv4Address(data) if headers.family == 4 else IPv6Address(data)
