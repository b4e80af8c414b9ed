"""The pcap-filter language with tcpdump's own meaning, to select packets of captures: ``CaptureFilter("tcp port 80")``.

What a traffic class smooths over holds here to the letter, as libpcap's code generator has it: without ``vlan``, a
tagged frame is no ``tcp``; ``vlan`` shifts all that stands after it in the text; ``port`` is false for later fragments
and does not look behind IPv6 extension headers; ``tcp[13]`` speaks of IPv4 only; ``host`` speaks of ARP and RARP too; a
load outside the captured bytes rejects the packet, also within ``not``.

The filter becomes one native function per link type, over the raw bytes of the frame.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nfuse.flow.traffic.arithmetic import Bytes, Length, Node, Number, Operation
from nfuse.flow.traffic.lexer import FilterError
from nfuse.flow.traffic.syntax import (
    ETHER_TYPES,
    PROTOCOL_NUMBERS,
    All,
    Cast,
    Compare,
    Ether,
    Negation,
    Net,
    Ports,
    Proto,
    Protocol,
    Tree,
    Truth,
    Vlan,
    parse,
)
from nfuse.memory.arena import View
from nfuse.memory.cache import load_generated
from nfuse.packet import desc
from nfuse.packet.interpreted import interpreted_names

MASK32 = 0xFFFF_FFFF
V4_ONLY = ("icmp", "igmp", "vrrp")
LINK_NAMES = {
    desc.LINK_ETHERNET: "Ethernet",
    desc.LINK_RAW: "raw IP",
    desc.LINK_NULL: "BSD loopback",
    desc.LINK_SLL: "Linux cooked v1",
    desc.LINK_SLL2: "Linux cooked v2",
}
_TYPE_AT = {desc.LINK_ETHERNET: 12, desc.LINK_RAW: 0, desc.LINK_NULL: 0, desc.LINK_SLL: 14, desc.LINK_SLL2: 0}
_PAYLOAD_AT = {desc.LINK_ETHERNET: 14, desc.LINK_RAW: 0, desc.LINK_NULL: 4, desc.LINK_SLL: 16, desc.LINK_SLL2: 20}
_NULL_FAMILIES = {0x0800: 2, 0x86DD: 10}

# ---------------------------------------------------------------------------------------------------- the program


class Step:
    """A part of the program."""


@dataclass(frozen=True)
class Test(Step):
    """Loads, in order, then a condition; a load outside the frame rejects the packet."""

    loads: tuple[str, ...]
    condition: str


@dataclass(frozen=True)
class Both(Step):
    """The second only if the first holds."""

    first: Step
    second: Step


@dataclass(frozen=True)
class Either(Step):
    """The second only if the first does not hold."""

    first: Step
    second: Step


@dataclass(frozen=True)
class Opposite(Step):
    """The part does not hold."""

    part: Step


TRUE = Test((), "1")
FALSE = Test((), "0")


def both(*steps: Step) -> Step:
    """All hold, tried in order."""
    return functools.reduce(Both, steps)


def either(*steps: Step) -> Step:
    """Any holds, tried in order."""
    return functools.reduce(Either, steps)


def at_bytes(start: int, size: int, mask: int, operator: str, value: int) -> Step:
    """Compare 1, 2 or 4 bytes at a fixed place of the frame, under a mask."""
    load = {1: "load8", 2: "load16be", 4: "load32be"}[size]
    word = f"{load}(A + {start})"
    full = (1 << 8 * size) - 1
    return Test(
        (f"N >= {start + size}",),
        f"({word} & {mask}) {operator} {value}" if mask != full else f"{word} {operator} {value}",
    )


def render(step: Step, indent: int = 1) -> list[str]:
    """Return the lines that leave 1 or 0 in ``t``, or return 0 from the function."""
    pad = "    " * indent
    if isinstance(step, Test):
        lines = []
        for load in step.loads:
            lines += [f"{pad}if not {load}:", f"{pad}    return 0"] if " = " not in load else [f"{pad}{load}"]
        return [*lines, f"{pad}t = i64({step.condition})"]
    if isinstance(step, Opposite):
        return [*render(step.part, indent), f"{pad}t = 1 - t"]
    assert isinstance(step, Both | Either)
    test = "t" if isinstance(step, Both) else "not t"
    chain = _chain(step, type(step))
    lines = render(chain[0], indent)
    for part in chain[1:]:
        lines += [f"{pad}if {test}:", *render(part, indent + 1)]
    return lines


def _chain(step: Step, kind: type[Step]) -> list[Step]:
    """Return a left-leaning composition as a list, so that long filters do not nest deeply."""
    parts: list[Step] = []
    while isinstance(step, Both | Either) and type(step) is kind:
        parts.append(step.second)
        step = step.first
    return [step, *reversed(parts)]


# ------------------------------------------------------------------------------------------------- the generator


class _Generator:
    """Turns a syntax tree into steps for one link type. Offsets move when ``vlan`` is met, in the order of the text."""

    def __init__(self, text: str, link: int) -> None:
        self.text, self.link = text, link
        self.type_at, self.payload_at = _TYPE_AT[link], _PAYLOAD_AT[link]

    def fail(self, column: int, problem: str) -> FilterError:
        return FilterError(self.text, column, problem)

    # ---- common tests

    def link_type(self, number: int) -> Step:
        if self.link == desc.LINK_RAW:
            nibble = {0x0800: 0x40, 0x86DD: 0x60}.get(number)
            return FALSE if nibble is None else at_bytes(0, 1, 0xF0, "==", nibble)
        if self.link == desc.LINK_NULL:
            family = _NULL_FAMILIES.get(number)
            if family is None:
                return FALSE
            return Test(("N >= 4",), f"(load32be(A) == {family}) or (load32be(A) == {family << 24})")
        if number > 1500 or self.link == desc.LINK_SLL2:
            return at_bytes(self.type_at, 2, 0xFFFF, "==", number)
        if self.link == desc.LINK_SLL:
            return both(
                at_bytes(self.type_at, 2, 0xFFFF, "==", 4), at_bytes(self.type_at + 2, 1, 0xFF, "==", number & 0xFF)
            )
        return both(
            at_bytes(self.type_at, 2, 0xFFFF, "<=", 1500),
            at_bytes(self.type_at + 2, 1, 0xFF, "==", number) if number < 256 else self.never(self.type_at + 2),
        )

    def never(self, start: int) -> Step:
        return Test((f"N >= {start + 1}",), "0")

    @property
    def ip(self) -> Step:
        return self.link_type(0x0800)

    @property
    def ip6(self) -> Step:
        return self.link_type(0x86DD)

    def net_bytes(self, offset: int, size: int, operator: str, value: int, mask: int | None = None) -> Step:
        full = (1 << 8 * size) - 1
        return at_bytes(self.payload_at + offset, size, full if mask is None else mask, operator, value)

    def proto4(self, number: int) -> Step:
        return both(self.ip, self.net_bytes(9, 1, "==", number))

    def proto6(self, number: int) -> Step:
        behind_fragment = both(self.net_bytes(6, 1, "==", 44), self.net_bytes(40, 1, "==", number))
        return both(self.ip6, either(self.net_bytes(6, 1, "==", number), behind_fragment))

    @property
    def first_fragment(self) -> Step:
        return self.net_bytes(6, 2, "==", 0, 0x1FFF)

    # ---- primitives

    @functools.singledispatchmethod
    def step(self, tree: Tree) -> Step:
        raise FilterError(self.text, getattr(tree, "column", 1), "only traffic classes know this, not capture filters")

    @step.register
    def _(self, tree: Truth) -> Step:
        return TRUE if tree.value else FALSE

    @step.register
    def _(self, tree: All) -> Step:
        left = self.step(tree.left)
        right = self.step(tree.right)
        return Both(left, right) if tree.word == "and" else Either(left, right)

    @step.register
    def _(self, tree: Negation) -> Step:
        return Opposite(self.step(tree.part))

    @step.register
    def _(self, tree: Protocol) -> Step:
        if tree.name in ETHER_TYPES:
            return self.link_type(ETHER_TYPES[tree.name])
        if tree.name not in PROTOCOL_NUMBERS:
            raise self.fail(tree.column, f"`{tree.name}` alone is no primitive of capture filters")
        number = PROTOCOL_NUMBERS[tree.name]
        if tree.name in V4_ONLY:
            return self.proto4(number)
        if tree.name == "icmp6":
            return self.proto6(number)
        return either(self.proto4(number), self.proto6(number))

    @step.register
    def _(self, tree: Proto) -> Step:
        if tree.layer == "ether":
            return self.link_type(tree.number)
        if tree.layer == "ip":
            return self.proto4(tree.number)
        if tree.layer == "ip6":
            return self.proto6(tree.number)
        return either(self.proto4(tree.number), self.proto6(tree.number))

    @step.register
    def _(self, tree: Net) -> Step:
        def pair(direction: str, first: Callable[[], Step], second: Callable[[], Step]) -> Step:
            if direction in ("src", "dst"):
                return first() if direction == "src" else second()
            return (both if direction == "both" else either)(first(), second())

        if tree.version == 6:
            words = [(k, tree.address >> 96 - 32 * k & MASK32, tree.mask >> 96 - 32 * k & MASK32) for k in range(4)]

            def six(start: int) -> Step:
                tests = [self.net_bytes(start + 4 * k, 4, "==", word, mask) for k, word, mask in words if mask]
                return both(*tests) if tests else TRUE

            return both(self.ip6, pair(tree.direction, lambda: six(8), lambda: six(24)))

        def four(start: int) -> Step:
            return self.net_bytes(start, 4, "==", tree.address, tree.mask) if tree.mask else TRUE

        found = []
        for name, source, target in (("ip", 12, 16), ("arp", 14, 24), ("rarp", 14, 24)):
            if tree.protocol in (None, name):
                inner = pair(tree.direction, lambda s=source: four(s), lambda t=target: four(t))  # type: ignore[misc]
                found.append(both(self.link_type(ETHER_TYPES[name]), inner))
        return either(*found)

    @step.register
    def _(self, tree: Ether) -> Step:
        self.need_ethernet(tree.column, "MAC addresses")

        def mac(start: int) -> Step:
            return both(
                at_bytes(start + 2, 4, MASK32, "==", tree.address & MASK32),
                at_bytes(start, 2, 0xFFFF, "==", tree.address >> 32),
            )

        if tree.direction in ("src", "dst"):
            return mac(6 if tree.direction == "src" else 0)
        return (both if tree.direction == "both" else either)(mac(6), mac(0))

    def need_ethernet(self, column: int, what: str) -> None:
        if self.link != desc.LINK_ETHERNET:
            raise self.fail(column, f"{LINK_NAMES[self.link]} has no {what}")

    @step.register
    def _(self, tree: Ports) -> Step:
        numbers = [PROTOCOL_NUMBERS[name] for name in tree.protocols]
        six = self.port_test(tree, lambda k: self.net_words(40 + 2 * k, None, tree))
        four = self.port_test(tree, lambda k: self.net_words(2 * k, self.header_length(), tree))
        return either(
            both(self.ip6, either(*(self.net_bytes(6, 1, "==", number) for number in numbers)), six),
            both(
                self.ip, either(*(self.net_bytes(9, 1, "==", number) for number in numbers)), self.first_fragment, four
            ),
        )

    def port_test(self, tree: Ports, make: Callable[[int], Step]) -> Step:
        if tree.direction in ("src", "dst"):
            return make(0 if tree.direction == "src" else 1)
        return (both if tree.direction == "both" else either)(make(0), make(1))

    def header_length(self) -> list[str]:
        """Load 4 * IHL into x."""
        return [f"N >= {self.payload_at + 1}", f"x = (load8(A + {self.payload_at}) & 15) * 4"]

    def net_words(self, offset: int, before: list[str] | None, tree: Ports) -> Step:
        start = f"{self.payload_at + offset} + x" if before else str(self.payload_at + offset)
        test = f"{tree.low} <= load16be(A + {start}) <= {tree.high}"
        return Test((*(before or ()), f"N >= {start} + 2"), test)

    @step.register
    def _(self, tree: Vlan) -> Step:
        self.need_ethernet(tree.column, "VLAN tags")
        tag = either(*(self.link_type(number) for number in (0x8100, 0x88A8, 0x9100)))
        if tree.number is not None:
            tag = both(tag, at_bytes(self.payload_at, 2, 0x0FFF, "==", tree.number))
        self.type_at += 4
        self.payload_at += 4
        return tag

    @step.register
    def _(self, tree: Cast) -> Step:
        if tree.layer == "ip6":
            if tree.kind == "broadcast":
                raise self.fail(tree.column, "IPv6 has no broadcast")
            return both(self.ip6, self.net_bytes(24, 1, "==", 255))
        if tree.layer == "ip":
            if tree.kind == "multicast":
                return both(self.ip, self.net_bytes(16, 1, ">=", 224))
            return both(self.ip, either(self.net_bytes(16, 4, "==", 0), self.net_bytes(16, 4, "==", MASK32)))
        self.need_ethernet(tree.column, f"{tree.kind} addresses")
        if tree.kind == "multicast":
            return at_bytes(0, 1, 1, "!=", 0)
        return both(at_bytes(2, 4, MASK32, "==", MASK32), at_bytes(0, 2, 0xFFFF, "==", 0xFFFF))

    # ---- arithmetic

    @step.register
    def _(self, tree: Compare) -> Step:
        guards: list[Step] = []
        loads: list[str] = []
        left = self.term(tree.left, guards, loads, tree.column)
        right = self.term(tree.right, guards, loads, tree.column)
        operator = "==" if tree.operator == "=" else tree.operator
        return both(*guards, Test(tuple(loads), f"{left} {operator} {right}"))

    def term(self, node: Node, guards: list[Step], loads: list[str], column: int) -> str:
        """Add what computing a term takes; return the name or number that holds it."""
        if isinstance(node, Number):
            return str(node.number)
        if isinstance(node, Length):
            return f"load32(P + {desc.WIRE})"
        if isinstance(node, Operation):
            left = self.term(node.left, guards, loads, column)
            right = self.term(node.right, guards, loads, column)
            if node.operator in "/%":
                loads.append(f"{right} != 0")
            name = f"v{len(loads)}"
            operator = "//" if node.operator == "/" else node.operator
            shift = f"min({right}, 32)" if operator in ("<<", ">>") else right
            loads.append(f"{name} = i64({left} {operator} {shift}) & {MASK32}")
            return name
        assert isinstance(node, Bytes)
        index = self.term(node.index, guards, loads, column)
        start = self.base(node.header, guards, loads, column)
        start = index if start == "0" else f"{start} + {index}"
        loads.append(f"{start} + {node.size} <= N")
        name = f"v{len(loads)}"
        loads.append(f"{name} = {({1: 'load8', 2: 'load16be', 4: 'load32be'})[node.size]}(A + {start})")
        return name

    def base(self, header: str, guards: list[Step], loads: list[str], column: int) -> str:
        """Add the tests that a header is there; return where it starts."""
        at = str(self.payload_at)
        if header == "eth":
            return "0"
        ether = {"ipv4": "ip", "ipv6": "ip6"}.get(header, header)
        if ether in ETHER_TYPES:
            guards.append(self.link_type(ETHER_TYPES[ether]))
            return at
        number = PROTOCOL_NUMBERS[header]
        if header == "icmp6":
            guards.extend([self.ip6, self.net_bytes(6, 1, "==", number)])
            return str(self.payload_at + 40)
        if header in ("esp", "ah"):
            raise self.fail(column, f"bytes of {header} can't be tested")
        guards.extend([self.ip, self.net_bytes(9, 1, "==", number), self.first_fragment])
        name = f"v{len(loads)}"
        loads.extend([f"N >= {at} + 1", f"{name} = {at} + (load8(A + {at}) & 15) * 4"])
        return name


# ---------------------------------------------------------------------------------------------------- the filter

_MODULE = '''"""A capture filter for {link}: {text}"""

from nfuse.memory.jit import native
from nfuse.memory.raw import i64, load8, load16be, load32, load32be, load64, store8


@native
def match(P):
{function}

@native
def mark(D, count, M):
    for index in range(count):
        P = D + index * {size}
        if load8(P + {link_at}) == {number}:
            store8(M + index, match(P))
    return 0
'''


class CaptureFilter:
    """A filter with the meaning that ``tcpdump -r FILE EXPRESSION`` gives it.

    Args:
        text: The expression; "" selects all packets.

    Raises:
        FilterError: The text can't be read. What a link type does not have (``vlan`` on raw IP) is found when the first
            packet of that link type is judged.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._tree = parse(text)
        self._plain: dict[int, Callable[[int], int]] = {}
        self._native: dict[int, Any] = {}
        _Generator(text, desc.LINK_ETHERNET).step(self._tree)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"CaptureFilter({self.text!r})"

    def lines(self, link: int) -> list[str]:
        """Return the body of the function that judges packets of a link type (``LINK_*``)."""
        step = _Generator(self.text, link).step(self._tree)
        loads = [f"    A = load64(P + {desc.ADDR})", f"    N = load32(P + {desc.LEN})"]
        return [*loads, *render(step), "    return t"]

    def matches(self, view: Any) -> bool:
        """Judge a packet view."""
        return self.judge(view.P, int(view.record[desc.LINK]))

    def matches_frame(self, frame: bytes, link: int = desc.LINK_ETHERNET, wire: int | None = None) -> bool:
        """Judge the captured bytes of a frame, whose length on the wire was `wire`."""
        record = np.zeros(1, desc.DESC_DTYPE)
        data = np.frombuffer(frame or b"\0", np.uint8)
        holders = View(record), View(data)
        record["addr"], record["len"], record["link"] = holders[1].address, len(frame), link
        record["wire"] = len(frame) if wire is None else wire
        return self.judge(holders[0].address, link)

    def judge(self, P: int, link: int) -> bool:
        """Judge the packet of a descriptor (ADDR, LEN and WIRE are read), without compiling."""
        if link not in self._plain:
            names: dict[str, Any] = dict(interpreted_names())
            exec("def match(P):\n" + "\n".join(self.lines(link)), names)
            self._plain[link] = names["match"]
        return bool(self._plain[link](P))

    def kernel(self, link: int) -> Any:
        """Return the native function ``match(P)`` for packets of a link type."""
        return self._module(link).match

    def _module(self, link: int) -> Any:
        if link not in self._native:
            source = _MODULE.format(
                link=LINK_NAMES[link],
                text=self.text.replace("\\", " ").replace('"', "'"),
                function="\n".join(self.lines(link)) + "\n",
                size=desc.DESC_SIZE,
                link_at=desc.LINK,
                number=link,
            )
            self._native[link] = load_generated("filter", source)
        return self._native[link]

    def select(self, burst: Any, n: int) -> NDArray[np.int32]:
        """Return the indexes of the packets of a burst (0..n-1, parsed or not) that the filter selects."""
        marks = np.zeros(max(1, n), np.uint8)
        holder = View(marks)
        for link in self._links(burst.desc["link"][:n]):
            self._module(link).mark(burst.desc_address, n, holder.address)
        return np.nonzero(marks[:n])[0].astype(np.int32)

    @staticmethod
    def _links(column: Any) -> Iterable[int]:
        links = np.nonzero(np.bincount(column))[0] if len(column) else ()
        return [int(link) for link in links if int(link) in LINK_NAMES]
