"""Sets of prefixes against ``ipaddress``, address by address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few

from nfuse import Prefix
from nfuse.nf.library.bits import count_up_to
from nfuse.nf.library.prefixes import MAPPED, TOP, addresses, mask, merged, span, union, without

PREFIX = st.one_of(
    st.builds(
        lambda value, length: Prefix((value, length)),
        st.integers(0, 255).map(lambda b: b << 24 | b),
        st.integers(0, 32),
    ),
    st.builds(lambda value, length: Prefix((value << 120, length)), st.integers(0, 255), st.integers(0, 128)),
    st.sampled_from([Prefix("::/0"), Prefix("::/80"), Prefix("::ffff:0:0/96"), Prefix("0.0.0.0/0")]),
)
SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=6)


def flat(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    return int(address) + (MAPPED if address.version == 4 else 0)


@given(st.lists(PREFIX, max_size=6))
@few(100)
def test_union(prefixes: list[Prefix]) -> None:
    edges = union(prefixes)
    assert edges == sorted(set(edges))
    table = addresses(edges)
    probes = {p.network[i] for p in prefixes for i in (0, -1)} | {
        ipaddress.ip_address(t) for t in ("9.9.9.9", "::9", "::")
    }
    for probe in probes:
        if probe.version == 6 and probe.ipv4_mapped:
            continue  # counts as IPv4
        inside = any(probe in prefix for prefix in prefixes)
        assert sum(edge <= flat(probe) for edge in edges) % 2 == inside
        assert count_up_to([int(edge) for edge in table], flat(probe)) % 2 == inside


@given(SPANS, SPANS)
@few(100)
def test_without(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    def members(spans: list[tuple[int, int]]) -> set[int]:
        return {value for first, end in spans for value in range(first, end)}

    found = without(merged(a), merged(b), 21)
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert members(pairs) == members(a) - members(b)
    assert found == sorted(set(found))


def test_spans_and_masks() -> None:
    assert span(Prefix("10.0.0.0/8")) == (MAPPED + (10 << 24), MAPPED + (11 << 24))
    assert span(Prefix("::/0")) == (0, TOP)
    assert int(mask(4, 24)) == TOP - 256
    assert int(mask(6, 128)) == TOP - 1
    assert int(mask(6, 0)) == 0
    with pytest.raises(ValueError, match="prefix4: 33 is more than the 32 bits"):
        mask(4, 33)
