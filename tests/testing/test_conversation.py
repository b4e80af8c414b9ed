from __future__ import annotations

import pytest

from nfuse import Chain
from nfuse.nf.library import MazuNat, Monitor
from nfuse.testing import (
    PacketSyntaxError,
    assert_equivalent,
    fragments,
    packet,
    ping,
    reply,
    run,
    tcp_conversation,
    text,
    together,
    udp_exchange,
)

CUT = "10.0.0.1:1 > 10.0.0.2:2 udp len 50 cut 60"
CLIENT, SERVER = "10.0.0.1:1234", "192.0.2.1:80"


def test_tcp() -> None:
    assert text(tcp_conversation(CLIENT, SERVER, "GET /", b"\1\2\3", mss=4, words="ttl 9")).splitlines() == [
        "10.0.0.1:1234 > 192.0.2.1:80 tcp S seq 1000 ttl 9",
        "10.0.0.1:1234 < 192.0.2.1:80 tcp SA seq 5000 ack 1001 ttl 9",
        "10.0.0.1:1234 > 192.0.2.1:80 tcp A seq 1001 ack 5001 ttl 9",
        '10.0.0.1:1234 > 192.0.2.1:80 tcp PA seq 1001 ack 5001 "GET " ttl 9',
        "10.0.0.1:1234 < 192.0.2.1:80 tcp A seq 5001 ack 1005 ttl 9",
        '10.0.0.1:1234 > 192.0.2.1:80 tcp PA seq 1005 ack 5001 "/" ttl 9',
        "10.0.0.1:1234 < 192.0.2.1:80 tcp A seq 5001 ack 1006 ttl 9",
        "10.0.0.1:1234 < 192.0.2.1:80 tcp PA seq 5001 ack 1006 hex 010203 ttl 9",
        "10.0.0.1:1234 > 192.0.2.1:80 tcp A seq 1006 ack 5004 ttl 9",
        "10.0.0.1:1234 > 192.0.2.1:80 tcp FA seq 1006 ack 5004 ttl 9",
        "10.0.0.1:1234 < 192.0.2.1:80 tcp FA seq 5004 ack 1007 ttl 9",
        "10.0.0.1:1234 > 192.0.2.1:80 tcp A seq 1007 ack 5005 ttl 9",
    ]
    assert [one.view.tcp.flags for one in tcp_conversation(CLIENT, SERVER, close="rst")] == [2, 18, 16, 4]
    assert len(tcp_conversation(CLIENT, SERVER, close=None)) == 3


def test_a_conversation_opens_and_closes_a_session() -> None:
    states = [
        assert_equivalent(Monitor(), tcp_conversation(CLIENT, SERVER, "a", "b", close=close, at=5)).flows["state"][0]
        for close in (None, "rst", "fin")
    ]
    assert states == [1, 2, 2]


def test_udp_and_ping() -> None:
    assert text(udp_exchange("[2001:db8::1]:5", "[2001:db8::2]:53", "q", None, at=2)).splitlines() == [
        '@2 [2001:db8::1]:5 > [2001:db8::2]:53 udp "q"'
    ]
    assert [one.side for one in udp_exchange(CLIENT, SERVER)] == [0, 1]
    assert text(ping("10.0.0.1", "10.0.0.2", 2, id=9, interval=0.5, at=1)).splitlines() == [
        '@1 10.0.0.1 > 10.0.0.2 icmp echo-request id 9 seq 1 "ping"',
        '10.0.0.1 < 10.0.0.2 icmp echo-reply id 9 seq 1 "ping"',
        '+0.499 10.0.0.1 > 10.0.0.2 icmp echo-request id 9 seq 2 "ping"',
        '10.0.0.1 < 10.0.0.2 icmp echo-reply id 9 seq 2 "ping"',
    ]
    assert len(ping("2001:db8::1", "2001:db8::2", 3, answered=False)) == 3


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("10.0.0.1:1 > 10.0.0.2:2 tcp S seq 7", "10.0.0.1:1 < 10.0.0.2:2 tcp SA ack 8"),
        ('10.0.0.1:1 > 10.0.0.2:2 tcp PA seq 7 ack 3 "ab"', "10.0.0.1:1 < 10.0.0.2:2 tcp A seq 3 ack 9"),
        ("10.0.0.1:1 < 10.0.0.2:2 tcp FA seq 4294967295 ack 3", "10.0.0.1:1 > 10.0.0.2:2 tcp FA seq 3"),
        ("10.0.0.1:1 > 10.0.0.2:2 udp vlan 7", "10.0.0.1:1 < 10.0.0.2:2 udp"),
        ('::1 > ::2 icmp echo-request id 7 seq 2 "p"', '::1 < ::2 icmp echo-reply id 7 seq 2 "p"'),
        ("10.0.0.1:1 > 10.0.0.2:2 udp link raw", "10.0.0.1:1 < 10.0.0.2:2 udp link raw"),
        ("10.9.0.1 > 10.9.0.2 ipip (10.0.0.1:1 > 10.0.0.2:2 udp)", "10.0.0.1:1 < 10.0.0.2:2 udp"),
    ],
)
def test_replies(asked: str, answer: str) -> None:
    assert reply(asked).text == answer
    assert reply(packet(asked, at=3)).time == 3_001_000_000


def test_replies_with_data() -> None:
    asked = "10.0.0.1:1 > 10.0.0.2:2 tcp A seq 7 ack 3"
    assert reply(asked, "hello", "PA").text == '10.0.0.1:1 < 10.0.0.2:2 tcp PA seq 3 ack 7 "hello"'


def test_a_reply_finds_its_way_through_a_nat() -> None:
    nat = Chain(MazuNat(public="198.51.100.1", inside="10.0.0.0/8"))
    asked = packet('10.0.0.1:1234 > 192.0.2.1:53 udp "q"')
    result = assert_equivalent(nat, [asked, reply(run(nat, [asked]).out[0], "a")])
    assert result.out[1].text == '192.0.2.1:53 > 10.0.0.1:1234 udp "a"'


def test_fragments() -> None:
    whole = packet("10.0.0.1:1 > 10.0.0.2:53 udp len 50 ip-id 7 ttl 3")
    pieces = fragments(whole, 24)
    assert [one.text.partition(" > ")[2].partition(" ")[2] for one in pieces[1:]] == [
        "udp len 24 ttl 3 ip-id 7 frag 24+",
        "udp len 10 ttl 3 ip-id 7 frag 48",
    ]
    assert b"".join(one.bytes[34:] for one in pieces) == whole.bytes[34:]
    six = fragments("[2001:db8::1]:1 > [2001:db8::2]:53 udp len 50", 32, ident=9)
    assert [one.text.split("ip-id")[1] for one in six] == [" 9 frag 0+", " 9 frag 32"]
    assert_equivalent(Monitor(), pieces + six).assert_out(pieces + six)


def test_together() -> None:
    first, second = udp_exchange(CLIENT, SERVER, at=1), ping("10.0.0.1", "10.0.0.2", at=1)
    assert together(first, second) == [first[0], second[0], first[1], second[1]]
    assert [one.time for one in together("10.0.0.1:1 > 10.0.0.2:2 udp", first)] == [0, 10**9, 10**9 + 10**6]


def test_mistakes() -> None:
    with pytest.raises(PacketSyntaxError, match=r"'10\.0\.0\.1:x' is no endpoint"):
        tcp_conversation("10.0.0.1:x", SERVER)
    with pytest.raises(PacketSyntaxError, match="unexpected '>'"):
        udp_exchange("10.0.0.1:1 >", SERVER)
    with pytest.raises(PacketSyntaxError, match="different IP versions"):
        ping("10.0.0.1", "2001:db8::1")
    with pytest.raises(PacketSyntaxError, match="did you mean 'ttl'"):
        udp_exchange(CLIENT, SERVER, words="tll 3")
    with pytest.raises(ValueError, match="close='fine': expected"):
        tcp_conversation(CLIENT, SERVER, close="fine")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mss=0"):
        tcp_conversation(CLIENT, SERVER, mss=0)
    with pytest.raises(ValueError, match="flags='Z'"):
        reply("10.0.0.1:1 > 10.0.0.2:2 tcp A", flags="Z")
    for line in ("arp who-has 10.0.0.2 tell 10.0.0.1", "10.0.0.1 > 10.0.0.2 icmp echo-reply", "raw 00"):
        with pytest.raises(ValueError, match="nothing answers"):
            reply(line)
    for line in ("raw 00", "type 0x88cc len 4", "10.0.0.1 > 10.0.0.2 udp frag 8", CUT):
        with pytest.raises(ValueError, match="can't be fragmented"):
            fragments(line)
    with pytest.raises(ValueError, match="a multiple of 8"):
        fragments("10.0.0.1:1 > 10.0.0.2:2 udp", 20)
