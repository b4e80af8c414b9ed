"""The benchmark measures what it says: right packets, right work, the C loop's bytes equal to nfuse's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nfuse.cli.benchmark import c_loop
from nfuse.cli.benchmark.chain1 import VIP, rules, steady
from nfuse.cli.benchmark.memory import as_ipv6
from nfuse.cli.benchmark.packets import STRIDE, Packets, flow_tuples, frames_of
from nfuse.cli.benchmark.set_up import overlapping_rules
from nfuse.cli.main import main
from nfuse.memory.jit import CHECK, JIT
from nfuse.nf.library.acl import load_rules

compiled = pytest.mark.skipif(not JIT or CHECK, reason="measures compiled code")


@pytest.mark.parametrize("proto", ["tcp", "udp", "mixed"])
def test_frames_have_right_checksums(proto: str) -> None:
    ether = pytest.importorskip("scapy.all").Ether
    for frame in frames_of(flow_tuples(6, int(VIP), first=12345, proto=proto), syn=True):
        packet = ether(frame.tobytes())
        del packet["IP"].chksum
        del packet["IP"].payload.chksum
        assert bytes(packet) == frame.tobytes()


def test_ipv6_frames_have_right_checksums() -> None:
    ether = pytest.importorskip("scapy.all").Ether
    for frame in as_ipv6(frames_of(flow_tuples(4, int(VIP)))):
        packet = ether(frame.tobytes())
        del packet["UDP"].chksum
        assert packet["IPv6"].dst.startswith("2001:db8::")
        assert bytes(packet) == frame.tobytes()


def test_flows_differ() -> None:
    tuples = np.concatenate([flow_tuples(50_000, int(VIP), first=first) for first in (0, 50_000, 1 << 29)])
    assert len(np.unique(tuples)) == 150_000


def test_packets_lie_as_in_a_burst_and_can_be_restored() -> None:
    packets = Packets(frames_of(flow_tuples(4, int(VIP))), np.array([3, 1, 2, 0, 3]), burst=2)
    before = packets.frames()
    assert np.all(np.diff(packets.desc["addr"]) == STRIDE)
    assert [window.n for window in packets.windows()] == [2, 2, 1]
    packets._frames[:] = 0
    packets.restore()
    assert np.array_equal(packets.frames(), before)


def test_rules_can_be_read() -> None:
    assert len(load_rules(rules())) == 100
    assert len(load_rules(overlapping_rules(500))) == 500


@compiled
@pytest.mark.parametrize("proto", ["udp", "mixed"])
def test_the_c_loop_gives_the_same_bytes(proto: str) -> None:
    library = c_loop.build()
    if library is None:
        pytest.skip("no C compiler")
    result = steady(100, 1, library, ("fused", "original"), proto, least=2000)
    assert result["equal_output"]
    assert result["packets"] == 2000
    for name in ("fused", "original", "c"):
        assert result[name]["ns"] > 0


@compiled
def test_bench_prints_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nfuse.cli.benchmark.machine.pin", lambda core=None: core)
    with pytest.raises(SystemExit) as caught:
        main(["bench", "chain1", "--quick", "--part", "packets", "--flows", "64", "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert caught.value.code == 0
    assert facts["packets"][0]["flows"] == 64
    assert facts["machine"]["numba"]
