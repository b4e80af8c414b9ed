"""Looking into a handler: print, breakpoint and what a debugger shows, as plain Python; refused when compiled."""

from __future__ import annotations

import io
import pdb
import sys

import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, IPv6, Raw
from tests.nf.both import nf_class

from nfuse import Chain, run, verify
from nfuse.nf.compile import analyse
from nfuse.nf.errors import CompileError
from nfuse.nf.facade import FlowFacade, PacketFacade
from nfuse.nf.instance import Instance
from nfuse.packet.view import PacketView
from nfuse.port.memory import ListInput

SOURCE = """
def helper(pkt):
    print("helper", pkt.len)

class Tested(NF):
    limit: u32 = 10

    class State:
        total: u32

    class Session:
        n: u32

    def on_flow(self, pkt, flow):
        flow.drop("always")

    def on_packet(self, pkt, flow):
        flow.n += 1
        helper(pkt)
        print(f"{flow.n + 1} {pkt}", end="!\\n")
        breakpoint()
"""
FRAME = bytes(Ether() / IP(src="10.0.0.1", dst="192.0.2.1") / TCP(sport=1024, dport=80, flags="S") / Raw(b"abc"))


def test_print_and_breakpoint_in_the_reference_engine(capsys, monkeypatch) -> None:
    stops = []
    monkeypatch.setattr("sys.breakpointhook", lambda: stops.append(1))
    run(Chain(nf_class(SOURCE)()), ListInput([(1, FRAME)] * 2), engine="reference")
    shown = "<packet TCP 10.0.0.1:1024 > 192.0.2.1:80, 57 bytes, SYN>"
    assert capsys.readouterr().out == f"helper 57\n2 {shown}!\nhelper 57\n3 {shown}!\n"
    assert len(stops) == 2


def test_a_debugger_stops_in_the_users_lines(capsys, monkeypatch) -> None:
    def stop() -> None:
        pdb.Pdb(stdin=io.StringIO("p pkt\np self\nc\n"), stdout=sys.stdout).set_trace(sys._getframe(1))

    nf = nf_class(SOURCE)
    monkeypatch.setattr("sys.breakpointhook", stop)
    run(Chain(nf()), ListInput([(1, FRAME)]), engine="reference")
    out = capsys.readouterr().out
    assert "(21)on_packet()" in out
    assert "-> breakpoint()" in out
    assert "<packet TCP 10.0.0.1:1024" in out
    assert "<Tested limit=10, total=0>" in out


@pytest.mark.parametrize("start", ["run", "verify"])
def test_compiled_engines_say_where_it_works(start) -> None:
    chain = Chain(nf_class(SOURCE)())
    with pytest.raises(CompileError) as caught:
        (run if start == "run" else verify)(chain, ListInput([(1, FRAME)]))
    text = str(caught.value)
    assert ":3:5: error: `print` can't be compiled" in text
    assert "--engine reference" in text


def test_what_print_reads_is_no_effect_of_the_handler() -> None:
    nf = nf_class("class Tested(NF):\n    def on_packet(self, pkt, flow):\n        print(pkt.ip.ttl, pkt.payload)\n")
    assert not analyse(nf).total().reads
    assert analyse(nf).total().payload == "IGNORE"


def test_a_function_named_print_is_the_users() -> None:
    source = "def print(n):\n    return n + 1\n\nclass Tested(NF):\n    class State:\n        n: u8\n"
    info = analyse(nf_class(source + "    def on_packet(self, pkt, flow):\n        self.n = print(3)\n"))
    assert not info.unit.uncompiled
    assert "helper_print" in info.text


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (
            IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5, dport=53),
            "<packet UDP 10.0.0.1:5 > 10.0.0.2:53, 42 bytes>",
        ),
        (
            IPv6(src="2001:db8::1", dst="::2") / TCP(sport=5, dport=80, flags=""),
            "<packet TCP [2001:db8::1]:5 > [::2]:80, 74 bytes, no flags>",
        ),
        (IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(), "<packet ICMP 10.0.0.1 > 10.0.0.2, 42 bytes>"),
        (IP(src="10.0.0.1", dst="10.0.0.2", proto=47), "<packet protocol 47 10.0.0.1 > 10.0.0.2, 34 bytes>"),
        (ARP(), "<packet ARP, 42 bytes>"),
    ],
)
def test_a_packet(packet, text) -> None:
    assert repr(PacketFacade(PacketView(bytearray(bytes(Ether() / packet))))) == text


def test_parts_of_a_packet() -> None:
    pkt = PacketFacade(PacketView(bytearray(FRAME)), reverse=True)
    pkt.drop("too long")
    assert repr(pkt).endswith("SYN, reverse, dropped: too long>")
    assert "sport=1024, dport=80" in repr(pkt.tcp)
    assert repr(pkt.udp) == "<no udp>"
    assert repr(pkt.payload) == "<payload b'abc'>"


def test_a_flow() -> None:
    info = analyse(
        nf_class("""
class Tested(NF):
    session = {"flow": five_tuple, "source": (ip.src,)}
    class Session:
        port: u16
        drop_it: boolean
    class Source:
        syns: u32
    def on_flow(self, pkt, flow):
        flow.drop("x")
""")
    )
    flow = FlowFacade(info, {"flow": {"port": 80}, "source": {"syns": 3}}, initiator=False)
    assert repr(flow) == "<flow of the other direction, port=80, drop_it=False, source.syns=3>"
    flow.drop("x", reply="rst")
    assert repr(flow).endswith("source.syns=3, records drop='x', reply='rst'>")
    flow.forward()
    assert repr(flow).endswith(", records nothing>")


def test_self() -> None:
    nf = nf_class(SOURCE)
    facade = Instance(nf(limit=3)).facade
    assert repr(facade) == "<Tested limit=3, total=0>"
    assert facade.values() == {"limit": 3}
