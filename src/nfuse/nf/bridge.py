"""The way from native memory to ordinary Python and back: handlers of NFs with ``compiled = False``.

:func:`call_interpreted` has the same meaning as a compiled handler of :mod:`nfuse.nf.abi`: it reads the scratchpad and
the coarser blocks, runs the Python function, and writes what it changed and recorded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nfuse.memory.arena import read_bytes
from nfuse.nf import abi
from nfuse.nf.abi import BLOCK_UNIT, Fault
from nfuse.nf.containers import read_item, write_item
from nfuse.nf.facade import FlowFacade, PacketFacade, Record, record_of
from nfuse.nf.instance import Instance
from nfuse.nf.logs import log_alert
from nfuse.nf.names import PLACE_NAMES
from nfuse.nf.poke import peek, poke, wipe
from nfuse.packet.address import pack, unpack
from nfuse.packet.desc import DESC_DTYPE, DESC_SIZE
from nfuse.packet.fields import MODIFY_FIELDS
from nfuse.packet.view import PacketView


def block_address(instance: Instance, session: str, F: int) -> int:
    """Return the address of a session's fields record: the scratchpad, or a coarser session's block."""
    found = instance.info.sessions[session]
    if found.block is None:
        return F
    return peek(instance.address + 8 * found.block) + peek(F + 4 * found.block, 4) * BLOCK_UNIT


def read_sessions(instance: Instance, F: int) -> dict[str, dict[str, Any]]:
    """Read the fields of all sessions of an NF by session name."""
    found: dict[str, dict[str, Any]] = {}
    for name, session in instance.info.sessions.items():
        base = block_address(instance, name, F)
        found[name] = {slot.name: read_item(slot.kind, base + slot.offset) for slot in session.layout.slots.values()}
    return found


def write_sessions(instance: Instance, F: int, values: dict[str, dict[str, Any]]) -> None:
    """Write the fields of all sessions of an NF."""
    for name, session in instance.info.sessions.items():
        base = block_address(instance, name, F)
        for slot in session.layout.slots.values():
            write_item(slot.kind, base + slot.offset, values[name][slot.name])


def read_place(X: int) -> dict[str, Any]:
    """Read the opening tuple at the NF's place from a context."""
    found: dict[str, Any] = {}
    for name, at in PLACE_NAMES.items():
        found[name] = unpack(peek(X + at), peek(X + at + 8)) if name.startswith("ip_") else peek(X + at, 4)
    return found


def write_record(instance: Instance, M: int, record: Record) -> None:
    """Write a record of header actions as a compiled handler would have left it."""
    info = instance.info
    wipe(M, abi.MAT_SIZE)
    if not record.recorded:
        return
    poke(M + abi.MAT_RECORDED, 1, 4)
    if record.drop is not None:
        poke(M + abi.MAT_DROP, info.reason_number(record.drop), 4)
    poke(M + abi.MAT_REPLY, abi.REPLIES.index(record.reply or ""), 4)
    poke(M + abi.MAT_DECAP, abi.ENCAPS.index(record.decap or ""), 4)
    if record.run:
        poke(M + abi.MAT_RUN, 1 + info.functions.index(record.run), 4)
    poke(M + abi.MAT_TURN, int(record.turn), 4)
    mask = 0
    for name, value in record.modifies.items():
        number = MODIFY_FIELDS.index(name)
        mask |= 1 << number
        at = M + abi.MAT_VALUES + abi.MAT_VALUE_SIZE * number
        hi, lo = (value, 0) if isinstance(value, int) else pack(value)
        poke(at, hi)
        poke(at + 8, lo)
    poke(M + abi.MAT_MASK, mask, 4)
    if record.encap is not None:
        poke(M + abi.MAT_ENCAP, 1, 4)
        for at, address in ((abi.MAT_ENCAP_SRC, record.encap.src), (abi.MAT_ENCAP_DST, record.encap.dst)):
            hi, lo = pack(address)
            poke(M + at, hi)
            poke(M + at + 8, lo)
        poke(M + abi.MAT_ENCAP_TTL, record.encap.ttl)
        poke(M + abi.MAT_ENCAP_TOS, record.encap.tos)


def packet_view(P: int) -> PacketView:
    """Return a view on a copy of the packet of a descriptor."""
    desc = np.frombuffer(read_bytes(P, DESC_SIZE), DESC_DTYPE)[0]
    data = bytearray(read_bytes(int(desc["addr"]), int(desc["len"])))
    return PacketView(data, int(desc["ts"]), int(desc["link"]), int(desc["wire"]), int(desc["side"]))


def call_interpreted(instance: Instance, handler: str, P: int, F: int, M: int, X: int) -> int:
    """Run a handler of an NF with ``compiled = False``.

    Args:
        instance: The NF; its State record is S.
        handler: ``on_flow``, ``on_change``, ``on_end`` or ``on_tick`` (then `P` is the elapsed time in ms).
        P: Address of the packet's descriptor, 0 if there is none.
        F, M, X: Addresses of scratchpad, record of actions (0 if none can be recorded) and context.

    Returns:
        0, or the negated line of a fault.
    """
    function = getattr(instance.info.interpreted, handler)
    instance.on_alert = lambda signature, value: _alert(instance, X, signature, value)
    try:
        if handler == "on_tick":
            function(instance.facade, P)
            return 0
        values = read_sessions(instance, F)
        flow = FlowFacade(instance.info, values, bool(peek(X + abi.CX_INITIATOR)), read_place(X))
        pkt = None
        if P:
            pkt = PacketFacade(packet_view(P), peek(X + abi.CX_NOW), bool(peek(X + abi.CX_REVERSE)))
        try:
            function(instance.facade, pkt, flow)
        finally:
            write_sessions(instance, F, values)
        if M:
            write_record(instance, M, record_of(flow))
        return 0
    except Fault as fault:
        return -fault.line


def _alert(instance: Instance, X: int, signature: str, value: int) -> None:
    log_alert(X, instance.info.signature_number(signature), value)
