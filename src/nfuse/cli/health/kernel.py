"""Privileges and what the kernel offers: what live ports need. Captures and the generator need none of it."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import socket
import subprocess
import sys

from nfuse.cli.health.check import Check, system_install

CAPABILITIES = {
    "CAP_NET_ADMIN": (12, "to make and set up interfaces"),
    "CAP_NET_RAW": (13, "to receive and send frames on interfaces"),
    "CAP_BPF": (39, "to load XDP programs"),
}
"""Numbers of capabilities (linux/capability.h), and what they are for."""

AF_XDP = 44
_NAMESPACE = """
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x40000000):  # CLONE_NEWNET: interfaces made from here on end with this process
    sys.exit(os.strerror(ctypes.get_errno()))
if sys.argv[1]:
    pair = "link add name nfuse0 type veth peer name nfuse1".split()
    done = subprocess.run([sys.argv[1], *pair], capture_output=True, text=True)
    sys.exit(done.stderr.strip() or done.returncode)
"""


def checks() -> list[Check]:
    """Look at this process's privileges, and try sockets and a network namespace of the kinds that live ports use."""
    held = effective(_status())
    found = [_capability(name, held) for name in CAPABILITIES]
    return [*found, _socket("AF_PACKET", socket.AF_PACKET), _socket("AF_XDP", AF_XDP), _namespaces(), _tap()]


def _status() -> str:
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def effective(status: str) -> int:
    """Return the effective capabilities of a process from the text of its ``/proc/PID/status``, as a bit mask."""
    return next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)


def _capability(name: str, held: int) -> Check:
    bit, purpose = CAPABILITIES[name]
    works = bool(held >> bit & 1)
    return Check("privileges", name, works, f"{'held' if works else 'missing'} ({purpose})", enable=_raise(name, works))


def _raise(capability: str, works: bool) -> str:
    """Return how to start nfuse with more privileges: as root, or where root has not all, in another container."""
    if works:
        return ""
    if os.geteuid() == 0:
        return f"docker run --cap-add {capability.removeprefix('CAP_')} ..."
    return f"sudo -E {shlex.quote(sys.executable)} -m nfuse ..."


def _socket(name: str, family: int) -> Check:
    try:
        socket.socket(family, socket.SOCK_RAW, 0).close()
    except OSError as error:
        denied = error.errno in (errno.EPERM, errno.EACCES)
        lacking = error.errno in (errno.EAFNOSUPPORT, errno.EINVAL, errno.ESOCKTNOSUPPORT)
        detail = "the kernel has none of these" if lacking else f"can't be opened: {error.strerror}"
        return Check("kernel", f"{name} sockets", False, detail, enable=_raise("CAP_NET_RAW", not denied))
    return Check("kernel", f"{name} sockets", True, "can be opened")


def _namespaces() -> Check:
    name, ip = "namespaces, veth", shutil.which("ip") or ""
    if not ip:
        detail = "the command ip, which makes veth pairs, is not installed"
        return Check("kernel", name, False, detail, enable=system_install("iproute2"))
    try:
        done = subprocess.run([sys.executable, "-c", _NAMESPACE, ip], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("kernel", name, False, str(error))
    if done.returncode == 0:
        return Check("kernel", name, True, "can be made")
    denied = os.geteuid() != 0 or "not permitted" in done.stderr
    return Check(
        "kernel", name, False, f"can't be made: {done.stderr.strip()}", enable=_raise("CAP_SYS_ADMIN", not denied)
    )


def _tap() -> Check:
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO)
        root = "" if os.geteuid() == 0 else "sudo "
        enable = f"{root}modprobe tun" if missing else _raise("CAP_NET_ADMIN", False)
        return Check("kernel", "tap interfaces", False, f"/dev/net/tun: {error.strerror}", enable=enable)
    return Check("kernel", "tap interfaces", True, "/dev/net/tun can be opened")
