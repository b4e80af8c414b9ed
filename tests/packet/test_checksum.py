"""Checksums: incremental updates against full sums, and the edge cases 0x0000 and 0xffff (RFC 1624, section 4)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.all import ICMP, IP, TCP, UDP, IPv6, Raw
from scapy.utils import checksum as scapy_checksum
from tests.packet.frames import Frame, ether, renewed

from nfuse.memory.arena import View
from nfuse.packet.address import pack
from nfuse.packet.checksum import (
    apply_checksum,
    apply_checksum_udp,
    delta16,
    delta32,
    delta_address,
    fold,
    full_ipv4,
    full_l4,
    sum_bytes,
)

words = st.one_of(st.integers(0, 0xFFFF), st.sampled_from([0, 1, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]))


def reference(checksum: int, changes: list[tuple[int, int]]) -> int:
    """Equation 3 of RFC 1624, one word at a time."""
    for old, new in changes:
        total = (~checksum & 0xFFFF) + (~old & 0xFFFF) + new
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        checksum = ~total & 0xFFFF
    return checksum


class Word:
    """A checksum in memory."""

    def __init__(self, value: int) -> None:
        self.bytes = np.array([value >> 8, value & 0xFF], np.uint8)
        self.view = View(self.bytes)
        self.address = self.view.address

    def __int__(self) -> int:
        return int(self.bytes[0]) << 8 | int(self.bytes[1])


@given(st.integers(0, 2**63 - 1))
def test_fold(value: int) -> None:
    folded = fold(value)
    assert 0 <= folded <= 0xFFFF
    assert folded % 0xFFFF == value % 0xFFFF
    assert (folded == 0) == (value == 0)


@given(words, st.lists(st.tuples(words, words), min_size=1, max_size=6))
def test_one_update_equals_many(checksum: int, changes: list[tuple[int, int]]) -> None:
    """S12: consolidated and sequential updates agree, also where the checksum is 0x0000 or 0xffff."""
    once, each = Word(checksum), Word(checksum)
    for old, new in changes:
        apply_checksum(each.address, delta16(old, new))
    apply_checksum(once.address, fold(sum(delta16(old, new) for old, new in changes)))
    assert int(once) == int(each) == reference(checksum, changes)


@given(words, st.lists(st.tuples(words, words), min_size=1, max_size=6))
def test_one_udp_update_equals_many(checksum: int, changes: list[tuple[int, int]]) -> None:
    once, each = Word(checksum), Word(checksum)
    for old, new in changes:
        apply_checksum_udp(each.address, delta16(old, new))
    apply_checksum_udp(once.address, fold(sum(delta16(old, new) for old, new in changes)))
    assert int(once) == int(each)
    assert int(once) == (0 if checksum == 0 else reference(checksum, changes) or 0xFFFF)


@pytest.mark.parametrize(
    ("checksum", "old", "new", "result"),
    [
        (0xDD2F, 0x5555, 0x3285, 0x0000),  # the example of RFC 1624, section 4
        (0x0000, 0x1234, 0x1234, 0x0000),  # an update is made also where nothing changes
        (0xFFFF, 0x1234, 0x1234, 0x0000),
        (0xFFFF, 0xFFFF, 0x0000, 0xFFFF),  # a sum of nothing but zeros stays one
    ],
)
def test_edges(checksum: int, old: int, new: int, result: int) -> None:
    word = Word(checksum)
    apply_checksum(word.address, delta16(old, new))
    assert int(word) == result


def test_udp_edges() -> None:
    for checksum, result in ((0xDD2F, 0xFFFF), (0, 0)):
        word = Word(checksum)
        apply_checksum_udp(word.address, delta16(0x5555, 0x3285))
        assert int(word) == result


@given(st.ip_addresses(), st.data())
def test_address_delta_is_the_sum_of_its_words(old: object, data: st.DataObject) -> None:
    version = getattr(old, "version", 4)
    new = data.draw(st.ip_addresses(v=version))
    mapped = getattr(old, "ipv4_mapped", None) is not None or getattr(new, "ipv4_mapped", None) is not None
    if version == 6 and mapped:
        return
    pairs = zip(*(np.frombuffer(a.packed, ">u2") for a in (old, new)), strict=True)  # type: ignore[attr-defined]
    total = sum(delta16(int(a), int(b)) for a, b in pairs)
    assert delta_address(*pack(str(old)), *pack(str(new))) == fold(total)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_delta32(old: int, new: int) -> None:
    assert delta32(old, new) == fold(delta16(old >> 16, new >> 16) + delta16(old & 0xFFFF, new & 0xFFFF))


@given(st.binary(max_size=70))
def test_sum_bytes(data: bytes) -> None:
    view = View(np.frombuffer(data + b"\xa5", np.uint8)[: len(data)]) if data else None
    total = sum_bytes(view.address, len(data)) if view else sum_bytes(0, 0)
    assert ~total & 0xFFFF == scapy_checksum(data)


@pytest.mark.parametrize("ip", [IP(src="10.1.2.3", dst="10.3.2.1"), IPv6(src="2001:db8::1", dst="2001:db8::2")])
@pytest.mark.parametrize("l4", [TCP(), UDP(), UDP(chksum=0x1234) / Raw(b"odd"), ICMP(type=8) / Raw(b"abc")])
def test_full_sums(ip: IP, l4: TCP) -> None:
    if ip.version == 6 and isinstance(l4, ICMP):
        return
    data = bytes(ether() / ip / l4)
    frame = Frame(data)
    if ip.version == 4:
        full_ipv4(int(frame.desc["addr"]) + 14, 20)
    assert full_l4(frame.P) >= 0
    assert frame.data == renewed(data)


def test_no_full_sum_without_l4() -> None:
    for packet in (ether() / IP(proto=50), ether() / IP(flags="MF") / UDP()):
        frame = Frame(packet)
        before = frame.data
        assert full_l4(frame.P) == -1
        assert frame.data == before
