"""All names that generated chain code uses: ``from nfuse.engine.fused.chainlib import *``."""

from nfuse.engine.fused.consolidate import consolidate
from nfuse.engine.fused.context import *
from nfuse.engine.fused.context import FLAGS as FLAGS_OF
from nfuse.engine.fused.records import apply_record, arm, armed, commit, node_of, place, record_fault
from nfuse.engine.fused.rewrite import rewrite_here, rewrite_last, rewrite_others
from nfuse.engine.fused.sessions import (
    create,
    ext_of,
    fcb_of,
    find_packet,
    find_quoted,
    packet_hash,
    refresh,
    rekey,
    release,
    track,
)
from nfuse.engine.fused.support import (
    answer,
    clear_record,
    count,
    count_drop,
    count_fault,
    drop_recorded,
    emit,
    emit_made,
    made_leaves,
    see_changes,
    set_entry,
    too_long,
)
from nfuse.engine.fused.tuples import read_packet
from nfuse.flow.blocks import acquire as block_acquire
from nfuse.flow.blocks import release as block_release
from nfuse.flow.evict import victim
from nfuse.flow.header import DEADLINE, STATE
from nfuse.flow.header import NUMBER as SESSION
from nfuse.flow.index import bucket, candidate, same4, same6
from nfuse.flow.wheel import W_NEXT, next_due
from nfuse.memory.jit import native
from nfuse.memory.raw import *
from nfuse.nf.abi import *
from nfuse.nf.abi import CX_NOW as NOW
from nfuse.packet.desc import *
from nfuse.packet.native import *
