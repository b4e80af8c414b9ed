"""All names that generated chain code uses: ``from nfuse.engine.fused.chainlib import *``."""

from nfuse.engine.fused.context import *
from nfuse.engine.fused.context import FLAGS as FLAGS_OF
from nfuse.engine.fused.records import arm, armed, node_of
from nfuse.engine.fused.rewrite import rewrite_here, rewrite_last
from nfuse.engine.fused.sessions import ext_of, fcb_of, keep_entry_key, packet_hash, refresh, track, travels, turn_out
from nfuse.engine.fused.support import clear_record, count, count_drop, emit, too_long
from nfuse.engine.fused.tuples import read_packet
from nfuse.flow.blocks import prefetch_block
from nfuse.flow.header import DEADLINE, STATE
from nfuse.flow.header import NUMBER as SESSION
from nfuse.flow.index import bucket, candidate, same4, same6
from nfuse.flow.wheel import W_NEXT
from nfuse.memory.jit import entry, inlined, native
from nfuse.memory.raw import *
from nfuse.nf.abi import *
from nfuse.nf.abi import CX_NOW as NOW
from nfuse.packet.desc import *
from nfuse.packet.native import *
from nfuse.packet.parse import parse_common
