"""Sets of packets as boxes: they never lack a packet, and see the contradictions that people write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.flow.traffic.frames import frames
from tests.flow.traffic.test_classes import classes

from nfuse.flow.traffic import Expr, pcap_filter, ranges, tcp, udp, vlan
from nfuse.flow.traffic.boxes import EVERYTHING, FIRST_PACKETS, Box, Boxes, replace, restrict
from nfuse.flow.traffic.names import field_named
from nfuse.packet.view import PacketView


def value(view: Any, name: str) -> int | None:
    """The value of a box's field in a packet; None: the packet has no such field, so its value can't matter."""
    if name == "ip.version":
        return int(view.ip.version) if view.ip else 0
    if name == "ingress":
        return int(view.inport)
    if name == "has.l4":
        return int(bool(view.tcp or view.udp or view.icmp or view.icmp6))
    if name.startswith("has."):
        return int(bool(getattr(view, name[4:])))
    return field_named(name).value_of(view)


def holds(boxes: Boxes, view: Any) -> bool:
    def inside(box: Box) -> bool:
        values = ((found, value(view, name)) for name, found in box.items())
        return all(number is None or ranges.contains(found, number) for found, number in values)

    return any(map(inside, boxes))


@given(classes, classes, st.lists(frames(), min_size=1, max_size=4))
def test_no_packet_is_lost(one: Expr, two: Expr, some: list[bytes]) -> None:
    for frame in some:
        view = PacketView(bytearray(frame))
        for start in (EVERYTHING, restrict(EVERYTHING, two, two.matches(view))):
            assert holds(restrict(start, one, one.matches(view)), view), (str(one), str(two), frame.hex())


@pytest.mark.parametrize(
    "text",
    [
        "tcp and udp",
        "ip and ip6",
        "tcp and ip.proto = 17",
        "tcp and src net 10.0.0.0/8 and ip6",
        "icmp and dst port 80",
        "arp and tcp",
        "icmp and ip6",
        "src net 10.0.0.0/8 and dst net 2001:db8::/32",
        "src net 10.0.0.0/8 and src net 192.0.2.0/24",
        "tcp and dst port 80 and not tcp",
        "dst port 80 and not (tcp or udp)",
        "tcp[13] & 2 != 0 and udp",
        "ip.ttl < 5 and ip.ttl > 9",
        "nothing",
    ],
)
def test_contradictions(text: str) -> None:
    assert restrict(EVERYTHING, pcap_filter(text)) == ()


def test_contradictions_of_vlan_tags() -> None:
    assert restrict(EVERYTHING, (vlan.vid == 5) & (vlan.vid == 6)) == ()
    assert restrict(EVERYTHING, vlan & ~vlan) == ()
    assert restrict(EVERYTHING, vlan & (vlan.vid == 5))


@pytest.mark.parametrize("text", ["tcp or udp", "not tcp and not udp", "tcp and dst net 2001:db8::/32", "ip proto 6"])
def test_what_is_possible(text: str) -> None:
    assert restrict(FIRST_PACKETS, pcap_filter(text))


def test_a_first_packet_of_tcp_has_its_header() -> None:
    assert restrict(FIRST_PACKETS, pcap_filter("ip proto 6 and not tcp")) == ()
    assert restrict(EVERYTHING, pcap_filter("ip proto 6 and not tcp"))


def test_new_values_replace_old_ones() -> None:
    inside = restrict(EVERYTHING, tcp & (field_named("ip.src") == "10.0.0.0/8"))
    public = field_named("ip.src").read("198.51.100.1")
    changed = replace(inside, {"ip.src": public, "sport": None})
    assert restrict(changed, pcap_filter("src net 10.0.0.0/8")) == ()
    assert restrict(changed, pcap_filter("tcp and src host 198.51.100.1 and src port 99"))
    assert restrict(changed, udp) == ()


def test_what_would_take_too_many_boxes_is_everything() -> None:
    wide = pcap_filter(" and ".join(f"not (src port {n} and dst port {n} and len > {n})" for n in range(1, 12)))
    assert restrict(EVERYTHING, wide)
