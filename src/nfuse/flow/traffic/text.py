"""Tests of a field as text of the filter language, so that `pcap_filter` reads back what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nfuse.flow.traffic import ranges, values
from nfuse.flow.traffic.ranges import Ranges

if TYPE_CHECKING:
    from nfuse.flow.traffic.names import FieldName

_QUALIFIERS = {"sport": "src port", "dport": "dst port", "ip.src": "src", "ip.dst": "dst"}


def within_text(field: FieldName, found: Ranges) -> str:
    """Write "the field lies in the set", in parentheses where it takes more than one primitive."""
    rest = ranges.complement(found, field.maximum)
    if field.kind == "address":
        positive, negative = values.address_texts(found), None
        if len(positive) > 1:
            negative = values.address_texts(rest)
        if negative and len(negative) < len(positive):
            return _join("and", [f"{field.full_name} != {item}" for item in negative])
        return _join("or", [_address(field, item) for item in positive])
    if rest and len(rest) < len(found) and all(low == high for low, high in rest):
        return _join("and", [f"{field.full_name} != {_value(field, low)}" for low, _ in rest])
    return _join("or", [_range(field, low, high) for low, high in found])


def _join(word: str, items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"({f' {word} '.join(items)})"


def _value(field: FieldName, value: int) -> str:
    return values.mac_text(value) if field.kind == "mac" else str(value)


def _address(field: FieldName, item: str) -> str:
    qualifier = _QUALIFIERS.get(field.full_name)
    if qualifier is None:
        return f"{field.full_name} = {item}"
    return f"{qualifier} {'net' if '/' in item else 'host'} {item}"


def _range(field: FieldName, low: int, high: int) -> str:
    qualifier = _QUALIFIERS.get(field.full_name)
    if (low, high) == (0, field.maximum):
        return f"{field.full_name} >= 0"
    if low == high:
        return f"{qualifier} {low}" if qualifier else f"{field.full_name} = {_value(field, low)}"
    if qualifier:
        return f"{qualifier}range {low}-{high}"
    if low == 0:
        return f"{field.full_name} <= {_value(field, high)}"
    if high == field.maximum:
        return f"{field.full_name} >= {_value(field, low)}"
    return f"({field.full_name} >= {_value(field, low)} and {field.full_name} <= {_value(field, high)})"
