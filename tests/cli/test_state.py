"""What NFs keep, as a run shows it: counters in the summary, all State on request, coarser sessions in files."""

from __future__ import annotations

import csv
import ipaddress
import json
from pathlib import Path

import pytest
from tests.cli.test_commands import nfuse

from nfuse.cli.state import plain, text

SOURCE = """
from nfuse import NF, Address, Chain, HashMap, boolean, five_tuple, ip, u16, u32, u64


class Keeper(NF):
    session = {"flow": five_tuple, "client": (ip.src, ip.proto)}

    class State:
        limit: u16
        packets: u64
        last: Address
        seen: HashMap[Address, u32]

    class Session:
        packets: u32

    class Client:
        packets: u32
        peer: Address
        again: boolean

    def on_start(self):
        self.limit = 7
        self.seen.reserve(100)

    def on_flow(self, pkt, flow):
        self.last = pkt.ip.src
        self.seen[pkt.ip.src] = 1
        flow.client.again = flow.client.packets > 0
        flow.client.peer = pkt.ip.dst

    def on_packet(self, pkt, flow):
        self.packets += 1
        flow.packets += 1
        flow.client.packets += 1


chain = Chain(Keeper())
"""
GEN = "gen:?packets=300&flows=30&ip=mixed&proto=mixed&seed=3"


@pytest.fixture
def chain(tmp_path: Path) -> str:
    path = tmp_path / "keeper.py"
    path.write_text(SOURCE)
    return str(path)


def test_the_summary_shows_what_handlers_count(capsys, chain) -> None:
    code, out, _ = nfuse(capsys, "run", chain, "-i", GEN)
    assert code == 0
    shown = [line.split() for line in out.split("\nstate\n")[1].splitlines()]
    assert shown[0] == ["keeper", "packets", "300"]
    assert shown[1][:2] == ["keeper", "last"]
    assert len(shown) == 2


def test_all_state_on_request(capsys, chain) -> None:
    _, out, _ = nfuse(capsys, "run", chain, "-i", GEN, "--state")
    assert "  keeper  limit    7\n" in out
    assert "items: " in out.split("  keeper  seen     ")[1]
    document = json.loads(nfuse(capsys, "run", chain, "-i", GEN, "--state", "--json")[1])
    assert document["state"]["keeper"]["limit"] == 7
    assert set(document["state"]["keeper"]["seen"].values()) == {1}
    assert list(json.loads(nfuse(capsys, "run", chain, "-i", GEN, "--json")[1])["state"]["keeper"]) == [
        "packets",
        "last",
    ]


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_coarser_sessions_have_a_file_of_their_own(capsys, chain, tmp_path, engine) -> None:
    code, out, _ = nfuse(capsys, "run", chain, "-i", GEN, "--flows", str(tmp_path / "f.csv"), "--engine", engine)
    assert code == 0
    assert f"{tmp_path / 'f.csv'}, {tmp_path / 'f.keeper.client.csv'}" in out
    flows = list(csv.DictReader((tmp_path / "f.csv").open()))
    blocks = list(csv.DictReader((tmp_path / "f.keeper.client.csv").open()))
    assert [name for name in flows[0] if "." in name] == ["keeper.packets"]
    assert list(blocks[0]) == ["ip.src", "ip.proto", "flows", "client.packets", "client.peer", "client.again"]
    clients = {(row["src"], row["proto"]) for row in flows}
    assert {(row["ip.src"], row["ip.proto"]) for row in blocks} == clients
    assert len(blocks) == len(clients) < len(flows) == 30
    for row in blocks:
        mine = [flow for flow in flows if (flow["src"], flow["proto"]) == (row["ip.src"], row["ip.proto"])]
        assert int(row["flows"]) == len(mine)
        assert int(row["client.packets"]) == sum(int(flow["keeper.packets"]) for flow in mine)
        assert row["client.peer"] in {flow["dst"] for flow in mine}


def test_a_session_that_is_coarser_than_a_flow_by_itself(capsys, tmp_path) -> None:
    source = SOURCE.split("class Keeper")[0] + "class Hosts(NF):\n    session = (ip.src,)\n\n    class Session:\n"
    source += "        packets: u32\n\n    def on_packet(self, pkt, flow):\n        flow.packets += 1\n\n\n"
    (tmp_path / "hosts.py").write_text(source + "chain = Chain(Hosts())\n")
    arguments = ["run", str(tmp_path / "hosts.py"), "-i", GEN, "--flows", str(tmp_path / "f.csv")]
    assert nfuse(capsys, *arguments)[0] == 0
    assert (tmp_path / "f.csv").read_text().splitlines()[0].endswith(",deadline")
    rows = list(csv.DictReader((tmp_path / "f.hosts.session.csv").open()))
    assert list(rows[0]) == ["ip.src", "flows", "session.packets"]
    assert sum(int(row["session.packets"]) for row in rows) == 300


def test_no_packets_no_blocks(capsys, chain, tmp_path) -> None:
    for engine in ("fused", "reference"):
        arguments = ["run", chain, "-i", "null:", "--flows", str(tmp_path / "f.csv"), "--engine", engine]
        assert nfuse(capsys, *arguments)[0] == 0
        assert len((tmp_path / "f.keeper.client.csv").read_text().splitlines()) == 1


def test_texts() -> None:
    assert text([]) == text({}) == "empty"
    assert text([5]) == "1 item: 5"
    assert text({ipaddress.ip_address("10.0.0.1"): 1234}) == "1 item: 10.0.0.1: 1,234"
    assert text(list(range(1000))).endswith(", ...")
    assert len(text(list(range(1000)))) < 90
    assert (text(True), text(-5000)) == ("yes", "-5,000")
    assert plain({"a": [ipaddress.ip_address("::1"), True]}) == {"a": ["::1", True]}
