"""``gen:?flows=1000&packets=1e6&...``: a traffic generator.

Packets are made natively, with valid checksums, and depend on the options alone (not on the size of bursts, nor on
whether code is compiled). Each packet belongs to one of `flows` flows that are active at a time; a flow that has sent
all its packets makes room for a new one. Time stamps advance by 1/rate.

The heavy-tailed flow sizes are shaped after Benson, Akella and Maltz, "Network traffic characteristics of data centers
in the wild", IMC 2010: most flows have less than 10 kB, and few carry most of the bytes.
"""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import Arena
from nfuse.memory.jit import compile_now
from nfuse.port import gen_kernel as kernel
from nfuse.port.base import Input
from nfuse.port.burst import MAX_FRAME, Burst
from nfuse.port.errors import UriError
from nfuse.port.gen_flow import SLOT_SIZE, mix
from nfuse.port.registry import input_port

IMIX = [64] * 7 + [594] * 4 + [1518]
"""Simple IMIX: 7 : 4 : 1."""
HEAVY = [
    (0.0, 64),
    (0.25, 300),
    (0.5, 1_200),
    (0.8, 10_000),
    (0.9, 60_000),
    (0.95, 250_000),
    (0.99, 3_000_000),
    (0.999, 30_000_000),
    (1.0, 100_000_000),
]
"""Flow sizes: share of flows, bytes; between the points the logarithm is linear."""
BYTES_PER_PACKET = 1_000
"""How flow sizes in bytes become packets."""
PORTS = 64_512
TCP_OF_256, TCP_OR_UDP_OF_256 = 192, 248
SESSION_LENGTH = 16
LARGEST_HEADERS = 80


def random_state(seed: int, stream: int) -> int:
    """Return the first state of a random stream: 64 bits that are not all 0."""
    return _signed(mix(_signed(mix(_signed(seed)) + stream)) or 1)


@dataclass(frozen=True)
class Payload:
    """The text of which each packet carries the beginning, and the sums of its 16-bit words."""

    arena: Arena
    text: int
    sums: int


def payload() -> Payload:
    """Build the payload: 64 KiB of printable characters."""
    size = 1 << 16
    arena = Arena(size + 4 * size + 4, "generator payload")
    index = np.arange(size)
    text = (32 + (index * 7 + index // 95) % 95).astype(np.uint8)
    arena.bytes[:size] = text
    worth = text.astype(np.int64)
    worth[0::2] <<= 8
    arena.array(np.uint32, size + 1, size)[1:] = np.cumsum(worth)
    return Payload(arena, arena.address, arena.address + size)


def heavy_quantiles() -> NDArray[np.int64]:
    """Return flow lengths in packets at 4097 equidistant quantiles."""
    lengths, at = [], 0
    for i in range(4097):
        share = i / 4096
        while share > HEAVY[at + 1][0]:
            at += 1
        (low, a), (high, b) = HEAVY[at], HEAVY[at + 1]
        size = a * math.exp(math.log(b / a) * (share - low) / (high - low))
        lengths.append(1 + int(size) // BYTES_PER_PACKET)
    return np.array(lengths, dtype=np.int64)


def frame_sizes(text: str) -> list[int]:
    """Parse the option `size`: ``64``, ``64,594,1518`` (evenly drawn), ``64-1500`` (evenly drawn), ``imix``.

    Raises:
        UriError: It is none of these.
    """
    if text == "imix":
        return IMIX
    try:
        if "-" in text:
            low, high = map(int, text.split("-"))
            sizes = list(range(low, high + 1))
        else:
            sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1 or max(sizes) > MAX_FRAME:
        raise UriError(
            f"gen: size={text}: expected frame sizes up to {MAX_FRAME:,} bytes, as 64, 64,594,1518, 64-1500, or imix"
        )
    return sizes


def network(option: str, text: str, version: int) -> tuple[int, int]:
    """Parse a prefix and return (first usable address, how many there are).

    Raises:
        UriError: It is no prefix of this IP version.
    """
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        found = None
    if found is None or found.version != version:
        raise UriError(f"gen: {option}={text}: expected an IPv{version} prefix, such as 10.0.0.0/8 or 2001:db8::/48")
    count = min(found.num_addresses, 1 << 30)
    first = int(found.network_address)
    return (first, count) if count <= 2 else (first + 1, count - 2)


@input_port("gen")
class Generator(Input):
    """Generated packets, with valid checksums; the same options always give the same packets.

    Args:
        flows: Flows that are active at a time.
        packets: Packets in all; 0: no end.
        size: Frame sizes in bytes, without check sequence: ``64``, ``64,594``, ``64-1500``, ``imix``. Headers are
            always whole; TCP packets without data (of sessions) have 60 bytes.
        proto: ``tcp``, ``udp``, ``icmp`` (echo), or ``mixed`` (by flows: 75 % TCP, 22 % UDP, 3 % echo).
        dist: How packets spread over flows: ``uniform``, ``zipf`` (the popularity of a slot falls with its rank),
            ``heavy`` (uniform over the active flows, whose sizes are heavy-tailed), ``round`` (in turn).
        zipf: The exponent of ``zipf``.
        length: Packets of a flow, then another takes its place; 0: endless (16 for ``tcp=sessions``).
        new: Share of the flows that is replaced each second by new ones.
        ip: ``4``, ``6``, or ``mixed`` (half of the flows each).
        tcp: ``data`` (each packet carries data) or ``sessions`` (handshake, data, FIN).
        reply: ``no``: packets of the opening direction only; ``yes``: of both; ``sides``: of both, and those against
            the opening direction come from the other side.
        rate: Packets a second, by the stamps.
        start: Stamp of the first packet, seconds since the epoch.
        seed: Another seed, other packets.
        vlan: VLAN identifier; 0: no tag.
        inside: Prefix of the sources.
        outside: Prefix of the destinations.
        inside6: Prefix of the IPv6 sources.
        outside6: Prefix of the IPv6 destinations.
        hosts: Sources; 0: an eighth of the flows, at least 16.
        servers: Destinations.
        dport: Destination port; 0: ports of well-known services.
        side: 0 forward input, 1 reverse input.
        inport: Index of the input port.

    Example:
        gen:?flows=100&packets=1e5&proto=udp&size=imix

    Raises:
        UriError: An option has no sensible value.
    """

    def __init__(
        self,
        *,
        flows: int = 1000,
        packets: int = 1_000_000,
        size: str = "64",
        proto: Literal["tcp", "udp", "icmp", "mixed"] = "mixed",
        dist: Literal["uniform", "zipf", "heavy", "round"] = "uniform",
        zipf: float = 1.0,
        length: int = 0,
        new: float = 0.0,
        ip: Literal["4", "6", "mixed"] = "4",
        tcp: Literal["data", "sessions"] = "data",
        reply: Literal["no", "yes", "sides"] = "no",
        rate: float = 1e6,
        start: float = 1.7e9,
        seed: int = 1,
        vlan: int = 0,
        inside: str = "10.0.0.0/8",
        outside: str = "198.18.0.0/15",
        inside6: str = "2001:db8::/48",
        outside6: str = "2001:db8:ffff::/48",
        hosts: int = 0,
        servers: int = 64,
        dport: int = 0,
        side: int = 0,
        inport: int = 0,
    ) -> None:
        super().__init__("gen:", side, inport)
        for name, value, low, high in (
            ("flows", flows, 1, 1 << 24),
            ("packets", packets, 0, 1 << 62),
            ("rate", rate, 0.001, 1e9),
            ("new", new, 0, 1e6),
            ("length", length, 0, 1 << 31),
            ("zipf", zipf, 0, 10),
            ("vlan", vlan, 0, 4094),
            ("dport", dport, 0, 65_535),
            ("hosts", hosts, 0, 1 << 30),
            ("servers", servers, 1, 1 << 30),
            ("start", start, 0, 9e9),
            ("seed", seed, -(1 << 63), (1 << 63) - 1),
        ):
            if not low <= value <= high:
                raise UriError(f"gen: {name}={value}: expected {low} to {high}")
        sizes = frame_sizes(size)
        first4, hosts4 = network("inside", inside, 4)
        to4, servers4 = network("outside", outside, 4)
        first6, hosts6 = network("inside6", inside6, 6)
        to6, servers6 = network("outside6", outside6, 6)
        room = {"4": hosts4, "6": hosts6, "mixed": min(hosts4, hosts6)}[ip]
        hosts = min(hosts or max(16, flows // 8), room)
        servers = min(servers, {"4": servers4, "6": servers6, "mixed": min(servers4, servers6)}[ip])
        if hosts * PORTS < flows:
            raise UriError(f"gen: {hosts} sources have room for {hosts * PORTS:,} flows, not {flows:,}")
        spread = max(1, int(hosts * 0.618))
        while math.gcd(spread, hosts) != 1:
            spread += 1
        parts = round(rate * 1000)
        step, part = divmod(10**12, parts)

        self._packets = packets
        self._slots = Arena(flows * SLOT_SIZE, "generator flows")
        self._slots.advise_huge()
        self._payload = payload()
        tables = 8 * 4097 + 4 * len(sizes)
        self._state = Arena(kernel.GENERATOR_SIZE + 64 + tables, "generator")
        at = kernel.GENERATOR_SIZE
        self._state.array(np.int64, 4097, at)[:] = heavy_quantiles()
        size_at = at + 8 * 4097
        self._state.array(np.uint32, len(sizes), size_at)[:] = sizes
        address = self._state.address
        self._alias: Arena | None = self._weights(flows, zipf) if dist == "zipf" else None
        self._record = self._state.array(np.int64, kernel.GENERATOR_SIZE // 8)
        for offset, value in (
            (kernel.PICKING, random_state(seed, 1)),
            (kernel.FILLING, random_state(seed, 2)),
            (kernel.SALT, random_state(seed, 3)),
            (kernel.SLOTS, self._slots.address),
            (kernel.FLOWS, flows),
            (kernel.LEFT, packets or -1),
            (kernel.CLOCK, round(start * 1e9)),
            (kernel.STEP, step),
            (kernel.PART, part),
            (kernel.PARTS, parts),
            (kernel.ORDER, {"zipf": kernel.WEIGHTED, "round": kernel.ROUND}.get(dist, kernel.UNIFORM)),
            (kernel.ALIAS, self._alias.address if self._alias else 0),
            (kernel.QUANTILES, address + at if dist == "heavy" else 0),
            (kernel.FIXED, length or (SESSION_LENGTH if tcp == "sessions" else 0)),
            (kernel.SIZES, address + size_at),
            (kernel.SIZE_COUNT, len(sizes)),
            (kernel.LARGEST, max(*sizes, LARGEST_HEADERS)),
            (kernel.RENEW, round(flows * new * 1000)),
            (kernel.RENEWS, parts),
            (kernel.TCP_SHARE, {"tcp": 256, "mixed": TCP_OF_256}.get(proto, 0)),
            (kernel.UDP_SHARE, {"icmp": 0, "mixed": TCP_OR_UDP_OF_256}.get(proto, 256)),
            (kernel.V6_SHARE, {"4": 0, "6": 256, "mixed": 128}[ip]),
            (kernel.HOSTS, hosts),
            (kernel.SPREAD, spread),
            (kernel.SERVERS, servers),
            (kernel.INSIDE4, 0xFFFF00000000 | first4),
            (kernel.OUTSIDE4, 0xFFFF00000000 | to4),
            (kernel.INSIDE6, _signed(first6 >> 64)),
            (kernel.INSIDE6 + 8, _signed(first6)),
            (kernel.OUTSIDE6, _signed(to6 >> 64)),
            (kernel.OUTSIDE6 + 8, _signed(to6)),
            (kernel.VLAN, vlan),
            (kernel.SESSIONS, int(tcp == "sessions")),
            (kernel.REPLY, int(reply != "no")),
            (kernel.SIDES, 256 if reply == "sides" else 0),
            (kernel.DPORT, dport),
            (kernel.TEXT, self._payload.text),
            (kernel.SUMS, self._payload.sums),
            (kernel.WHERE, 1 | side << 8 | inport << 16),
        ):
            self._record[offset // 8] = value

    @staticmethod
    def _weights(flows: int, exponent: float) -> Arena:
        """Build the alias table of a Zipf distribution."""
        table = Arena(8 * flows, "generator popularity")
        work = Arena(16 * flows, "generator weights")
        first = 1 << (62 - (flows - 1).bit_length())
        ranks = np.arange(1, flows + 1, dtype=np.float64)
        work.array(np.int64, flows)[:] = np.maximum(1, (first / ranks**exponent / 64).astype(np.int64))
        kernel.weigh(work.address, work.address + 8 * flows, table.address, flows)
        return table

    def prepare(self) -> None:
        """See :meth:`Port.prepare`."""
        compile_now(kernel.generate)

    def receive(self, burst: Burst) -> int:
        """See :meth:`Input.receive`."""
        burst.reset()
        burst.tick = 1
        return int(kernel.generate(self._state.address, burst.address))

    @property
    def flows_begun(self) -> int:
        """Flows begun so far."""
        return int(self._record[kernel.OPENED // 8])

    @property
    def position(self) -> int:
        """Packets made so far."""
        return self._packets - int(self._record[kernel.LEFT // 8]) if self._packets else 0

    @property
    def size(self) -> int:
        """Packets in all; 0: no end."""
        return self._packets


def _signed(value: int) -> int:
    value = int(value) & ((1 << 64) - 1)
    return value - (1 << 64) if value >> 63 else value
