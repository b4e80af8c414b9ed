"""Sessions in the flow table: look-up by key, creation, reply keys, time-outs, release.

What ends a session and calls its NFs' ``on_end`` is generated with the chain; what all share is here.
"""

from __future__ import annotations

from nfuse.engine.fused.context import (
    C_CREATED,
    COUNTERS,
    E_KEY_O,
    E_KEY_STRIDE,
    ENTRY_KEY,
    ESIZE,
    EXPECTED,
    EXPECTED_HASH,
    EXT,
    FAR,
    FAR_SHORTEN,
    FL_CHANGED,
    FL_HAS_OLD_KEY,
    FL_HAS_REPLY_KEY,
    FL_REKEY,
    FL_SIDE,
    FL_TURNED,
    FL_V6,
    FLAGS,
    FREE,
    HEAP,
    INDEX4,
    INDEX6,
    KEY_O,
    KEY_STRIDE,
    KIND_OLD,
    KIND_OPENER,
    KIND_REPLY,
    LIVE,
    MASK4,
    MASK6,
    NOW_MS,
    NUMBER,
    OLD_KEY_SIZE,
    OLD_KEYS,
    PCLASS,
    POOL,
    PUSHED,
    REPLY_KEY,
    SIZE,
    ST_CLOSING,
    ST_CONFIRMED,
    ST_FIN_O,
    ST_FIN_R,
    ST_REPLIED,
    ST_RST,
    STATES_PER_CLASS,
    TIMEOUTS,
    TUPLE_INNER,
    TUPLE_OUT,
    TUPLE_TEMP,
    TWO_SIDED,
    USED,
    WHEEL,
)
from nfuse.engine.fused.tuples import key_from_tuple, mirror, read_packet
from nfuse.flow import index, wheel
from nfuse.flow.evict import note
from nfuse.flow.header import DEADLINE, NEXT, STATE
from nfuse.flow.header import NUMBER as SESSION
from nfuse.memory.jit import inlined, native
from nfuse.memory.raw import call, copy, i64, load8, load16, load32, load64, prefetch, store8, store32, store64, zero
from nfuse.nf.abi import TUPLE_DPORT, TUPLE_DST, TUPLE_PROTO, TUPLE_SPORT, TUPLE_SRC
from nfuse.packet.desc import ADDR, F_IP4, L3, SIDE, SPORT
from nfuse.packet.desc import FLAGS as P_FLAGS
from nfuse.packet.desc import PROTO as P_PROTO
from nfuse.packet.quoted import quoted_dst, quoted_src, quoted_tuple


@native
def fcb_of(X: int, number: int) -> int:
    """Return the address of FCB `number`."""
    return load64(X + POOL) + number * load64(X + SIZE)


@native
def ext_of(X: int, number: int) -> int:
    """Return the address of the IPv6 extension of FCB `number`."""
    return load64(X + EXT) + number * load64(X + ESIZE)


@native
def old_key(X: int, number: int, v6: int) -> int:
    """Return the address of a session's old reply key."""
    if v6:
        return ext_of(X, number) + E_KEY_O + 2 * E_KEY_STRIDE
    return load64(X + OLD_KEYS) + number * OLD_KEY_SIZE


@native
def protocol_class(proto: int) -> int:
    """Return the class of an IP protocol for time-outs: 0 TCP, 1 UDP, 2 ICMP, 3 other."""
    if proto == 6:
        return i64(0)
    if proto == 17:
        return i64(1)
    if proto == 1 or proto == 58:
        return i64(2)
    return i64(3)


@native
def hash_key(key: int, v6: int) -> int:
    """Hash a key where it lies."""
    if v6:
        return index.hash6(
            load64(key), load64(key + 8), load64(key + 16), load64(key + 24), load32(key + 32) | load16(key + 36) << 32
        )
    return index.hash4(load64(key), load32(key + 8), load16(key + 12))


@native
def find_key(X: int, key: int, v6: int, h: int) -> int:
    """Look up a key that lies in memory, with its hash: FCB number << 2 | kind, or 0."""
    if v6:
        return index.find6(
            load64(X + INDEX6),
            load64(X + MASK6),
            h,
            load64(X + EXT),
            load64(X + ESIZE),
            E_KEY_O,
            E_KEY_STRIDE,
            load64(key),
            load64(key + 8),
            load64(key + 16),
            load64(key + 24),
            load32(key + 32) | load16(key + 36) << 32,
        )
    return index.find4(
        load64(X + INDEX4),
        load64(X + MASK4),
        h,
        load64(X + POOL),
        load64(X + SIZE),
        KEY_O,
        KEY_STRIDE,
        load64(X + OLD_KEYS),
        load64(key),
        load32(key + 8),
        load16(key + 12),
    )


@inlined
def packet_hash(P: int) -> int:
    """Hash the key of a packet at the entry."""
    ip = load64(P + ADDR) + load16(P + L3)
    b = load32(P + SPORT)
    c = load8(P + P_PROTO) | load8(P + SIDE) << 8
    if load32(P + P_FLAGS) & F_IP4:
        return index.hash4(load64(ip + 12), b, c)
    return index.hash6(load64(ip + 8), load64(ip + 16), load64(ip + 24), load64(ip + 32), b | c << 32)


@native
def find_packet(X: int, P: int) -> int:
    """Look up the session of a packet (not an ICMP error) at the entry: FCB number << 2 | kind, or 0."""
    ip = load64(P + ADDR) + load16(P + L3)
    b = load32(P + SPORT)
    c = load8(P + P_PROTO) | load8(P + SIDE) << 8
    if load32(P + P_FLAGS) & F_IP4:
        a = load64(ip + 12)
        h = index.hash4(a, b, c)
        return index.find4(
            load64(X + INDEX4),
            load64(X + MASK4),
            h,
            load64(X + POOL),
            load64(X + SIZE),
            KEY_O,
            KEY_STRIDE,
            load64(X + OLD_KEYS),
            a,
            b,
            c,
        )
    w0 = load64(ip + 8)
    w1 = load64(ip + 16)
    w2 = load64(ip + 24)
    w3 = load64(ip + 32)
    e = b | c << 32
    h = index.hash6(w0, w1, w2, w3, e)
    return index.find6(
        load64(X + INDEX6),
        load64(X + MASK6),
        h,
        load64(X + EXT),
        load64(X + ESIZE),
        E_KEY_O,
        E_KEY_STRIDE,
        w0,
        w1,
        w2,
        w3,
        e,
    )


@native
def keep_entry_key(X: int, P: int) -> None:
    """Keep the key of a packet without session as it is at the entry: the session that it may open gets it."""
    ip = load64(P + ADDR) + load16(P + L3)
    b = load32(P + SPORT)
    c = load8(P + P_PROTO) | load8(P + SIDE) << 8
    if load32(P + P_FLAGS) & F_IP4:
        index.store_key4(X + ENTRY_KEY, load64(ip + 12), b, c)
    else:
        index.store_key6(X + ENTRY_KEY, load64(ip + 8), load64(ip + 16), load64(ip + 24), load64(ip + 32), b | c << 32)


@native
def find_quoted(X: int, P: int) -> int:
    """Look up the session of the packet that an ICMP error quotes, in the error's direction: as :func:`find_packet`."""
    v6 = i64((load32(P + P_FLAGS) & F_IP4) == 0)
    T = X + TUPLE_TEMP
    hi, lo = quoted_dst(P)
    store64(T + TUPLE_SRC, hi)
    store64(T + TUPLE_SRC + 8, lo)
    hi, lo = quoted_src(P)
    store64(T + TUPLE_DST, hi)
    store64(T + TUPLE_DST + 8, lo)
    proto, sport, dport = quoted_tuple(P)
    store32(T + TUPLE_SPORT, dport)
    store32(T + TUPLE_DPORT, sport)
    store32(T + TUPLE_PROTO, proto)
    key = X + TUPLE_OUT
    key_from_tuple(T, load8(P + SIDE), v6, key)
    return find_key(X, key, v6, hash_key(key, v6))


@native
def install(X: int, number: int, kind: int, v6: int, h: int) -> int:
    """Enter one of a session's keys, whose hash is `h`, into the index."""
    value = number << 2 | kind
    if v6:
        return index.insert(load64(X + INDEX6), load64(X + MASK6), h, value)
    return index.insert(load64(X + INDEX4), load64(X + MASK4), h, value)


@native
def uninstall(X: int, number: int, kind: int, key: int, v6: int) -> None:
    """Take one of a session's keys out of the index and wipe it, so that no stale hint can match it."""
    h = hash_key(key, v6)
    value = number << 2 | kind
    if v6:
        index.remove(load64(X + INDEX6), load64(X + MASK6), h, value)
        zero(key, 38)
    else:
        index.remove(load64(X + INDEX4), load64(X + MASK4), h, value)
        zero(key, 14)


@inlined
def timeout(X: int, kind: int, state: int) -> int:
    """Return the time-out of a protocol class in a state, in ms."""
    return load64(load64(X + TIMEOUTS) + 8 * (kind * STATES_PER_CLASS + state))


@native
def create(X: int, P: int, side: int, bare: int) -> int:
    """Create the session that packet `P` opens; the caller has made room. Returns its FCB number.

    `bare` is the size of the FCB, all of which is zeroed but for its number.
    """
    number = load64(X + FREE)
    if number:
        fcb = fcb_of(X, number)
        after = load32(fcb + NEXT)
        store64(X + FREE, after)
        zero(fcb, bare)
    else:
        number = load64(X + USED) + 1
        store64(X + USED, number)
        fcb = fcb_of(X, number)
        after = number + 1
    soon = fcb_of(X, after)
    prefetch(soon)
    prefetch(soon + 64)
    prefetch(soon + 128)
    ext = ext_of(X, number)
    v6 = i64((load32(P + P_FLAGS) & F_IP4) == 0)
    proto = load8(P + P_PROTO)
    flags = FL_CHANGED | FL_REKEY
    entry = X + ENTRY_KEY  # as at the entry, whatever NFs before have stored since
    if v6:
        zero(ext, load64(X + ESIZE))
        key = ext + E_KEY_O
        copy(key, entry, 38)
        flags |= FL_V6
    else:
        key = fcb + KEY_O
        copy(key, entry, 14)
    if side:
        flags |= FL_SIDE
    install(X, number, KIND_OPENER, v6, hash_key(key, v6))
    kind = protocol_class(proto)
    store8(fcb + FLAGS, flags)
    store8(fcb + PCLASS, kind)
    store64(X + EXPECTED, 0)
    session = load64(X + NUMBER) + 1
    store64(X + NUMBER, session)
    store64(fcb + SESSION, session)
    store64(fcb + DEADLINE, load64(X + NOW_MS) + timeout(X, kind, 0))
    store64(X + LIVE, load64(X + LIVE) + 1)
    wheel.insert(load64(X + WHEEL), load64(X + POOL), load64(X + SIZE), number)
    note(load64(X + HEAP), load64(X + POOL), load64(X + SIZE), number, load64(X + LIVE))
    counter = load64(X + COUNTERS) + C_CREATED
    store64(counter, load64(counter) + 1)
    return number


@native
def look_ahead(X: int, number: int) -> None:
    """Prefetch what ending session `number` will touch (it hangs behind one that ends now), and the one behind it."""
    if number == 0:
        return
    fcb = fcb_of(X, number)
    if load8(fcb + FLAGS) & FL_V6 == 0:
        base = load64(X + INDEX4)
        mask = load64(X + MASK4)
        prefetch(index.bucket(base, mask, hash_key(fcb + KEY_O, 0)))
        prefetch(index.bucket(base, mask, hash_key(fcb + KEY_O + KEY_STRIDE, 0)))
    after = fcb_of(X, load32(fcb + NEXT))
    prefetch(after)
    prefetch(after + 64)
    prefetch(after + 128)


@native
def release(X: int, number: int) -> None:
    """Free the FCB of a session whose NFs have been told: keys, wheel, free list."""
    fcb = fcb_of(X, number)
    ext = ext_of(X, number)
    flags = load8(fcb + FLAGS)
    v6 = flags & FL_V6
    look_ahead(X, load32(fcb + NEXT))
    base = ext if v6 else fcb + KEY_O
    stride = E_KEY_STRIDE if v6 else KEY_STRIDE
    uninstall(X, number, KIND_OPENER, base, v6)
    if flags & FL_HAS_REPLY_KEY:
        uninstall(X, number, KIND_REPLY, base + stride, v6)
    if flags & FL_HAS_OLD_KEY:
        uninstall(X, number, KIND_OLD, old_key(X, number, v6), v6)
    wheel.remove(load64(X + WHEEL), load64(X + POOL), load64(X + SIZE), number)
    store64(fcb + SESSION, 0)
    store32(fcb + NEXT, load64(X + FREE))
    store64(X + FREE, number)
    store64(X + LIVE, load64(X + LIVE) - 1)


@native
def reply_key(X: int, P: int, fcb: int, ext: int, flags: int) -> int:
    """Write the key that answers to packet `P`, as it is now, will have; return its address."""
    v6 = flags & FL_V6
    T = X + TUPLE_INNER
    if load64(X + PUSHED) == 0:
        read_packet(P, T)
    R = X + TUPLE_TEMP
    mirror(T, R)
    # Ports of the session: a first fragment or a stripped header must not lose them.
    store32(R + TUPLE_PROTO, load8((ext + 36) if v6 else (fcb + KEY_O + 12)))
    side = i64((flags & FL_SIDE) != 0)
    if load64(X + TWO_SIDED) and flags & FL_TURNED == 0:
        side = 1 - side
    key = X + REPLY_KEY
    key_from_tuple(R, side, v6, key)
    return key


@native
def expect_reply(X: int, P: int, number: int) -> None:
    """No NF ahead will change the tuple of packet `P`: prefetch where its reply key will be looked for."""
    fcb = fcb_of(X, number)
    flags = load8(fcb + FLAGS)
    if flags & FL_REKEY:
        h = hash_key(reply_key(X, P, fcb, ext_of(X, number), flags), flags & FL_V6)
        store64(X + EXPECTED, number)
        store64(X + EXPECTED_HASH, h)
        if flags & FL_V6:
            prefetch(index.bucket(load64(X + INDEX6), load64(X + MASK6), h))
        else:
            prefetch(index.bucket(load64(X + INDEX4), load64(X + MASK4), h))


@native
def rekey(X: int, P: int, number: int) -> int:
    """Take the reply key from packet `P` as it leaves. Returns 0 if the key belongs to another session (rule S3)."""
    fcb = fcb_of(X, number)
    ext = ext_of(X, number)
    flags = load8(fcb + FLAGS)
    v6 = flags & FL_V6
    if load64(X + EXPECTED) == number:
        key = X + REPLY_KEY
        h = load64(X + EXPECTED_HASH)
    else:
        key = reply_key(X, P, fcb, ext, flags)
        h = hash_key(key, v6)
    store64(X + EXPECTED, 0)
    base = ext if v6 else fcb + KEY_O
    stride = E_KEY_STRIDE if v6 else KEY_STRIDE
    store8(fcb + FLAGS, flags & ~FL_REKEY)
    if flags & FL_HAS_REPLY_KEY and same_key(key, base + stride, stride):
        return i64(1)
    found = find_key(X, key, v6, h)
    if found == number << 2 | KIND_OLD:
        uninstall(X, number, KIND_OLD, old_key(X, number, v6), v6)
        flags &= ~FL_HAS_OLD_KEY
        found = i64(0)
    if found:
        return i64(0)
    if flags & FL_HAS_REPLY_KEY:
        if flags & FL_HAS_OLD_KEY:
            uninstall(X, number, KIND_OLD, old_key(X, number, v6), v6)
        kept = X + TUPLE_TEMP
        copy(kept, base + stride, stride)
        uninstall(X, number, KIND_REPLY, base + stride, v6)
        old = old_key(X, number, v6)
        copy(old, kept, stride)
        install(X, number, KIND_OLD, v6, hash_key(old, v6))
        flags |= FL_HAS_OLD_KEY
    copy(base + stride, key, stride)
    install(X, number, KIND_REPLY, v6, h)
    store8(fcb + FLAGS, (flags & ~FL_REKEY) | FL_HAS_REPLY_KEY | FL_CHANGED)
    return i64(1)


@inlined
def travels(fcb: int, opening: int) -> int:
    """Return the side on which a session's packets travel: 0 in chain order, 1 backwards.

    Of a session that is turned back both directions come in by one port: it is the session that tells them apart.
    """
    return i64(load8(fcb + FLAGS) & FL_SIDE != 0) ^ (1 - opening)


@inlined
def turn_out(P: int, fcb: int, side: int, opening: int) -> None:
    """Choose the port by which a packet that has travelled on `side` leaves: replies go to where the opener is."""
    store8(P + SIDE, side ^ (opening & i64(load8(fcb + FLAGS) & FL_TURNED != 0)))


@native
def same_key(a: int, b: int, size: int) -> int:
    """Tell whether two keys of `size` bytes are equal."""
    at = i64(0)
    while at < size:
        if load16(a + at) != load16(b + at):
            return False
        at += 2
    return True


@inlined
def track(X: int, fcb: int, number: int, opening: int, tcp_flags: int, ms: int, timeouts: int) -> None:
    """A packet of a session leaves: follow its protocol state and refresh the deadline (rules S13 and S15)."""
    kind = load8(fcb + PCLASS)
    state = load8(fcb + STATE)
    after = state
    if opening:
        if kind == 0 and state & ST_REPLIED and tcp_flags & 2 == 0:
            after |= ST_CONFIRMED
        if tcp_flags & 1:
            after |= ST_FIN_O
    else:
        after |= ST_REPLIED
        if kind:
            after |= ST_CONFIRMED
        if tcp_flags & 1:
            after |= ST_FIN_R
    if tcp_flags & 4:
        after |= ST_RST
    if after & ST_RST or after & (ST_FIN_O | ST_FIN_R) == (ST_FIN_O | ST_FIN_R):
        after |= ST_CLOSING
    if after != state:
        store8(fcb + STATE, after)
    extend(X, fcb, number, ms + load64(timeouts + 8 * (kind * STATES_PER_CLASS + after)))


@inlined
def refresh(X: int, fcb: int, number: int, kind: int, state: int) -> None:
    """Give a session the deadline of its state."""
    extend(X, fcb, number, load64(X + NOW_MS) + timeout(X, kind, state))


@inlined
def extend(X: int, fcb: int, number: int, deadline: int) -> None:
    """Give a session a deadline; hang it anew in the wheel if that is earlier than before."""
    before = load64(fcb + DEADLINE)
    store64(fcb + DEADLINE, deadline)
    if deadline < before:
        call(load64(X + FAR + 8 * FAR_SHORTEN), X, number, before, 0, 0, 0)


@native
def shorten(X: int, number: int, before: int) -> int:
    """A session's deadline has become earlier: hang it anew in the wheel."""
    wheel.shorten(load64(X + WHEEL), load64(X + POOL), load64(X + SIZE), number, before)
    note(load64(X + HEAP), load64(X + POOL), load64(X + SIZE), number, load64(X + LIVE))
    return i64(0)
