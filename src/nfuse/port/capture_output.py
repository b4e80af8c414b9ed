"""The output of ``pcap:FILE``.

The file is pcap with microseconds if the first packets come from a capture with microseconds, else with nanoseconds.
If a packet of another link type arrives, or one with a finer stamp, the file is rewritten as pcapng, which holds both.
``FILE.pcapng`` is pcapng from the start, ``FILE.gz`` is compressed. The file holds whole records only after each write,
and is a valid capture once it is closed: also after Ctrl-C, a full disk, or no packet at all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
import zlib
from collections.abc import Iterator
from types import FrameType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import Arena
from nfuse.memory.jit import compile_now
from nfuse.packet.desc import LINK_ETHERNET
from nfuse.port import pcap_write as writer
from nfuse.port.base import Order, Output
from nfuse.port.burst import Burst
from nfuse.port.errors import PortError, UriError
from nfuse.port.links import TO_CAPTURE
from nfuse.port.registry import output_port
from nfuse.port.source import Mapped

BUFFER_SIZE = 1 << 20

Format = Literal["auto", "pcap", "pcapng"]
Precision = Literal["auto", "us", "ns"]


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put Ctrl-C off until the block has ended (in the main thread; elsewhere it does not arrive)."""
    before = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    if not callable(before):
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: arrived.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if arrived:
        before(*arrived[0])


class File:
    """The file that an output writes: created at once, so that errors come early; compressed if its name says so.

    Raises:
        PortError: It can't be created, or is just being read.
    """

    def __init__(self, path: str, level: int) -> None:
        self.path = path
        if path == "-" and os.isatty(sys.stdout.fileno()):
            raise PortError(
                "standard output is a terminal, and packets are binary\n"
                "  expected: a file or a pipe behind it, as in `-o - > out.pcap` or `-o - | tcpdump -nr -`"
            )
        try:
            self._file = (
                os.dup(sys.stdout.fileno())
                if path == "-"
                else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            )
            status = os.fstat(self._file)
            if any(source.identity == (status.st_dev, status.st_ino) for source in Mapped.live):
                os.close(self._file)
                raise PortError(f"{path}: is being read; write to another file")
            self.regular = stat.S_ISREG(status.st_mode) and path != "-"
            if self.regular:
                os.ftruncate(self._file, 0)
        except OSError as error:
            raise PortError(f"{path}: can't be written: {error.strerror}") from error
        self._gzip = zlib.compressobj(level, wbits=31) if path.endswith(".gz") else None
        self._before = self._gzip
        self._whole = 0
        self.failed = False

    def write(self, data: memoryview | bytes) -> None:
        """Write all of `data` (whole records), or nothing of it.

        Raises:
            PortError: The disk is full, or another error of the system.
        """
        if self._gzip:
            self._before = self._gzip.copy()
            data = self._gzip.compress(data)
        self._write(data)

    def close(self) -> None:
        """Finish and close the file."""
        if self._file < 0:
            return
        try:
            if self._gzip and not self.failed:
                self._write(self._gzip.flush())
        finally:
            os.close(self._file)
            self._file = -1

    def _write(self, data: memoryview | bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self.failed = True
            if self.regular:
                self._cut()
            raise PortError(f"{self.path}: writing failed: {error.strerror}") from error
        self._whole += len(data)

    def _cut(self) -> None:
        """Leave what was whole before the write that failed, as a valid file."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._whole)
            os.lseek(self._file, self._whole, os.SEEK_SET)
            if self._before:
                os.write(self._file, self._before.flush())


@output_port("pcap")
class PcapOutput(Output):
    """Packets to a capture: compressed if PATH ends in ``.gz``. ``-`` as PATH is standard output.

    Args:
        path: The file, or ``-`` for standard output.
        format: ``pcap``, ``pcapng``, or ``auto``: pcapng if PATH ends in ``.pcapng``, or if the packets' link types
            differ; else pcap.
        precision: Of the stamps in pcap: ``us`` (microseconds), ``ns``, or ``auto``: as those of the input.
        level: Compression level for gzip, 1 to 9.

    Example:
        out.pcap.gz

    Raises:
        PortError: The file can't be created.
    """

    def __init__(self, path: str, *, format: Format = "auto", precision: Precision = "auto", level: int = 4) -> None:
        super().__init__(f"pcap:{path}")
        if not path:
            raise UriError("pcap: needs a file, as in pcap:out.pcap")
        if not 1 <= level <= 9:
            raise UriError(f"pcap: level={level}: expected 1 to 9")
        self._path, self._level = path, level
        self._precision = precision
        if format == "auto" and path.removesuffix(".gz").endswith(".pcapng"):
            format = "pcapng"
        self._format: Format = format
        self._arena = Arena(writer.WRITER_SIZE + BUFFER_SIZE, "capture writer")
        self._record: NDArray[np.int64] = self._arena.array(np.int64, writer.WRITER_SIZE // 8)  # type: ignore[assignment]
        self._buffer = self._arena.bytes[writer.WRITER_SIZE :].data
        self._record[0:2] = (self._arena.address + writer.WRITER_SIZE, BUFFER_SIZE)
        self._order = Order()
        self._write: Any = None
        self._closed = False
        self._file = File(path, level)

    @property
    def packets(self) -> int:
        """Packets sent so far."""
        return int(self._record[writer.PACKETS // 8])

    @property
    def bytes(self) -> int:
        """Sum of their lengths on the wire."""
        return int(self._record[writer.BYTES // 8])

    def prepare(self) -> None:
        """See :meth:`Port.prepare`."""
        compile_now(writer.write_pcapng if self._format == "pcapng" else writer.write_pcap)

    def send(self, burst: Burst, order: NDArray[np.int32]) -> None:
        """See :meth:`Output.send`.

        Raises:
            PortError: The disk is full, or another error of the system.
        """
        count, done = len(order), 0
        if not count:
            return
        if self._write is None:
            self._begin(int(burst.desc[int(order[0])]["link"]), burst.tick)
        elif burst.tick < self._unit:
            self._finer()
        at = self._order.put(order)
        while True:
            done = int(self._write(self._arena.address, burst.desc_address, at, done, count))
            if done == count:
                return
            link = int(burst.desc[int(order[done])]["link"])
            if link in self._links:
                self._flush()
            elif self._pcapng:
                self._describe(link)
            else:
                self._mixed()
                at = self._order.put(order)

    def flush(self) -> None:
        """Hand all whole records to the operating system."""
        if self._write is not None and not self._file.failed:
            self._flush()

    def close(self) -> None:
        """See :meth:`Port.close`."""
        if self._closed:
            return
        self._closed = True
        with uninterrupted():
            try:
                if self._write is None and not self._file.failed:
                    self._begin(LINK_ETHERNET, 1)
                self.flush()
            finally:
                self._file.close()

    # ------------------------------------------------------------------------------------------------------- inside

    def _begin(self, link: int, tick: int) -> None:
        """Choose the format by the first packet and write the header."""
        self._pcapng = self._format == "pcapng"
        self._links: set[int] = set()
        self._unit = 1
        if self._pcapng:
            self._put(writer.section_header())
            self._flush()  # at once: should the disk become full, the file is a capture
            self._write = writer.write_pcapng
            return
        self._unit = {"us": 1000, "ns": 1, "auto": 1000 if tick >= 1000 else 1}[self._precision]
        self._put(writer.pcap_header(link, self._unit))
        self._flush()
        self._links = {link}
        self._record[writer.ONLY // 8] = link
        self._record[writer.UNIT // 8] = self._unit
        self._write = writer.write_pcap

    def _describe(self, link: int) -> None:
        """Add an interface for a link type."""
        if link not in TO_CAPTURE:
            raise PortError(f"{self._path}: a packet of the unknown link type {link}")
        self._put(writer.interface_description(link))
        self._links.add(link)
        self._record[writer.NUMBERS // 8 + link] = len(self._links)

    def _put(self, data: Any) -> None:
        """Add a header to the buffer."""
        if int(self._record[writer.FILL // 8]) + len(data) > BUFFER_SIZE:
            self._flush()
        fill = int(self._record[writer.FILL // 8])
        self._buffer[fill : fill + len(data)] = data
        self._record[writer.FILL // 8] = fill + len(data)

    def _flush(self) -> None:
        with uninterrupted():
            fill = int(self._record[writer.FILL // 8])
            self._file.write(self._buffer[:fill])
            self._record[writer.FILL // 8] = 0

    def _finer(self) -> None:
        """Microseconds were promised, and here are nanoseconds."""
        if self._precision == "auto" and self._format == "auto" and self._file.regular:
            self._convert()
        else:
            self._record[writer.UNIT // 8] = 1000
            if not self.warnings:
                self.warnings.append(f"{self._path}: time stamps were cut to microseconds (precision=ns keeps them)")

    def _mixed(self) -> None:
        """A second link type: pcap can't hold it."""
        if self._format == "pcap" or not self._file.regular:
            raise PortError(
                f"{self._path}: packets of several link types don't fit into one pcap file; add ?format=pcapng"
            )
        self._convert()

    def _convert(self) -> None:
        """Rewrite the file so far as pcapng and go on in that."""
        from nfuse.port.pcap import PcapInput

        self.flush()
        self._file.close()
        suffix = ".part.gz" if self._path.endswith(".gz") else ".part"
        other = PcapOutput(self._path + suffix, format="pcapng", level=self._level)
        try:
            burst = Burst()
            with PcapInput(self._path) as before:
                while n := before.receive(burst):
                    other.send(burst, np.arange(n, dtype=np.int32))
            other.flush()
            os.replace(self._path + suffix, self._path)
        except BaseException:
            other._file.close()
            with contextlib.suppress(OSError):
                os.unlink(self._path + suffix)
            raise
        kept = self._record[writer.PACKETS // 8 : writer.BYTES // 8 + 1].copy()
        for name in ("_arena", "_record", "_buffer", "_file", "_links"):
            setattr(self, name, getattr(other, name))
        self._record[writer.PACKETS // 8 : writer.BYTES // 8 + 1] = kept
        self._file.path = self._path
        self._format, self._pcapng, self._unit, self._write = "pcapng", True, 1, writer.write_pcapng
