"""Frames for tests of engines, built from scratch: small enough to read, fast enough for property tests."""

from __future__ import annotations

import ipaddress
import struct

MAC_A, MAC_B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
FLAG_BITS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}


def ones(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo(src: bytes, dst: bytes, proto: int, size: int) -> bytes:
    return (
        src + dst + (struct.pack("!BBH", 0, proto, size) if len(src) == 4 else struct.pack("!IHBB", size, 0, 0, proto))
    )


def ip(
    src: str, dst: str, proto: int, body: bytes, ttl: int = 64, tos: int = 0, ident: int = 0, frag: int = 0
) -> bytes:
    """An IP packet of either family; `frag` is the IPv4 flags and offset word, or IPv6's offset word."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if a.version == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(body), ident, frag, ttl, proto, 0, a.packed, b.packed)
        return head[:10] + struct.pack("!H", ones(head)) + head[12:] + body
    if frag:
        more, offset = frag & 0x2000, (frag & 0x1FFF) << 3
        body = struct.pack("!BBHI", proto, 0, offset | (1 if more else 0), ident) + body
        proto = 44
    return struct.pack("!IHBB16s16s", 6 << 28 | tos << 20, len(body), proto, ttl, a.packed, b.packed) + body


def _sum(src: str, dst: str, proto: int, segment: bytes, at: int) -> bytes:
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    covered = segment if proto == 1 else pseudo(a, b, proto, len(segment)) + segment
    value = ones(covered)
    if proto == 17 and not value:
        value = 0xFFFF
    return segment[:at] + struct.pack("!H", value) + segment[at + 2 :]


def tcp_segment(
    src: str,
    dst: str,
    sport: int,
    dport: int,
    flags: str = "A",
    data: bytes = b"",
    seq: int = 1000,
    ack: int = 0,
    options: bytes = b"",
) -> bytes:
    """A TCP segment; `options` are filled up with no-operations."""
    bits = sum(FLAG_BITS[flag] for flag in flags)
    options += b"\1" * (-len(options) % 4)
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50 + 4 * len(options), bits, 8192, 0, 0)
    return _sum(src, dst, 6, head + options + data, 16)


def udp_datagram(src: str, dst: str, sport: int, dport: int, data: bytes = b"", checksum: bool = True) -> bytes:
    head = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
    return _sum(src, dst, 17, head + data, 6) if checksum else head + data


def icmp_message(src: str, dst: str, kind: int, code: int = 0, rest: bytes = b"\0\0\0\0", data: bytes = b"") -> bytes:
    proto = 58 if ":" in src else 1
    return _sum(src, dst, proto, struct.pack("!BBH", kind, code, 0) + rest + data, 2)


def ether(
    packet: bytes, vlan: int | None = None, etype: int | None = None, dst: bytes = MAC_B, src: bytes = MAC_A
) -> bytes:
    """An Ethernet frame around an IP packet (or anything with an EtherType)."""
    kind = etype if etype is not None else (0x86DD if packet[0] >> 4 == 6 else 0x0800)
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
    return dst + src + tag + struct.pack("!H", kind) + packet


def tcp(src: str, sport: int, dst: str, dport: int, flags: str = "A", data: bytes = b"", **more: int) -> bytes:
    return ether(ip(src, dst, 6, tcp_segment(src, dst, sport, dport, flags, data), **more))


def udp(src: str, sport: int, dst: str, dport: int, data: bytes = b"", **more: int) -> bytes:
    return ether(ip(src, dst, 17, udp_datagram(src, dst, sport, dport, data), **more))


def echo(src: str, dst: str, ident: int, reply: bool = False, data: bytes = b"ping", seq: int = 1) -> bytes:
    six = ":" in src
    kind = (129 if reply else 128) if six else (0 if reply else 8)
    return ether(ip(src, dst, 58 if six else 1, icmp_message(src, dst, kind, 0, struct.pack("!HH", ident, seq), data)))


def icmp_error(src: str, dst: str, quoted: bytes, kind: int | None = None, code: int = 1, most: int = 28) -> bytes:
    """An ICMP error from src to dst that quotes the first bytes of an IP packet."""
    six = ":" in src
    kind = kind if kind is not None else (1 if six else 3)
    return ether(ip(src, dst, 58 if six else 1, icmp_message(src, dst, kind, code, b"\0\0\0\0", quoted[:most])))


def fragments(frame: bytes, size: int = 16, ident: int = 7) -> list[bytes]:
    """Split an untagged frame of one IP packet into fragments of `size` bytes (a multiple of 8)."""
    packet = frame[14:]
    six = packet[0] >> 4 == 6
    head = 40 if six else 20
    src = str(ipaddress.ip_address(packet[8:24] if six else packet[12:16]))
    dst = str(ipaddress.ip_address(packet[24:40] if six else packet[16:20]))
    proto, body = packet[6] if six else packet[9], packet[head:]
    pieces = []
    for at in range(0, len(body), size):
        more = 0x2000 if at + size < len(body) else 0
        word = more | at >> 3
        pieces.append(ether(ip(src, dst, proto, body[at : at + size], ident=ident, frag=word)))
    return pieces


def text(frame: bytes) -> str:
    """An Ethernet frame on one line, for comparison in tests: ``tcp 10.0.0.1:1 > 10.0.0.2:80 S``."""
    at = 14
    etype = int.from_bytes(frame[12:14], "big")
    prefix = ""
    if etype == 0x8100:
        prefix = f"vlan {int.from_bytes(frame[14:16], 'big') & 0xFFF} "
        etype, at = int.from_bytes(frame[16:18], "big"), 18
    if etype not in (0x0800, 0x86DD):
        return f"{prefix}type {etype:04x}"
    return prefix + ip_text(frame[at:])


def ip_text(packet: bytes) -> str:
    six = packet[0] >> 4 == 6
    head = 40 if six else 4 * (packet[0] & 15)
    proto = packet[6] if six else packet[9]
    src = ipaddress.ip_address(packet[8:24] if six else packet[12:16])
    dst = ipaddress.ip_address(packet[24:40] if six else packet[16:20])
    ttl = packet[7] if six else packet[8]
    body = packet[head:]
    tail = "" if ttl == 64 else f" ttl {ttl}"
    offset = 0 if six else int.from_bytes(packet[6:8], "big") & 0x1FFF
    if six and proto == 44:
        proto, offset, body = body[0], int.from_bytes(body[2:4], "big") >> 3, body[8:]
    if offset:
        return f"fragment {offset * 8} {src} > {dst}{tail}"
    if proto in (6, 17):
        sport, dport = struct.unpack("!HH", body[:4])
        line = f"{'tcp' if proto == 6 else 'udp'} {src}:{sport} > {dst}:{dport}"
        if proto == 6 and len(body) > 13:
            line += " " + "".join(letter for letter, bit in FLAG_BITS.items() if body[13] & bit)
        return line + tail
    if proto in (1, 58):
        kind = body[0]
        if kind in (8, 128, 0, 129):
            what = "request" if kind in (8, 128) else "reply"
            return f"echo {what} {src} > {dst} id {int.from_bytes(body[4:6], 'big')}{tail}"
        return f"icmp {kind}/{body[1]} {src} > {dst} [{ip_text(body[8:])}]{tail}"
    if proto in (4, 41):
        return f"ipip {src} > {dst}{tail} [{ip_text(body)}]"
    return f"proto {proto} {src} > {dst}{tail}"


def sound(frame: bytes) -> bool:
    """Whether the IPv4 and L4 checksums of an untagged, unfragmented Ethernet frame are right."""
    packet = frame[14:]
    if packet[0] >> 4 == 4:
        head = 4 * (packet[0] & 15)
        src, dst, proto, body = (
            packet[12:16],
            packet[16:20],
            packet[9],
            packet[head : int.from_bytes(packet[2:4], "big")],
        )
        if ones(packet[:head]):
            return False
    else:
        src, dst, proto, body = packet[8:24], packet[24:40], packet[6], packet[40:]
    if proto == 17 and body[6:8] == b"\0\0":
        return True
    if proto in (6, 17, 58):
        return ones(pseudo(src, dst, proto, len(body)) + body) == 0
    return ones(body) == 0 if proto == 1 else True
