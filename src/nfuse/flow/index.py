"""The hash index of the flow table: from a key to a u32, one cache line per probe.

A bucket is 64 bytes: twelve slots, each a one-byte tag and a u32 value, and a count.

| offset | what |
|---|---|
| 0 | 12 tags, u8: the hash's top byte, 1 where that is 0; 0 marks a free slot |
| 12 | u32, overflow: entries that found this bucket full and went on to a later one |
| 16 | 12 values, u32 |

One-byte tags put twelve entries into a line (full tags would allow seven), so that the table takes half the memory and
cache; a tag deceives one time in 256, and the key in the FCB decides. All tags are compared
at once, without branches. Probing goes on to the next bucket only where the overflow count is not 0; deletion
lowers the counts that insertion raised, so there are no tombstones and the table never needs cleaning.

A value of the flow table is ``FCB number << 2 | kind``: kind 0 is the opener's key, 1 the reply key, 2 the old reply
key. The key itself stands only in the FCB, that of kind `k` at ``fcb + offset + k * stride``; but the old reply key of
IPv4, which few sessions have, in an array of its own, at ``old + 16 * number``:

- IPv4, 14 bytes: the 8 address bytes as they stand in the packet (word `a`), sport and dport (u16, host order; together
  word `b`), protocol (u8), side (u8; together word `c`). So ``a = load64(ip + 12)``, ``b = load32(P + SPORT)``,
  ``c = proto | side << 8``.
- IPv6, 38 bytes: the 32 address bytes as they stand in the packet (words `a` to `d`, ``load64(ip + 8 + 8 * i)``), then
  ports and protocol as above, which the functions take as one word ``e = b | c << 32``.

A comparison reads 2 bytes past the key and ignores them; they must lie inside the pool. IPv4 and IPv6 have an index
each. All functions take ``base`` (address of the buckets, 64-aligned, zeroed at the start) and ``mask`` (buckets - 1).
"""

from __future__ import annotations

from nfuse.memory.jit import native
from nfuse.memory.lanes import equal_bytes
from nfuse.memory.raw import ctz, i64, load32, load64, lsr, mulhi, store8, store16, store32, store64

BUCKET = 64
"""Bytes of a bucket."""
SLOTS = 12
"""Entries of a bucket."""
OPENER, REPLY, OLD_REPLY = 0, 1, 2
"""Kinds of key."""
OLD_SIZE = 16
"""Bytes from one old reply key of IPv4 to the next."""

_OVERFLOW = 12
_VALUES = 16
_ALL = (1 << SLOTS) - 1
_MASK48 = (1 << 48) - 1

# Odd 64-bit constants with an even mix of bits (from the fraction of pi). The high bits of K1 and K5 are set where the
# second factor has none, so that it is never 0.
_K0 = 0x243F6A8885A308D3
_K1 = 0x13198A2E03707345
_K2 = 0x24093822299F31D1
_K3 = 0x082EFA98EC4E6C89
_K4 = 0x452821E638D01377
_K5 = 0x3E5466CF34E90C6D


def sized(keys: int, most: int | None = None) -> int:
    """Return the number of buckets (a power of two) for a table that usually holds up to `keys` keys.

    Args:
        keys: Keys at which the load is still at most 0.7 (two per session).
        most: Keys there at the very worst (three per session, where re-routes are possible); default `keys`.

    Returns:
        Buckets; the table takes ``buckets * BUCKET`` bytes.
    """
    buckets = 1
    while keys > 0.7 * SLOTS * buckets or (most or keys) > 0.97 * SLOTS * buckets:
        buckets *= 2
    return buckets


@native
def _fold(x: int, y: int) -> int:
    """Multiply two words and fold the 128-bit product into 64 bits."""
    return mulhi(x, y) ^ i64(x * y)


@native
def hash4(a: int, b: int, c: int) -> int:
    """Hash an IPv4 key (words as in the module's text) to 64 well-mixed bits."""
    return _fold(_fold(a ^ _K0, (b | (c << 32)) ^ _K1), _K2)


@native
def hash6(a: int, b: int, c: int, d: int, e: int) -> int:
    """Hash an IPv6 key (words as in the module's text) to 64 well-mixed bits."""
    return _fold(_fold(a ^ _K0, b ^ _K1) ^ _K4, e ^ _K5 ^ _fold(c ^ _K2, d ^ _K3))


@native
def mirror_addresses(a: int) -> int:
    """Swap source and destination in word `a` of an IPv4 key."""
    return lsr(a, 32) | i64(a << 32)


@native
def mirror_ports(b: int) -> int:
    """Swap source and destination port in word `b`."""
    return lsr(b, 16) | ((b & 0xFFFF) << 16)


@native
def store_key4(key: int, a: int, b: int, c: int) -> None:
    """Write an IPv4 key of 14 bytes at address `key`."""
    store64(key, a)
    store32(key + 8, b)
    store16(key + 12, c)


@native
def store_key6(key: int, a: int, b: int, c: int, d: int, e: int) -> None:
    """Write an IPv6 key of 38 bytes at address `key`."""
    store64(key, a)
    store64(key + 8, b)
    store64(key + 16, c)
    store64(key + 24, d)
    store32(key + 32, e)
    store16(key + 36, lsr(e, 32))


@native
def same4(key: int, a: int, b: int, c: int) -> int:
    """Return whether the IPv4 key at address `key` is (a, b, c): 1 or 0."""
    return i64(((load64(key) ^ a) | ((load64(key + 8) ^ (b | (c << 32))) & _MASK48)) == 0)


@native
def same6(key: int, a: int, b: int, c: int, d: int, e: int) -> int:
    """Return whether the IPv6 key at address `key` is (a, b, c, d, e): 1 or 0."""
    difference = (load64(key) ^ a) | (load64(key + 8) ^ b) | (load64(key + 16) ^ c) | (load64(key + 24) ^ d)
    return i64((difference | ((load64(key + 32) ^ e) & _MASK48)) == 0)


@native
def bucket(base: int, mask: int, h: int) -> int:
    """Return the address of the bucket where the probing for hash `h` starts (to prefetch it)."""
    return base + ((h & mask) << 6)


@native
def tag(h: int) -> int:
    """Return the tag of hash `h`: its top byte, 1 where that is 0."""
    top = lsr(h, 56)
    return top + i64(top == 0)


@native
def matches(at: int, wanted: int) -> int:
    """Compare all tags of the bucket at address `at` with `wanted` (0: free slots): bit i stands for slot i."""
    return equal_bytes(at, wanted) & _ALL


@native
def slot_value(at: int, found: int) -> int:
    """Return the address of the value that the lowest bit of `found` (not 0; see :func:`matches`) stands for."""
    return at + _VALUES + (ctz(found) << 2)


@native
def candidate(base: int, mask: int, h: int) -> int:
    """Return the value of the first matching tag in the first bucket, or 0: whose FCB to prefetch.

    It is only a hint: the tag may deceive, the entry may lie in a later bucket, and a session that has ended since
    leaves its key behind in its FCB.
    """
    at = bucket(base, mask, h)
    found = matches(at, tag(h))
    if found == 0:
        return 0
    return load32(slot_value(at, found))


@native
def find4(
    base: int, mask: int, h: int, pool: int, size: int, offset: int, stride: int, old: int, a: int, b: int, c: int
) -> int:
    """Look an IPv4 key up: its value, or 0.

    Args:
        base: Address of the buckets.
        mask: Buckets - 1.
        h: ``hash4(a, b, c)``.
        pool: Address of the FCB pool.
        size: Bytes of an FCB.
        offset: Offset of the opener's key in the FCB.
        stride: Bytes from the opener's key to the reply key.
        old: Address of the old reply keys.
        a: Key, word by word (module's text).
        b: Ports.
        c: Protocol and side.
    """
    wanted = tag(h)
    number = h & mask
    left = mask
    while True:
        at = base + (number << 6)
        found = matches(at, wanted)
        while found != 0:
            value = load32(slot_value(at, found))
            key = pool + (value >> 2) * size + offset + (value & 1) * stride
            if value & 2:
                key = old + (value >> 2) * OLD_SIZE
            if same4(key, a, b, c) != 0:
                return value
            found &= found - 1
        if load32(at + _OVERFLOW) == 0 or left == 0:
            return 0
        left -= 1
        number = (number + 1) & mask


@native
def find6(
    base: int,
    mask: int,
    h: int,
    pool: int,
    size: int,
    offset: int,
    stride: int,
    a: int,
    b: int,
    c: int,
    d: int,
    e: int,
) -> int:
    """Look an IPv6 key up: its value, or 0. As :func:`find4`, with the five words of an IPv6 key."""
    wanted = tag(h)
    number = h & mask
    left = mask
    while True:
        at = base + (number << 6)
        found = matches(at, wanted)
        while found != 0:
            value = load32(slot_value(at, found))
            if same6(pool + (value >> 2) * size + offset + (value & 3) * stride, a, b, c, d, e) != 0:
                return value
            found &= found - 1
        if load32(at + _OVERFLOW) == 0 or left == 0:
            return 0
        left -= 1
        number = (number + 1) & mask


@native
def insert(base: int, mask: int, h: int, value: int) -> int:
    """Add an entry; the key must not be there. Returns 1, or 0 if every slot is taken (then nothing has changed).

    Args:
        base: Address of the buckets.
        mask: Buckets - 1.
        h: Hash of the key.
        value: Not 0, below 2**32, and in the table once only.
    """
    number = h & mask
    left = mask
    while True:
        at = base + (number << 6)
        free = matches(at, 0)
        if free != 0:
            where = slot_value(at, free)
            store32(where, value)
            store8(at + ((where - at - _VALUES) >> 2), tag(h))
            return 1
        store32(at + _OVERFLOW, load32(at + _OVERFLOW) + 1)
        if left == 0:
            break
        left -= 1
        number = (number + 1) & mask
    for each in range(mask + 1):
        at = base + (each << 6)
        store32(at + _OVERFLOW, load32(at + _OVERFLOW) - 1)
    return 0


@native
def _entry(at: int, wanted: int, value: int) -> int:
    """Return the address of `value` in the bucket at address `at`, or 0."""
    found = matches(at, wanted)
    while found != 0:
        where = slot_value(at, found)
        if load32(where) == value:
            return where
        found &= found - 1
    return 0


@native
def remove(base: int, mask: int, h: int, value: int) -> int:
    """Take out the entry (h, value). Returns 1, or 0 if it is not there (then nothing has changed)."""
    wanted = tag(h)
    number = h & mask
    passed = 0
    at = base + (number << 6)
    where = _entry(at, wanted, value)
    while where == 0:
        if load32(at + _OVERFLOW) == 0 or passed == mask:
            return 0
        passed += 1
        at = base + (((number + passed) & mask) << 6)
        where = _entry(at, wanted, value)
    store32(where, 0)
    store8(at + ((where - at - _VALUES) >> 2), 0)
    for step in range(passed):
        before = base + (((number + step) & mask) << 6)
        store32(before + _OVERFLOW, load32(before + _OVERFLOW) - 1)
    return 1
