"""Frames over a small space of addresses and ports, so that filters hit, and their strategies."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

V4 = ["10.0.0.1", "10.0.0.2", "10.1.2.3", "192.168.1.1", "224.0.0.5", "255.255.255.255", "0.0.0.0"]
V6 = ["2001:db8::1", "2001:db8:8000::2", "::1", "ff02::1", "fe80::1"]
MACS = [b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", b"\xff" * 6, b"\1\0\x5e\0\0\5"]
PORTS = [0, 22, 53, 80, 443, 8080, 65535]


def v4(text: str) -> bytes:
    return bytes(int(part) for part in text.split("."))


def v6(text: str) -> bytes:
    import ipaddress

    return ipaddress.IPv6Address(text).packed


@st.composite
def l4(draw: st.DrawFn, six: bool) -> tuple[int, bytes]:
    kind = draw(st.sampled_from(["tcp", "udp", "icmp", "other"]))
    ports = struct.pack(">HH", draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS)))
    body = draw(st.binary(max_size=12))
    if kind == "tcp":
        return 6, ports + struct.pack(">IIBBHHH", 1, 2, 5 << 4, draw(st.integers(0, 255)), 100, 0, 0) + body
    if kind == "udp":
        return 17, ports + struct.pack(">HH", 8 + len(body), 0) + body
    if kind == "icmp":
        return 58 if six else 1, struct.pack(">BBHHH", draw(st.sampled_from([0, 3, 8, 11, 128])), 0, 0, 7, 1) + body
    return draw(st.sampled_from([2, 50, 51, 103, 112, 132, 200])), ports + body


@st.composite
def ip4(draw: st.DrawFn) -> bytes:
    proto, payload = draw(l4(False))
    options = draw(st.sampled_from([b"", b"", b"\x01\x01\x01\x00"]))
    fragment = draw(st.sampled_from([0, 0, 0, 0x4000, 0x2000, 0x2010, 0x0010]))
    ends = [v4(draw(st.sampled_from(V4))) for _ in range(2)]
    size = 20 + len(options) + len(payload)
    head = struct.pack(
        ">BBHHHBBH", 0x45 + len(options) // 4, 0, size, 1, fragment, draw(st.sampled_from([1, 64])), proto, 0
    )
    return head + b"".join(ends) + options + payload


@st.composite
def ip6(draw: st.DrawFn) -> bytes:
    proto, payload = draw(l4(True))
    following = proto
    extension = draw(st.sampled_from(["", "", "fragment", "later", "hop"]))
    if extension in ("fragment", "later"):
        payload = struct.pack(">BBHI", proto, 0, 0x0051 if extension == "later" else 1, 9) + payload
        following = 44
    elif extension == "hop":
        payload = struct.pack(">BB6x", proto, 0) + payload
        following = 0
    ends = [v6(draw(st.sampled_from(V6))) for _ in range(2)]
    return struct.pack(">IHBB", 6 << 28, len(payload), following, 64) + b"".join(ends) + payload


@st.composite
def arp(draw: st.DrawFn) -> bytes:
    ends = [v4(draw(st.sampled_from(V4))) for _ in range(2)]
    op = draw(st.sampled_from([1, 2]))
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, op) + b"\2" * 6 + ends[0] + bytes(6) + ends[1]


@st.composite
def network(draw: st.DrawFn) -> tuple[int, bytes]:
    kind = draw(st.sampled_from(["4", "4", "4", "6", "6", "arp", "rarp", "other"]))
    if kind == "4":
        return 0x0800, draw(ip4())
    if kind == "6":
        return 0x86DD, draw(ip6())
    if kind in ("arp", "rarp"):
        return 0x0806 if kind == "arp" else 0x8035, draw(arp())
    return draw(st.sampled_from([0x88CC, 4, 100, 50])), draw(st.binary(min_size=1, max_size=60))


@st.composite
def frames(draw: st.DrawFn, link: int = 1, cut: bool = True) -> bytes:
    """A frame of a link type, sometimes tagged, sometimes cut short."""
    ethertype, body = draw(network())
    if link == 1:
        macs = [
            draw(st.sampled_from([b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", b"\xff" * 6, b"\1\0\x5e\0\0\5"])) for _ in range(2)
        ]
        tags = b""
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
            kind, control = draw(st.sampled_from([0x8100, 0x88A8, 0x9100])), draw(st.sampled_from([5, 7, 0x2005]))
            tags += struct.pack(">HH", kind, control)
        frame = b"".join(macs) + tags + struct.pack(">H", ethertype) + body
    elif link == 2:
        frame = body
    elif link == 3:
        family = {0x0800: 2, 0x86DD: 10}.get(ethertype, 7)
        frame = struct.pack("<I", family) + body
    elif link == 4:
        frame = struct.pack(">HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1", ethertype) + body
    else:
        frame = struct.pack(">HHIHBB8s", ethertype, 0, 1, 1, 0, 6, b"\2\0\0\0\0\1") + body
    if cut and draw(st.integers(0, 5)) == 0:
        frame = frame[: draw(st.integers(0, len(frame)))]
    return frame


@st.composite
def filters(draw: st.DrawFn, strict: bool = False, depth: int = 3) -> str:
    """A filter in the language that tcpdump and we share; `strict`: also what only capture filters know."""
    if depth and draw(st.integers(0, 2)):
        kind = draw(st.sampled_from(["and", "or", "not", "group"]))
        left = draw(filters(strict, depth - 1))
        if kind == "not":
            return f"not ({left})"
        if kind == "group":
            return f"({left})"
        return f"{left} {kind} {draw(filters(strict, depth - 1))}"
    side = draw(st.sampled_from(["", "src ", "dst ", "src or dst ", "src and dst "]))
    four, six, port = draw(st.sampled_from(V4)), draw(st.sampled_from(V6)), draw(st.sampled_from(PORTS))
    proto = draw(st.sampled_from(["", "tcp ", "udp "]))
    numbers = st.sampled_from([0, 1, 2, 4, 6, 8, 12, 13, 16, 20, 40, 255])
    header = draw(st.sampled_from(["ip", "tcp", "udp", "icmp", "ip6", "ether", "arp"]))
    size = draw(st.sampled_from(["", ":1", ":2", ":4"]))
    operator = draw(st.sampled_from(["&", "|", "+", "-", "*", "/", "%", "^", "<<", ">>"]))
    relation = draw(st.sampled_from(["=", "!=", "<", ">", "<=", ">="]))
    index = draw(st.sampled_from(["0", "1", "6", "9", "12", "13", "16", f"{header}[0] & 15", "len - 30"]))
    number = draw(numbers) or (1 if operator in "/%" else 0)
    number %= 32 if operator in ("<<", ">>") else 256
    choices = [
        "tcp", "udp", "ip", "ip6", "arp", "icmp", "icmp6", f"{side}host {four}", f"{side}host {six}", "proto 50",
        f"{side}net 10.0.0.0/8", f"{side}net 192.168", f"{side}net 2001:db8::/33", f"{proto}{side}port {port}",
        f"{proto}{side}portrange 22-443", f"{proto}port 80 or 443 or not 22", f"ip proto {draw(numbers)}",
        "ip6 proto 6", "less 60", "greater 70", "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0", "vlan", "vlan 5", "vlan 7",
        "multicast", f"{header}[{index}{size}] {relation} {number}",
        f"{header}[{index}{size}] {operator} {number} {relation} 5",
        f"len {operator} {number or 1} {relation} 40", "ether host 2:0:0:0:0:1", "broadcast", "ip multicast",
        "ip6 multicast", f"arp host {four}", "ether proto 0x88cc", "esp", "igmp", "sctp", "pim", "ip broadcast",
    ]  # fmt: skip
    if strict:
        choices += ["ether proto 4", "rarp", f"rarp {side}host {four}", "sctp port 80", "igmp[0] = 0", "sctp[1] > 0"]
    return draw(st.sampled_from(choices))
