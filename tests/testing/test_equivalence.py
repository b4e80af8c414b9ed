from __future__ import annotations

from typing import Any

import pytest

from nfuse import Chain
from nfuse.engine import start
from nfuse.engine.reference import ReferenceEngine
from nfuse.nf.library import DosGuard, MazuNat, Monitor
from nfuse.testing import assert_equivalent, packets

LINES = "\n".join(f"10.0.0.1:{port} > 192.0.2.1:80 tcp S" for port in range(1, 31))


class Broken(ReferenceEngine):
    """An engine with a mistake, at the packet with source port 20."""

    mistake = ""

    def process(self, burst: Any, start: int, stop: int) -> Any:
        order = super().process(burst, start, stop)
        for place, index in enumerate(order.tolist()):
            if burst.desc[index]["sport"] != 20:
                continue
            if self.mistake == "frame":
                burst.buffer.bytes[int(burst.desc["addr"][index]) - burst.buffer.address + 22] ^= 1
            elif self.mistake == "order":
                return order[order != order[place]]
        return order

    @property
    def counters(self) -> dict[str, int]:
        return {**super().counters, "expired": 7} if self.mistake == "counters" else super().counters

    def flows(self) -> Any:
        return super().flows()[:-1] if self.mistake == "flows" else super().flows()

    def logs(self) -> Any:
        return super().logs()[:0] if self.mistake == "logs" else super().logs()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    original = start.engine_class
    monkeypatch.setattr(start, "engine_class", lambda name: Broken if name == "broken" else original(name))


def chain() -> Chain:
    return Chain(MazuNat(public="198.51.100.1", inside="10.0.0.0/8") >> DosGuard(threshold=0) >> Monitor())


@pytest.mark.parametrize("mistake", ["frame", "order", "counters", "flows", "logs"])
def test_a_difference_is_explained(broken: None, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    monkeypatch.setattr(Broken, "mistake", mistake)
    tested: Any = chain() if mistake == "logs" else chain().graph.parts[0]
    with pytest.raises(AssertionError) as caught:
        assert_equivalent(tested, LINES, engines=["reference", "reference", "broken"], burst=8)
    text = str(caught.value)
    assert text.startswith("the engines differ ")
    assert f": {mistake} differ" in text
    assert "chain: mazunat" in text
    if mistake in ("frame", "order"):
        assert "packet 19" in text
        assert text.endswith("10.0.0.1:20 > 192.0.2.1:80 tcp S")
        assert "packets 8 to 19" in text
    if mistake == "frame":
        assert "ip.ttl: reference 64, broken 65" in text


def test_what_the_first_engine_did_is_returned() -> None:
    result = assert_equivalent(chain(), LINES, burst=7)
    assert result.result.engine == "reference"
    assert result.drops == {"dosguard: SYN flood": 30}
    assert len(result.alerts) == 30
    assert [alert.value for alert in result.alerts] == [1] * 30
    assert len(result.flows) == 30
    assert result.out == []
    assert assert_equivalent(Monitor(), LINES, engines=["original", "fused"]).out == packets(LINES)


def test_engines_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="no engine 'fast'"):
        assert_equivalent(Monitor(), LINES, engines=["reference", "fast"])
    with pytest.raises(ValueError, match="two engines or more"):
        assert_equivalent(Monitor(), LINES, engines=["reference"])
