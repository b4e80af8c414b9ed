"""Where a capture's bytes come from: a mapped file, or a stream (a pipe, gzip) read through a window.

Both give native code an address range, the window ``[position, stop)``. A mapped file is one window; its passed pages
are given back, so that a capture of any size costs little memory. A stream's window moves on when it is asked for more.
"""

from __future__ import annotations

import ctypes
import difflib
import mmap
import os
import re
import stat
import sys
import weakref
import zlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nfuse.memory.arena import Arena, View, read_bytes
from nfuse.port.errors import CaptureError, PortError

RELEASE = 32 << 20
"""Give back the pages of a mapped file each time that so many bytes have passed."""
WINDOW = 64 << 20
"""Largest record of a stream; address space only, the memory in use is a chunk and the record."""
CHUNK = 1 << 20


class Source(Protocol):
    """Bytes of a capture, in a window that native code can read."""

    start: int
    stop: int
    problem: str

    def more(self, position: int, need: int) -> int:
        """Move the window so that it starts at `position` and holds `need` bytes, if there are so many.

        Returns:
            The new address of what was at `position`; :attr:`stop` tells how much there is.
        """

    def skip(self, position: int, count: int) -> int:
        """Pass over `count` bytes that may exceed the window; returns the address of what follows."""

    def consumed(self, position: int) -> int:
        """Return how many bytes of the file have been read, given the address of the next record."""

    @property
    def size(self) -> int:
        """Bytes of the file; 0 if unknown."""

    def close(self) -> None:
        """Release the file."""


class Mapped:
    """A regular file, mapped."""

    live: weakref.WeakSet[Mapped] = weakref.WeakSet()

    def __init__(self, descriptor: int, size: int) -> None:
        status = os.fstat(descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self.problem = ""
        self.size = size
        self._map: mmap.mmap | None = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        os.close(descriptor)
        self._map.madvise(mmap.MADV_SEQUENTIAL)
        self._bytes: NDArray[np.uint8] | None = np.frombuffer(self._map, dtype=np.uint8)
        self._view: View | None = View(self._bytes)
        self.start = self._view.address
        self.stop = self.start + size
        self._released = 0
        Mapped.live.add(self)

    def more(self, position: int, need: int) -> int:
        """There is never more."""
        return position

    def skip(self, position: int, count: int) -> int:
        """See :meth:`Source.skip`."""
        return min(position + count, self.stop)

    def consumed(self, position: int) -> int:
        """See :meth:`Source.consumed`; also gives passed pages back."""
        passed = position - self.start
        if passed - self._released >= RELEASE and self._map is not None:
            end = passed // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_DONTNEED, self._released, end - self._released)
            self._released = end
        return passed

    def close(self) -> None:
        """See :meth:`Source.close`."""
        Mapped.live.discard(self)
        self._view = self._bytes = None
        if self._map is not None:
            try:
                self._map.close()
            except BufferError:  # an array of it is still alive: it goes with the last one
                pass
            self._map = None


class Streamed:
    """A pipe or a compressed file, read through a window."""

    def __init__(self, descriptor: int, size: int, head: bytes) -> None:
        self._file = descriptor
        self._read = 0
        self.size = size
        self.problem = ""
        self._pending = head
        self._inflate = zlib.decompressobj(31) if head[:2] == b"\x1f\x8b" else None
        self._tail = b""
        self._arena = Arena(WINDOW + 2 * CHUNK, "capture window")
        self.start = self._arena.address
        self.stop = self.start

    def more(self, position: int, need: int) -> int:
        """See :meth:`Source.more`."""
        left = self.stop - position
        ctypes.memmove(self.start, position, left)
        self.stop = self.start + left
        while self.stop - self.start < max(need, left + 1) and self.stop - self.start <= WINDOW:
            data = self._chunk()
            if not data:
                break
            at = self.stop - self.start
            self._arena.bytes[at : at + len(data)] = np.frombuffer(data, dtype=np.uint8)
            self.stop += len(data)
        return self.start

    def skip(self, position: int, count: int) -> int:
        """See :meth:`Source.skip`."""
        while count > self.stop - position:
            count -= self.stop - position
            position = self.more(self.stop, 1)
            if position == self.stop:
                return position
        return position + count

    def consumed(self, position: int) -> int:
        """Return the bytes taken from the file (compressed ones, if it is)."""
        return self._read

    def close(self) -> None:
        """See :meth:`Source.close`."""
        if self._file > 2:
            os.close(self._file)
        self._file = -1

    def _raw(self) -> bytes:
        if self._file < 0:
            return b""
        data, self._pending = self._pending, b""
        try:
            data = data or os.read(self._file, CHUNK)
        except OSError as error:
            self.problem = f"reading failed: {error.strerror}"
        self._read += len(data)
        return data

    def _chunk(self) -> bytes:
        """Return at most CHUNK bytes, decompressed; none at the end (:attr:`problem` says if it is a bad one)."""
        if self._inflate is None:
            return self._raw()
        while not self.problem:
            data, self._tail = self._tail or self._raw(), b""
            if self._inflate.eof:
                if not data:
                    return b""
                data = data.lstrip(b"\0")  # zeros may fill up the file
                if not data:
                    continue
                self._inflate = zlib.decompressobj(31)  # another member follows
            before = self._inflate.copy()
            try:
                out = self._inflate.decompress(data, CHUNK)
            except zlib.error as error:
                self.problem = f"the gzip stream is corrupt ({error})"
                return _before_the_error(before, data)
            self._tail = self._inflate.unconsumed_tail or self._inflate.unused_data
            if out:
                return out
            if not data and not self._inflate.eof:
                self.problem = "the gzip stream breaks off"
        return b""


def _before_the_error(inflate: Any, data: bytes) -> bytes:
    """Return what `data` decompresses to up to where it is corrupt (zlib gives nothing if a call fails)."""
    out = bytearray()
    try:
        for i in range(len(data)):
            out += inflate.decompress(data[i : i + 1])
    except zlib.error:
        pass
    return bytes(out)


_INTERFACE = re.compile(r"(lo|any|(eth|ens?|enp|eno|wlan|wlp|veth|br|tap|tun|docker|bond)\d\w*)")
"""Names of interfaces of Linux; also those that this machine does not have."""


def _near(path: str) -> str:
    """Return a hint at the capture in the same folder whose name is nearest."""
    folder, name = os.path.split(path)
    try:
        captures = [one for one in os.listdir(folder or ".") if re.search(r"\.p?cap", one)]
    except OSError:
        return ""
    found = difflib.get_close_matches(name, captures, 1, 0.7)
    return f"\n  did you mean {os.path.join(folder, found[0])!r}?" if found else ""


def open_source(path: str) -> tuple[Source, bytes]:
    """Open the file at `path` (``-``: standard input) and return it with its first 4 bytes, decompressed.

    Raises:
        PortError: The file can't be opened.
        CaptureError: It is empty.
    """
    try:
        descriptor = sys.stdin.fileno() if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            os.close(descriptor)
            raise PortError(f"{path}: is a folder; a capture file is needed")
        regular = stat.S_ISREG(status.st_mode)
        head = os.pread(descriptor, 2, 0) if regular else os.read(descriptor, CHUNK)
        if regular and head[:2] != b"\x1f\x8b":
            if not status.st_size:
                os.close(descriptor)
                raise CaptureError(f"{path}: is empty (0 bytes): there is not even a capture's header")
            mapped = Mapped(descriptor, status.st_size)
            return mapped, read_bytes(mapped.start, min(4, mapped.size))
    except FileNotFoundError as error:
        if os.path.exists(f"/sys/class/net/{path}") or _INTERFACE.fullmatch(path):
            raise PortError(
                f"{path} is a network interface: nfuse reads captures; live ports are not there yet\n"
                f"  expected: a capture (`tcpdump -i {path} -w trace.pcap` writes one), or `-` behind a pipe: "
                f"tcpdump -i {path} -U -w - | nfuse run ... -i -"
            ) from error
        raise PortError(f"{path}: there is no such file{_near(path)}") from error
    except OSError as error:
        raise PortError(f"{path}: can't be opened: {error.strerror}") from error
    if regular:
        head = os.read(descriptor, CHUNK)
    stream = Streamed(descriptor, status.st_size if regular else 0, head)
    stream.more(stream.start, 4)
    if stream.stop == stream.start:
        stream.close()
        name = "standard input" if path == "-" else path
        raise CaptureError(f"{name}: {stream.problem or 'is empty: there is not even a capture header'}")
    return stream, read_bytes(stream.start, min(4, stream.stop - stream.start))
