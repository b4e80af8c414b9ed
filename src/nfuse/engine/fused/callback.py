"""The way back into Python: handlers of NFs with ``compiled = False``.

They run once per flow, in the middle of the packet that they are about: the native loop waits, so the order of arrival
holds (rule S16). They see copies of the packet and of their scratchpad; what they store and record is written back.
"""

from __future__ import annotations

import ctypes
import ipaddress
from typing import TYPE_CHECKING, Any

import numpy as np

from nfuse.memory.arena import read_bytes
from nfuse.nf.abi import (
    CX_ENTRY,
    CX_INITIATOR,
    CX_LOG_BASE,
    CX_LOG_CAPACITY,
    CX_LOG_HEAD,
    CX_NOW,
    CX_PLACE,
    CX_REVERSE,
    ENCAPS,
    LOG_DTYPE,
    MAT_DECAP,
    MAT_DROP,
    MAT_ENCAP,
    MAT_ENCAP_DST,
    MAT_ENCAP_SRC,
    MAT_ENCAP_TOS,
    MAT_ENCAP_TTL,
    MAT_MASK,
    MAT_RECORDED,
    MAT_REPLY,
    MAT_RUN,
    MAT_TURN,
    MAT_VALUE_SIZE,
    MAT_VALUES,
    REPLIES,
    TUPLE_DPORT,
    TUPLE_DST,
    TUPLE_PROTO,
    TUPLE_SPORT,
    TUPLE_SRC,
    Fault,
)
from nfuse.nf.containers import read_item, write_item
from nfuse.nf.facade import FlowFacade, PacketFacade, Record, record_of
from nfuse.nf.poke import peek, poke
from nfuse.packet.address import pack, unpack
from nfuse.packet.desc import DESC_DTYPE, DESC_SIZE
from nfuse.packet.fields import MODIFY_FIELDS
from nfuse.packet.view import PacketView

if TYPE_CHECKING:
    from nfuse.engine.fused.engine import FusedEngine

HANDLERS = ("on_flow", "on_change", "on_end", "on_tick")

_TYPE = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 6)


class Callback:
    """A C function that runs interpreted handlers of one engine.

    Attributes:
        address: Its address, called with (handler, node, packet, scratchpad, record, context).
        error: An exception that is none of the handler's own (Ctrl-C); the engine raises it after the burst.
    """

    def __init__(self, engine: FusedEngine) -> None:
        self._engine = engine
        self.error: BaseException | None = None
        self._function = _TYPE(self._run)
        self.address = int(ctypes.cast(self._function, ctypes.c_void_p).value or 0)

    def _run(self, handler: int, node: int, packet: int, scratch: int, record: int, context: int) -> int:
        try:
            return self._call(HANDLERS[handler], node, packet, scratch, record, context)
        except Fault as fault:
            return -max(1, fault.line)
        except BaseException as error:
            self.error = error
            return 0

    def _call(self, handler: str, node: int, packet: int, scratch: int, record: int, context: int) -> int:
        plan, instance = self._engine.plan.nodes[node], self._engine.instances[node]
        info = plan.info
        instance.on_alert = lambda signature, value: self._alert(node, info.signature_number(signature), value, context)
        function = info.interpreted.names[handler]
        if handler == "on_tick":
            function(instance.facade, packet)
            return 0
        values = {name: self._load(node, name, scratch) for name in info.sessions}
        before = {name: dict(fields) for name, fields in values.items()}
        place = _tuple(context + (CX_ENTRY if handler == "on_end" else CX_PLACE))
        flow = FlowFacade(info, values, bool(peek(context + CX_INITIATOR)), place)
        try:
            if handler == "on_end":
                function(instance.facade, flow)
            else:
                function(instance.facade, _packet(packet, context), flow)
        finally:
            for name, fields in values.items():
                if fields != before[name]:
                    self._store(node, name, scratch, fields)
        if record:
            self._record(node, record_of(flow), record)
        return 0

    def _where(self, node: int, name: str, scratch: int) -> int:
        """Return the address of the fields of one of an NF's sessions."""
        block = self._engine.plan.nodes[node].info.sessions[name].block
        if block is None:
            return scratch
        return self._engine.blocks[node, block].base + 8 * peek(scratch + 4 * block, 4)

    def _load(self, node: int, name: str, scratch: int) -> dict[str, Any]:
        at = self._where(node, name, scratch)
        slots = self._engine.plan.nodes[node].info.sessions[name].layout.slots
        return {slot.name: read_item(slot.kind, at + slot.offset) for slot in slots.values()}

    def _store(self, node: int, name: str, scratch: int, fields: dict[str, Any]) -> None:
        at = self._where(node, name, scratch)
        for slot in self._engine.plan.nodes[node].info.sessions[name].layout.slots.values():
            write_item(slot.kind, at + slot.offset, fields[slot.name])

    def _record(self, node: int, made: Record, at: int) -> None:
        plan = self._engine.plan.nodes[node]
        if not made.recorded:
            return
        poke(at + MAT_RECORDED, 1, 4)
        for name, value in made.modifies.items():
            number = MODIFY_FIELDS.index(name)
            poke(at + MAT_MASK, peek(at + MAT_MASK, 4) | 1 << number, 4)
            where = at + MAT_VALUES + MAT_VALUE_SIZE * number
            for offset, word in enumerate(pack(value) if number < 2 else (int(value),)):
                poke(where + 8 * offset, word)
        if made.drop is not None:
            poke(at + MAT_DROP, self._engine.reason_number(node, made.drop), 4)
        poke(at + MAT_REPLY, REPLIES.index(made.reply or ""), 4)
        if made.run:
            poke(at + MAT_RUN, 1 + plan.info.functions.index(made.run), 4)
        poke(at + MAT_TURN, int(made.turn), 4)
        if (made.encap is not None and not plan.encap) or (made.decap and not plan.decap):
            raise NotImplementedError(
                f"{plan.info.name}: an interpreted handler pushes or removes a header through a helper; call "
                "flow.encap and flow.decap in the handler itself, so that the chain can be laid out for it"
            )
        if made.encap is not None:
            poke(at + MAT_ENCAP, 1, 4)
            for offset, address in ((MAT_ENCAP_SRC, made.encap.src), (MAT_ENCAP_DST, made.encap.dst)):
                hi, lo = pack(address)
                poke(at + offset, hi)
                poke(at + offset + 8, lo)
            poke(at + MAT_ENCAP_TTL, int(made.encap.ttl))
            poke(at + MAT_ENCAP_TOS, int(made.encap.tos))
        poke(at + MAT_DECAP, ENCAPS.index(made.decap or ""), 4)

    def _alert(self, node: int, signature: int, value: int, context: int) -> None:
        head = peek(context + CX_LOG_HEAD)
        slot = peek(context + CX_LOG_BASE) + head % peek(context + CX_LOG_CAPACITY) * LOG_DTYPE.itemsize
        row = np.zeros((), LOG_DTYPE)
        row["clock"], row["nf"], row["signature"], row["value"] = peek(context + CX_NOW), node, signature, value
        entry = _tuple(context + CX_ENTRY)
        if entry["proto"] or entry["ip_src"] != unpack(0, 0):
            for column, name in (("src", "ip_src"), ("dst", "ip_dst")):
                hi, lo = pack(entry[name])
                row[column] = np.frombuffer(((hi & MASK64) << 64 | lo & MASK64).to_bytes(16, "big"), np.uint8)
            row["sport"], row["dport"], row["proto"] = entry["sport"], entry["dport"], entry["proto"]
            row["family"] = 4 if isinstance(entry["ip_src"], ipaddress.IPv4Address) else 6
        ctypes.memmove(slot, row.tobytes(), LOG_DTYPE.itemsize)
        poke(context + CX_LOG_HEAD, head + 1)


MASK64 = (1 << 64) - 1


def _tuple(at: int) -> dict[str, Any]:
    return {
        "ip_src": unpack(peek(at + TUPLE_SRC), peek(at + TUPLE_SRC + 8)),
        "ip_dst": unpack(peek(at + TUPLE_DST), peek(at + TUPLE_DST + 8)),
        "sport": peek(at + TUPLE_SPORT, 4),
        "dport": peek(at + TUPLE_DPORT, 4),
        "proto": peek(at + TUPLE_PROTO, 4),
    }


def _packet(address: int, context: int) -> PacketFacade:
    desc = np.frombuffer(read_bytes(address, DESC_SIZE), DESC_DTYPE)[0]
    frame = bytearray(read_bytes(int(desc["addr"]), int(desc["len"])))
    view = PacketView(frame, int(desc["ts"]), int(desc["link"]), int(desc["wire"]), int(desc["side"]))
    return PacketFacade(view, peek(context + CX_NOW), bool(peek(context + CX_REVERSE)))
