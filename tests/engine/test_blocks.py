"""Blocks of coarser sessions as tables: the same in all engines, keyed as the packets are at the NF's place."""

from __future__ import annotations

import pytest
from tests.engine.frames import udp as datagram
from tests.engine.nfs import Snat

from nfuse import NF, Chain, dport, five_tuple, ip, ipv4, run, sport, tcp, u8, u32, udp, verify
from nfuse.packet.address import unpack
from nfuse.port import ListInput


class Ends(NF):
    """Keys of all widths."""

    traffic = tcp | udp
    session = {"flow": five_tuple, "pair": (sport, ip.src, dport, ip.proto), "protocol": (ip.proto,)}

    class Pair:
        packets: u32

    class Protocol:
        small: u8
        packets: u32

    def on_packet(self, pkt, flow):
        flow.pair.packets += 1
        flow.protocol.packets += 1
        flow.protocol.small = 300


class Sources(NF):
    traffic = ipv4
    session = {"flow": five_tuple, "source": (ip.src,)}

    class Source:
        packets: u32

    def on_packet(self, pkt, flow):
        flow.source.packets += 1


GEN = "gen:?packets=400&flows=25&proto=mixed&seed=6&ip="


@pytest.mark.parametrize("engine", ["fused", "reference", "original"])
def test_keys_and_values(engine: str) -> None:
    result = run(Chain(Ends()), GEN + "mixed", engine=engine)
    pairs, protocols = result.blocks["ends", "pair"], result.blocks["ends", "protocol"]
    flows = [row for row in result.flows if row["proto"] in (6, 17)]
    keys = sorted((int(row["sport"]), bytes(row["src"]), int(row["dport"]), int(row["proto"])) for row in flows)
    found = [(int(r["sport"]), bytes(r["ip.src"]), int(r["dport"]), int(r["ip.proto"])) for r in pairs]
    assert found == sorted(set(keys))
    assert int(pairs["flows"].sum()) == len(keys) == int(protocols["flows"].sum())
    assert [int(row["ip.proto"]) for row in protocols] == [6, 17]
    assert int(protocols["protocol.packets"].sum()) == int(pairs["pair.packets"].sum()) > 300
    assert set(protocols["protocol.small"].tolist()) == {300 & 255}


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_a_block_is_keyed_as_the_packet_is_at_the_place(engine: str) -> None:
    result = run(Chain(Snat(many=16) >> Sources()), GEN + "4", engine=engine)
    assert [
        str(unpack(0, int.from_bytes(bytes(row["ip.src"][8:]), "big"))) for row in result.blocks["sources", "source"]
    ] == ["192.0.2.1"]


@pytest.mark.parametrize("engine", ["fused", "reference"])
@pytest.mark.parametrize(("after", "flows"), [(149, [0, 1]), (150, [1])])
def test_idle_blocks_are_listed_until_they_are_forgotten(engine: str, after: int, flows: list[int]) -> None:
    """The first flow is found to have ended at 200 s; its block may idle for 150 s."""
    sent = [(0, "10.0.0.1"), (200, "10.0.0.2"), (200 + after, "10.0.0.2")]
    packets = [(at * 10**9, datagram(source, 1, "192.0.2.1", 2)) for at, source in sent]
    rows = run(Chain(Sources(), idle=150), ListInput(packets), engine=engine).blocks["sources", "source"]
    assert rows["flows"].tolist() == flows


def test_none_are_made_where_nobody_asks() -> None:
    assert run(Chain(Ends()), GEN + "4", states=False).blocks == {}


def test_verification_compares_them() -> None:
    assert verify(Chain(Snat(many=16) >> Ends() >> Sources()), GEN + "mixed").identical
