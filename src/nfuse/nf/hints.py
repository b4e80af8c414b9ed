"""What the author of a handler probably meant: hints of error messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nfuse.nf.errors import nearest
from nfuse.nf.names import FLOW_METHODS, PKT_METHODS
from nfuse.nf.values import Value
from nfuse.packet.fields import HEADERS, PACKET

if TYPE_CHECKING:
    from nfuse.nf.function import Function


def name_hint(function: Function, name: str) -> str:
    """Return what an unknown name may stand for: a parameter or State without ``self.``, a field without ``pkt.``."""
    unit = function.unit
    spoken = {value.form: known for known, value in function.scope.items()}  # what it calls self, pkt and flow
    owners = {"self": [*unit.params, *unit.state.slots, *unit.methods(), "alert"]}
    if unit.own is not None:
        owners["flow"] = [*unit.sessions[unit.own].layout.slots, "initiator", *FLOW_METHODS]
    owners["pkt"] = [*HEADERS, *PACKET.fields, "payload", "time", "reverse", *PKT_METHODS]
    meant = {known: known for known in [*function.source.visible(), *function.variables, *function.scope]}
    for owner, names in owners.items():
        if owner in spoken:
            meant = {known: f"{spoken[owner]}.{known}" for known in names} | meant
    found = name if name in meant else nearest(name, meant)
    return f"did you mean `{meant[found]}`?" if found else ""


def object_hint(value: Value, attribute: str = "") -> str:
    """Return a hint where a traffic class (``tcp.syn``) stands for the packet's own header or field; else ""."""
    from nfuse.flow.traffic import FieldName, HeaderName

    if value.form != "object":
        return ""
    if isinstance(value.const, HeaderName):
        name = f"{value.const.header}.{attribute}" if attribute else value.const.header
    elif isinstance(value.const, FieldName):
        name = value.const.full_name
    else:
        return ""
    return f"that is a traffic class; the packet's own is `pkt.{name}`"


def conversion_hint(value: Value) -> str:
    """Return a hint where an integer or truth value was expected."""
    if value.form == "address":
        return "addresses have `.hi`, `.lo`, `.v4` and `.version`"
    if value.form == "container":
        return "use `len(...)` or an index"
    if value.form == "call":
        return "call it: add `()`"
    return object_hint(value)


def address_hint(value: Value) -> str:
    """Return a hint where an address was expected."""
    if value.form == "text":
        return f"make it a parameter: `to: IPv4Address = {value.const!r}`, or a constant: IPv4Address({value.const!r})"
    return object_hint(value)


EXAMPLES = {
    "drop": '("too long")',
    "reply": '("rst")',
    "alert": '("scan", 1)',
    "decap": '("ipip")',
    "run": "(self.inspect)",
    "encap": "(IpIpHeader(src=..., dst=...))",
}
"""How calls of the API are written, by the name of the function."""


def call_hint(name: str) -> str:
    """Return what to write in place of a call that can't be compiled, by the name of what is called."""
    hints = {"float": "use integers", "range": "loop: `for i in range(...)`"}
    hints |= dict.fromkeys(("dict", "set"), "declare a `HashMap[K, V]` in `class State`")
    hints |= dict.fromkeys(("sum", "map", "filter", "sorted"), "use a `for` loop over `range(...)` or `self.array`")
    hints |= {"str": "reasons and signatures are literal texts", "list": "declare an `Array[T]` in `class State`"}
    for bits in (8, 16, 32):
        hints[f"u{bits}"] = f"a store truncates to the field's width; else cut: `value & {(1 << bits) - 1:#x}`"
    return hints.get(name, "helpers are plain Python functions and methods of the NF")
