"""The hash index against a dict, in tables so small that everything collides."""

from __future__ import annotations

import collections
import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from nfuse.flow import index
from nfuse.memory.arena import Arena
from nfuse.memory.jit import JIT, native
from nfuse.memory.raw import load32, violations

SIZE = 128
OFFSET = 28
STRIDE = 40  # fits both families
FCBS = 64


@native
def _load32(address: int) -> int:
    return load32(address)


BUCKETS = Arena(16 * index.BUCKET)
OLD = Arena((FCBS + 2) * index.OLD_SIZE)
POOL = Arena((FCBS + 2) * SIZE + 3 * STRIDE)


class Table:
    """An index and a pool of FCBs, for keys of either family."""

    def __init__(self, buckets: int, family: int) -> None:
        self.family = family
        self.mask = buckets - 1
        assert buckets <= 16
        self.buckets, self.pool = BUCKETS, POOL
        self.buckets.clear()
        self.pool.clear()

    def hash(self, key: tuple[int, ...]) -> int:
        return index.hash4(*key) if self.family == 4 else index.hash6(*key)

    def find(self, key: tuple[int, ...]) -> int:
        where = (self.buckets.address, self.mask, self.hash(key), self.pool.address, SIZE, OFFSET, STRIDE)
        return index.find4(*where, OLD.address, *key) if self.family == 4 else index.find6(*where, *key)

    def insert(self, key: tuple[int, ...], value: int) -> int:
        where = self.pool.address + (value >> 2) * SIZE + OFFSET + (value & 3) * STRIDE
        if self.family == 4 and value & 2:
            where = OLD.address + (value >> 2) * index.OLD_SIZE
        (index.store_key4 if self.family == 4 else index.store_key6)(where, *key)
        return index.insert(self.buckets.address, self.mask, self.hash(key), value)

    def remove(self, key: tuple[int, ...], value: int) -> int:
        return index.remove(self.buckets.address, self.mask, self.hash(key), value)

    def overflows(self) -> list[int]:
        return [_load32(self.buckets.address + 64 * b + 12) for b in range(self.mask + 1)]


small = st.integers(0, 3)
word = st.one_of(small, st.integers(-(2**63), 2**63 - 1))
KEYS = {
    4: st.tuples(word, st.one_of(small, st.integers(0, 2**32 - 1)), st.sampled_from([6, 17, 0x106, 0xFFFF])),
    6: st.tuples(word, word, word, word, st.one_of(small, st.integers(0, 2**48 - 1))),
}


class IndexMachine(RuleBasedStateMachine):
    """Insert, find and remove: the index is a dict, whatever collides."""

    family = 4
    buckets = 2
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.table = Table(self.buckets, self.family)
        self.model: dict[tuple[int, ...], int] = {}

    @rule(target=keys, data=st.data(), kind=st.sampled_from([0, 1, 2]))
    def insert(self, data: st.DataObject, kind: int) -> tuple[int, ...]:
        key = data.draw(KEYS[self.family])
        if key in self.model:
            return key
        used = set(self.model.values())
        value = next(v for n in range(1, FCBS) if (v := n << 2 | kind) not in used)
        done = self.table.insert(key, value)
        assert done == (len(self.model) < self.buckets * index.SLOTS)
        if done:
            self.model[key] = value
        return key

    @rule(key=keys)
    def find(self, key: tuple[int, ...]) -> None:
        assert self.table.find(key) == self.model.get(key, 0)

    @rule(data=st.data())
    def find_any(self, data: st.DataObject) -> None:
        key = data.draw(KEYS[self.family])
        assert self.table.find(key) == self.model.get(key, 0)

    @rule(key=consumes(keys))
    def remove(self, key: tuple[int, ...]) -> None:
        value = self.model.pop(key, 0)
        assert self.table.remove(key, value or 4) == (1 if value else 0)
        assert self.table.find(key) == 0

    @invariant()
    def all_found(self) -> None:
        for key, value in self.model.items():
            assert self.table.find(key) == value
        if not self.model:
            assert not any(bytes(self.table.buckets.bytes)), "an empty table is all zero again"

    def teardown(self) -> None:
        for key, value in self.model.items():
            assert self.table.remove(key, value) == 1
        assert not any(bytes(self.table.buckets.bytes))
        assert violations()[0] == 0


class IndexMachine6(IndexMachine):
    family = 6


class IndexMachineOneBucket(IndexMachine):
    buckets = 1


_settings = settings(stateful_step_count=50, deadline=None)
TestIndex4 = IndexMachine.TestCase
TestIndex4.settings = _settings
TestIndex6 = IndexMachine6.TestCase
TestIndex6.settings = _settings
TestOneBucket = IndexMachineOneBucket.TestCase
TestOneBucket.settings = _settings


def test_full_table_refuses_and_changes_nothing() -> None:
    table = Table(2, 4)
    keys = [(n * 77777, n, 6) for n in range(25)]
    for n, key in enumerate(keys[:24]):
        assert table.insert(key, (n + 1) << 2) == 1
    before = bytes(table.buckets.bytes)
    assert table.insert(keys[24], 25 << 2) == 0
    assert bytes(table.buckets.bytes) == before
    assert table.find(keys[24]) == 0
    assert table.remove(keys[24], 25 << 2) == 0
    assert bytes(table.buckets.bytes) == before
    for n, key in enumerate(keys[:24]):
        assert table.find(key) == (n + 1) << 2
        assert table.remove(key, (n + 1) << 2) == 1
    assert table.overflows() == [0, 0]


def test_two_keys_of_one_session() -> None:
    table = Table(1, 4)
    a, b = 0x0807060504030201, 80 << 16 | 1024
    reply = (index.mirror_addresses(a), index.mirror_ports(b), 6)
    assert reply == (0x0403020108070605, 1024 << 16 | 80, 6)
    table.insert((a, b, 6), 5 << 2 | index.OPENER)
    table.insert(reply, 5 << 2 | index.REPLY)
    assert table.find((a, b, 6)) == 20
    assert table.find(reply) == 21
    assert table.find((a, b, 6 | 1 << 8)) == 0, "the other side is another key"


def test_candidate_is_the_first_match() -> None:
    table = Table(4, 4)
    key = (1, 2, 17)
    at = (table.buckets.address, 3, table.hash(key))
    assert index.candidate(*at) == 0
    table.insert(key, 9 << 2)
    assert index.candidate(*at) == 9 << 2


@pytest.mark.parametrize(("keys", "buckets"), [(0, 1), (1, 1), (8, 1), (9, 2), (2000, 256), (2_000_000, 1 << 18)])
def test_sized(keys: int, buckets: int) -> None:
    assert index.sized(keys) == buckets
    assert index.sized(keys, keys * 3 // 2) in (buckets, 2 * buckets)


def test_memory_at_full_capacity() -> None:
    sessions = 1_000_000
    assert index.sized(2 * sessions, 3 * sessions) * index.BUCKET <= 36 * sessions


def _patterns(count: int) -> dict[str, list[tuple[int, int, int]]]:
    """Keys as they come in practice: runs of ports, of hosts, of networks, both."""
    net = int.from_bytes(b"\x0a\x00\x00\x00", "little")
    host = [int.from_bytes((0x0A000000 + n).to_bytes(4, "big"), "little") for n in range(count)]
    other = int.from_bytes(b"\xc0\xa8\x01\x01", "little")
    return {
        "source ports": [(net | other << 32, n & 0xFFFF | 80 << 16, 6) for n in range(min(count, 65536))],
        "destination ports": [(net | other << 32, 5000 | (n & 0xFFFF) << 16, 6) for n in range(min(count, 65536))],
        "source hosts": [(h | other << 32, 1024 | 80 << 16, 6) for h in host],
        "destination hosts": [(net | h << 32, 1024 | 80 << 16, 6) for h in host],
        "both": [(h | host[-n] << 32, n & 0xFFFF | 80 << 16, 17) for n, h in enumerate(host)],
        "pairs": [(h | other << 32, p | 80 << 16, 6) for h in host[: count // 64] for p in range(1024, 1088)],
    }


@pytest.mark.parametrize("pattern", list(_patterns(64)))
def test_hash_spreads_regular_keys(pattern: str) -> None:
    count = 8192 if JIT else 2048
    buckets = count // 8
    keys = [tuple(v - (1 << 64) if v >> 63 else v for v in key) for key in _patterns(count)[pattern]]
    hashes = [index.hash4(*key) for key in keys]
    loads = collections.Counter(h & (buckets - 1) for h in hashes)
    chi = sum((loads[b] - 8) ** 2 / 8 for b in range(buckets))
    assert chi < buckets + 6 * (2 * buckets) ** 0.5
    tags = collections.Counter((h >> 56) & 255 for h in hashes)
    chi = sum((tags[t] - count / 256) ** 2 / (count / 256) for t in range(256))
    assert chi < 256 + 6 * (2 * 256) ** 0.5


def test_each_bit_of_the_key_changes_half_of_the_hash() -> None:
    rng = random.Random(1)
    for family, widths in ((4, (64, 32, 16)), (6, (64, 64, 64, 64, 48))):
        hash_ = index.hash4 if family == 4 else index.hash6
        for which, width in enumerate(widths):
            for bit in range(width):
                flips = 0
                for _ in range(16):
                    key = [rng.getrandbits(w - 1) for w in widths]
                    before = hash_(*key)
                    key[which] ^= 1 << bit
                    key[which] -= (1 << 64) if key[which] >> 63 else 0
                    flips += ((before ^ hash_(*key)) & (2**64 - 1)).bit_count()
                assert 16 * 20 < flips < 16 * 44, (family, which, bit)
