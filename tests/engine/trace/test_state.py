"""What has changed in State: scalars, items of arrays, sizes of other containers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from nfuse import NF, Address, Array, HashMap, Stack, ip, tcp, u16, u32
from nfuse.engine.trace.places import class_place, drop_place
from nfuse.engine.trace.state import changes, snapshot
from nfuse.nf.instance import Instance


class Keeper(NF):
    limit: u32 = 3

    class State:
        count: u32
        host: Address
        table: Array[u16, 8]
        hosts: Array[Address, 2]
        free: Stack[u16]
        known: HashMap[u32, u16]

    def on_start(self):
        self.free.reserve(4)
        self.known.reserve(4)


class Dropper(NF):
    traffic = tcp

    def on_packet(self, pkt, flow):
        if pkt.tcp.syn:
            pkt.drop("one")
        too_long(pkt)

    def on_flow(self, pkt, flow):
        flow.drop("two")


class Other(NF):
    session = (ip.src,)

    def on_flow(self, pkt, flow):
        flow.drop("one")


def too_long(pkt):
    if pkt.len > 1000:
        pkt.drop("three")


@pytest.fixture
def keeper() -> Instance:
    made = Instance(Keeper())
    made.start()
    return made


def told(instance: Instance, act) -> dict[str, tuple[object, object]]:
    before = snapshot(instance)
    act(instance.facade)
    return {change.name: (change.before, change.after) for change in changes(before, snapshot(instance))}


def test_nothing(keeper) -> None:
    assert told(keeper, lambda nf: None) == {}


def test_scalars_and_containers(keeper) -> None:
    def act(nf):
        nf.count = 7
        nf.host = IPv4Address("10.0.0.1")
        nf.table[3] = 9
        nf.hosts[1] = IPv6Address("2001:db8::1")
        nf.free.push(1)
        nf.known.put(5, 6)

    found = told(keeper, act)
    assert found["count"] == (0, 7)
    assert found["host"] == ("::", "10.0.0.1")
    assert found["table[3]"] == (0, 9)
    assert found["hosts[1]"] == ("::", "2001:db8::1")
    assert found["len(free)"] == (0, 1)
    assert found["len(known)"] == (0, 1)
    assert len(found) == 6


def test_many_items_are_counted(keeper) -> None:
    def act(nf):
        nf.table.view[:] = 1

    found = told(keeper, act)
    assert list(found) == ["table[0]", "table[1]", "table[2]", "table[3]", "table"]
    assert found["table"] == ("", "4 more items have changed")


def line_of(text: str) -> int:
    with open(__file__) as file:
        return next(number for number, line in enumerate(file, 1) if text in line)


def test_where_a_class_drops() -> None:
    here = "tests/engine/trace/test_state.py"
    assert class_place(Dropper).endswith(f"{here}:{line_of('class Dropper')})")
    assert drop_place(Dropper, "one").endswith(f"{here}:{line_of('pkt.drop(' + chr(34) + 'one')}")
    assert drop_place(Dropper, "three").endswith(f"{here}:{line_of('pkt.drop(' + chr(34) + 'three')}")
    assert drop_place(Dropper, "made up as it runs") == ""
    assert drop_place(Dropper, "fault:Dropper:12").endswith(f"{here}:12")
