"""``pkt`` and ``flow`` of interpreted handlers.

:class:`PacketFacade` wraps a packet view, :class:`FlowFacade` keeps Session fields in dicts and records header actions
into a :class:`Record`. The reference engine makes them for each handler call.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nfuse.nf.abi import ENCAPS, REPLIES
from nfuse.nf.types import IpIpHeader, Kind
from nfuse.packet.address import pack, unpack
from nfuse.packet.fields import HEADERS, MODIFY_FIELDS, PACKET, modify_field

if TYPE_CHECKING:
    from nfuse.nf.compile import NFInfo

NO_ADDRESS = unpack(0, 0)
"""What an address field holds before anything is stored."""


class FacadeFault(Exception):
    """An access that is a fault in a compiled handler: the wrong address family."""


@dataclass
class Record:
    """What a handler has recorded: the local MAT entry of an NF.

    Attributes:
        recorded: Whether any recording call was made.
        modifies: Values by field name: ints, or :mod:`ipaddress` objects.
        drop: Reason of a recorded drop, None if there is none.
        reply: Kind of the reply that goes with it.
        encap: Header to push.
        decap: Kind of header to remove.
        run: Name of the chosen state function; "" for ``on_packet``; None if none was chosen.
        turn: Whether the flow is sent out where it came in.
    """

    recorded: bool = False
    modifies: dict[str, Any] = field(default_factory=dict)
    drop: str | None = None
    reply: str | None = None
    encap: IpIpHeader | None = None
    decap: str | None = None
    run: str | None = None
    turn: bool = False


def zero_of(kind: Kind) -> Any:
    """Return what a field of a kind holds before anything is stored."""
    if kind.form == "address":
        return NO_ADDRESS
    return False if kind.form == "bool" else 0


def truncate(kind: Kind, value: Any) -> Any:
    """Return what a field of a kind holds after `value` is stored."""
    if kind.form == "address":
        return unpack(*pack(value))
    return bool(value) if kind.form == "bool" else kind.wrap(int(value))


class _Block:
    """The fields of one session: attributes over a dict."""

    def __init__(self, info: NFInfo, name: str, values: dict[str, Any]) -> None:
        object.__setattr__(self, "_slots", info.sessions[name].layout.slots)
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        slots = self.__dict__["_slots"]
        if name not in slots:
            raise AttributeError(f"the session has no {name!r}")
        return self.__dict__["_values"].get(name, zero_of(slots[name].kind))

    def __setattr__(self, name: str, value: Any) -> None:
        slots = self.__dict__["_slots"]
        if name not in slots:
            raise AttributeError(f"the session has no {name!r}")
        self.__dict__["_values"][name] = truncate(slots[name].kind, value)


class FlowFacade:
    """The ``flow`` of interpreted handlers.

    Args:
        info: The NF's description.
        values: For each session of the NF by name (``info.sessions``), the dict that holds its fields. Fields that were
            never stored need not be in it.
        initiator: Whether the packet belongs to the direction that opened the session.
        place: The opening tuple at the NF's place: ``ip_src``, ``ip_dst``, ``sport``, ``dport``, ``proto``.

    Attributes:
        record: What was recorded (``flow.record`` is hidden by a Session field of that name: use :func:`record_of`).
    """

    def __init__(
        self,
        info: NFInfo,
        values: Mapping[str, dict[str, Any]],
        initiator: bool = True,
        place: Mapping[str, Any] | None = None,
    ) -> None:
        own = info.own
        put = object.__setattr__
        put(self, "_info", info)
        put(self, "_record", Record())
        put(self, "_initiator", initiator)
        put(self, "_place", dict(place or {}))
        put(self, "_blocks", {name: _Block(info, name, values[name]) for name in info.sessions})
        put(self, "_own", self.__dict__["_blocks"].get(own))

    def __getattr__(self, name: str) -> Any:
        inside = self.__dict__
        own = inside["_own"]
        if own is not None and name in own._slots:
            return getattr(own, name)
        if name == "initiator":
            return inside["_initiator"]
        if name in inside["_place"]:
            return inside["_place"][name]
        if name in inside["_blocks"]:
            return inside["_blocks"][name]
        raise AttributeError(f"the flow has no {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__["_own"]
        if own is None or name not in own._slots:
            raise AttributeError(f"the flow has no {name!r}")
        setattr(own, name, value)

    def __repr__(self) -> str:
        """Show the fields, for a debugger: ``<flow port=80, syns=1, source.syns=3, records drop='SYN flood'>``."""
        inside = self.__dict__
        parts = [] if inside["_initiator"] else ["of the other direction"]
        for name, block in inside["_blocks"].items():
            prefix = "" if block is inside["_own"] else f"{name}."
            parts += [f"{prefix}{slot}={getattr(block, slot)}" for slot in block._slots]
        made = record_of(self)
        if made.recorded:
            kept = {name: getattr(made, name) for name in ("modifies", "drop", "reply", "encap", "decap", "run")}
            actions = [f"{name}={value!r}" for name, value in kept.items() if value]
            parts.append(f"records {', '.join(actions) or 'nothing'}")
        return f"<flow {', '.join(parts)}>" if parts else "<flow>"

    def forward(self) -> None:
        """Record no action at all."""
        object.__setattr__(self, "_record", Record(recorded=True))

    def drop(self, reason: str, reply: str | None = None) -> None:
        """Record a drop."""
        if reply is not None and reply not in REPLIES[1:]:
            raise ValueError(f"there is no reply {reply!r}")
        made = record_of(self)
        made.recorded, made.drop, made.reply = True, str(reason), reply

    def modify(self, **values: Any) -> None:
        """Record new values of header fields."""
        made = record_of(self)
        for name, value in values.items():
            if name not in MODIFY_FIELDS:
                raise TypeError(f"flow.modify has no field {name!r}")
            one = modify_field(name)
            if one.kind == "address":
                made.modifies[name] = unpack(*pack(value))
            else:
                made.modifies[name] = int(value) & ((1 << one.width) - 1)
        made.recorded = True

    def encap(self, header: IpIpHeader) -> None:
        """Record that a header is pushed."""
        made = record_of(self)
        src, dst = unpack(*pack(header.src)), unpack(*pack(header.dst))
        made.encap = IpIpHeader(src, dst, int(header.ttl) & 255, int(header.tos) & 255)
        made.recorded = True

    def decap(self, kind: str) -> None:
        """Record that a header is removed."""
        if kind not in ENCAPS[1:]:
            raise ValueError(f"there is no header {kind!r}")
        made = record_of(self)
        made.decap, made.recorded = kind, True

    def run(self, function: Any) -> None:
        """Record which state function runs for this flow."""
        made = record_of(self)
        name = function.__name__
        made.run, made.recorded = "" if name == "on_packet" else name, True

    def turn_back(self) -> None:
        """Record that the flow is sent out where it came in."""
        made = record_of(self)
        made.turn = made.recorded = True


def record_of(flow: FlowFacade) -> Record:
    """Return what has been recorded on a flow."""
    found = flow.__dict__["_record"]
    assert isinstance(found, Record)
    return found


class _HeaderFacade:
    """A header of a packet; false if it is not there."""

    def __init__(self, view: Any, name: str, frozen: bool) -> None:
        object.__setattr__(self, "_frozen", frozen)
        object.__setattr__(self, "_view", view)
        object.__setattr__(self, "_name", name)

    def __bool__(self) -> bool:
        return bool(getattr(self.__dict__["_view"], self.__dict__["_name"]))

    def __repr__(self) -> str:
        name = self.__dict__["_name"]
        if not self:
            return f"<no {name}>"
        return f"<{name} {', '.join(f'{one}={getattr(self, one)}' for one in HEADERS[name].fields)}>"

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(self.__dict__["_view"], self.__dict__["_name"]), name)

    def __setattr__(self, name: str, value: Any) -> None:
        view, header = self.__dict__["_view"], self.__dict__["_name"]
        if self.__dict__["_frozen"]:
            raise TypeError("stores to the packet belong in on_packet")
        if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
            value = unpack(*pack(value))
            here = 4 if header == "arp" else view.ip.version
            if value.version != here:
                raise FacadeFault("wrong address family")
        else:
            value = int(value) & ((1 << HEADERS[header].fields[name].width) - 1)
        setattr(getattr(view, header), name, value)


class _PayloadFacade:
    """The captured payload, byte by byte; outside is an IndexError."""

    def __init__(self, view: Any) -> None:
        self._view = view

    def __len__(self) -> int:
        return len(self._view.payload)

    def __repr__(self) -> str:
        return f"<payload {bytes(self._view.payload)!r}>"

    def _check(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"payload[{index}] is outside")
        return index

    def __getitem__(self, index: int) -> int:
        return int(self._view.payload[self._check(index)])

    def __setitem__(self, index: int, value: int) -> None:
        self._view.payload[self._check(index)] = int(value) & 255

    def __iter__(self) -> Iterator[int]:
        for index in range(len(self)):
            yield self[index]


class PacketFacade:
    """The ``pkt`` of interpreted handlers.

    Args:
        view: A :class:`nfuse.packet.view.PacketView`.
        time: The chain's clock, ns.
        reverse: The value of ``pkt.reverse``.

    Attributes:
        dropped: Reason given to ``pkt.drop``, None if it was not called.
        replied: Kind given to ``pkt.reply``, None if it was not called.
        frozen: Whether stores are refused (while ordinary Python handlers run).
    """

    def __init__(self, view: Any, time: int = 0, reverse: bool = False) -> None:
        put = object.__setattr__
        put(self, "_view", view)
        put(self, "time", int(time))
        put(self, "reverse", bool(reverse))
        put(self, "dropped", None)
        put(self, "replied", None)
        put(self, "frozen", False)

    def __repr__(self) -> str:
        """Show the packet, for a debugger: ``<packet TCP 10.0.0.1:1024 > 192.0.2.1:80, 64 bytes, SYN>``."""
        view = self.__dict__["_view"]
        known = [name for name in ("tcp", "udp", "icmp", "icmp6", "arp") if getattr(view, name)]
        words = [known[0].upper() if known else f"protocol {view.ip.proto}" if view.ip else "not IP"]
        if view.ip:
            ends = [str(view.ip.src), str(view.ip.dst)]
            if known and known[0] in ("tcp", "udp"):
                ports = (view.sport, view.dport)
                ends = [f"[{end}]:{p}" if ":" in end else f"{end}:{p}" for end, p in zip(ends, ports, strict=True)]
            words.append(" > ".join(ends))
        parts = [" ".join(words), f"{view.len} bytes"]
        if view.tcp:
            flags = [name.upper() for name in ("syn", "ack", "fin", "rst", "psh", "urg") if getattr(view.tcp, name)]
            parts.append(" ".join(flags) or "no flags")
        if self.__dict__["reverse"]:
            parts.append("reverse")
        if self.__dict__["dropped"] is not None:
            parts.append(f"dropped: {self.__dict__['dropped']}")
        return f"<packet {', '.join(parts)}>"

    def drop(self, reason: str) -> None:
        """Drop this packet."""
        object.__setattr__(self, "dropped", reason)

    def reply(self, kind: str) -> None:
        """Answer this packet."""
        if kind not in REPLIES[1:]:
            raise ValueError(f"there is no reply {kind!r}")
        object.__setattr__(self, "replied", kind)

    def __getattr__(self, name: str) -> Any:
        view = self.__dict__["_view"]
        if name in HEADERS:
            return _HeaderFacade(view, name, self.__dict__["frozen"])
        if name == "payload":
            return bytes(view.payload) if self.__dict__["frozen"] else _PayloadFacade(view)
        if name in PACKET.fields:
            value = getattr(view, name)
            return bool(value) if PACKET.fields[name].width == 1 else int(value)
        raise AttributeError(f"the packet has no {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in PACKET.fields or not PACKET.fields[name].writable or self.__dict__["frozen"]:
            raise AttributeError(f"the packet's {name!r} can't be assigned to")
        setattr(self.__dict__["_view"], name, int(value) & ((1 << PACKET.fields[name].width) - 1))
