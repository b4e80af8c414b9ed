"""The generator's loop, natively: which flow sends next, how much, when, and when flows begin and end.

Random numbers are xorshift64, in two streams (which slot; what it sends), so that the packets do not depend on the size
of the bursts. Slots are drawn ahead, so that their memory is there when the packets are made.
"""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.raw import i64, load8, load32, load64, lsr, mulhi, prefetch, store16, store32, store64
from nfuse.packet.desc import DESC_SIZE
from nfuse.port.burst import COUNT, CURSOR, DESCS, END, LIMIT, frame_at, put_desc
from nfuse.port.gen_flow import (
    ACK_BIT,
    FIN_BIT,
    KIND,
    LENGTH,
    PSH_BIT,
    SENT,
    SLOT_SIZE,
    SYN_BIT,
    TCP,
    build,
    mix,
    open_slot,
    step,
)

# The generator's record, i64 each.
PICKING = 0
"""Random state: which slot."""
FILLING = 8
"""Random state: what it sends."""
SLOTS = 16
FLOWS = 24
OPENED = 32
"""Flows begun so far: the number of the next."""
LEFT = 40
"""Packets to come; -1 endless."""
CLOCK = 48
STEP = 56
"""Whole ns between packets."""
PART = 64
"""And so many PARTS of a ns."""
PARTS = 72
OVER = 80
ORDER = 88
"""How slots are drawn: UNIFORM, WEIGHTED, ROUND."""
ALIAS = 96
"""WEIGHTED: address of the alias table (Walker 1977): for each slot u32 threshold, u32 alias."""
QUANTILES = 104
"""Address of flow lengths in packets, as 4097 quantiles (i64); 0: all have FIXED."""
FIXED = 112
SIZES = 120
"""Address of frame sizes (u32), of which one is drawn."""
SIZE_COUNT = 128
LARGEST = 136
RENEW = 144
"""New flows a packet, in parts of RENEWS."""
RENEWS = 152
RENEWED = 160
OLDEST = 168
TCP_SHARE = 176
"""Of 256 flows, so many are TCP."""
UDP_SHARE = 184
"""Of 256 flows, so many are TCP or UDP."""
V6_SHARE = 192
HOSTS = 200
SPREAD = 208
"""Prime to HOSTS."""
SERVERS = 216
INSIDE4 = 224
OUTSIDE4 = 232
INSIDE6 = 240
OUTSIDE6 = 256
VLAN = 272
SESSIONS = 280
REPLY = 288
DPORT = 296
TEXT = 304
SUMS = 312
WHERE = 320
SALT = 328
TURN = 336
TUPLE = 344
"""A 5-tuple (40 bytes)."""
SIDES = 384
"""256: packets against the opening direction come from the other side; else 0."""
PICKS = 392
"""Addresses of the slots that send next, a ring of AHEAD."""
GENERATOR_SIZE = 576

UNIFORM = 0
WEIGHTED = 1
ROUND = 2
AHEAD = 16
"""Slots drawn ahead: about as many cache misses as a core has under way at a time."""


@native
def describe_flow(G: int, number: int, h: int) -> None:
    """Write the 5-tuple of flow `number` to TUPLE.

    Source address and port alone tell HOSTS * 64,512 successive flows apart.
    """
    hosts = load64(G + HOSTS)
    host = number % hosts * load64(G + SPREAD) % hosts
    sport = 1024 + (number // hosts + lsr(mix(host ^ load64(G + SALT)), 8)) % 64_512
    server = mulhi(h, load64(G + SERVERS))
    T = G + TUPLE
    if (h >> 16) & 255 < load64(G + V6_SHARE):
        store64(T, load64(G + INSIDE6))
        store64(T + 8, i64(load64(G + INSIDE6 + 8) + host))
        store64(T + 16, load64(G + OUTSIDE6))
        store64(T + 24, i64(load64(G + OUTSIDE6 + 8) + server))
    else:
        store64(T, 0)
        store64(T + 8, load64(G + INSIDE4) + host)
        store64(T + 16, 0)
        store64(T + 24, load64(G + OUTSIDE4) + server)
    share, dice = (h >> 8) & 255, h & 7
    proto, dport = 6, 443
    if dice < 2:
        dport = 80
    elif dice == 2:
        dport = 22
    if share >= load64(G + TCP_SHARE):
        proto, dport = 17, 53
        if dice < 4:
            dport = 443
        elif dice == 4:
            dport = 123
    if share >= load64(G + UDP_SHARE):
        proto = 1
    if load64(G + DPORT):
        dport = load64(G + DPORT)
    if proto == 1:
        dport = 0
    store16(T + 32, sport)
    store16(T + 34, dport)
    store32(T + 36, proto)


@native
def begin(G: int, s: int) -> None:
    """Begin the next flow, in slot `s`."""
    number = load64(G + OPENED)
    store64(G + OPENED, number + 1)
    h = mix(number ^ load64(G + SALT))
    describe_flow(G, number, h)
    open_slot(s, G + TUPLE, load64(G + VLAN), h)
    length, quantiles = load64(G + FIXED), load64(G + QUANTILES)
    if quantiles:
        r = mix(h)
        at = quantiles + 8 * mulhi(r, 4096)
        low, high = load64(at), load64(at + 8)
        length = low + (((high - low) * (r & 0xFFFF)) >> 16)
    if load64(G + SESSIONS) and load8(s + KIND) == TCP:
        length = max(length, 7 if load64(G + REPLY) else 4)
    store32(s + LENGTH, length)


@native
def draw(G: int) -> int:
    """Draw the slot that sends AHEAD packets from now, and have its memory brought close.

    Returns:
        Address of the slot that sends now; 0 while the line is filling up.
    """
    slots, flows, order, turn = load64(G + SLOTS), load64(G + FLOWS), load64(G + ORDER), load64(G + TURN)
    if order == ROUND:
        slot = turn % flows
    else:
        r = step(load64(G + PICKING))
        store64(G + PICKING, r)
        slot = mulhi(r, flows)
        if order == WEIGHTED:
            alias = load64(G + ALIAS) + 8 * slot
            if r & 0xFFFFFFFF >= load32(alias):
                slot = load32(alias + 4)
    s = slots + slot * SLOT_SIZE
    prefetch(s)
    prefetch(s + 64)
    at = G + PICKS + 8 * (turn & (AHEAD - 1))
    due = load64(at)
    store64(at, s)
    store64(G + TURN, turn + 1)
    return due


@native
def renew(G: int) -> None:
    """Replace flows by new ones, as many as are due after one packet."""
    due = load64(G + RENEWED) + load64(G + RENEW)
    while due >= load64(G + RENEWS):
        due -= load64(G + RENEWS)
        oldest = load64(G + OLDEST)
        begin(G, load64(G + SLOTS) + oldest * SLOT_SIZE)
        oldest += 1
        store64(G + OLDEST, 0 if oldest == load64(G + FLOWS) else oldest)
    store64(G + RENEWED, due)


@native
def next_packet(G: int, s: int, r: int, at: int) -> int:
    """Write the next packet of the flow in slot `s` to `at`.

    Args:
        G: The generator's record.
        s: Address of the slot.
        r: 64 random bits.
        at: Address for the frame.

    Returns:
        Bytes of the frame, and 2**20 if the packet goes against the opening direction.
    """
    sent, reply = load32(s + SENT), load64(G + REPLY)
    size = load32(load64(G + SIZES) + 4 * mulhi(r, load64(G + SIZE_COUNT)))
    back, flags = 0, PSH_BIT | ACK_BIT
    if load64(G + SESSIONS) and load8(s + KIND) == TCP:
        left = load32(s + LENGTH) - sent
        if sent < (3 if reply else 2):
            size, flags = 0, ACK_BIT
            if sent == 0:
                flags = SYN_BIT
            elif sent == 1 and reply:
                back, flags = 1, SYN_BIT | ACK_BIT
        elif left <= (3 if reply else 1):
            size, flags = 0, FIN_BIT | ACK_BIT
            if reply and left == 2:
                back = 1
            elif reply and left == 1:
                flags = ACK_BIT
        elif reply and r & 3:
            back = 1
    elif reply and sent > 0:
        back = r & 1
    return build(s, at, size, back, flags, load64(G + TEXT), load64(G + SUMS)) + (back << 20)


@native
def weigh(weights: int, work: int, table: int, count: int) -> None:
    """Build an alias table, for drawing index i with a probability in proportion to its weight.

    Args:
        weights: Address of `count` i64; `count` times each, and their sum, fit into 63 bits. Overwritten.
        work: Address of `count` i64 for work.
        table: Address of the table: for each index u32 threshold (of 2**32), u32 alias.
        count: Number of indexes.
    """
    total = 0
    for i in range(count):
        total += load64(weights + 8 * i)
    small, large = 0, count  # two stacks, from both ends of the work space
    for i in range(count):
        scaled = load64(weights + 8 * i) * count
        store64(weights + 8 * i, scaled)
        store32(table + 8 * i, 0xFFFFFFFF)
        store32(table + 8 * i + 4, i)
        if scaled < total:
            store64(work + 8 * small, i)
            small += 1
        else:
            large -= 1
            store64(work + 8 * large, i)
    unit = max(1, total >> 32)
    while small > 0 and large < count:
        small -= 1
        poor, rich = load64(work + 8 * small), load64(work + 8 * large)
        have = load64(weights + 8 * poor)
        store32(table + 8 * poor, min(0xFFFFFFFF, have // unit))
        store32(table + 8 * poor + 4, rich)
        rest = load64(weights + 8 * rich) - (total - have)
        store64(weights + 8 * rich, rest)
        if rest < total:
            large += 1
            store64(work + 8 * small, rich)
            small += 1


@native
def generate(G: int, B: int) -> int:
    """Fill the burst.

    Args:
        G: The generator's record.
        B: The burst's record.

    Returns:
        Packets in the burst.
    """
    count, limit, cursor, end = load64(B + COUNT), load64(B + LIMIT), load64(B + CURSOR), load64(B + END)
    d = load64(B + DESCS) + count * DESC_SIZE
    state, clock, over = load64(G + FILLING), load64(G + CLOCK), load64(G + OVER)
    gap, part, parts = load64(G + STEP), load64(G + PART), load64(G + PARTS)
    left, largest, where = load64(G + LEFT), load64(G + LARGEST), load64(G + WHERE)
    renews, sides = load64(G + RENEW) > 0, load64(G + SIDES)
    while count < limit and left != 0:
        at = frame_at(cursor)
        if at + largest > end:
            break
        s = draw(G)
        while s == 0:
            s = draw(G)
        length = load32(s + LENGTH)
        if load8(s + KIND) == 0 or (length > 0 and load32(s + SENT) >= length):
            begin(G, s)
        state = step(state)
        result = next_packet(G, s, state, at)
        size = result & 0xFFFFF
        put_desc(d, at, clock, size, size, where ^ ((result >> 12) & sides))
        d += DESC_SIZE
        count += 1
        cursor = at + size
        left -= 1
        clock += gap
        over += part
        if over >= parts:
            over -= parts
            clock += 1
        if renews:
            renew(G)
    store64(G + FILLING, state)
    store64(G + CLOCK, clock)
    store64(G + OVER, over)
    store64(G + LEFT, left)
    store64(B + COUNT, count)
    store64(B + CURSOR, cursor)
    return count
