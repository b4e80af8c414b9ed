"""What a fault was: its kinds by line, room that was never made, exceptions of ordinary Python."""

from __future__ import annotations

import pytest
from tests.nf.both import nf_class

from nfuse.nf.compile import analyse
from nfuse.nf.errors import CompileError
from nfuse.nf.faults import FaultSite, fault_line
from nfuse.nf.instance import Instance


def sites(body: str) -> list[str]:
    """What can go wrong in a line of on_packet (line 12), in order."""
    source = f"""
class Tested(NF):
    class State:
        free: Stack[u16]
        ring: Ring[u16]
        four: Array[u16, 4]
        where: HashMap[u32, u16]
    class Session:
        n: i32

    def on_packet(self, pkt, flow):
        {body}
"""
    return list(analyse(nf_class(source)).faults_at(12).kinds)


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ("flow.n = 5 // flow.n", ["division by zero"]),
        ("flow.n = 5 % (flow.n + 1)", ["division by zero"]),
        ("flow.n = 5 // 7 + 5 % -3", []),
        ("flow.n = 1 << flow.n", ["a shift by less than 0 or more than 63"]),
        ("flow.n = 1 << 3", []),
        ("flow.n = self.free.pop()", ["`self.free` is empty"]),
        ("self.ring.push(1)", ["`self.ring` is full"]),
        ("flow.n = self.four[flow.n]", ["an index outside `self.four`"]),
        ("self.four[0] = 1", ["an index outside `self.four`"]),
        ("flow.n = self.where[3]", ["a key that is not in `self.where`"]),
        ("self.where[3] = 1", ["`self.where` is full"]),
        ("flow.n = self.where.get(3) + self.where.put(1, 2)", []),
        ("flow.n = pkt.payload[3]", ["an index outside the payload"]),
        ("while flow.n: flow.n -= 1", ["more than 100,000 loop iterations"]),
        ("flow.n = self.four[7 // flow.n]", ["division by zero", "an index outside `self.four`"]),
    ],
)
def test_kinds(body, kinds) -> None:
    assert sites(body) == kinds


def test_a_site_reads_like_this(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    site = FaultSite(str(tmp_path / "nf.py"), 9, ("division by zero", "`self.free` is empty"))
    assert str(site) == "nf.py:9: division by zero or `self.free` is empty"
    assert str(FaultSite("/elsewhere/nf.py", 9, ())) == "/elsewhere/nf.py:9: a fault"
    assert str(FaultSite("", 9, ())) == "line 9: a fault"


def test_reasons() -> None:
    assert fault_line("fault:Cap:12") == 12
    assert fault_line("default:12") is None
    assert fault_line("fault: bad luck") is None


# ---------------------------------------------------------------------------------------------------------------- room

ROOM = """
class Tested(NF):
    {more}
    class State:
        n: u32
        {field}
    def on_packet(self, pkt, flow):
        {use}
    def on_start(self):
        {start}
"""


@pytest.mark.parametrize(
    ("field", "use"),
    [
        ("m: HashMap[u32, u32]", "self.m[1] = 1"),
        ("m: HashMap[u32, u32]", "self.n = self.m.get(1)"),
        ("m: Stack[u16]", "self.m.push(1)"),
        ("m: Ring[u16]", "if self.m: self.n = self.m.pop()"),
        ("m: Array[u16]", "self.n = self.m[0]"),
    ],
)
def test_a_container_that_nothing_has_made_room_for(field, use) -> None:
    nf = nf_class(ROOM.format(more="", field=field, use=use, start="pass"))
    with pytest.raises(CompileError) as caught:
        Instance(nf()).start()
    text = str(caught.value)
    assert ":6:9: error: Tested.m has no room" in text
    assert "self.m.reserve(n)" in text


def test_ordinary_python_may_use_any_container() -> None:
    more = "compiled = False\n    def on_flow(self, pkt, flow):\n        self.m.push(1)\n"
    nf = nf_class(ROOM.format(more=more, field="m: Stack[u16]", use="pass", start="pass"))
    with pytest.raises(CompileError, match="has no room"):
        Instance(nf()).start()


@pytest.mark.parametrize(
    ("field", "use", "start"),
    [
        ("m: Stack[u16]", "self.m.push(1)", "self.m.reserve(0)"),
        ("m: Stack[u16]", "self.m.push(1)", "self.m.fill([])"),
        ("m: Array[u16, 4]", "self.m[0] = 1", "pass"),
        ("m: Stack[u16]", "pass", "pass"),
    ],
)
def test_room_for_nothing_and_fixed_room_are_fine(field, use, start) -> None:
    Instance(nf_class(ROOM.format(more="", field=field, use=use, start=start))()).start()
