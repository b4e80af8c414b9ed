"""What the compiler says about a handler is true: a field that it does not read, changed, changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nf.both import Both, nf_class
from tests.nf.test_handlers import DATA, PING, QUERY, SIX, SYN

from nfuse.memory.jit import JIT
from nfuse.nf.compile import analyse
from nfuse.nf.effects import field_reads, field_writes
from nfuse.packet.fields import HEADERS
from nfuse.packet.view import PacketView

GUARDED = [(h, f) for h in ("ip", "ipv4", "ipv6", "tcp", "udp", "icmp", "eth") for f in HEADERS[h].fields]
STORED = [(h, f) for h in HEADERS for f in HEADERS[h].fields if HEADERS[h].fields[f].writable]


def source(fields):
    lines = []
    for number, (header, name) in enumerate(fields):
        value = f"pkt.{header}.{name}"
        if HEADERS[header].fields[name].kind == "address":
            value = f"({value}.hi ^ {value}.lo)"
        lines.append(f"        if pkt.{header}:\n            flow.sum += {value} * {2 * number + 3}")
    return (
        "class Tested(NF):\n    traffic = everything\n    class Session:\n        sum: i64\n"
        "    def on_packet(self, pkt, flow):\n" + "\n".join(lines) + "\n        flow.sum += 0\n"
    )


@settings(max_examples=6 if JIT else settings.default.max_examples)
@given(st.lists(st.sampled_from(GUARDED), max_size=5), st.data())
def test_a_field_that_is_not_read_changes_nothing(fields, data):
    both = Both(nf_class(source(fields))())
    reads = both.info.effects["on_packet"].reads
    named = {name for header, field in fields for name in field_reads(header, field)}
    assert {read for read in reads if read not in ("ip.proto", "eth.type")} <= named
    assert named <= reads
    for packet in (SYN, DATA, QUERY, SIX, PING):
        before = both.call("on_packet", packet).sessions
        for header, name in data.draw(st.lists(st.sampled_from(STORED), max_size=6)):
            view = PacketView(bytearray(packet))
            if not getattr(view, header) or reads & set(field_writes(header, name)):
                continue
            old = getattr(getattr(view, header), name)
            change = type(old)(
                int(old) ^ data.draw(st.integers(1, 255)) & (1 << HEADERS[header].fields[name].width) - 1
            )
            setattr(getattr(view, header), name, change)
            both.store(sum=0)
            first = both.call("on_packet", packet).sessions
            both.store(sum=0)
            assert both.call("on_packet", view.frame).sessions == first
        assert before.keys() == {"flow"}


EXACT = [
    ("pass", {}),
    ("x = pkt.tcp.flags", {"reads": {"tcp.flags", "tcp.fin", "tcp.syn", "tcp.rst", "tcp.psh", "tcp.ack"}}),
    ("pkt.tcp.window = 1", {"writes": {"tcp.window", "tcp.checksum"}, "reads": set()}),
    ("pkt.tcp.syn = 1", {"writes": {"tcp.syn", "tcp.flags", "tcp.checksum"}}),
    ("pkt.ip.ttl -= 1", {"writes": {"ip.ttl", "ipv4.checksum"}, "reads": {"ip.ttl"}}),
    ("x = len(pkt.payload)", {"payload": "READ"}),
    ("pkt.payload[0] = 1", {"payload": "WRITE"}),
    ("x = pkt.time", {"time": True}),
    ("self.note(pkt)", {"drops": True, "logs": True, "state_writes": {"count"}, "reads": {"ip.ttl"}}),
    ("pkt.reply('rst')", {"replies": True}),
    ("self.free.push(flow.port)", {"state_writes": {"free"}, "session_reads": {"port"}}),
    ("flow.port = flow.initiator", {"session_writes": {"port"}, "initiator": True}),
    ("if flow.port > 99999: x = pkt.tcp.seq", {"reads": {"tcp.seq"}}),
    ("x = self.limit", {"parameters": {"limit"}, "state_reads": set()}),
]


@pytest.mark.parametrize(("statement", "expected"), EXACT, ids=[s for s, _ in EXACT])
def test_effects_are_exact(statement, expected):
    info = analyse(
        nf_class(f"""
class Tested(NF):
    traffic = tcp
    limit: u32 = 3
    class State:
        count: u64
        free: Stack[u16]
    class Session:
        port: u16
    def note(self, pkt):
        self.count = 1
        if pkt.ip.ttl == 1:
            pkt.drop("x")
        self.alert("y")
    def on_packet(self, pkt, flow):
        {statement}
""")
    )
    found = info.effects["on_packet"]
    for name, value in expected.items():
        if isinstance(value, set):
            assert value <= getattr(found, name), name
            assert len(getattr(found, name)) == len(value) or name in ("reads", "state_reads")
        else:
            assert getattr(found, name) == value, name
    if not expected:
        assert found == type(found)()


def test_turning_back_is_an_effect_also_through_helpers():
    info = analyse(
        nf_class("""
class Tested(NF):
    traffic = tcp
    def on_flow(self, pkt, flow):
        if pkt.dport == 80:
            self.hairpin(flow)
    def hairpin(self, flow):
        flow.turn_back()
    def on_change(self, flow):
        flow.forward()
""")
    )
    assert info.effects["on_flow"].turns
    assert info.effects["on_flow"].records
    assert not info.effects["on_change"].turns


def test_all_handlers_together():
    info = analyse(
        nf_class("""
class Tested(NF):
    def on_flow(self, pkt, flow):
        flow.modify(ip_dst=pkt.ip.src)
        flow.encap(IpIpHeader(src=pkt.ip.src, dst=pkt.ip.dst))
    def on_change(self, flow):
        flow.decap("ipip")
        flow.run(self.other)
        flow.drop("a", reply="rst")
    def other(self, pkt, flow):
        pkt.drop("b")
""")
    )
    total = info.total()
    assert (total.modifies, total.encaps, total.decaps, total.runs) == ({"ip_dst"}, {"ipip"}, {"ipip"}, {"other"})
    assert total.drops
    assert total.flow_drops
    assert total.records
    assert total.replies
    assert info.reasons == ["a", "b"]
    assert info.functions == ["other"]
