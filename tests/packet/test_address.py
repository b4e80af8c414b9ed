from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfuse.packet.address import is_v4, pack, pack_mac, unpack, unpack_mac


@given(st.ip_addresses())
def test_round_trip(address: IPv4Address | IPv6Address) -> None:
    hi, lo = pack(address)
    assert -(1 << 63) <= hi < 1 << 63
    assert -(1 << 63) <= lo < 1 << 63
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    assert unpack(hi, lo) == (mapped or address)
    assert is_v4(hi, lo) == (address.version == 4 or mapped is not None)
    assert pack(str(address)) == (hi, lo)


def test_mapped_addresses_are_ipv4() -> None:
    assert unpack(*pack("::ffff:1.2.3.4")) == IPv4Address("1.2.3.4")


@given(st.integers(0, (1 << 48) - 1))
def test_mac(value: int) -> None:
    assert pack_mac(unpack_mac(value)) == value


@pytest.mark.parametrize("text", ["", "1:2:3:4:5", "02:00:00:00:00:0g", "02:00:00:00:00:001"])
def test_bad_mac(text: str) -> None:
    with pytest.raises(ValueError, match="MAC address"):
        pack_mac(text)
