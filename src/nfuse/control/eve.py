"""Alerts as EVE JSON: one JSON object a line, in the style of Suricata, for log shippers that know it.

See https://docs.suricata.io (EVE JSON format): ``timestamp``, ``event_type``, the 5-tuple, ``alert.signature``.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from numpy.typing import NDArray

from nfuse.chain.spec import Chain
from nfuse.nf.alerts import alert_actions
from nfuse.nf.compile import analyse
from nfuse.port.errors import PortError

_PROTOCOLS = {1: "ICMP", 4: "IPIP", 6: "TCP", 17: "UDP", 41: "IPv6", 58: "ICMPv6"}


Details = dict[str, dict[tuple[str, int], dict[str, Any]]]
"""What NFs say of their alerts: by NF's name, then an alert's signature and value, fields of ``alert``."""


def details_of(chain: Chain) -> Details:
    """Ask the NFs whose class has ``alert_details(self)``, such as an IDS that alerts with the number of a rule."""
    asked = {node.name: getattr(node.nf, "alert_details", None) for node in chain.nodes}
    return {name: ask() for name, ask in asked.items() if callable(ask)}


def events(chain: Chain, logs: NDArray[Any], details: Details | None = None) -> Iterator[dict[str, Any]]:
    """Yield the events of log records (``nfuse.nf.abi.LOG_DTYPE``) as plain data.

    ``nfuse.nf`` is the network function's name in the chain, ``nfuse.value`` what it logged beside the signature;
    ``nfuse.ns`` the exact time (ns since the epoch), as ``timestamp`` has microseconds only. ``alert.action`` is
    ``blocked`` where the handler that alerts drops the packet or its flow too, ``allowed`` where it drops nothing, and
    left out where that depends on more than the alert does (:func:`nfuse.nf.alerts.alert_actions`).
    """
    infos = [analyse(type(node.nf)) for node in chain.nodes]
    actions = [alert_actions(info) for info in infos]
    known = details_of(chain) if details is None else details
    for record in logs:
        node = chain.nodes[int(record["nf"])]
        signature, value = int(record["signature"]), int(record["value"])
        text = infos[node.index].signatures[signature - 1]
        more = dict(known.get(node.name, {}).get((text, value), {}))
        action = more.pop("action", actions[node.index].get(text))
        alert: dict[str, Any] = {} if action is None else {"action": action}
        alert |= {"signature_id": signature, "signature": text, **more}
        proto = int(record["proto"])
        nanoseconds = int(record["clock"])
        yield {
            "timestamp": _stamp(nanoseconds),
            "event_type": "alert",
            "src_ip": _address(record["src"]),
            "src_port": int(record["sport"]),
            "dest_ip": _address(record["dst"]),
            "dest_port": int(record["dport"]),
            "proto": _PROTOCOLS.get(proto, f"{proto:03d}"),
            "alert": alert,
            "nfuse": {"chain": chain.name, "nf": node.name, "value": value, "ns": nanoseconds},
        }


class AlertFile:
    """A file of alerts, one JSON object a line, written as they come; existing lines stay.

    Args:
        path: The file (``-``: standard output); it is opened at once.
        chain: The chain whose network functions alert.

    Raises:
        PortError: The file can't be opened.
    """

    def __init__(self, path: str, chain: Chain) -> None:
        self.path = path
        self._chain = chain
        self._details: Details | None = None  # asked for once the chain has started: its NFs are right then
        self._file: TextIO
        try:
            self._file = sys.stdout if path == "-" else open(path, "a", encoding="utf-8")  # noqa: SIM115  (see close)
        except OSError as error:
            raise PortError(f"{path}: alerts can't be written: {error.strerror}") from None

    def write(self, logs: NDArray[Any]) -> None:
        """Write the events of log records.

        Raises:
            PortError: The disk is full, or another error of the system.
        """
        if self._details is None:
            self._details = details_of(self._chain)
        try:
            self._file.writelines(json.dumps(event) + "\n" for event in events(self._chain, logs, self._details))
            self._file.flush()
        except OSError as error:
            raise PortError(f"{self.path}: alerts can't be written: {error.strerror}") from None

    def close(self) -> None:
        """Close the file."""
        if self._file is not sys.stdout:
            with contextlib.suppress(OSError):  # what could not be written has been told
                self._file.close()


def _stamp(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}+0000"


def _address(raw: Any) -> str:
    address = ipaddress.IPv6Address(bytes(raw))
    return str(address.ipv4_mapped or address)
