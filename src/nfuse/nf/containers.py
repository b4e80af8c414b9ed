"""Containers in flat memory: stack, ring, array, hash map.

A container is a 32-byte header in the State record {offset of its data from S, capacity, a, b} and its data behind the
record. The kernels find slots: they return the address of an item to read or write, or 0 where there is none (empty,
full, out of bounds, no such key), which a handler turns into a fault. The classes are the same containers for Python
code (``on_start``, the reference engine), and the names that annotations use: ``free: Stack[u16]``.

==========  =======================  ==================
container   a                        b
==========  =======================  ==================
stack       items in it
ring        index of the oldest      items in it
array       items (= capacity)
map         keys in it               buckets, power of 2
==========  =======================  ==================

A map's slot is {used i64, key hi, key lo, value}; linear probing, deletion by moving back, so equal histories give
equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import Arena
from nfuse.memory.jit import native
from nfuse.memory.raw import copy, i64, load64, lsr, store64, zero
from nfuse.nf.abi import CONTAINER_SIZE
from nfuse.nf.layout import numpy_format
from nfuse.nf.poke import peek, poke, wipe
from nfuse.nf.types import ADDRESS, U16, Kind, kind_of
from nfuse.packet.address import pack, unpack

MAP_HEADER = 24
"""Bytes of a map's slot before the value."""


@native
def stack_push(S: int, H: int, size: int) -> int:
    """Make room on top; return the item's address, 0 if full."""
    n = load64(H + 16)
    if n >= load64(H + 8):
        return 0
    store64(H + 16, n + 1)
    return S + load64(H) + n * size


@native
def stack_pop(S: int, H: int, size: int) -> int:
    """Take the top off; return the item's address, 0 if empty."""
    n = load64(H + 16)
    if n <= 0:
        return 0
    store64(H + 16, n - 1)
    return S + load64(H) + (n - 1) * size


@native
def ring_push(S: int, H: int, size: int) -> int:
    """Make room behind the newest; return the item's address, 0 if full."""
    n = load64(H + 24)
    capacity = load64(H + 8)
    if n >= capacity:
        return 0
    at = load64(H + 16) + n
    if at >= capacity:
        at -= capacity
    store64(H + 24, n + 1)
    return S + load64(H) + at * size


@native
def ring_pop(S: int, H: int, size: int) -> int:
    """Take the oldest out; return the item's address, 0 if empty."""
    n = load64(H + 24)
    if n <= 0:
        return 0
    head = load64(H + 16)
    after = head + 1
    if after >= load64(H + 8):
        after = 0
    store64(H + 16, after)
    store64(H + 24, n - 1)
    return S + load64(H) + head * size


@native
def array_at(S: int, H: int, size: int, i: int) -> int:
    """Return the address of item `i`, 0 if there is none (negative indexes included)."""
    if i < 0 or i >= load64(H + 16):
        return 0
    return S + load64(H) + i * size


@native
def _bucket(H: int, hi: int, lo: int) -> int:
    x = i64(i64(hi * 0x1F3D5B79A3C1E5D7) ^ i64(lo * 0x2545F4914F6CDD1D))
    x = i64(x ^ lsr(x, 32))
    x = i64(x * 0x1F3D5B79A3C1E5D7)
    return lsr(x, 32) & (load64(H + 24) - 1)


@native
def map_find(S: int, H: int, stride: int, hi: int, lo: int) -> int:
    """Return the address of the value of a key, 0 if the key is not in the map."""
    buckets = load64(H + 24)
    if buckets == 0:
        return 0
    data = S + load64(H)
    at = _bucket(H, hi, lo)
    while load64(data + at * stride) != 0:
        slot = data + at * stride
        if load64(slot + 8) == hi and load64(slot + 16) == lo:
            return slot + MAP_HEADER
        at = (at + 1) & (buckets - 1)
    return 0


@native
def map_put(S: int, H: int, stride: int, hi: int, lo: int) -> int:
    """Return the address of the value of a key, put in if it is new (its value then 0); 0 if the map is full."""
    found = map_find(S, H, stride, hi, lo)
    if found != 0:
        return found
    count = load64(H + 16)
    if count >= load64(H + 8):
        return 0
    buckets = load64(H + 24)
    data = S + load64(H)
    at = _bucket(H, hi, lo)
    while load64(data + at * stride) != 0:
        at = (at + 1) & (buckets - 1)
    slot = data + at * stride
    zero(slot, stride)
    store64(slot, 1)
    store64(slot + 8, hi)
    store64(slot + 16, lo)
    store64(H + 16, count + 1)
    return slot + MAP_HEADER


@native
def map_delete(S: int, H: int, stride: int, hi: int, lo: int) -> int:
    """Take a key out; return 1, or 0 if it was not there."""
    found = map_find(S, H, stride, hi, lo)
    if found == 0:
        return 0
    buckets = load64(H + 24)
    data = S + load64(H)
    hole = (found - MAP_HEADER - data) // stride
    at = hole
    while True:
        at = (at + 1) & (buckets - 1)
        slot = data + at * stride
        if load64(slot) == 0:
            break
        home = _bucket(H, load64(slot + 8), load64(slot + 16))
        if ((at - home) & (buckets - 1)) >= ((at - hole) & (buckets - 1)):
            copy(data + hole * stride, slot, stride)
            hole = at
    zero(data + hole * stride, stride)
    store64(H + 16, load64(H + 16) - 1)
    return 1


# ------------------------------------------------------------------------------------------------- the Python side


class ContainerFault(IndexError):
    """An access that would be a fault in a handler: outside, empty, full, or no such key."""


def read_item(kind: Kind, address: int) -> Any:
    """Read a value of a kind: an int, bool or :mod:`ipaddress` object."""
    if kind.form == "address":
        return unpack(peek(address), peek(address + 8))
    value = peek(address, kind.size, kind.signed)
    return bool(value) if kind.form == "bool" else value


def write_item(kind: Kind, address: int, value: Any) -> None:
    """Write a value of a kind, truncated to its width."""
    if kind.form == "address":
        hi, lo = pack(value)
        poke(address, hi)
        poke(address + 8, lo)
    else:
        poke(address, kind.wrap(value), kind.size)


class Container:
    """A container of one NF instance, as Python code sees it.

    Args:
        base: Address of the State record.
        header: Address of the container's header.
        kind: The declared kind.
        arena: The arena that holds both.
        allocate: Reserves bytes in the arena and returns their offset from `base`.

    Attributes:
        has_room: Whether room has been made (perhaps for no item at all).
    """

    def __init__(
        self, base: int, header: int, kind: Kind, arena: Arena, allocate: Callable[[int], int] | None = None
    ) -> None:
        assert kind.item is not None
        self._base, self._header, self._kind, self._arena = base, header, kind, arena
        self._allocate = allocate
        self._item: Kind = kind.item
        self._room = 0
        self.has_room = False

    @property
    def capacity(self) -> int:
        """Items that fit."""
        return peek(self._header + 8)

    def _bytes_for(self, n: int) -> int:
        return n * self._item.size

    def reserve(self, n: int) -> None:
        """Empty the container and give it room for `n` items (only in ``on_start`` and ``on_update``)."""
        self.has_room = True
        n = int(n)
        if n < 0:
            raise ValueError(f"a container can't hold {n} items")
        size = self._bytes_for(n)
        if size > self._room:
            if self._allocate is None:
                raise RuntimeError("room for containers is made in on_start and on_update")
            poke(self._header, self._allocate(size))
            self._room = size
        else:
            wipe(self._base + peek(self._header), size)
        poke(self._header + 8, n)
        poke(self._header + 16, 0)
        poke(self._header + 24, 0)

    def adopt(self, size: int) -> None:
        """Tell that `size` bytes of data are this container's already."""
        self._room = size

    def _all(self) -> NDArray[Any]:
        offset = self._base - self._arena.address + peek(self._header)
        kind = np.dtype(numpy_format(self._item))
        if kind.subdtype is not None:
            return self._arena.array("<i8", 2 * self.capacity, offset).reshape(-1, 2)
        return self._arena.array(kind, self.capacity, offset)

    def _put_all(self, items: Iterable[Any]) -> int:
        """Write items from the first place on; return how many."""
        if not isinstance(items, np.ndarray):
            items = list(items)
        self.reserve(len(items))
        if len(items):
            if self._item.form == "address":
                if not isinstance(items, np.ndarray):
                    items = np.array([pack(item) for item in items], dtype=np.int64)
                self._all()[:] = items
            elif isinstance(items, np.ndarray):
                self._all()[:] = items.astype(self._all().dtype)
            else:
                mask = (1 << (8 * self._item.size)) - 1
                bits = np.array([int(item) & mask for item in items], dtype=np.uint64)
                self._all()[:] = bits.astype(f"<u{self._item.size}").view(self._all().dtype)
        return len(items)

    def _read(self, address: int, why: str) -> Any:
        if address == 0:
            raise ContainerFault(why)
        return read_item(self._item, address)

    def _write(self, address: int, value: Any, why: str) -> None:
        if address == 0:
            raise ContainerFault(why)
        write_item(self._item, address, value)

    def values(self) -> Any:
        """Return the contents as plain Python values, for comparison."""
        raise NotImplementedError


def _declared(container: str, item: Any, key: Any = None, count: int = 0) -> Kind:
    item_kind = kind_of(item)
    key_kind = kind_of(key) if key is not None else None
    for part in (item_kind, key_kind):
        if part is not None and part.form not in ("int", "bool", "address"):
            raise TypeError(f"{part.name} can't be kept in a {container}: integers and addresses can")
    label = {"stack": "Stack", "ring": "Ring", "array": "Array", "map": "HashMap"}[container]
    inside = ", ".join([part.name for part in (key_kind, item_kind) if part] + ([str(count)] if count else []))
    return Kind(
        f"{label}[{inside}]",
        "container",
        CONTAINER_SIZE,
        container=container,
        key=key_kind,
        item=item_kind,
        count=count,
    )


class Stack(Container):
    """Last in, first out: ``push``, ``pop``, ``len``; empty and full are faults."""

    def __class_getitem__(cls, item: Any) -> Kind:
        return _declared("stack", item)

    def __len__(self) -> int:
        return peek(self._header + 16)

    def push(self, value: Any) -> None:
        """Put a value on top."""
        self._write(stack_push(self._base, self._header, self._item.size), value, "the stack is full")

    def pop(self) -> Any:
        """Take the value on top."""
        return self._read(stack_pop(self._base, self._header, self._item.size), "the stack is empty")

    def clear(self) -> None:
        """Take everything out."""
        poke(self._header + 16, 0)

    def fill(self, items: Iterable[Any]) -> None:
        """Hold exactly these items; the last is on top."""
        poke(self._header + 16, self._put_all(items))

    def values(self) -> list[Any]:
        """Return the items, the top last."""
        start = self._base + peek(self._header)
        return [read_item(self._item, start + i * self._item.size) for i in range(len(self))]


class Ring(Container):
    """First in, first out: ``push``, ``pop``, ``len``; empty and full are faults."""

    def __class_getitem__(cls, item: Any) -> Kind:
        return _declared("ring", item)

    def __len__(self) -> int:
        return peek(self._header + 24)

    def push(self, value: Any) -> None:
        """Put a value behind the newest."""
        self._write(ring_push(self._base, self._header, self._item.size), value, "the ring is full")

    def pop(self) -> Any:
        """Take the oldest value."""
        return self._read(ring_pop(self._base, self._header, self._item.size), "the ring is empty")

    def clear(self) -> None:
        """Take everything out."""
        poke(self._header + 16, 0)
        poke(self._header + 24, 0)

    def fill(self, items: Iterable[Any]) -> None:
        """Hold exactly these items, the oldest first."""
        count = self._put_all(items)
        poke(self._header + 24, count)

    def values(self) -> list[Any]:
        """Return the items, the oldest first."""
        start, head = self._base + peek(self._header), peek(self._header + 16)
        size, capacity = self._item.size, self.capacity
        return [read_item(self._item, start + (head + i) % capacity * size) for i in range(len(self))]


class Array(Container):
    """Items by index from 0: ``Array[u32]`` (room made in ``on_start``) or ``Array[u32, 100]``; outside is a fault."""

    def __class_getitem__(cls, parameters: Any) -> Kind:
        item, count = parameters if isinstance(parameters, tuple) else (parameters, 0)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise TypeError(f"Array[T, n]: n is a number of items, not {count!r}")
        return _declared("array", item, count=count)

    def __len__(self) -> int:
        return peek(self._header + 16)

    def reserve(self, n: int) -> None:
        """Hold `n` items, all zero."""
        super().reserve(n)
        poke(self._header + 16, int(n))

    def fill(self, items: Iterable[Any]) -> None:
        """Hold exactly these items."""
        self._put_all(items)

    def _at(self, i: int) -> int:
        return int(array_at(self._base, self._header, self._item.size, int(i)))

    def __getitem__(self, i: int) -> Any:
        return self._read(self._at(i), f"index {i} is outside")

    def __setitem__(self, i: int, value: Any) -> None:
        self._write(self._at(i), value, f"index {i} is outside")

    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self)):
            yield self[i]

    @property
    def view(self) -> NDArray[Any]:
        """The items as a NumPy array over the same memory (addresses: n x 2 ``i8``)."""
        return self._all()

    def values(self) -> list[Any]:
        """Return the items."""
        if self._item.form == "address":
            return list(self)
        found: list[Any] = self._all().tolist()
        return found


class HashMap(Container):
    """Keys (integers or addresses) to values; a fixed number of keys, reserved in ``on_start``.

    ``key in m``, ``m[key]`` (a fault if there is none), ``m.get(key, default)``, ``m[key] = value`` (a fault if full),
    ``m.put(key, value)`` (False if full), ``m.delete(key)`` (False if there was none), ``len(m)``.
    """

    def __class_getitem__(cls, parameters: Any) -> Kind:
        if not isinstance(parameters, tuple) or len(parameters) != 2:
            raise TypeError("HashMap[K, V] takes two types")
        return _declared("map", parameters[1], key=parameters[0])

    def __len__(self) -> int:
        return peek(self._header + 16)

    @property
    def stride(self) -> int:
        """Bytes of a slot."""
        return map_stride(self._kind)

    def _bytes_for(self, n: int) -> int:
        return map_buckets(n) * self.stride

    def reserve(self, n: int) -> None:
        """Empty the map and give it room for `n` keys."""
        super().reserve(n)
        poke(self._header + 24, map_buckets(int(n)))

    def clear(self) -> None:
        """Take all keys out."""
        wipe(self._base + peek(self._header), self._bytes_for(self.capacity))
        poke(self._header + 16, 0)

    def fill(self, items: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> None:
        """Hold exactly these keys and values."""
        pairs = list(items.items() if isinstance(items, Mapping) else items)
        self.reserve(len(pairs))
        for key, value in pairs:
            self[key] = value

    def _key(self, key: Any) -> tuple[int, int]:
        assert self._kind.key is not None
        return pack(key) if self._kind.key.form == "address" else (0, self._kind.key.wrap(key))

    def _find(self, key: Any) -> int:
        return int(map_find(self._base, self._header, self.stride, *self._key(key)))

    def __contains__(self, key: Any) -> bool:
        return self._find(key) != 0

    def __getitem__(self, key: Any) -> Any:
        return self._read(self._find(key), f"no key {key}")

    def get(self, key: Any, default: Any = 0) -> Any:
        """Return the value of a key, or `default`."""
        found = self._find(key)
        return read_item(self._item, found) if found else default

    def __setitem__(self, key: Any, value: Any) -> None:
        self._write(int(map_put(self._base, self._header, self.stride, *self._key(key))), value, "the map is full")

    def put(self, key: Any, value: Any) -> bool:
        """Set the value of a key; return False if the map is full and the key is new."""
        slot = int(map_put(self._base, self._header, self.stride, *self._key(key)))
        if slot:
            write_item(self._item, slot, value)
        return slot != 0

    def delete(self, key: Any) -> bool:
        """Take a key out; return whether it was there."""
        return bool(map_delete(self._base, self._header, self.stride, *self._key(key)))

    def items(self) -> list[tuple[Any, Any]]:
        """Return all keys and values, in the order of the buckets."""
        assert self._kind.key is not None
        start, found = self._base + peek(self._header), []
        words, buckets = self.stride // 8, peek(self._header + 24)
        table = self._arena.array("<i8", buckets * words, start - self._arena.address)
        for bucket in table[::words].nonzero()[0].tolist():
            slot = start + bucket * self.stride
            key = read_item(ADDRESS, slot + 8) if self._kind.key.form == "address" else peek(slot + 16)
            found.append((key, read_item(self._item, slot + MAP_HEADER)))
        return found

    def values(self) -> dict[Any, Any]:
        """Return the contents as a dict."""
        return dict(self.items())


def map_stride(kind: Kind) -> int:
    """Return the bytes of a slot of a map."""
    assert kind.item is not None
    return MAP_HEADER + max(8, kind.item.size)


def map_buckets(n: int) -> int:
    """Return the buckets of a map for `n` keys: a power of two, at most three quarters full."""
    return 1 << max(1, (n + n // 3 + 1).bit_length()) if n else 2


CLASSES: dict[str, type[Container]] = {"stack": Stack, "ring": Ring, "array": Array, "map": HashMap}
"""Container class by the name of its shape."""

PortStack = _declared("stack", U16)
"""A stack of ports: ``Stack[u16]``."""
