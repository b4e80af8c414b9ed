"""The filter language: precedence, qualifiers that are left out, errors."""

from __future__ import annotations

import pytest

from nfuse.flow.traffic import (
    FilterError,
    dport,
    everything,
    host,
    icmp,
    ip,
    ipv4,
    ipv6,
    pcap_filter,
    port,
    sport,
    tcp,
    udp,
    vlan,
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", everything),
        ("tcp or udp and port 80", (tcp | udp) & (port == 80)),  # and, or: one precedence, from the left
        ("tcp or (udp and port 80)", tcp | (udp & (port == 80))),
        ("not tcp and udp", ~tcp & udp),
        ("! tcp && ! udp || icmp", (~tcp & ~udp) | icmp),
        ("port 80 or 443", (port == 80) | (port == 443)),
        ("tcp dst port 80 or 443", (tcp & (dport == 80)) | (tcp & (dport == 443))),
        ("port (80 or 443)", (port == 80) | (port == 443)),
        ("port 80 and not 443", (port == 80) & ~(port == 443)),
        ("src port not 80", ~(sport == 80)),
        ("src or dst port 80", port == 80),
        ("src and dst port 80", (sport == 80) & (dport == 80)),
        ("portrange 80-20", port.between(20, 80)),
        ("port 0x50", port == 80),
        ("port 0120", port == 80),
        ("tcp port domain", tcp & (port == 53)),
        ("host 10.0.0.1", host == "10.0.0.1"),
        ("src 10.0.0.1 or 10.0.0.2", ip.src.within("10.0.0.1", "10.0.0.2")),
        ("net 10", host == "10.0.0.0/8"),
        ("net 10.1", host == "10.1.0.0/16"),
        ("net 10.1.2", host == "10.1.2.0/24"),
        ("net 10.1.2.3", host == "10.1.2.3"),
        ("net 10.1.0.0 mask 255.255.0.0", host == "10.1.0.0/16"),
        ("net 2001:db8::/32", host == "2001:db8::/32"),
        ("ip", ipv4),
        ("ip6", ipv6),
        ("ip proto \\tcp", ipv4 & (ip.proto == 6)),
        ("proto 6", ip.proto == 6),
        ("vlan 5 and tcp", (vlan.vid == 5) & tcp),
        ("sport = 80 and dport >= 1024", (sport == 80) & (dport >= 1024)),
        ("tcp.syn", pcap_filter("tcp.syn = 1")),
        ("ip.src = 10.0.0.0/8", ip.src == "10.0.0.0/8"),
    ],
)  # fmt: skip
def test_meaning(text: str, meaning: object) -> None:
    assert pcap_filter(text) == meaning


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("tcp prot 80", 5, "expected `and`, `or` or the end, got 'prot'; did you mean proto?"),
        ("tcp port htp", 10, "did you mean http?"),
        ("tcp and", 8, "expected a primitive, the filter ends"),
        ("(tcp or udp", 12, "expected `and`, `or` or `)`, the filter ends"),
        ("tcp ) udp", 5, "got ')'"),
        ("tcp[13] &", 10, "expected a number"),
        ("tcp[13", 7, "expected `]`"),
        ("tcp[0:3] = 1", 7, "1, 2 or 4 bytes"),
        ("tpc[13] = 2", 1, "did you mean tcp?"),
        ("tcp[13] + 2", 12, "expected a comparison"),
        ("len / 0 = 1", 1, "division by zero"),
        ("len << 40 = 1", 1, "a shift by 40"),
        ("net 10.0.0.1/8", 5, "bits set beyond its prefix"),
        ("host 300.1.1.1", 6, "not an IPv4 address"),
        ("host ::1::2", 6, "not an IPv6 address"),
        ("port 70000", 6, "70000 is above 65535"),
        ("port 80-90", 6, "needs `portrange`"),
        ("tcp.sin = 1", 1, "did you mean tcp.syn?"),
        ("ip.src = 80", 1, "ip.src is an address"),
        ("vlan 5000", 6, "above 4095"),
        ("tcp or 80", 8, "a primitive before a bare value"),
        ("10.0.0.1", 1, "a primitive before a bare value"),
        ("udp host 1.2.3.4", 10, "`udp` does not go with `host`"),
        ("icmp port 3", 11, "`icmp` has no ports"),
        ("host example.com", 6, "names are not looked up"),
        ("geneve", 1, "not supported"),
        ("hots 1.2.3.4", 1, "did you mean host?"),
        ("tcp and dst prt 80", 13, "got 'prt'; did you mean port?"),
        ("tcp dst prot 80", 9, "expected an address, `host`, `net`, `port` or `portrange`, got 'prot'"),
        ("src nt 10.0.0.0/8", 5, "did you mean net?"),
        ("§", 1, "expected a word or an operator"),
        ("tcp and vlan.vid ==", 20, "expected a number, an address or a prefix"),
        ("ether host 1.2.3.4", 12, "a MAC address"),
        ("ip6 host 1.2.3.4", 10, "does not go with an IPv4 address"),
        ("sctp port 80", 11, "SCTP ports"),
    ],
)
def test_errors_say_where_what_and_the_nearest_word(text: str, column: int, problem: str) -> None:
    with pytest.raises(FilterError) as caught:
        pcap_filter(text)
    assert problem in caught.value.problem
    assert caught.value.column == column
    lines = str(caught.value).splitlines()
    assert lines[1] == f"  {text}"
    assert lines[2].index("^") == column + 1


def test_a_mask_may_have_holes() -> None:
    from ipaddress import IPv4Address

    from nfuse.flow.traffic import ranges

    one = pcap_filter("dst net 10.0.0.1 mask 255.252.255.255")
    expected = ip.dst.within("10.0.0.1", "10.1.0.1", "10.2.0.1", "10.3.0.1")
    assert one == expected
    assert len(list(ranges.prefixes(one.ranges))) == 4  # type: ignore[attr-defined]
    assert str(IPv4Address("10.3.0.1")) in str(one)


def test_deep_nesting_is_no_problem() -> None:
    assert pcap_filter("(" * 50 + "tcp" + ")" * 50) == tcp
    assert pcap_filter(" or ".join(f"dst port {n}" for n in range(0, 600, 2))).matches is not None
