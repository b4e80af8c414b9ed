"""Mistakes in a line: each error says where, what, what was expected, and the nearest word."""

from __future__ import annotations

import pytest

from nfuse.testing import PacketSyntaxError, packet, packets

UDP = "10.0.0.1:1 > 192.0.2.1:2 udp"

MISTAKES = {
    "10.0.0.1:1 > 192.0.2.1:2 tcp SX": (30, "'SX' are no TCP flags", "FSRPAUEW"),
    "10.0.0.1:1 > 192.0.2.1:2 tcp SS": (30, "'SS' are no TCP flags", "each once"),
    "10.0.0.1:1 > 192.0.2.1:2 tcp": (29, "the line ends", "TCP flags"),
    "10.0.0.1:1 > 192.0.2.1:2 tcp ttl 3": (26, "tcp needs its flags", "tcp - for none"),
    "10.0.0.1:1 >> 192.0.2.1:2 udp": (12, "unexpected '>>'", "> or <"),
    "10.0.0.1 > 192.0.2.1:2 udp": (12, "udp needs both ports", "10.0.0.1:1234"),
    "10.0.0.1:1 > [2001:db8::1]:2 udp": (14, "different IP versions", ""),
    "10.0.0.1:1 > 192.0.2.1:99999 udp": (14, "no endpoint", "ports up to 65535"),
    "10.0.0.1:1 > 192.0.2:2 udp": (14, "no endpoint", "10.0.0.1:80"),
    "fe80::1%eth0 > fe80::2 icmp echo-request": (1, "no endpoint", ""),
    "[2001:db8::1] > [2001:db8::2]:2 udp": (1, "no endpoint", ""),
    "10.0.0.1:1 > 192.0.2.1:2 ucp": (26, "no protocol 'ucp'", "did you mean 'udp'?"),
    "10.0.0.1:1 > 192.0.2.1:2": (25, "the line ends", "a protocol"),
    "10.0.0.1:1 > 192.0.2.1:2 icmp echo-request": (14, "icmp has no ports", ""),
    "10.0.0.1 > 192.0.2.1 icmp echo-requst": (27, "no ICMP type", "did you mean 'echo-request'?"),
    "10.0.0.1 > 192.0.2.1 icmp 300/1": (27, "no ICMP type", "TYPE/CODE"),
    "2001:db8::1 > 2001:db8::2 icmp proto-unreachable": (32, "no ICMP type", ""),
    "10.0.0.1 > 192.0.2.1 icmp ttl 3": (22, "icmp needs its type", "echo-request"),
    f"{UDP} tll 3": (30, "no word 'tll'", "did you mean 'ttl'?"),
    f"{UDP} mss 3": (30, "`mss` is no word of udp over IPv4", "udp-len"),
    f"{UDP} ttl 300": (34, "`ttl 300` does not fit", "0 to 255"),
    f"{UDP} ttl -1": (34, "needs a number", "0 to 255"),
    f"{UDP} ttl 1_0": (34, "needs a number", ""),
    f"{UDP} ttl": (33, "the line ends", "a number from 0 to 255"),
    f"{UDP} ttl 3 ttl 4": (36, "'ttl' stands twice", ""),
    f"{UDP} bad-checksum no-checksum": (30, "another word for the checksum", "one of them"),
    f"{UDP} hex 123": (34, "no bytes", "two hexadecimal digits"),
    f'{UDP} "a" hex 61': (34, "two payloads", ""),
    f'{UDP} "abc': (30, "does not end", 'a second "'),
    f'{UDP} "a\\qb"': (32, "no escape", r"\x and two digits"),
    f'{UDP} "abc" len 2': (36, "3 bytes, more than `len 2`", ""),
    f"{UDP} len 65535": (1, "longer than its length fields", ""),
    f"{UDP} frag 24": (14, "a later fragment has no ports", ""),
    f"{UDP} frag 0": (26, "no fragment", "0+"),
    f"{UDP} frag 7+": (35, "no fragment offset", "a multiple of 8"),
    "10.0.0.1 > 192.0.2.1 tcp S frag 24": (22, "no L4 header", "tcp frag 24+"),
    f"{UDP} vlan 4096": (35, "no VLAN tag", "s100,7"),
    f"{UDP} mac 02:00": (34, "no MAC addresses", "swapped"),
    f"{UDP} mac 02:00>02:00:00:00:00:01": (34, "not a MAC address", "six bytes"),
    f"{UDP} link ethernett": (35, "no link type", "did you mean 'ethernet'?"),
    f"{UDP} link sll": (30, "written as raw", ""),
    f"{UDP} wire 9": (30, "`wire` is for raw frames", "cut"),
    f"{UDP} (10.0.0.1:1 > 192.0.2.1:2 udp)": (30, "udp holds no packet", "in quotes"),
    f"{UDP} )": (30, "unexpected ')'", ""),
    "10.0.0.1 > 192.0.2.1 ipip": (22, "ipip needs the inner packet", ""),
    f"10.0.0.1 > 192.0.2.1 ipip ({UDP}": (56, "does not end", ")"),
    f"10.0.0.1 > 192.0.2.1 ipip ({UDP}) len 4": (58, "no payload of its own", ""),
    f"10.0.0.1 > 192.0.2.1 ipip ({UDP} vlan 7)": (57, "for the whole frame", ""),
    "10.0.0.1 > 192.0.2.1 ipip (10.0.0.1:1 < 192.0.2.1:2 udp)": (27, "has no side", ""),
    f"2001:db8::1 > 2001:db8::2 icmp too-big ({UDP})": (40, "its own IP version", ""),
    "arp who-is 10.0.0.1": (5, "no IPv4 address", "did you mean 'who-has'?"),
    "arp who-has 10.0.0.2 from 10.0.0.1": (22, "unexpected 'from'", "tell"),
    "arp 10.0.0.2 is-at 02:00 to 10.0.0.1": (20, "not a MAC address", ""),
    "type 0x0100 len 4": (6, "no EtherType", "0x0600"),
    "raw 01 cut 1": (8, "not for raw frames", "wire"),
    "raw 01 len 4": (8, "no payload of its own", ""),
    "arp who-has 10.0.0.2 tell 10.0.0.1 link raw": (36, "for IP packets", ""),
    "> 10.0.0.1:1 udp": (1, "no endpoint", ""),
    "< 10.0.0.1:1 > 10.0.0.2:2 udp": (3, "arrow without an endpoint", ""),
    "10.0.0.1 > 192.0.2.1 icmp 3/1 quote 28": (31, "`quote` without a packet", "in parentheses"),
    "10.0.0.1 > 192.0.2.1 icmp too-big mtu 3 rest 4": (41, "the same bytes", "one of them"),
    f"+-5 {UDP}": (1, "no time", "+20ms"),
    f"+5x {UDP}": (1, "no time", "+20ms"),
    f"+0.5ns {UDP}": (1, "no whole number of nanoseconds", ""),
}


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes(line: str) -> None:
    column, message, hint = MISTAKES[line]
    with pytest.raises(PacketSyntaxError) as caught:
        packets(f"{UDP}\n  {line}  # comment")
    error, text = caught.value, str(caught.value)
    assert (error.line, error.column) == (2, column + 2)
    assert message in error.message
    assert hint in text
    first, source, marks = text.splitlines()[:3]
    assert first == f"line 2, column {column + 2}: {error.message}"
    assert source.endswith(f"{line}  # comment")
    assert marks.index("^") == 4 + error.column - 1


def test_one_packet_is_one() -> None:
    for several in ("", f"{UDP}\n{UDP}", "# nothing"):
        with pytest.raises(ValueError, match="where one is expected"):
            packet(several)


def test_nothing_but_comments() -> None:
    assert packets("\n  # nothing\n\n") == []


def test_texts_in_quotes() -> None:
    assert packet(f'{UDP} "a\\r\\n\\t\\0\\x07\\"\\\\é"').bytes[42:] == b'a\r\n\t\0\7"\\' + "é".encode()
    assert packet(f'{UDP} "# no comment"').bytes[42:] == b"# no comment"
    assert packet(f'{UDP} ""').bytes[42:] == b""
