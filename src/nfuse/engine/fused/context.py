"""The fused engine's memory: offsets in its context, its node table and a session's flow control block (FCB).

The context begins with what handlers see (:mod:`nfuse.nf.abi`); the engine's own part follows. All values are i64 in
the processor's byte order unless said otherwise.
"""

from __future__ import annotations

from typing import Final

# ------------------------------------------------------------------------------------------- X: the engine's context

POOL: Final = 256
"""Address of the pool of FCBs; FCB number n lies at POOL + n * SIZE, numbers start at 1."""
SIZE: Final = 264
EXT: Final = 272
"""Address of the extensions of IPv6 sessions (keys and addresses); same numbers, ESIZE apart."""
ESIZE: Final = 280
INDEX4: Final = 288
MASK4: Final = 296
INDEX6: Final = 304
MASK6: Final = 312
FREE: Final = 320
"""Number of the first FCB in the free list, 0 none."""
USED: Final = 328
"""Highest FCB number that was ever handed out."""
CAPACITY: Final = 336
LIVE: Final = 344
NUMBER: Final = 352
"""Number of the session created last."""
WHEEL: Final = 360
"""Address of the timing wheel."""
HEAP: Final = 368
"""Address of the eviction heap."""
GEN: Final = 376
"""Generation of the control input; FCBs consolidated under another one take the slow path. Starts at 1."""
TWO_SIDED: Final = 384
NODES: Final = 392
"""Number of nodes of the chain."""
TIMEOUTS: Final = 400
"""Address of the table of time-outs, i64 ms by [protocol class (4)][state (64)]."""
COUNTERS: Final = 408
"""Address of the chain's counters, i64 each, ``C_*``."""
DROPS: Final = 416
"""Address of the drop counters, i64 each, by global reason number."""
FAULTS: Final = 424
"""Address of the fault counters: FAULT_SLOTS pairs of (node << 32 | line, count)."""
DESCS: Final = 432
"""Address of the burst's first descriptor."""
ORDER: Final = 440
"""Address of the output order (i32 descriptor indexes)."""
ORDER_COUNT: Final = 448
NEXT_DESC: Final = 456
"""Index of the next free descriptor for a made packet."""
LAST_DESC: Final = 464
"""One past the last descriptor of the burst."""
NEXT_BYTE: Final = 472
"""Address of the next free byte for made packets."""
LAST_BYTE: Final = 480
"""One past the last byte for made packets."""
NOW_MS: Final = 488
STATES: Final = 496
"""Address of the table of State records, i64 by node."""
TEMP: Final = 504
"""Address of the temporary MAT record that handlers fill."""
PLACES: Final = 512
"""Address of scratch space for NODES + 1 tuples."""
NODE_TABLE: Final = 520
COLD: Final = 528
"""Offset of the cold part in an FCB."""
OLD_KEYS: Final = 536
"""Address of the old reply keys of IPv4 sessions, OLD_KEY_SIZE apart by FCB number: rarely used, so not in the FCB."""
STARTED: Final = 544
"""1 once a packet was seen."""
MADE_COUNT: Final = 552
"""Made packets that leave after the packet in hand."""
MADE_QUEUE: Final = 560
"""Address of their descriptor indexes, i64 each."""
NODE_GEN: Final = 568
"""Address of the generation (i64) at which each node's parameters changed last."""
TICKS: Final = 576
"""Address of the last tick (ns) of each node."""
BLOCKS: Final = 584
"""Address of the table of block tables (coarser sessions), i64 by slot."""
STOPPED: Final = 592
"""Index of the packet at which `process` stopped: a fragment that it met while it parsed, else the end."""
FRAME_LIMIT: Final = 600
"""Largest L3 length that may leave (MTU), 0 for none."""
FORCE_SLOW: Final = 608
"""1: every packet takes the slow path (``--no-consolidate``)."""
ON_MALFORMED: Final = 616
"""1: malformed packets pass."""
ON_UNMATCHED: Final = 624
"""1: unmatched packets are dropped."""
CALLBACK: Final = 640
"""Address of the way back into Python for interpreted handlers, 0 none."""
NEVER_QUICK: Final = 656
"""1: consolidated records can't be prepared (a stateless NF stores tuple fields): every packet goes NF by NF."""
PUSHED: Final = 664
"""Headers that the chain has pushed on the packet in hand."""
TUPLE_INNER: Final = 672
"""Tuple below the headers that the chain pushed on the packet in hand."""
TUPLE_TEMP: Final = 720
TUPLE_OUT: Final = 768
SESSION_MASK: Final = 816
"""Bit per node that keeps sessions."""
CURRENT: Final = 824
"""FCB number of the packet in hand, 0 none."""
CARRY: Final = 832
"""Verdict of on_packet that the slow path takes over when an event fires on the fast path."""
TAKEN: Final = 840
"""Whether an NF's class has matched the packet in hand."""
HIDDEN: Final = 848
"""Address of scratch space for NODES + 1 tuples that pushed headers hide."""
BLOCK_KEY: Final = 856
"""56 bytes: key of a coarser session that is being looked up."""
ENTRY_KEY: Final = 928
"""40 bytes: key of the packet in hand at the entry, while it has no session."""
LAST_ONLY: Final = 632
"""1: all modifies are of tuple fields and are applied last, so that the sums follow from the session's two keys."""
LAST_POINTS: Final = 648
"""Offsets in the FCB of the last point's record: u32 by direction of travel, 0 none."""
OWN_TABLES: Final = 912
"""Address of the addresses of the NFs' own tables, i64 by node (without consolidation)."""
OWN_MASK: Final = 920
TUPLE_AHEAD: Final = 968
"""Tuple of a packet to come that will probably open a session."""
KEY_AHEAD: Final = 1024
"""56 bytes: key of a coarser session that such a packet will probably ask for."""
REPLY_KEY: Final = 1080
"""38 bytes: the key that answers to the packet in hand will have."""
EXPECTED: Final = 1120
"""FCB number of the session whose reply key stands in REPLY_KEY already, 0 none."""
EXPECTED_HASH: Final = 1128
KEEPS_OLD: Final = 1136
"""1: NFs keep what a field was before them, as an earlier NF may change it too."""
FAR: Final = 1152
"""Addresses of functions that are called by address, i64 by FAR_*."""
X_SIZE: Final = 8192

FAR_NAMES: Final = (
    "shorten",
    "find_packet",
    "find_quoted",
    "create",
    "release",
    "rekey",
    "expect_reply",
    "consolidate",
    "commit",
    "record_fault",
    "apply_record",
    "place",
    "set_entry",
    "drop_recorded",
    "count_fault",
    "see_changes",
    "answer",
    "made_leaves",
    "emit_made",
    "next_due",
    "victim",
    "block_acquire",
    "block_release",
    "rewrite_others",
    "parse",
    "probe",
    "remember",
    "forget",
    "slow_0",
    "slow_1",
    "back_0",
    "back_1",
    "end",
    "expire",
    "make_room",
    "tick",
    "handle",
    "finish",
)
"""Functions called by address: the kernels that all chains share, then what is generated with a chain."""
FAR_SHARED: Final = FAR_NAMES.index("slow_0")
FAR_SHORTEN: Final = 0
FAR_HANDLERS: Final = 64
"""From here on: the handlers of the chain's NFs, as the code generator numbers them."""

# ---------------------------------------------------------------------------------------------- counters of the chain

COUNTER_NAMES: Final = (
    "packets_in",
    "bytes_in",
    "packets_out",
    "bytes_out",
    "made",
    "sessions_created",
    "sessions_ended",
    "expired",
    "evicted",
    "reopened",
    "unmatched",
    "fast",
    "slow",
    "consolidated",
    "on_change",
    "events",
    "malformed",
)
C_IN, C_BYTES_IN, C_OUT, C_BYTES_OUT, C_MADE, C_CREATED, C_ENDED, C_EXPIRED, C_EVICTED, C_REOPENED, C_UNMATCHED = (
    8 * i for i in range(11)
)
C_FAST, C_SLOW, C_CONSOLIDATED, C_ON_CHANGE, C_EVENTS, C_MALFORMED = (8 * i for i in range(11, 17))

CHAIN_REASONS: Final = (
    "unmatched",
    "table full",
    "reverse key in use",
    "wrong address family",
    "no head room",
    "no header to remove",
    "MTU",
    "too long",
)
"""Drop reasons of the chain itself; their global numbers are 0, 1, 2... Malformed reasons and NFs' reasons follow."""
R_UNMATCHED, R_TABLE_FULL, R_REVERSE_KEY, R_FAMILY, R_HEAD_ROOM, R_NO_HEADER, R_MTU, R_TOO_LONG = range(8)
R_MALFORMED: Final = 8
"""Global number of malformed reason 0; the reasons of NFs come after the malformed ones."""

FAULT_SLOTS: Final = 1024

# ------------------------------------------------------------------------------------------------------ FCB, hot part

# The first 27 bytes are those of nfuse.flow.header; STATE holds the bits ST_*.
FLAGS: Final = 27
"""u8, bits FL_*."""
SEEN_GEN: Final = 28
"""u32: generation of the control input that the session has seen."""
DROP_OF: Final = 32
"""Two u8, by direction of travel: 1 + node whose recorded drop comes first, 0 for none."""
PCLASS: Final = 34
"""u8: 0 TCP, 1 UDP, 2 ICMP, 3 other."""
QUICK: Final = 35
"""u8, bit by direction of travel: its packets may take the fast path (while SEEN_GEN is the generation of now)."""
MATCHED: Final = 36
"""u32: bit per node: its traffic class took the session."""
KEY_O: Final = 40
"""14 bytes: the opener's key (IPv4). IPv6 keys lie in the extension."""
KEY_R: Final = 54
"""14 bytes: the replies' key."""
KEY_STRIDE: Final = 14
HOT_SIZE: Final = 68
OLD_KEY_SIZE: Final = 16
"""A session's one old reply key after a re-route lies at OLD_KEYS + FCB number * OLD_KEY_SIZE."""

ST_REPLIED: Final = 1
ST_CONFIRMED: Final = 2
ST_FIN_O: Final = 4
ST_FIN_R: Final = 8
ST_RST: Final = 16
ST_CLOSING: Final = 32
"""TCP: a RST has left, or FINs of both directions."""
STATES_PER_CLASS: Final = 64

FL_V6: Final = 1
FL_SIDE: Final = 2
"""The session was opened from the reverse side."""
FL_HAS_REPLY_KEY: Final = 4
FL_HAS_OLD_KEY: Final = 8
FL_CHANGED: Final = 16
"""Records changed since the last consolidation."""
FL_REKEY: Final = 32
"""The reply key must be taken anew from the next packet of the opener that leaves."""
FL_NEVER_QUICK: Final = 64
FL_TURNED: Final = 128
"""Some NF has recorded that the flow is sent out where it came in."""

# ----------------------------------------------------------------------------------------------------- FCB, cold part

REACHED: Final = 0
"""u32 (from COLD): bit per node: its class was judged."""
PENDING: Final = 4
"""u32: bit per node: on_change is due."""
DISARMED: Final = 8
"""u32, in chains with events: bit per event: it has fired."""
COLD_SIZE: Final = 8

# -------------------------------------------------------------------------------------------------- extension (IPv6)

E_KEY_O: Final = 0
E_KEY_R: Final = 38
E_KEY_STRIDE: Final = 38
E_SIZE: Final = 120

KIND_OPENER: Final = 0
KIND_REPLY: Final = 1
KIND_OLD: Final = 2

# ----------------------------------------------------------------------------------------------- local records in FCB

L_MASK: Final = 0
"""u16: recorded fields."""
L_DROP: Final = 2
"""u16: reason number, or 0x8000 | line for a fault."""
L_MORE: Final = 4
"""u8: bits 0-3 the reply that goes with the drop, then ``L_ENCAP``, ``L_DECAP``, ``L_WRONG``, ``L_TURN``."""
L_REPLY: Final = 15
L_ENCAP: Final = 16
L_DECAP: Final = 32
L_WRONG: Final = 64
"""A recorded address is of the wrong family."""
L_TURN: Final = 128
"""The flow is sent out where it came in."""
L_RUN: Final = 5
"""u8: 1 + number of the chosen state function, 0 for on_packet."""
L_SIZE: Final = 6

# ------------------------------------------------------------------------------------------ node table, 512 bytes each

NODE_SIZE: Final = 512
N_LOCAL: Final = 0
"""Offset of the local record in the FCB, 0 if the NF records nothing."""
N_SCRATCH: Final = 8
N_REASONS: Final = 16
"""Global reason number of the NF's reason 1."""
N_READS: Final = 24
"""Modify fields that on_flow reads, as a mask."""
N_HAS_CHANGE: Final = 32
N_ENCAP: Final = 40
"""Offset of the encapsulation's parameters (src, dst: 16 bytes each; ttl, tos: u8) in the FCB, 0 none."""
N_SCRATCH_SIZE: Final = 48
N_VALUES: Final = 64
"""By modify field: offset of the value; addresses: of the u32 for IPv4 in the FCB."""
N_VALUES6: Final = 160
"""By modify field: offset of a 16-byte address in the extension."""
N_OLD: Final = 256
N_OLD6: Final = 352
N_PARTNER: Final = 56
"""Of a node that removes a header: the node that pushed it; -1 none."""
N_POINT: Final = 448
"""By direction of travel, 32 bytes each: offsets of the point record where the node's modifies are applied (0 none), of
its tuple values in the FCB (0: they follow from the other key), of its addresses in the extension, of its other values.
"""
