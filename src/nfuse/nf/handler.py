"""Translation of whole handlers and helpers: their parameters, what the traffic class proves, their text."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from nfuse.nf.effects import Effects
from nfuse.nf.function import PER_PACKET
from nfuse.nf.source import Source
from nfuse.nf.statements import Statements
from nfuse.nf.values import Facts, Value
from nfuse.packet.fields import HEADERS

if TYPE_CHECKING:
    from nfuse.nf.unit import Helper, Unit

PARAMETERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "on_flow": (("pkt", "flow"),),
    "on_packet": (("pkt", "flow"),),
    "run": (("pkt", "flow"),),
    "on_change": (("flow",), ("pkt", "flow")),
    "on_end": (("flow",),),
    "on_tick": (("elapsed",),),
    "condition": (("flow",), ("pkt", "flow")),
    "then": (("flow",), ("pkt", "flow")),
}
"""What each handler takes after ``self``; where two forms are listed, either is fine."""


class Translator(Statements):
    """Translates a function."""


def class_facts(unit: Unit, role: str) -> Facts:
    """Return the headers that the NF's traffic class proves in a handler.

    A session's class is judged on its first packet, so for later packets it proves only what is the same in all packets
    of a flow: its IP family and protocol.
    """
    if role in ("on_tick", "on_end"):
        return frozenset()
    traffic = unit.cls.traffic
    proved = {"ip"} if traffic is None else set(traffic.proves)
    closed = {name for header in proved if header in HEADERS for name in HEADERS[header].proves} | proved
    if not unit.stateless and role != "on_flow":
        closed &= {"ip", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmp6"}
    return frozenset(closed)


def _check_parameters(unit: Unit, source: Source, role: str, forms: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    arguments = source.tree.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs or arguments.defaults:
        raise source.error(source.tree, f"{source.tree.name} takes plain parameters only")
    given = len(arguments.args) - 1
    for form in forms:
        if given == len(form):
            return form
    text = " or ".join(f"({', '.join(('self', *form))})" for form in forms)
    hint = "an NF with `session = None` has no flow" if unit.stateless else ""
    raise source.error(source.tree, f"{source.tree.name} takes {text}", hint)


def translate_handler(unit: Unit, source: Source, role: str, name: str) -> tuple[str, Effects]:
    """Translate a handler; return its text and effects."""
    forms = PARAMETERS[role]
    if unit.stateless:
        if role not in ("on_packet", "on_tick"):
            raise source.error(
                source.tree, f"an NF with `session = None` has no {role}", "it has on_packet(self, pkt) and on_tick"
            )
        forms = (("pkt",),) if role == "on_packet" else forms
    form = _check_parameters(unit, source, role, forms)
    made = Translator(unit, source, role, class_facts(unit, role), helper=False)
    names = source.names
    made.scope[names[0]] = Value("self")
    for parameter, meaning in zip(names[1:], form, strict=True):
        if meaning == "elapsed":
            made.variables[parameter] = "int"
            made.assigned.add(parameter)
        else:
            made.scope[parameter] = Value(meaning)
    made.body(source.tree.body)
    made.finish()
    header = f"@native\ndef {name}(S, P, F, M, X):"
    if role == "on_tick":
        header += f"\n    v_{names[1]} = P"
    effects = made.effects.done()
    assert role in PER_PACKET or not effects.drops
    return made.text(header), effects


def translate_helper(
    unit: Unit, source: Source, name: str, role: str, arguments: dict[str, Value], facts: Facts
) -> Helper:
    """Translate a helper function for arguments of these forms."""
    from nfuse.nf.unit import Helper

    made = Translator(unit, source, role, facts, helper=True)
    parameters = ["S", "P", "F", "M", "X"]
    for parameter, value in arguments.items():
        if value.runs:
            made.variables[parameter] = "address" if value.form == "address" else "int"
            made.assigned.add(parameter)
            parameters.append(f"v_{parameter}")
        else:
            made.scope[parameter] = value
    decorated = [d for d in source.tree.decorator_list if not _is_static(d)]
    if decorated:
        raise source.error(decorated[0], f"the decorator of {source.tree.name} can't be compiled")
    made.body(source.tree.body)
    made.finish()
    ticks = made.ticks or made.calls_ticking
    text = made.text(f"@native\ndef {name}({', '.join(parameters)}):")
    return Helper(name, text, made.effects.done(), made.result, made.faults, ticks)


def _is_static(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "staticmethod"
