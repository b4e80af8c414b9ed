"""Runs a handler twice on equal inputs, native and interpreted, and compares everything that it can have done."""

from __future__ import annotations

import linecache
import types
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import nfuse
from nfuse.memory.arena import Arena
from nfuse.memory.raw import violations
from nfuse.nf import abi
from nfuse.nf.abi import Fault
from nfuse.nf.base import NF
from nfuse.nf.bridge import read_sessions, write_record, write_sessions
from nfuse.nf.compile import analyse
from nfuse.nf.facade import FlowFacade, PacketFacade, Record, record_of
from nfuse.nf.instance import Instance
from nfuse.nf.names import PLACE_NAMES
from nfuse.nf.poke import peek, poke, wipe
from nfuse.packet.address import pack
from nfuse.packet.view import PacketView

PLACE = {"ip_src": nfuse.IPv4Address("10.0.0.1"), "ip_dst": nfuse.IPv4Address("10.0.0.2"), "sport": 1, "dport": 2}
PLACE["proto"] = 6

_count = 0


def nf_class(source: str, name: str = "Tested") -> type[NF]:
    """Define an NF class from text, as if it stood in a file; all of nfuse's names are known."""
    global _count
    _count += 1
    file = f"<tested {_count}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = types.ModuleType(f"tested_{_count}")
    module.__dict__.update({key: getattr(nfuse, key) for key in USER_NAMES})
    module.__dict__["__name__"] = module.__name__
    import sys

    sys.modules[module.__name__] = module
    exec(compile(source, file, "exec"), module.__dict__)
    found: type[NF] = module.__dict__[name]
    return found


USER_NAMES = [
    *("NF", "event", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "boolean", "Address", "IPv4Address"),
    *("IPv6Address", "Prefix", "PortRange", "Mac", "IpIpHeader", "Stack", "Ring", "Array", "HashMap", "PortStack"),
    *("eth", "vlan", "arp", "ip", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmp6", "sport", "dport", "everything"),
    "five_tuple",
]


@dataclass
class Outcome:
    """What a handler did.

    Attributes:
        result: 0, the name of a drop reason, or ("fault", line); the truth value of a condition.
        record: The MAT record's bytes.
        sessions: Session fields.
        state: State fields.
        frame: The packet.
        reply: Kind asked for by pkt.reply.
        alerts: (signature, value).
    """

    result: Any
    record: bytes
    sessions: dict[str, dict[str, Any]]
    state: dict[str, Any]
    frame: bytes
    reply: str
    alerts: list[tuple[str, int]] = field(default_factory=list)


class Both:
    """An NF, twice."""

    def __init__(self, nf: NF) -> None:
        self.info = analyse(type(nf))
        self.native, self.plain = Instance(nf), Instance(nf)
        self.module = self.info.load()
        for instance in (self.native, self.plain):
            instance.start()
        self.memory = Arena(1 << 16)
        base = self.memory.address
        self.F, self.M, self.X, self.blocks, self.ring = base, base + 4096, base + 8192, base + 12288, base + 32768
        for session in self.info.sessions.values():
            if session.block is not None:
                poke(self.native.address + 8 * session.block, self.blocks + 1024 * session.block)
                poke(self.F + 4 * session.block, 3, 4)
        self.values: dict[str, dict[str, Any]] = {name: {} for name in self.info.sessions}

    def store(self, **values: Any) -> None:
        """Set Session fields on both sides."""
        found = read_sessions(self.native, self.F)
        own = self.info.own or ""
        found[own].update(values)
        self.values[own].update(values)
        write_sessions(self.native, self.F, found)

    def call(self, name: str, frame: bytes = b"", **context: Any) -> Outcome:
        """Run a handler both ways; they must agree. Context: initiator, reverse, time, elapsed."""
        first = self._native(name, frame, context)
        second = self._plain(name, frame, context)
        for part, value in vars(first).items():
            assert (part, value) == (part, getattr(second, part))
        return first

    def _native(self, name: str, frame: bytes, context: dict[str, Any]) -> Outcome:
        view = PacketView(bytearray(frame))
        wipe(self.M, abi.MAT_SIZE)
        wipe(self.X, abi.CX_SIZE)
        poke(self.X + abi.CX_NOW, context.get("time", 0))
        poke(self.X + abi.CX_INITIATOR, int(context.get("initiator", True)))
        poke(self.X + abi.CX_REVERSE, int(context.get("reverse", False)))
        poke(self.X + abi.CX_LOG_BASE, self.ring)
        poke(self.X + abi.CX_LOG_CAPACITY, 256)
        for key, at in PLACE_NAMES.items():
            value = PLACE[key]
            if isinstance(value, int):
                poke(self.X + at, value, 4)
            else:
                poke(self.X + at, pack(value)[0])
                poke(self.X + at + 8, pack(value)[1])
        arguments = (self.native.address, view.P, self.F, self.M, self.X)
        if name == "on_tick":
            arguments = (self.native.address, context["elapsed"], 0, 0, self.X)
        result = int(getattr(self.module, name)(*arguments))
        assert violations()[0] == 0  # counted with NFUSE_CHECK=1
        outcome: Any = ("fault", -result) if result < 0 else result
        if result > 0 and not name.startswith("event_"):
            outcome = self.info.reasons[result - 1]
        record = self.memory.bytes[4096 : 4096 + abi.MAT_SIZE].tobytes()
        count = peek(self.X + abi.CX_LOG_HEAD)
        logs = self.memory.array(abi.LOG_DTYPE, 256, 32768)[:count]
        alerts = [(self.info.signatures[int(log["signature"]) - 1], int(log["value"])) for log in logs]
        reply = abi.REPLIES[peek(self.X + abi.CX_REPLY)]
        sessions = read_sessions(self.native, self.F)
        return Outcome(outcome, record, sessions, self.native.values(), view.frame, reply, alerts)

    def _plain(self, name: str, frame: bytes, context: dict[str, Any]) -> Outcome:
        view = PacketView(bytearray(frame))
        pkt = PacketFacade(view, context.get("time", 0), context.get("reverse", False))
        flow = FlowFacade(self.info, self.values, context.get("initiator", True), PLACE)
        alerts: list[tuple[str, int]] = []
        self.plain.on_alert = lambda signature, value: alerts.append((signature, value))
        function = getattr(self.info.interpreted, name)
        result: Any = 0
        try:
            if name == "on_tick":
                function(self.plain.facade, context["elapsed"])
            else:
                found = function(self.plain.facade, pkt, flow)
                result = int(bool(found)) if name.startswith("event_") else pkt.dropped or 0
        except Fault as fault:
            result = ("fault", fault.line)
        record: Record = record_of(flow)
        at = self.blocks + 8192
        write_record(self.plain, at, record)
        raw = np.array(self.memory.bytes[12288 + 8192 : 12288 + 8192 + abi.MAT_SIZE]).tobytes()
        sessions = {}
        for session, description in self.info.sessions.items():
            slots = description.layout.slots
            sessions[session] = {slot: getattr(flow.__dict__["_blocks"][session], slot) for slot in slots}
        return Outcome(result, raw, sessions, self.plain.values(), view.frame, pkt.replied or "", alerts)
