"""The fixed head of a flow control block (FCB): what the flow table's kernels need to know of a session.

FCBs lie in a pool: block `i` is at ``pool + i * size``; numbers start at 1, 0 means "none". The first 28 bytes are
fixed, in the processor's byte order; what follows belongs to the engine that lays the block out.

| offset | name | type | meaning |
|---|---|---|---|
| 0 | DEADLINE | i64 | when the session ends if nothing refreshes it, in ms |
| 8 | NUMBER | i64 | session number, 1, 2, 3, ... in order of creation; 0: the block is free |
| 16 | PREV | u32 | neighbours in the timing wheel; while the block is free its owner may use them |
| 20 | NEXT | u32 | |
| 24 | SLOT | u16 | where the block hangs in the timing wheel, 0 nowhere |
| 26 | STATE | u8 | protocol state, owned by the engine |
"""

DEADLINE = 0
NUMBER = 8
PREV = 16
NEXT = 20
SLOT = 24
STATE = 26
HEADER_SIZE = 28
