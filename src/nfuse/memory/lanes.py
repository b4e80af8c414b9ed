"""Sixteen bytes at a time: one vector compare, where :mod:`nfuse.memory.raw` has a word at a time."""

from __future__ import annotations

import ctypes
from typing import Any

from nfuse.memory import raw
from nfuse.memory.jit import CHECK, JIT

LANES = 16
"""Bytes that :func:`equal_bytes` compares."""


def _py_equal_bytes(address: int, byte: int) -> int:
    if CHECK and not raw._inside(address, LANES):
        return 0
    found = 0
    for lane, value in enumerate(ctypes.string_at(address, LANES)):
        found |= int(value == byte & 0xFF) << lane
    return found


if JIT:
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    @intrinsic
    def equal_bytes(typingctx: Any, address: Any, byte: Any) -> Any:
        """Compare the 16 bytes at `address` with the low 8 bits of `byte`: bit i of the result says byte i is equal.

        No alignment is needed. Three instructions with SSE2 or AVX-512 (broadcast, compare, move the mask out). In the
        check mode the result is 0 where the bytes lie outside the arenas.
        """
        if not raw._is_int(address, byte):
            return None

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            i64, lanes = ir.IntType(64), ir.VectorType(ir.IntType(8), LANES)
            where = raw._as_i64(context, builder, args[0], signature.args[0])
            one = builder.trunc(raw._as_i64(context, builder, args[1], signature.args[1]), ir.IntType(8))

            def compare() -> Any:
                first = builder.insert_element(ir.Constant(lanes, ir.Undefined), one, ir.IntType(32)(0))
                zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
                pattern = builder.shuffle_vector(first, ir.Constant(lanes, ir.Undefined), zeros)
                data = builder.load(builder.inttoptr(where, lanes.as_pointer()), align=1)
                equal = builder.icmp_unsigned("==", data, pattern)
                return builder.zext(builder.bitcast(equal, ir.IntType(LANES)), i64)

            if not CHECK:
                return compare()
            result = cgutils.alloca_once_value(builder, ir.Constant(i64, 0))
            with builder.if_then(raw._emit_check(builder, where, ir.Constant(i64, LANES))):
                builder.store(compare(), result)
            return builder.load(result)

        return types.int64(address, byte), codegen

else:
    equal_bytes = _py_equal_bytes
