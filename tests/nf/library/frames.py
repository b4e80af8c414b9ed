"""Frames for the tests of NFs: built and read with ``struct`` and ``ipaddress`` only, checksums included."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, replace

FLAGS = "FSRPAUEW"
NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "icmp6": 58}
NAMES = {number: name for name, number in NUMBERS.items()}
ETHERNET = bytes.fromhex("020000000002 020000000001")


@dataclass(frozen=True)
class Packet:
    """What the tests look at. For echo requests `sport` is the identifier, for replies `dport`."""

    src: str = "10.0.0.1"
    dst: str = "198.18.0.1"
    proto: str = "tcp"
    sport: int = 1000
    dport: int = 80
    flags: str = ""
    payload: bytes = b""
    ttl: int = 64
    reply: bool = False

    def back(self, **changes: object) -> Packet:
        """Return the answer to this packet."""
        turned = replace(self, src=self.dst, dst=self.src, sport=self.dport, dport=self.sport)
        return replace(turned, reply=not self.reply if "icmp" in self.proto else False, **changes)  # type: ignore[arg-type]

    def to(self, **changes: object) -> Packet:
        """Return the same with changes."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def frame(self) -> bytes:
        """Return the Ethernet frame."""
        src, dst = ipaddress.ip_address(self.src), ipaddress.ip_address(self.dst)
        number = NUMBERS[self.proto]
        body = self._l4()
        pseudo = src.packed + dst.packed + struct.pack("!II", len(body), number)
        at = {"icmp": 2, "icmp6": 2, "tcp": 16, "udp": 6}[self.proto]
        check = checksum(body if self.proto == "icmp" else pseudo + body)
        if self.proto == "udp" and check == 0:
            check = 0xFFFF
        body = body[:at] + struct.pack("!H", check) + body[at + 2 :]
        if src.version == 6:
            ip = struct.pack("!IHBB", 6 << 28, len(body), number, self.ttl) + src.packed + dst.packed
            return ETHERNET + b"\x86\xdd" + ip + body
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0x4000, self.ttl, number, 0) + src.packed + dst.packed
        return ETHERNET + b"\x08\x00" + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + body

    def _l4(self) -> bytes:
        if self.proto == "tcp":
            bits = sum(1 << FLAGS.index(letter) for letter in self.flags)
            return struct.pack("!HHIIBBHHH", self.sport, self.dport, 1, 1, 0x50, bits, 512, 0, 0) + self.payload
        if self.proto == "udp":
            return struct.pack("!HHHH", self.sport, self.dport, 8 + len(self.payload), 0) + self.payload
        kind = {("icmp", False): 8, ("icmp", True): 0, ("icmp6", False): 128, ("icmp6", True): 129}
        identifier = self.dport if self.reply else self.sport
        return struct.pack("!BBHHH", kind[self.proto, self.reply], 0, 0, identifier, 1) + self.payload


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def read(frame: bytes) -> Packet:
    """Read a frame made by :meth:`Packet.frame`, or by a chain from one; asserts that all checksums are right."""
    ip = frame[14:]
    if frame[12:14] == b"\x86\xdd":
        number, ttl, head = ip[6], ip[7], 40
        src, dst = ip[8:24], ip[24:40]
        body = ip[40 : 40 + struct.unpack("!H", ip[4:6])[0]]
    else:
        number, ttl, head = ip[9], ip[8], (ip[0] & 15) * 4
        src, dst = ip[12:16], ip[16:20]
        body = ip[head : struct.unpack("!H", ip[2:4])[0]]
        assert checksum(ip[:head]) == 0, "IPv4 header checksum"
    pseudo = b"" if number == 1 else src + dst + struct.pack("!II", len(body), number)
    if not (number == 17 and body[6:8] == b"\0\0"):
        assert checksum(pseudo + body) == 0, f"checksum of protocol {number}"
    found = Packet(str(ipaddress.ip_address(src)), str(ipaddress.ip_address(dst)), NAMES[number], 0, 0, ttl=ttl)
    if number == 6:
        flags = "".join(letter for bit, letter in enumerate(FLAGS) if body[13] >> bit & 1)
        sport, dport = struct.unpack("!HH", body[:4])
        return found.to(sport=sport, dport=dport, flags=flags, payload=body[(body[12] >> 4) * 4 :])
    if number == 17:
        sport, dport = struct.unpack("!HH", body[:4])
        return found.to(sport=sport, dport=dport, payload=body[8:])
    (identifier,) = struct.unpack("!H", body[4:6])
    if body[0] in (8, 128):
        return found.to(sport=identifier, payload=body[8:])
    if body[0] in (0, 129):
        return found.to(dport=identifier, reply=True, payload=body[8:])
    return found.to(payload=body)
