"""``x in ...``: prefixes, port ranges, maps, and constants, written out or by name."""

from __future__ import annotations

import ast
from typing import Any

from nfuse.nf.api import Api
from nfuse.nf.types import PortRange, Prefix
from nfuse.nf.values import Value, describe, literal

MOST_CONSTANTS = 256
"""Constants that a test of membership may have: each is compared with."""


class Membership(Api):
    """Translates ``in``."""

    def comparison(
        self, node: ast.AST, operator: ast.cmpop, a: Value, b: Value, a_node: ast.AST, b_node: ast.AST
    ) -> Value:
        """One comparison of integers or addresses."""
        raise NotImplementedError

    def member(self, node: ast.AST, left: ast.expr, right: ast.expr) -> Value:
        """``x in ...``: a prefix, a port range, a map, or several constants."""
        if isinstance(right, ast.Tuple | ast.List | ast.Set):
            values = self.operands([left, *right.elts])
            return self._one_of(node, values[0], values[1:], left, right.elts)
        item, owner = self.operands([left, right])
        match owner.form:
            case "prefix":
                address = self.settle(self.as_address(item, left)).code
                return Value("bool", f"(in_prefix({address}[0], {address}[1], {owner.code}) != 0)", stable=True)
            case "ports":
                port = self.settle(self.as_int(item, left)).code
                return Value("bool", f"(load64({owner.code}) <= {port} <= load64({owner.code} + 8))", stable=True)
            case "container" if owner.kind and owner.kind.container == "map":
                return Value("bool", f"({self.map_find(owner, item, left)} != 0)")
            case "object":
                return self._in_constant(node, item, owner, left, right)
        raise self._no_members(right, owner)

    def _in_constant(self, node: ast.AST, item: Value, owner: Value, left: ast.expr, right: ast.expr) -> Value:
        match owner.const:
            case Prefix():
                return self._in_constant_prefix(owner.const, self.settle(self.as_address(item, left)).code)
            case PortRange(low, high):
                port = self.settle(self.as_int(item, left)).code
                return Value("bool", f"({low} <= {port} <= {high})", stable=True)
            case tuple() | frozenset():
                found = sorted(owner.const, key=repr) if isinstance(owner.const, frozenset) else list(owner.const)
                if len(found) > MOST_CONSTANTS:
                    raise self.error(
                        right,
                        f"{describe(owner)} has {len(found)} items; `in` takes {MOST_CONSTANTS} constants",
                        "fill a `HashMap[K, V]` of `class State` in on_start",
                    )
                values = [self.known(one, right, f"{one!r} in {describe(owner).strip('`')}") for one in found]
                return self._one_of(node, item, values, left, [right] * len(values))
            case list() | set() | dict():
                kind = type(owner.const).__name__
                hint = "write it in parentheses, as a tuple: constants don't change"
                raise self.error(right, f"{describe(owner)} is a {kind}, which may change while the chain runs", hint)
        raise self._no_members(right, owner)

    def _no_members(self, node: ast.AST, owner: Value) -> Exception:
        return self.error(
            node,
            f"`in` can't look into {describe(owner)}",
            "a Prefix, a PortRange, a HashMap, and constants: `x in (80, 443)`",
        )

    def _one_of(self, node: ast.AST, item: Value, values: list[Value], left: ast.expr, parts: list[Any]) -> Value:
        settled = [self.settle(value) for value in [item, *values]]
        tests = [
            self.comparison(node, ast.Eq(), settled[0], other, left, part).code
            for other, part in zip(settled[1:], parts, strict=True)
        ]
        return Value("bool", f"({' or '.join(tests)})" if tests else "0", None if tests else 0, stable=True)

    @staticmethod
    def _in_constant_prefix(prefix: Prefix, address: str) -> Value:
        hi, lo, mask_hi, mask_lo, family = prefix.words()
        code = f"({address}[0] & {literal(mask_hi)}) == {literal(hi)} and "
        code += f"({address}[1] & {literal(mask_lo)}) == {literal(lo)}"
        code += f" and address_version({address}[0], {address}[1]) == {family}"
        return Value("bool", f"({code})", stable=True)
