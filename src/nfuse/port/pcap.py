"""``pcap:FILE``: captures, in pcap and pcapng, also compressed with gzip; ``-`` is standard input or output.

Input: time stamps become nanoseconds, link types those of descriptors. A file that breaks off, or turns into nonsense,
is read to its last whole record; :attr:`PcapInput.truncated` is set and a warning says where. Output: see
:mod:`nfuse.port.pcap_write`.
"""

from __future__ import annotations

import struct

import numpy as np

from nfuse.memory.arena import Arena, read_bytes
from nfuse.memory.jit import compile_now
from nfuse.port import pcap_read as reader
from nfuse.port import pcapng
from nfuse.port.base import Input
from nfuse.port.burst import Burst
from nfuse.port.capture_output import PcapOutput
from nfuse.port.errors import CaptureError, UriError
from nfuse.port.links import FROM_CAPTURE, unknown_link
from nfuse.port.registry import input_port
from nfuse.port.source import open_source

__all__ = ["PcapInput", "PcapOutput"]

MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""First 4 bytes of a pcap file: byte order, nanoseconds of a unit of a stamp's fraction."""
LARGEST_PCAP = 262_144
"""A longer record of a pcap file is nonsense, unless the file's snap length allows it."""
LARGEST = 64 << 20
"""No record is longer than this."""
MAX_INTERFACES = 1 << 16


@input_port("pcap")
class PcapInput(Input):
    """Packets of a capture: pcap or pcapng, also compressed with gzip. ``-`` as PATH is standard input.

    Args:
        path: The file, or ``-``.
        reverse: pcapng: which interfaces' packets came in by the reverse input: numbers or names, separated by
            commas; or ``outbound``: those whose flags say so.
        side: 0 forward input, 1 reverse input.
        inport: Index of the input port.

    Example:
        trace.pcap.gz (a port without a scheme is a capture)

    Attributes:
        interfaces: pcapng: the interfaces of the current section.

    Raises:
        PortError: The file can't be opened.
        CaptureError: It is no capture, is empty, or has an unknown link type.
    """

    def __init__(self, path: str, *, reverse: str | None = None, side: int = 0, inport: int = 0) -> None:
        super().__init__(f"pcap:{path}", side, inport)
        if not path:
            raise UriError("pcap: needs a file, as in pcap:trace.pcap")
        self._path = path
        self._reverse = set(reverse.split(",")) if reverse else set()
        self.interfaces: list[pcapng.Interface] = []
        self._state = Arena(reader.READER_SIZE + MAX_INTERFACES * reader.INTERFACE_SIZE, "capture reader")
        self._record = self._state.array(np.int64, self._state.size // 8)
        self._source, magic = open_source(path)
        try:
            self._set(reader.POSITION, self._source.start)
            self._set(reader.STOP, self._source.stop)
            self._set(reader.LARGEST, LARGEST)
            self._set(reader.WHERE, side << 8 | inport << 16)
            self._set(reader.INTERFACES, self._state.address + reader.READER_SIZE)
            self._tick = 1
            self._ended = False
            self._told = False
            if magic == pcapng.MAGIC:
                self._read = reader.read_pcapng
                self._set(reader.BY_FLAGS, int("outbound" in self._reverse))
                self._first_section()
            elif magic in MAGICS:
                self._read = reader.read_pcap
                self._pcap_header(*MAGICS[magic])
                if reverse:
                    raise UriError(f"{path}: the option 'reverse' needs interfaces: pcapng has some, pcap has none")
            else:
                raise CaptureError(
                    f"{path}: is no capture: it starts with {magic.hex(' ')}, not with the magic number of pcap "
                    "(d4 c3 b2 a1 and kin) or pcapng (0a 0d 0d 0a)"
                )
        except BaseException:
            self._source.close()
            raise

    def prepare(self) -> None:
        """See :meth:`Port.prepare`."""
        compile_now(self._read)

    def receive(self, burst: Burst) -> int:
        """See :meth:`Input.receive`."""
        burst.reset()
        burst.tick = self._tick
        while not self._ended and burst.n < burst.limit:
            reason = int(self._read(self._state.address, burst.address))
            if reason == reader.FULL:
                break
            if reason == reader.MORE:
                self._more()
            elif reason == reader.HEADER:
                if not self._header():
                    self._end("is corrupt")
            elif reason == reader.SKIP:
                self._move(self._source.skip(self._get(reader.POSITION), self._get(reader.NEED)))
            else:
                self._end("is corrupt")
            if self._get(reader.UNKNOWN) and not any(i.link in FROM_CAPTURE for i in self.interfaces):
                raise unknown_link(self._path, self.interfaces[0].link)
        self._position = self._source.consumed(self._get(reader.POSITION))
        if self._ended:
            self._account()
        return burst.n

    _position = 0

    @property
    def position(self) -> int:
        """Bytes of the file that have been read."""
        return self._position

    @property
    def size(self) -> int:
        """Bytes of the file; 0 if unknown (a pipe)."""
        return self._source.size

    def close(self) -> None:
        """See :meth:`Port.close`."""
        if not self._ended:
            self._ended = True
            self._account()
        self._source.close()

    # ------------------------------------------------------------------------------------------------------- inside

    def _get(self, offset: int) -> int:
        return int(self._record[offset // 8])

    def _set(self, offset: int, value: int) -> None:
        self._record[offset // 8] = value

    def _move(self, position: int) -> None:
        self._set(reader.POSITION, position)
        self._set(reader.STOP, self._source.stop)

    def _more(self) -> None:
        """Get more of the input, or end."""
        position, need = self._get(reader.POSITION), self._get(reader.NEED)
        left = self._source.stop - position
        position = self._source.more(position, need)
        self._move(position)
        if self._source.stop - position <= left:
            self._end("breaks off" if left or self._source.problem else "")

    def _end(self, what: str) -> None:
        """No more packets; `what` says what is wrong, if anything."""
        self._ended = True
        if what:
            self.truncated = True
            at = "" if self._source.problem else f" at byte {self._source.consumed(self._get(reader.POSITION)):,}"
            why = f": {self._source.problem}" if self._source.problem else ""
            self.warnings.append(f"{self._path}: {what}{at}{why}; all whole records before that were read")

    def _account(self) -> None:
        """Tell once of the records that were passed over."""
        if self._told:
            return
        self._told = True
        for offset, what in (
            (reader.OVERSIZE, "larger than 65,549 bytes"),
            (reader.UNDECLARED, "of interfaces that the file does not describe"),
            (reader.UNKNOWN, "of interfaces with a link type that can't be read"),
        ):
            if count := self._get(offset):
                self.skipped += count
                self.warnings.append(f"{self._path}: {count:,} packets were passed over: {what}")

    def _pcap_header(self, order: str, unit: int) -> None:
        start = self._source.start
        if self._source.stop - start < 24:
            self._move(start := self._source.more(start, 24))
        if self._source.stop - start < 24:
            raise CaptureError(f"{self._path}: is cut off inside its header (24 bytes are needed)")
        snap, network = struct.unpack(order + "II", read_bytes(start + 16, 8))
        link = network & 0xFFFF  # above are the length of the frame check sequence, and flags
        if link not in FROM_CAPTURE:
            raise unknown_link(self._path, link)
        self._move(start + 24)
        self._set(reader.SWAP, int(order == ">"))
        self._set(reader.UNIT, unit)
        self._set(reader.WHERE, self._get(reader.WHERE) | FROM_CAPTURE[link])
        self._set(reader.LARGEST, min(LARGEST, max(LARGEST_PCAP, snap)))
        self._tick = unit

    def _first_section(self) -> None:
        start = self._source.start
        if self._source.stop - start < 28:
            self._move(start := self._source.more(start, 28))
        if not self._header():
            raise CaptureError(f"{self._path}: starts like pcapng, but its section header is corrupt or cut off")

    def _header(self) -> bool:
        """Deal with the section header or interface description at the position; returns whether it is sound."""
        position = self._get(reader.POSITION)
        start = read_bytes(position, min(12, self._source.stop - position))
        order = "<>"[self._get(reader.SWAP)]
        section = start[:4] == pcapng.MAGIC
        if section:
            found = pcapng.byte_order(start)
            if found is None:
                return False
            order = found
        total = struct.unpack_from(order + "I", start, 4)[0]
        if total % 4 or not (28 if section else 20) <= total <= LARGEST:
            return False
        if self._source.stop - position < total:
            position = self._source.more(position, total)
            self._move(position)
            if self._source.stop - position < total:
                return False
        block = read_bytes(position, total)
        if struct.unpack_from(order + "I", block, total - 4)[0] != total:
            return False
        if section:
            self._set(reader.SWAP, int(order == ">"))
            self._set(reader.DECLARED, 0)
            self.interfaces = []
        elif not self._declare(pcapng.parse_interface(block, order)):
            return False
        self._set(reader.POSITION, position + total)
        return True

    def _declare(self, interface: pcapng.Interface | None) -> bool:
        number = len(self.interfaces)
        if interface is None or number >= MAX_INTERFACES:
            return False
        reverse = str(number) in self._reverse or (interface.name in self._reverse)
        at = (reader.READER_SIZE + number * reader.INTERFACE_SIZE) // 8
        self._record[at : at + 6] = (
            FROM_CAPTURE.get(interface.link, 0),
            interface.kind,
            interface.value,
            interface.offset,
            interface.snap,
            int(reverse) ^ self.side,
        )
        self.interfaces.append(interface)
        self._set(reader.DECLARED, number + 1)
        return True
