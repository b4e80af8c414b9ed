"""Traffic classes: evaluated and compiled they agree, and their text reads back."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.flow.traffic.frames import PORTS, V4, V6, filters, frames

from nfuse.flow.traffic import (
    Expr,
    arp,
    dport,
    eth,
    everything,
    five_tuple,
    host,
    icmp,
    ingress,
    ip,
    ipv4,
    ipv6,
    length,
    nothing,
    pcap_filter,
    port,
    sport,
    synthesize,
    tcp,
    udp,
    vlan,
)
from nfuse.memory.cache import load_generated
from nfuse.packet.interpreted import interpreted_names
from nfuse.packet.parse import parse_burst
from nfuse.packet.view import PacketView
from nfuse.port.burst import Burst


@st.composite
def atoms(draw: st.DrawFn) -> Expr:
    number, small = draw(st.sampled_from(PORTS)), draw(st.integers(0, 255))
    address = draw(st.sampled_from([*V4, *V6, "10.0.0.0/8", "2001:db8::/33", "0.0.0.0/0", "::/0", "0.0.0.0/1"]))
    choices: list[Any] = [
        tcp, udp, ip, ipv4, ipv6, arp, icmp, vlan, eth, everything, nothing, dport == number, sport != number,
        dport < max(1, number), sport >= number, port == number, port != number, port.between(number, 443),
        dport.within(22, 80, range(440, 450)), ip.src == address, ip.dst != address, host == address,
        ip.src.within(address, "192.168.0.0/16"), ip.ttl < 5, ip.proto == small, vlan.vid == 5, tcp.syn & ~tcp.ack,
        tcp.flags != small, length > small, eth.dst == "ff:ff:ff:ff:ff:ff", arp.spa == "10.0.0.0/8", ip.version == 4,
        tcp.seq > small, ipv4.df == 1, ip.src.between("10.0.0.1", "10.1.0.0"), ingress == 0, ingress != 1,
        pcap_filter("tcp[tcp[12] >> 2] > 5"), pcap_filter("ip[8] * 5 - len != 60"), pcap_filter("len / ip[8] = 1"),
    ]  # fmt: skip
    return draw(st.sampled_from(choices))


def compose(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        inner.map(lambda one: ~one),
    )


classes = st.recursive(atoms() | filters().map(pcap_filter), compose, max_leaves=6)


def emitted(source: str, view: PacketView) -> bool:
    return bool(eval(source, dict(interpreted_names()), {"P": view.P}))


@given(classes, st.lists(frames(), min_size=1, max_size=4))
def test_emitted_source_says_what_matches_says(one: Expr, some: list[bytes]) -> None:
    for frame in some:
        view = PacketView(bytearray(frame))
        assert emitted(one.emit(), view) == one.matches(view), (str(one), frame.hex())


@given(classes, st.lists(frames(), min_size=1, max_size=4))
def test_normal_form_keeps_the_meaning(one: Expr, some: list[bytes]) -> None:
    for frame in some:
        view = PacketView(bytearray(frame))
        assert one.normal.matches(view) == one.matches(view)
    assert one.normal == one
    assert one.normal.normal.shape() == one.normal.shape()


@given(classes)
def test_text_reads_back(one: Expr) -> None:
    again = pcap_filter(str(one))
    assert again == one
    assert hash(again) == hash(one)


@given(classes, frames())
def test_what_a_class_proves_is_there(one: Expr, frame: bytes) -> None:
    view = PacketView(bytearray(frame))
    if one.matches(view):
        assert all(getattr(view, header) for header in one.proves)


@given(atoms())
def test_complements(one: Expr) -> None:
    assert ~~one == one
    assert (one | ~one) == everything
    assert (one & ~one) == nothing


@settings(max_examples=4)
@given(st.lists(classes, min_size=3, max_size=8), st.lists(frames(), min_size=20, max_size=20))
def test_one_classifier_judges_all(some: list[Expr], packets: list[bytes]) -> None:
    """Compiled, on a burst; the only test here that waits for the compiler."""
    names = ("memory.jit import native", "memory.raw import *", "packet.native import *")
    head = "".join(f"from nfuse.{name}\n" for name in names)
    classify = load_generated("classifier", f"{head}\n\n@native\n{synthesize(some)}").classify
    burst = Burst(len(packets))
    for frame in packets:
        burst.append(frame)
    parse_burst(burst.desc_address, 0, burst.n)
    for k, frame in enumerate(packets):
        view = PacketView(bytearray(frame))
        expected = sum(1 << bit for bit, one in enumerate(some) if one.matches(view))
        assert classify(burst.desc_address + 64 * k) == expected


def test_common_tests_are_made_once() -> None:
    source = synthesize([tcp & (dport == 80), tcp & (dport == 443), tcp & (dport == 80) & ipv4])
    assert source.count("== 80") == 1
    assert source.count("& 64)") == 1


def test_too_many_classes() -> None:
    with pytest.raises(ValueError, match="at most 63"):
        synthesize([tcp] * 64)


# ------------------------------------------------------------------------------------------------ what users write


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (tcp & (dport == 80), "tcp and dst port 80"),
        (ipv4 & (ip.src == "10.0.0.0/8"), "ip and src net 10.0.0.0/8"),
        (~udp, "not udp"),
        (dport.between(1, 1024), "dst portrange 1-1024"),
        (ingress == "lan", "ingress lan"),
        ((tcp | udp) & (port == 53), "(tcp or udp) and (src port 53 or dst port 53)"),
        (tcp.syn & ~tcp.ack, "tcp.syn = 1 and not tcp.ack = 1"),
        (dport != 80, "dport != 80"),
        (dport >= 0, "dport >= 0"),
        (dport.within(80, [443, 8080]), "(dst port 80 or dst port 443 or dst port 8080)"),
        (ip.dst != "10.0.0.1", "ip.dst != 10.0.0.1"),
        (everything, "everything"),
        (vlan.vid == 5, "vlan.vid = 5"),
        (ip.ttl <= 1, "ip.ttl <= 1"),
    ],
)
def test_texts(one: Expr, text: str) -> None:
    assert str(one) == text
    assert pcap_filter(text) == one


def test_equality_is_by_meaning() -> None:
    assert (tcp & ipv4) == (ipv4 & tcp & tcp)
    assert (ipv4 | ipv6) == ip
    assert ((dport == 80) | (dport == 81)) == dport.between(80, 81)
    assert ~(tcp & udp) == (~tcp | ~udp)
    assert (dport >= 0) == (tcp | udp)
    assert (tcp | (tcp & udp)) == tcp
    assert tcp != udp
    assert len({tcp & ipv4, ipv4 & tcp}) == 1
    assert pcap_filter("port 80 or 443") == ((port == 80) | (port == 443))


@pytest.mark.parametrize(
    ("one", "needs", "constant", "proves"),
    [
        (everything, False, True, set()),
        (tcp, True, True, {"ip", "tcp"}),
        (ip.src == "10.0.0.1", False, True, {"ip"}),
        (dport == 80, True, True, {"ip"}),
        (tcp & (dport == 80), True, True, {"ip", "tcp"}),
        (tcp | udp, True, True, {"ip"}),
        (~tcp, True, True, set()),
        (ipv4 & tcp.syn, True, False, {"ip", "ipv4", "tcp"}),
        (vlan, False, False, {"vlan"}),
        (ip.ttl < 5, False, False, {"ip"}),
        (ingress == "lan", False, True, set()),
        (pcap_filter("tcp[13] & 2 != 0"), True, False, {"ip", "tcp"}),
        (ip.proto == 6, False, True, {"ip"}),
    ],
)
def test_what_a_class_depends_on(one: Expr, needs: bool, constant: bool, proves: set[str]) -> None:
    assert (one.needs_l4, one.flow_constant, set(one.proves)) == (needs, constant, proves)


def test_fields_that_are_read() -> None:
    assert (tcp & (dport == 80) & tcp.syn).fields == {"dport", "tcp.syn"}
    assert {"tcp.flags", "tcp.syn", "tcp.seq"} <= pcap_filter("tcp[13] = 2").fields


def test_fields_are_parts_of_session_keys() -> None:
    assert [field.full_name for field in five_tuple] == ["ip.src", "ip.dst", "sport", "dport", "ip.proto"]
    assert (ip.src, sport) == (ip.src, sport)
    assert (ip.src,) != (ip.dst,)
    assert ip.src.header == "ip"
    assert ip.src.name == "src"
    for item in (ip.src, dport, tcp):
        assert pickle.loads(pickle.dumps(item)) is item
        assert copy.deepcopy(item) is item
    assert {ip.src: 1, "ip.src": 2}["ip.src"] == 2


def test_named_input_ports_are_bound() -> None:
    one = (ingress == "lan") & tcp
    assert one.bind({"lan": 0, "wan": 1}) == ((ingress == 0) & tcp)
    with pytest.raises(ValueError, match="wan"):
        one.bind({"wan": 1})
    with pytest.raises(ValueError, match="not bound"):
        one.emit()


@pytest.mark.parametrize(
    ("mistake", "kind", "message"),
    [
        (lambda: tcp and udp, TypeError, "combine classes with"),
        (lambda: 1 < dport < 5, TypeError, r"\.between\(\)"),
        (lambda: tcp.sin, AttributeError, "did you mean syn"),
        (lambda: ip.src == 80, TypeError, "ip.src is an address .* expected an address or a prefix"),
        (lambda: ip.src == "10.0.0.1/8", ValueError, "host bits set"),
        (lambda: ip.src < "10.0.0.1", TypeError, "has no order"),
        (lambda: dport == "http", TypeError, "dport is a number"),
        (lambda: dport == 70000, ValueError, "0 to 65535"),
        (lambda: tcp & "udp", TypeError, "pcap_filter"),
        (lambda: tcp & dport == 80, TypeError, "in parentheses"),
        (lambda: tcp & tcp.syn == 1, TypeError, "in parentheses"),
        (lambda: tcp & (ip.src == ip.dst), TypeError, "two fields"),
        (lambda: not tcp.syn, TypeError, "& | ~"),
        (lambda: tcp & ip.src, TypeError, "no traffic class by itself"),
        (lambda: port < 5, TypeError, "two fields"),
        (lambda: ingress == 1.5, TypeError, "name or index"),
        (lambda: eth.src == "02:00", ValueError, "MAC address"),
    ],
)
def test_mistakes(mistake: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        mistake()


def test_ipv6_prefixes_hold_no_ipv4_addresses() -> None:
    head = "020000000001 020000000002 0800 45000014 00010000 40000000 0a000001 0a000002"
    four = PacketView(bytearray(bytes.fromhex(head)))
    assert four.ipv4
    assert not (ip.src == "::/0").matches(four)
    assert (ip.src != "::/0").matches(four)
    assert str(ip.src == "::/0") == "src net ::/0"
