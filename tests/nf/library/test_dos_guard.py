"""DosGuard against counters in dictionaries."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nf.library.examples import few

from nfuse.nf.library import DosGuard, Monitor
from nfuse.testing import assert_equivalent, packets

START = 1_700_000_000
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["10.0.0.1", "10.0.0.2"]),
        st.integers(1, 4),
        st.sampled_from(["> S", "> S", "> S", "> SA", "> A", "< SA"]),
        st.sampled_from([0, 0, 0, 1, 3]),
    ),
    max_size=60,
)


class Model:
    """What DosGuard should do, in dictionaries."""

    def __init__(self, threshold: int, most: int, window: int) -> None:
        self.threshold, self.most, self.window = threshold, most, window
        self.flow: Counter[tuple[str, int]] = Counter()
        self.source: Counter[str] = Counter()
        self.since: dict[str, int] = {}
        self.fired: dict[tuple[str, int, str], None] = {}  # an event fires once a flow
        self.drops: Counter[str] = Counter()

    def passes(self, src: str, sport: int, what: str, now: int) -> bool:
        key = src, sport
        if what == "> S":
            if self.window and now - self.since.get(src, 0) >= self.window:
                self.since[src], self.source[src] = now, 0
            self.flow[key] += 1
            self.source[src] += 1
        if self.flow[key] > self.threshold:
            self.fired[(*key, "SYN flood")] = None
        if self.source[src] > self.most:
            self.fired[(*key, "SYN flood from source")] = None
        reasons = [reason for *flow, reason in self.fired if tuple(flow) == key]  # the last to fire decides
        self.drops.update(f"dosguard: {reason}" for reason in reasons[-1:])
        return not reasons


@given(STEPS, st.integers(0, 4), st.integers(1, 9), st.sampled_from([0, 3]))
@few(25)
def test_counts(steps: list[tuple[str, int, str, int]], threshold: int, most: int, window: int) -> None:
    model, now, sent, left = Model(threshold, most, window), START, [], []
    for src, sport, what, gap in steps:
        now += gap
        line = f"@{now} {src}:{sport} {what[0]} 198.18.0.1:80 tcp {what[2:]}"
        if what[0] == "<" and not any(f"{src}:{sport} >" in earlier for earlier in left):
            continue  # no packet has left that it could answer
        sent.append(line)
        left += [line] * model.passes(src, sport, what, now)
    guard = DosGuard(threshold=threshold, source_threshold=most, window=window)
    result = assert_equivalent(guard, "\n".join(sent), idle=10_000)
    result.assert_out("\n".join(left))
    assert result.drops == model.drops
    assert len(result.alerts) == len(model.fired)


def test_figure_3() -> None:
    """The packet that exceeds the threshold is dropped, those of other flows are not."""
    syn, other = packets("10.0.0.1:1000 > 198.18.0.1:80 tcp S\n10.0.0.1:9 > 198.18.0.1:80 tcp S")
    result = assert_equivalent(DosGuard(threshold=100) >> Monitor(), [syn] * 105 + [other])
    result.assert_out([syn] * 100 + [other])
    assert result.drops == {"dosguard: SYN flood": 5}
    assert [row["packets"] for row in Monitor.table(result.flows)] == [100, 1]
    assert [(alert.signature, alert.value) for alert in result.alerts] == [("SYN flood", 101)]


def test_bad_parameters() -> None:
    for values in ({"threshold": -1}, {"threshold": "many"}, {"window": 2**32}, {"limit": 3}):
        with pytest.raises(ValueError, match=next(iter(values))):
            DosGuard(**values)
