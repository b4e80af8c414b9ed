"""The binary interface between compiled handlers and the engines that call them.

A compiled handler is a native function ``h(S, P, F, M, X) -> i64``:

=====  ===========================================================================================
``S``  address of the NF's State record (a 64-byte hidden header, then its fields)
``P``  descriptor of the packet (0 in ``on_end`` and ``on_tick``)
``F``  address of this NF's scratchpad in the session's flow control block (FCB)
``M``  address of the temporary record of header actions, ``MAT_*`` (0 where none can be recorded)
``X``  address of the context, ``CX_*``
=====  ===========================================================================================

It returns 0 to pass, k > 0 for ``pkt.drop`` with the NF's reason number k (1-based into ``NFInfo.reasons``), or the
negated source line of a fault. Conditions of events return 0 or 1, or the negated line. ``on_tick`` is called as
``h(S, elapsed, 0, 0, X)``. All fields are in the processor's byte order unless said otherwise; all offsets in bytes.
"""

from __future__ import annotations

import numpy as np

# ------------------------------------------------------------------------------------------- X: the context record

CX_NOW = 0
"""i64: the chain's clock, ns since the epoch."""
CX_INITIATOR = 8
"""i64: 1 if the packet belongs to the direction that opened the session."""
CX_REPLY = 16
"""i64: number of the reply asked for by ``pkt.reply`` (see :data:`REPLIES`); the engine zeroes it before a call."""
CX_FAULT = 24
"""i64: line of a fault inside a helper function; private to a handler call."""
CX_LOG_BASE = 32
"""i64: address of the ring of log records."""
CX_LOG_CAPACITY = 40
"""i64: records that the ring holds, a power of two."""
CX_LOG_HEAD = 48
"""i64: records written so far; only grows. Record n lies in slot n % capacity."""
CX_LOG_LOST = 56
"""i64: records lost; for the reader of the ring to keep."""
CX_NF_INDEX = 64
"""i64: index of the NF whose handler runs; the engine sets it before the handlers of an NF that alerts."""
CX_REVERSE = 72
"""i64: the value of ``pkt.reverse``."""
CX_ENTRY = 80
"""Tuple (see :data:`TUPLE_SRC`): the session's opening tuple at the chain's entry."""
CX_PLACE = 128
"""Tuple: the session's opening tuple at this NF's place. Valid in on_flow, on_change, then; in on_end = entry."""
CX_BUDGET = 176
"""i64: loop iterations left; private to a handler call."""
CX_DROP = 184
"""i64: reason number given to ``pkt.drop`` inside a helper function; private to a handler call."""
CX_ENGINE = 256
"""First offset that is free for engines."""
CX_SIZE = 512
"""Bytes an engine should reserve for a context, its own part included."""

TUPLE_SRC = 0
"""Address (hi, lo as two i64)."""
TUPLE_DST = 16
TUPLE_SPORT = 32
"""i32."""
TUPLE_DPORT = 36
TUPLE_PROTO = 40
TUPLE_SIZE = 48

LOOP_BUDGET = 100_000
"""Loop iterations that one call of a handler may take; one more is a fault."""

# ------------------------------------------------------------------------------------- M: the record of header actions

MAT_RECORDED = 0
"""i32: 1 once any recording call was made."""
MAT_MASK = 4
"""u32: bit i is set if modify field i (``nfuse.packet.fields.MODIFY_FIELDS``) is recorded."""
MAT_DROP = 8
"""u32: reason number of a recorded drop, 0 none."""
MAT_REPLY = 12
"""u32: reply (see :data:`REPLIES`) that goes with the recorded drop, 0 none."""
MAT_ENCAP = 16
"""u32: 0 none, 1 ipip."""
MAT_DECAP = 20
"""u32: 0 none, 1 ipip."""
MAT_RUN = 24
"""u32: 0 none, else 1 + index into ``NFInfo.functions``."""
MAT_TURN = 28
"""u32: 1 if the flow is sent out where it came in."""
MAT_VALUES = 32
"""16 bytes for each modify field: an address as hi, lo; any other value as i64."""
MAT_VALUE_SIZE = 16
MAT_ENCAP_SRC = 208
MAT_ENCAP_DST = 224
MAT_ENCAP_TTL = 240
MAT_ENCAP_TOS = 248
MAT_SIZE = 256

REPLIES: tuple[str, ...] = ("", "rst", "unreachable", "reject", "echo", "ttl exceeded", "port unreachable")
"""Names of ``pkt.reply`` and ``flow.drop(reply=)``; the index is the kind of ``nfuse.packet.action.make_reply``."""

ENCAPS: tuple[str, ...] = ("", "ipip")
"""Names of the headers of ``flow.encap`` and ``flow.decap``; the index is the value in ENCAP and DECAP."""

# --------------------------------------------------------------------------------------------------- S: the NF's State

STATE_HEADER = 64
"""Bytes before the first State field: 8 i64, slot k = address of the block table of coarser session k."""
BLOCK_UNIT = 8
"""A scratchpad begins with one u32 per coarser session: the block's offset in its table, in units of these bytes.

The table's stride is the engine's: a block may be followed by what the engine keeps about it.
"""
CONTAINER_SIZE = 32
"""A container in State: offset of its data from S, capacity, and two words of its own, each an i64."""

# ------------------------------------------------------------------------------------------------------- log records

LOG_SIZE = 64
LOG_DTYPE = np.dtype(
    [
        ("clock", "<i8"),
        ("nf", "<u4"),
        ("signature", "<u4"),
        ("value", "<i8"),
        ("src", "u1", 16),
        ("dst", "u1", 16),
        ("sport", "<u2"),
        ("dport", "<u2"),
        ("proto", "u1"),
        ("family", "u1"),
        ("pad", "u1", 2),
    ]
)
"""A log record: addresses are 16 bytes in network order (IPv4 as v4-mapped), family 4 or 6, signature 1-based."""


class Fault(Exception):
    """A handler ran into a fault (index outside, division by zero, shift count, loop bound) at a source line."""

    def __init__(self, line: int) -> None:
        super().__init__(f"fault at line {line}")
        self.line = line
