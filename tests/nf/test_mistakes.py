"""Mistakes of a newcomer: each gives one error at the user's line, with a hint."""

from __future__ import annotations

import pytest
from tests.nf.both import nf_class

from nfuse.nf.compile import analyse
from nfuse.nf.errors import CompileError, NFWarning

TEMPLATE = """
import os
TABLE = []
LIMIT = 1.5
PORTS = [80, 443]
NAMES = ("http",)
NUMBERS = (1, 2)
MANY = tuple(range(257))

def forever(n):
    return forever(n - 1)

def two(n):
    if n:
        return 1
    return n if n > 3 else 2

class Tested(NF):
    traffic = {traffic}
    limit: u32 = 3
    label: str = "x"
    inside: Prefix = Prefix("10.0.0.0/8")
    six: IPv6Address = "2001:db8::1"

    class State:
        free: Stack[u16]
        count: u64
        table: Array[u32, 4]
        where: HashMap[Address, u16]

    class Session:
        port: u16
        peer: Address

    def helper(self, flow):
        flow.drop("no")

    def nothing(self, n):
        pass

    def on_flow(self, pkt, flow):
        {on_flow}

    def on_packet(self, pkt, flow):
        {on_packet}

    def on_end(self, flow):
        {on_end}

    @event
    def full(self, flow):
        {condition}

    @full.then
    def stop(self, flow):
        {then}
"""


def error(where="on_packet", statement="pass", traffic="ip"):
    parts = {"on_flow": "pass", "on_packet": "pass", "on_end": "pass", "condition": "return False", "then": "pass"}
    parts[where] = statement.replace("\n", "\n        ")
    source = TEMPLATE.format(traffic=traffic, **parts)
    with pytest.raises(CompileError) as caught:
        analyse(nf_class(source))
    found = caught.value
    first = source[: source.rindex(f"        {statement.splitlines()[0]}\n")].count("\n") + 1
    if "self.helper" not in statement and "forever" not in statement:
        assert first <= found.line <= first + statement.count("\n")
    text = str(found)
    assert text.count("\n") <= 3
    assert "^" in text
    return text


MISTAKES = [
    # values
    ("flow.port = 1.5", "floating-point"),
    ("flow.port = self.count / 2", "use `//`"),
    ("flow.port = LIMIT", "floating-point"),
    ("flow.port = self.count ** 2", "`**`"),
    ("flow.port = 0x1_0000_0000_0000_0000", "64 bits"),
    ("flow.port = 'a' + 'b'", "texts"),
    ("flow.port = {}", "HashMap"),
    ("flow.port = [1]", "Array"),
    ("x = [i for i in range(3)]", "`for` loop"),
    ("x = (1, 2)", "tuple"),
    ("x, y = 1, 2", "tuple|one target"),
    ("x = lambda: 1", "method"),
    ("x = f'{1}'", "f-string"),
    ("if (x := 3): pass", ":="),
    ("x = None", "can't be kept"),
    ("x = pkt.ip.src + 1", ".hi"),
    ("if pkt.ip.src: pass", "truth value"),
    ("if pkt.ip.src == '10.0.0.1': pass", "IPv4Address"),
    ("if pkt.ip.src is pkt.ip.dst: pass", "use `==`"),
    ("if pkt.ip.src in '10.0.0.0/8': pass", "Prefix"),
    ("x = 1\nx = pkt.ip.src", "an integer before and an address here"),
    ("if flow.port: x = 1\nflow.port = x", "may have no value"),
    ("flow.port = pkt.ip.src", "expected an integer"),
    ("flow.peer = 3", "expected an address"),
    ("flow.port + 1", "does nothing"),
    ("x = pkt", "can't be kept"),
    ("x = self.free", "can't be kept"),
    ("flow.port = self.two", "did you mean|declare"),
    # names
    ("flow.prot = 1", "did you mean `port`|`proto`"),
    ("flow.port = flow.prt", "did you mean `port`"),
    ("self.cuont = 1", "did you mean `count`"),
    ("x = self.limt", "did you mean `limit`"),
    ("x = cuont", "did you mean `self.count`?"),
    ("x = limit", "did you mean `self.limit`?"),
    ("x = prot", "did you mean `flow.port`?"),
    ("x = paylod", "did you mean `pkt.payload`?"),
    ("x = tcp.syn", "`pkt.tcp.syn`"),
    ("if tcp: pass", "`pkt.tcp`"),
    ("if dport == 80: pass", "`pkt.dport`"),
    ("if pkt.dport in PORTS: pass", "which may change while the chain runs"),
    ("if pkt.dport in NAMES: pass", "expected an integer, found a text"),
    ("if pkt.ip.src in NUMBERS: pass", "expected an address"),
    ("if pkt.dport in MANY: pass", "HashMap"),
    ("if pkt.dport in os: pass", "can't look into"),
    ("flow.port = pkt.len % 0", "always divides by zero"),
    ("flow.port //= 0", "always divides by zero"),
    ("x = pkt.tcp.sin", "did you mean `syn`"),
    ("x = pkt.ttl", "pkt.ip.ttl"),
    ("x = pkt.tpc.syn", "did you mean `tcp`"),
    ("x = pkt.payload.length", "has no `length`"),
    ("x = self.free.peek()", "has no `peek`"),
    ("x = pkt.ip.src.high", "did you mean `hi`"),
    ("x = TABLE", "can't be kept|Python object"),
    ("TABLE.append(1)", "class State"),
    ("x = os.getpid()", "can't be"),
    ("x = os.getpidd()", "did you mean `getpid`"),
    ("x = float(1)", "use integers"),
    ("x = len(flow.port)", "no length"),
    ("x = range(3)", "loop"),
    # statements
    ("try:\n    pass\nexcept Exception:\n    pass", "no exceptions"),
    ("raise ValueError()", "pkt.drop"),
    ("with open('x') as f: pass", "with"),
    ("global TABLE", "class State"),
    ("import re", "top of the file"),
    ("def inner(): pass", "nested"),
    ("assert flow.port", "pkt.drop"),
    ("del flow.port", "del"),
    ("x: int = 3", "no declared type"),
    ("match flow.port:\n    case 1: pass", "if / elif"),
    ("for x in flow.port: pass", "range"),
    ("for x in range(3): pass\nelse: pass", "else"),
    ("for x in range(0, 3, flow.port): pass", "constant"),
    ("return 3", "returns nothing"),
    # proofs
    ("x = pkt.tcp.syn", "if pkt.tcp:"),
    ("if pkt.tcp or flow.port: x = pkt.tcp.syn", "if pkt.tcp:"),
    ("if not pkt.udp: return\nx = pkt.tcp.syn", "if pkt.tcp:"),
    ("if pkt.udp: pass\nx = pkt.udp.length", "if pkt.udp:"),
    ("x = pkt.vlan.vid", "if pkt.vlan:"),
    # the API
    ("flow.drop('x')", "@event"),
    ("flow.modify(ip_src=self.six)", "@event"),
    ("self.helper(flow)", "@event"),
    ("pkt.drop()", 'write it as `pkt.drop("too long")`'),
    ("pkt.drop('a' 'b', 'c')", "at most 1"),
    ("pkt.drop(self.label)", "can't be read"),
    ("pkt.drop(f'{flow.port}')", "literal"),
    ("pkt.drop('bad: ' + 'x')", "literal"),
    ("pkt.reply('rts')", "did you mean `rst`"),
    ("self.alert(flow.port)", "literal text"),
    ("self.alert('x', pkt.ip.src)", "expected an integer"),
    ("pkt.ip.src = self.six", "flow.modify(ip_src=...)"),
    ("pkt.sport = 1", "flow.modify(sport=...)"),
    ("if pkt.icmp: pkt.icmp.id = 1", "flow.modify"),
    ("pkt.ip.version = 6", "can't be assigned"),
    ("if pkt.tcp: pkt.tcp.checksum = 6", "by themselves"),
    ("pkt.time = 6", "can't be assigned"),
    ("self.limit = 6", "class State"),
    ("self.free = 6", "methods"),
    ("flow.initiator = 1", "can't be assigned"),
    ("flow.sport = 1", "flow.modify"),
    ("x = flow.ip_src", "not known in on_packet"),
    ("x = self.label", "on_start"),
    ("self.free.fill(3)", "on_start"),
    ("self.free[0] = 1", "Array"),
    ("x = self.table[1:2]", "slices"),
    ("self.where[3] = 1", "expected an address"),
    ("self.where.put(pkt.ip.src)", "write it as `self.where.put(key, value)`"),
    ("forever(3)", "calls itself"),
    ("x = self.nothing(3)", "nothing can't be kept"),
    ("x = two()", "missing a required argument"),
    ("x = two(1, m=2)", "unexpected keyword"),
    ("x = Address(1)", "Address(hi, lo)"),
    ("self.free()", "can't be called"),
    ("x = self.free.push", "can't be kept"),
    ("if self.free.pop: pass", "add `()`"),
]


@pytest.mark.parametrize(("statement", "expected"), MISTAKES, ids=[s.replace("\n", ";") for s, _ in MISTAKES])
def test_on_packet(statement, expected):
    text = error("on_packet", statement)
    assert any(part in text for part in expected.split("|")), text


@pytest.mark.parametrize(
    ("where", "statement", "expected"),
    [
        ("on_flow", "pkt.drop('x')", "flow.drop"),
        ("on_flow", "pkt.ip.ttl = 3", "flow.modify(ip_ttl=...)"),
        ("on_flow", "flow.modify(ip_scr=self.six)", "did you mean `ip_src`"),
        ("on_flow", "flow.modify(ip_src=4)", "expected an address"),
        ("on_flow", "flow.modify(ip_src='1.2.3.4')", "make it a parameter: `to: IPv4Address = '1.2.3.4'`"),
        ("on_flow", "flow.modify(sport=pkt.ip.src)", "expected an integer"),
        ("on_flow", "flow.modify(self.six)", "takes names"),
        ("on_flow", "flow.modify()", "needs a field"),
        ("on_flow", "flow.drop('x', repl='rst')", "did you mean `reply`"),
        ("on_flow", "flow.encap(3)", "IpIpHeader"),
        ("on_flow", "flow.encap(IpIpHeader(src=self.six))", "needs `dst`"),
        ("on_flow", "flow.decap('gre')", "ipip"),
        ("on_flow", "flow.turn_back(1)", "at most 0"),
        ("on_end", "flow.turn_back()", "on_end"),
        ("on_flow", "flow.run(self.limit)", "takes a method"),
        ("on_flow", "flow.run(self.on_end)", "no state function"),
        ("on_flow", "pkt.payload[0] = 1", "on_packet"),
        ("on_end", "flow.forward()", "on_end"),
        ("on_end", "self.helper(flow)", "on_end"),
        ("condition", "flow.port = 1", "only looks"),
        ("condition", "return self.free.pop() > 1", "only looks"),
        ("condition", "return", "truth value"),
        ("then", "pkt.drop('x')", "unknown name `pkt`"),
    ],
)
def test_elsewhere(where, statement, expected):
    text = error(where, statement)
    assert expected in text, text


def test_a_condition_without_a_value():
    parts = dict.fromkeys(("on_flow", "on_packet", "on_end", "then"), "pass")
    nf = nf_class(TEMPLATE.format(traffic="ip", condition="if flow.port: return True", **parts))
    with pytest.raises(CompileError, match="without a value"):
        analyse(nf)


def test_a_field_of_a_coarser_session():
    """Only its own fields are near: those of the flow are none of its."""
    source = """
class Tested(NF):
    session = {"flow": five_tuple, "client": (ip.src,)}
    class Client:
        flows: u32
    def on_flow(self, pkt, flow):
        flow.client.flow += 1
"""
    with pytest.raises(CompileError, match=r"`flow.client` has no `flow`\n(?s:.*)did you mean `flows`\?"):
        analyse(nf_class(source))


def test_known_family():
    assert "IPv6 address in an IPv4 packet" in error("on_flow", "flow.modify(ip_src=self.six)", traffic="ipv4")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class State:\n        drop: u8\n    class Session:\n        drop: u8", "API"),
        ("class Session:\n        port: float", "u8, u16"),
        ("class Session:\n        port: u33", "did you mean `u32`"),
        ("class Session:\n        port = 3", "needs a type"),
        ("class Session:\n        free: Stack[u8]", "class State"),
        ("class Session:\n        sport: u16", "API"),
        ("limit: u8 = 3\n    class State:\n        limit: u8", "parameter too"),
        ("class State:\n        alert: u8", "API"),
        ("name: str = 'x'", "API"),
        ("class State:\n        on_flow: u8", "API"),
        ("def on_paket(self, pkt, flow): pass", "did you mean `on_packet`"),
        ("def on_packet(self, pkt): pass", "(self, pkt, flow)"),
        ("session = None\n    def on_packet(self, pkt, flow): pass", "(self, pkt)"),
        ("session = None\n    def on_flow(self, pkt, flow): pass", "no on_flow"),
        ("session = None\n    class Session:\n        x: u8", "keeps nothing"),
        ("session = (tcp.syn,)", "not the same"),
        ("session = ('ip.src',)", "no field of a session key"),
        ("def on_tick(self, elapsed): pass", "needs `tick`"),
        ("traffic = 80", "no traffic class"),
        ("tick = -1\n    def on_tick(self, elapsed):\n        pass", "no time"),
        ("tick = 'soon'\n    def on_tick(self, elapsed):\n        pass", "no time"),
        ("tick = float('inf')\n    def on_tick(self, elapsed):\n        pass", "no time"),
        ("tick = True", "no time"),
        ("tick = 1\n    def on_tick(self, elapsed):\n        self.alert('x', 1)", "about a packet or flow"),
        (
            "compiled = False\n    tick = 1\n    def on_tick(self, elapsed):\n        self.alert('x', 1)",
            "about a packet",
        ),
        ("def on_packet(self, pkt, flow):\n        self.alert('x', 1, 2)", "at most 2"),
        ("traffic = tcp & (tcp.syn == 1)", "session = None"),
        ("@event\n    def full(self, flow): return True", "no `.then`"),
        ("@staticmethod\n    def on_packet(pkt): pass", "takes"),
    ],
)
def test_declarations(source, expected):
    with pytest.raises(CompileError) as caught:
        analyse(nf_class(f"from __future__ import annotations\nclass Tested(NF):\n    {source}\n"))
    text = str(caught.value)
    assert expected in text, text
    assert text.count("\n") <= 3


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("    n: u8 = 300", ":3:5: error: Tested.n: 300 is not valid (its default)"),
        ("    n: u23 = 3", "did you mean `u32`?"),
        ("    n: Ringe[u8]", "did you mean `Ring`?"),
        ("    traffic = 'tcp and dst prt 80'", "did you mean port?"),
    ],
)
def test_at_the_definition(source, expected):
    with pytest.raises(CompileError) as caught:
        nf_class(f"from __future__ import annotations\nclass Tested(NF):\n{source}\n")
    assert expected in str(caught.value)


def test_an_init_that_is_not_the_base_class_s():
    from nfuse import Chain

    source = "class Tested(NF):\n    limit: u32 = 3\n    def __init__(self):\n        self.count = 0\n"
    for build in (Chain, lambda nf: nf >> nf):
        with pytest.raises(CompileError, match=r"(?s):3:9: error: Tested.__init__ replaces .*class State"):
            build(nf_class(source)())


def test_an_init_that_calls_the_base_class_s():
    from nfuse import Chain

    source = "class Tested(NF):\n    a: u8\n    def __init__(self, text):\n        super().__init__(a=int(text))\n"
    assert Chain(nf_class(source)("7")).nodes[0].nf.a == 7


def test_an_nf_without_handlers_is_warned_of():
    with pytest.warns(NFWarning, match=r":2: Tested has no handler: packets pass it unchanged"):
        analyse(nf_class("\nclass Tested(NF):\n    limit: u32 = 3\n    def on_start(self): pass\n"))


def test_and_instead_of_ampersand():
    with pytest.raises(TypeError, match="combine classes with &"):
        nf_class("class Tested(NF):\n    traffic = ipv4 and (tcp or udp)\n")


def test_an_error_reads_like_this():
    text = error("on_packet", "flow.port = flow.prt")
    lines = text.split("\n")
    assert lines[0].endswith("error: the flow has no `prt`")
    assert lines[1].strip() == "flow.port = flow.prt"
    assert lines[2].strip() == "^~~~~~~~"
    assert lines[3] == "  hint: did you mean `port`?"
