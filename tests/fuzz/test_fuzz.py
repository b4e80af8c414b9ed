"""Any bytes, through the parser and whole chains, in all engines: a few now, as many as fit with ``make fuzz``.

``NFUSE_FUZZ_MINUTES`` says how long each of these tests goes on with new inputs. What fails is made small and kept in
``tests/fuzz/found``; commit it with the repair, and it is run for ever.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tests.engine.test_random_chains import FIXED
from tests.fuzz.case import Case, keeper
from tests.fuzz.everything import LINKS, cases, noise, whole
from tests.packet.frames import Frame

from nfuse import Chain
from nfuse.memory.jit import JIT
from nfuse.nf.library import LIBRARY, Counter
from nfuse.packet.desc import LINK_ETHERNET
from nfuse.packet.parse import parse
from nfuse.testing import packets, text

MINUTES = float(os.environ.get("NFUSE_FUZZ_MINUTES", "0"))
EXAMPLES = settings.default.max_examples if settings.default is not None else 100
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


def seeds(minutes: float = MINUTES) -> Iterator[int | None]:
    """Give None (as ever), then new seeds until the time is over."""
    end = time.monotonic() + minutes * 60
    yield None
    while time.monotonic() < end:
        yield random.randrange(1 << 32)


def fuzz(strategy: Any, check: Callable[[Any], None], examples: int) -> None:
    """Run a property on new examples until the time is over."""
    for number in seeds():

        @settings(
            max_examples=examples,
            suppress_health_check=list(HealthCheck),
            phases=PHASES,
            report_multiple_bugs=False,
            print_blob=True,
        )
        @given(strategy)
        def one(drawn: Any) -> None:
            check(drawn)

        (one if number is None else seed(number)(one))()


def parses(packet: Any) -> None:
    """The parser looks at the frame alone, and what it reports lies in the frame."""
    frame = Frame(packet.bytes, packet.link, packet.wire, space=len(packet.bytes) + 64)
    facts = frame.facts()
    assert ("MALFORMED" in frame.flags) == bool(frame.reason)
    assert frame["l3"] <= frame["l4"] <= frame["pay"]
    if frame.flags & {"TCP", "UDP"} and "L4" in frame.flags:
        assert frame["pay"] <= len(packet.bytes)
    size = len(packet.bytes)
    for filler in (0x00, 0x45, 0xFF):
        frame.buffer[:128], frame.buffer[128 + size :] = filler, filler
        parse(frame.P)
        assert frame.facts() == facts


def test_parser() -> None:
    fuzz(noise(), parses, EXAMPLES)


def reads_back(packet: Any) -> None:
    """What is printed of any packet is read back to the same packet."""
    again = packets(text([packet]))
    assert [(one.bytes, one.wire, one.link) for one in again] == [(packet.bytes, packet.wire, packet.link)]


def test_packets_as_text() -> None:
    fuzz(noise(), reads_back, EXAMPLES)


@pytest.mark.skipif(JIT and not MINUTES, reason="each chain takes seconds to compile: the others are compiled")
def test_chains_of_the_library() -> None:
    with keeper() as kept:
        fuzz(cases(), kept.check, max(5, EXAMPLES // 10) if not JIT else 2)


@pytest.mark.skipif(JIT and not MINUTES, reason="a chain of the whole library takes a minute to compile")
@pytest.mark.parametrize("chain", [whole, *(FIXED if MINUTES else [])])
def test_chains_that_stay(chain: Any) -> None:
    """The whole library in one chain; for long runs, the other fixed chains too: compiled once each."""
    with keeper() as kept:
        fuzz(cases(chain), kept.check, max(5, EXAMPLES // 10))


def test_the_whole_library_is_in_one_chain() -> None:
    assert {type(node.nf) for node in whole().nodes} >= set(LIBRARY.values())


def test_links_are_those_of_the_notation() -> None:
    assert LINKS[0] == LINK_ETHERNET
    assert len(set(LINKS)) == 5


def test_a_case_as_a_file(tmp_path: Any) -> None:
    """It is read back as it was written."""

    @settings(max_examples=10, suppress_health_check=list(HealthCheck))
    @given(cases(whole), st.just(tmp_path / "case.yaml"))
    def again(case: Case, path: Any) -> None:
        case.write(path)
        found = Case.read(path)
        assert str(found.chain) == str(case.chain)
        assert found.chain.settings() == case.chain.settings()
        assert (found.packets, found.control, found.burst) == (case.packets, case.control, case.burst)

    again()


def test_a_case_that_fails_is_kept(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest one, under a name of its own; nothing else stays."""

    def fails(case: Case) -> None:
        assert len(case.packets) < 3

    def of(count: int) -> Case:
        return Case(Chain(Counter()), packets("10.0.0.1:1 > 192.0.2.1:53 udp\n" * count))

    monkeypatch.setattr(Case, "check", fails)
    with pytest.raises(AssertionError) as caught, keeper(tmp_path) as kept:
        fuzz(st.integers(0, 50).map(of), kept.check, 50)
    (path,) = tmp_path.iterdir()
    assert not path.name.startswith("running")
    assert len(Case.read(path).packets) == 3
    assert any(path.stem in note for note in caught.value.__notes__)


def test_time_limits_the_rounds() -> None:
    assert list(seeds(0)) == [None]
    rounds = seeds(1)
    assert next(rounds) is None
    assert isinstance(next(rounds), int)
