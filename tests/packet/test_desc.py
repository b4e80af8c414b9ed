from __future__ import annotations

from nfuse.packet import desc


def test_constants_and_record_agree() -> None:
    assert desc.DESC_DTYPE.itemsize == desc.DESC_SIZE == 64
    for name, (_, offset) in (desc.DESC_DTYPE.fields or {}).items():
        assert getattr(desc, name.upper()) == offset


def test_flags_are_distinct_bits() -> None:
    assert len(set(desc.FLAG_NAMES.values())) == len(desc.FLAG_NAMES)
    assert all(bit & (bit - 1) == 0 and getattr(desc, f"F_{name}") == bit for name, bit in desc.FLAG_NAMES.items())
