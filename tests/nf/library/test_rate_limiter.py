"""RateLimiter against the meters of RFC 2697 and RFC 2698 in exact fractions."""

from __future__ import annotations

import ipaddress
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few
from tests.nf.library.frames import Packet
from tests.nf.library.wire import Wire, engines

from nfuse import Timeouts
from nfuse.nf.library import RateLimiter

COLOURS = ("green", "yellow", "red")


class Meter:
    """One pair of buckets."""

    def __init__(self, nf: RateLimiter, now: int) -> None:
        self.nf, self.then = nf, now
        self.committed, self.excess, self.peak = Fraction(nf.burst), Fraction(nf.excess), Fraction(nf.peak_burst)

    def colour(self, size: int, now: int, before: int) -> int:
        seconds = Fraction(now - self.then, 10**9)
        self.then = now
        gain = seconds * self.nf.rate
        over = max(Fraction(0), self.committed + gain - self.nf.burst)
        self.committed = min(self.committed + gain, Fraction(self.nf.burst))
        self.excess = min(self.excess + over, Fraction(self.nf.excess))
        self.peak = min(self.peak + seconds * self.nf.peak, Fraction(self.nf.peak_burst))
        if self.nf.peak:
            if before == 2 or self.peak < size:
                return 2
            self.peak -= size
            if before == 1 or self.committed < size:
                return 1
            self.committed -= size
            return 0
        if before == 0 and self.committed >= size:
            self.committed -= size
            return 0
        if before <= 1 and self.excess >= size:
            self.excess -= size
            return 1
        return 2


RATES = st.one_of(
    st.fixed_dictionaries({"rate": st.sampled_from([1, 7, 1000]), "burst": st.integers(1, 5)}),
    st.fixed_dictionaries({"rate": st.just(3), "burst": st.integers(1, 4), "excess": st.integers(1, 4)}),
    st.fixed_dictionaries(
        {"rate": st.just(2), "burst": st.integers(1, 4), "peak": st.integers(2, 7), "peak_burst": st.integers(1, 5)}
    ),
)
STEP = st.tuples(
    st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.1.1", "2001:db8::1", "2001:db8:0:1::1"]),
    st.integers(1, 2),
    st.booleans(),
    st.sampled_from([0, 0, 0, 1, 999_999_999, 250_000_000, 333_333_333, 40 * 10**9]),
    st.integers(0, 900),
    st.sampled_from([0, 0, 12, 14]),
)


@pytest.mark.parametrize("engine", engines())
@given(
    st.lists(STEP, max_size=50),
    RATES,
    st.sampled_from(["packets", "bytes"]),
    st.sampled_from(["flow", "source"]),
    st.sampled_from(["both", "sent", "received"]),
    st.booleans(),
)
@few(30)
def test_colours(
    engine: str, steps: list[Any], rates: dict[str, int], unit: str, per: str, direction: str, aware: bool
) -> None:
    if unit == "bytes":
        rates = {name: value * (1500 if "burst" in name or name == "excess" else 700) for name, value in rates.items()}
    nf = RateLimiter(
        **rates, unit=unit, per=per, direction=direction, aware=aware, yellow="AF12", red=14, prefix4=24, prefix6=64
    )
    wire = Wire(nf, engine, idle=10**6, timeouts=Timeouts(udp=10**5, udp_new=10**5))  # an answer meets its session
    meters: dict[object, Meter] = {}
    counts, answered = [0, 0, 0], set()
    for src, sport, back, gap, size, dscp in steps:
        wire.now += gap
        family = ipaddress.ip_address(src).version
        packet = Packet(src, "198.18.0.1" if family == 4 else "2001:db8:ffff::1", "udp", sport, payload=b"x" * size)
        back = back and (src, sport) in answered
        answered.add((src, sport))
        key = (src, sport) if per == "flow" else ipaddress.ip_network((src, 24 if family == 4 else 64), strict=False)
        meter = meters.setdefault(key, Meter(nf, wire.now))
        frame = bytearray((packet.back() if back else packet).frame())
        before = 0
        if family == 4:
            frame[15] = dscp << 2
            frame[24:26] = b"\0\0"
            frame[24:26] = (0xFFFF - sum(frame[i] << 8 | frame[i + 1] for i in range(14, 34, 2)) % 0xFFFF).to_bytes(2)
            before = {12: 1, 14: 2}.get(dscp, 0) if aware else 0
        metered = direction == "both" or (direction == "received") == back
        length = len(frame) - 14
        colour = meter.colour(1 if unit == "packets" else length, wire.now, before) if metered else -1
        (out,) = wire.frames(bytes(frame))
        mark = out[15] >> 2 if family == 4 else int.from_bytes(out[14:16]) >> 6 & 0x3F
        assert mark == {-1: mark, 0: dscp if family == 4 else 0, 1: 12, 2: 14}[colour]
        if colour >= 0:
            counts[colour] += 1
    assert [row["packets"] for row in nf.report(wire.state("ratelimiter"))] == counts


@pytest.mark.parametrize("engine", engines())
def test_nothing_drifts(engine: str) -> None:
    """A rate that does not divide a second lets exactly rate * time + burst pass, however often it is asked."""
    wire = Wire(RateLimiter(rate=7, burst=2, unit="packets"), engine)
    start, passed = wire.now, 0
    while wire.now < start + 3 * 10**9:
        passed += wire.send(Packet(proto="udp")) is not None
        wire.now += 10_000_000
    assert passed == 2 + 7 * 3 - 1  # the last of 21 is due at the end of the third second
    assert set(wire.dropped()) == {"rate exceeded"}


@pytest.mark.parametrize("engine", engines())
def test_the_largest_numbers(engine: str) -> None:
    nf = RateLimiter(rate=10**15, burst=2**32 - 1, excess=2**32 - 1)
    wire = Wire(nf, engine)
    for seconds in (0, 1, 10**9):
        wire.wait(seconds)
        assert wire.send(Packet(proto="udp")) is not None
    assert [row["packets"] for row in nf.report(wire.state("ratelimiter"))] == [3, 0, 0]


@pytest.mark.parametrize("engine", engines())
def test_bounded_memory(engine: str) -> None:
    """Two buckets for three sources: a new source takes that of one not seen for long; it starts full."""
    wire = Wire(RateLimiter(rate=1, burst=2, unit="packets", per="source", buckets=2), engine)

    def passes(host: int) -> bool:
        return wire.send(Packet(f"10.0.0.{host}", proto="udp")) is not None

    assert [passes(1), passes(1), passes(1)] == [True, True, False]
    assert [passes(2), passes(2), passes(2)] == [True, True, False]
    assert passes(3)  # both were seen since: the hand takes the first
    assert [passes(3), passes(3), passes(2)] == [True, False, False]
    assert [passes(1), passes(1), passes(1)] == [True, True, False]
    assert len(wire.state("ratelimiter")["slots"]) == 2


@pytest.mark.parametrize("engine", engines())
def test_new_rates_hold_for_live_buckets(engine: str) -> None:
    wire = Wire(RateLimiter(rate=1, burst=5, unit="packets"), engine)
    assert wire.send(Packet(proto="udp"))
    wire.set("ratelimiter", burst=1)
    assert [wire.send(Packet(proto="udp")) is not None for _ in range(2)] == [True, False]
    wire.set("ratelimiter", red="CS1")
    assert wire.frames(Packet(proto="udp").frame())[0][15] == 8 << 2
    for change in ({"per": "source"}, {"unit": "bytes"}, {"prefix4": 8}):
        with pytest.raises(ValueError, match="can't change while the chain runs"):
            wire.set("ratelimiter", **change)
    with pytest.raises(ValueError, match="burst: 0"):
        wire.set("ratelimiter", burst=0)
    assert wire.frames(Packet(proto="udp").frame())[0][15] == 8 << 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rate": 0}, "rate: 0 bytes a second; expected 1 to"),
        ({"rate": 10**16}, "rate"),
        ({"burst": 1499}, "burst: 1499; expected at least 1500, or full packets never pass"),
        ({"burst": 0, "unit": "packets"}, "burst: 0; expected at least 1"),
        ({"excess": 10}, "excess: 10"),
        ({"peak": 50_000}, "peak_burst: 0"),
        ({"peak": 999, "peak_burst": 2000}, "peak: expected a rate from 1000"),
        ({"peak_burst": 2000}, "peak: expected a rate from 1000"),
        ({"peak": 2000, "peak_burst": 2000, "excess": 2000}, "no excess beside it"),
        ({"red": "away"}, "red: 'away' is not a DSCP"),
        ({"yellow": 64}, "yellow: 64 is not a DSCP"),
        ({"aware": True, "red": 1}, "aware: expected DSCPs for yellow and red"),
        ({"per": "host"}, "one of flow, source"),
        ({"per": "source", "buckets": 0}, "buckets: expected 1 to 65536"),
        ({"prefix4": 40}, "prefix4: 40 is more than the 32 bits"),
    ],
)
def test_bad_parameters(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Wire(RateLimiter(**({"rate": 1000, "burst": 1500} | given)))
