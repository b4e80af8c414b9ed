"""Loads, stores and integer arithmetic of the data path: one meaning, compiled and interpreted.

Every value is a 64-bit two's complement integer (``i64``). Loads extend narrower values (zero extension, or sign
extension for the ``_i`` forms); stores truncate. Multi-byte loads and stores come in the processor's byte order
(little endian: ``load32``) and in network byte order (``load32be``). Addresses are integers; no alignment is needed.

Compiled, each function is a few machine instructions. Interpreted (``NFUSE_JIT=0``) it goes through :mod:`ctypes`.
With ``NFUSE_CHECK=1`` both forms look the address up in the table of registered arenas first: a load outside gives 0, a
store outside does nothing, and both are counted (:func:`violations`).
"""

from __future__ import annotations

import bisect
import ctypes
import threading
from typing import Any

import numpy as np

from nfuse.memory.jit import CHECK, JIT

MASK64 = (1 << 64) - 1
_SIGN64 = 1 << 63

# ------------------------------------------------------------------------------------------------ registered ranges

MAX_RANGES = 4096
_ranges = np.zeros(8 + 2 * MAX_RANGES, dtype=np.int64)
"""Table of the check mode: [0] ranges in use, [1] violations, [2] first bad address, [3] its size, [8:] start, end."""

_starts: list[int] = []
_ends: list[int] = []
_lock = threading.RLock()


_withdrawn: list[int] = []
"""Ranges whose owners are gone. Finalizers may run at any moment, so they only append here."""


def register_range(address: int, size: int) -> None:
    """Declare `size` bytes at `address` as memory that the data path may touch."""
    with _lock:
        while _withdrawn:
            gone = _withdrawn.pop()
            at = bisect.bisect_left(_starts, gone)
            if at < len(_starts) and _starts[at] == gone:
                del _starts[at], _ends[at]
        at = bisect.bisect_left(_starts, address)
        _starts.insert(at, address)
        _ends.insert(at, address + size)
        if not CHECK:
            return
        count = len(_starts)
        if count > MAX_RANGES:
            raise MemoryError(f"the check mode knows at most {MAX_RANGES} arenas at a time")
        table = np.array([_starts, _ends], dtype=np.int64).T.reshape(-1)
        _ranges[0] = 0
        _ranges[8 : 8 + 2 * count] = table[: 2 * count]
        _ranges[0] = count


def unregister_range(address: int) -> None:
    """Withdraw the range that starts at `address` (it takes effect when the next one is registered)."""
    _withdrawn.append(address)


def violations() -> tuple[int, int, int]:
    """Return (count, first bad address, its access size) of the check mode and reset them."""
    found = (int(_ranges[1]), int(_ranges[2]), int(_ranges[3]))
    _ranges[1:4] = 0
    return found


def _inside(address: int, size: int) -> bool:
    at = bisect.bisect_right(_starts, address) - 1
    if at >= 0 and address + size <= _ends[at]:
        return True
    if not _ranges[1]:
        _ranges[2], _ranges[3] = address, size
    _ranges[1] += 1
    return False


# ------------------------------------------------------------------------------------------------------ interpreted

_CTYPES: dict[tuple[int, bool], Any] = {
    (8, False): ctypes.c_uint8,
    (16, False): ctypes.c_uint16,
    (32, False): ctypes.c_uint32,
    (64, False): ctypes.c_int64,  # the bits of a u64, as i64
    (8, True): ctypes.c_int8,
    (16, True): ctypes.c_int16,
    (32, True): ctypes.c_int32,
    (64, True): ctypes.c_int64,
}


def _py_i64(value: Any) -> int:
    value = int(value) & MASK64
    return value - (1 << 64) if value & _SIGN64 else value


def _py_load(bits: int, signed: bool, swap: bool) -> Any:
    kind = _CTYPES[bits, signed]
    size = bits // 8

    def load(address: int) -> int:
        if CHECK and not _inside(address, size):
            return 0
        if swap:
            return _py_i64(int.from_bytes(ctypes.string_at(address, size), "big"))
        return int(kind.from_address(address).value)

    return load


def _py_store(bits: int, swap: bool) -> Any:
    kind = _CTYPES[bits, False]
    size = bits // 8
    mask = (1 << bits) - 1

    def store(address: int, value: int) -> None:
        if CHECK and not _inside(address, size):
            return
        if swap:
            ctypes.memmove(address, (int(value) & mask).to_bytes(size, "big"), size)
        else:
            kind.from_address(address).value = int(value)

    return store


def _py_lsr(value: int, count: int) -> int:
    return _py_i64((int(value) & MASK64) >> count)


def _py_prefetch(address: int) -> None:
    return None


def _py_copy(target: int, source: int, size: int) -> None:
    if size <= 0:
        return
    if CHECK and not (_inside(target, size) and _inside(source, size)):
        return
    ctypes.memmove(target, source, size)


def _py_zero(target: int, size: int) -> None:
    if size <= 0:
        return
    if CHECK and not _inside(target, size):
        return
    ctypes.memset(target, 0, size)


def _py_ctz(value: int) -> int:
    value = int(value) & MASK64
    return (value & -value).bit_length() - 1 if value else 64


def _py_popcount(value: int) -> int:
    return (int(value) & MASK64).bit_count()


def _py_mulhi(a: int, b: int) -> int:
    return _py_i64(((int(a) & MASK64) * (int(b) & MASK64)) >> 64)


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 6)


def _py_call(function: int, a: int, b: int, c: int, d: int, e: int, f: int) -> int:
    return int(_CALLBACK(function)(a, b, c, d, e, f))


# --------------------------------------------------------------------------------------------------------- compiled

if JIT:
    import llvmlite.binding as _llvm
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    _I64 = ir.IntType(64)
    _SYMBOL = "nfuse_ranges"
    if CHECK:
        _llvm.add_symbol(_SYMBOL, _ranges.ctypes.data)

    def _is_int(*kinds: Any) -> bool:
        return all(isinstance(k, types.Integer | types.Boolean) for k in kinds)

    def _as_i64(context: Any, builder: Any, value: Any, kind: Any) -> Any:
        if isinstance(kind, types.Boolean):
            return builder.zext(context.get_value_as_data(builder, kind, value), _I64)
        return context.cast(builder, value, kind, types.int64)

    def _check_function(module: Any) -> Any:
        """Return the function of this module that looks an access up: i1 (address, size)."""
        name = "nfuse_inside"
        if name in module.globals:
            return module.globals[name]
        table = ir.GlobalVariable(module, ir.ArrayType(_I64, 8 + 2 * MAX_RANGES), _SYMBOL)
        table.linkage = "external"
        function = ir.Function(module, ir.FunctionType(ir.IntType(1), [_I64, _I64]), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        builder = ir.IRBuilder(function.append_basic_block())
        address, size = function.args
        base = builder.bitcast(table, _I64.as_pointer())

        def const(value: int) -> Any:
            return ir.Constant(_I64, value)

        def slot(index: Any) -> Any:
            return builder.gep(base, [index])

        def row(number: Any, column: int) -> Any:
            return builder.load(slot(builder.add(const(6 + column), builder.shl(number, const(1)))))

        count = builder.load(slot(const(0)))
        found = cgutils.alloca_once_value(builder, const(0))  # how many ranges start at or before the address
        step = cgutils.alloca_once_value(builder, const(MAX_RANGES))
        loop, done = builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        reached = builder.add(builder.load(found), builder.load(step))
        with builder.if_then(builder.icmp_signed("<=", reached, count)):
            with builder.if_then(builder.icmp_signed("<=", row(reached, 0), address)):
                builder.store(reached, found)
        half = builder.lshr(builder.load(step), const(1))
        builder.store(half, step)
        builder.cbranch(builder.icmp_signed(">", half, const(0)), loop, done)
        builder.position_at_end(done)
        at = builder.load(found)
        with builder.if_then(builder.icmp_signed(">", at, const(0))):
            with builder.if_then(builder.icmp_signed("<=", address, builder.sub(row(at, 1), size))):
                builder.ret(cgutils.true_bit)
        seen = builder.load(slot(const(1)))
        with builder.if_then(builder.icmp_signed("==", seen, const(0))):
            builder.store(address, slot(const(2)))
            builder.store(size, slot(const(3)))
        builder.store(builder.add(seen, const(1)), slot(const(1)))
        builder.ret(cgutils.false_bit)
        return function

    def _emit_check(builder: Any, address: Any, size: Any) -> Any:
        """Emit a search of the table of ranges; returns an i1 that says whether the access is inside one."""
        return builder.call(_check_function(builder.module), [address, size])

    def _pointer(builder: Any, address: Any, bits: int) -> Any:
        return builder.inttoptr(address, ir.IntType(bits).as_pointer())

    def _swap_bytes(builder: Any, value: Any, bits: int) -> Any:
        if bits == 8:
            return value
        kind = ir.IntType(bits)
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), f"llvm.bswap.i{bits}")
        return builder.call(function, [value])

    def _make_load(bits: int, signed: bool, swap: bool) -> Any:
        @intrinsic
        def load(typingctx: Any, address: Any) -> Any:
            if not _is_int(address):
                return None

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                where = _as_i64(context, builder, args[0], signature.args[0])

                def fetch() -> Any:
                    value = builder.load(_pointer(builder, where, bits), align=1)
                    if swap:
                        value = _swap_bytes(builder, value, bits)
                    if bits == 64:
                        return value
                    return builder.sext(value, _I64) if signed else builder.zext(value, _I64)

                if not CHECK:
                    return fetch()
                result = cgutils.alloca_once_value(builder, ir.Constant(_I64, 0))
                with builder.if_then(_emit_check(builder, where, ir.Constant(_I64, bits // 8))):
                    builder.store(fetch(), result)
                return builder.load(result)

            return types.int64(address), codegen

        return load

    def _make_store(bits: int, swap: bool) -> Any:
        @intrinsic
        def store(typingctx: Any, address: Any, value: Any) -> Any:
            if not _is_int(address, value):
                return None

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                where = _as_i64(context, builder, args[0], signature.args[0])
                what = _as_i64(context, builder, args[1], signature.args[1])
                if bits != 64:
                    what = builder.trunc(what, ir.IntType(bits))
                if swap:
                    what = _swap_bytes(builder, what, bits)

                def put() -> None:
                    builder.store(what, _pointer(builder, where, bits), align=1)

                if CHECK:
                    with builder.if_then(_emit_check(builder, where, ir.Constant(_I64, bits // 8))):
                        put()
                else:
                    put()
                return context.get_dummy_value()

            return types.void(address, value), codegen

        return store

    @intrinsic
    def i64(typingctx: Any, value: Any) -> Any:
        """Make an integer or a truth value an i64, wrapping."""
        if not _is_int(value):
            return None

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _as_i64(context, builder, args[0], signature.args[0])

        return types.int64(value), codegen

    def _binary(emit: Any) -> Any:
        @intrinsic
        def operation(typingctx: Any, a: Any, b: Any) -> Any:
            if not _is_int(a, b):
                return None

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                left = _as_i64(context, builder, args[0], signature.args[0])
                right = _as_i64(context, builder, args[1], signature.args[1])
                return emit(builder, left, right)

            return types.int64(a, b), codegen

        return operation

    def _emit_mulhi(builder: Any, a: Any, b: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(a, wide), builder.zext(b, wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), _I64)

    lsr = _binary(lambda builder, a, b: builder.lshr(a, b))
    mulhi = _binary(_emit_mulhi)

    def _unary(name: str, extra: bool) -> Any:
        @intrinsic
        def operation(typingctx: Any, value: Any) -> Any:
            if not _is_int(value):
                return None

            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                what = _as_i64(context, builder, args[0], signature.args[0])
                kinds = [_I64] + ([ir.IntType(1)] if extra else [])
                function = cgutils.get_or_insert_function(
                    builder.module, ir.FunctionType(_I64, kinds), f"llvm.{name}.i64"
                )
                return builder.call(function, [what] + ([cgutils.false_bit] if extra else []))

            return types.int64(value), codegen

        return operation

    ctz = _unary("cttz", True)
    popcount = _unary("ctpop", False)

    @intrinsic
    def prefetch(typingctx: Any, address: Any) -> Any:
        """Ask the processor to bring the cache line of `address` close. Any address is allowed."""
        if not _is_int(address):
            return None

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            i32 = ir.IntType(32)
            pointer = ir.IntType(8).as_pointer()
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.VoidType(), [pointer, i32, i32, i32]), "llvm.prefetch.p0"
            )
            where = _as_i64(context, builder, args[0], signature.args[0])
            builder.call(
                function,
                [builder.inttoptr(where, pointer), ir.Constant(i32, 0), ir.Constant(i32, 3), ir.Constant(i32, 1)],
            )
            return context.get_dummy_value()

        return types.void(address), codegen

    def _emit_if_inside(builder: Any, ranges: list[Any], size: Any, body: Any) -> None:
        if not CHECK:
            body()
            return
        with builder.if_then(builder.icmp_signed(">", size, ir.Constant(_I64, 0))):
            ok = cgutils.true_bit
            for where in ranges:
                ok = builder.and_(ok, _emit_check(builder, where, size))
            with builder.if_then(ok):
                body()

    @intrinsic
    def copy(typingctx: Any, target: Any, source: Any, size: Any) -> Any:
        """Copy `size` bytes from `source` to `target`; the two may overlap. Nothing happens if `size` <= 0."""
        if not _is_int(target, source, size):
            return None

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            to, frm, count = (_as_i64(context, builder, a, k) for a, k in zip(args, signature.args, strict=True))
            pointer = ir.IntType(8).as_pointer()

            def body() -> None:
                function = cgutils.get_or_insert_function(
                    builder.module,
                    ir.FunctionType(ir.VoidType(), [pointer, pointer, _I64, ir.IntType(1)]),
                    "llvm.memmove.p0.p0.i64",
                )
                zero = ir.Constant(_I64, 0)
                n = builder.select(builder.icmp_signed(">", count, zero), count, zero)
                builder.call(
                    function,
                    [builder.inttoptr(to, pointer), builder.inttoptr(frm, pointer), n, cgutils.false_bit],
                )

            _emit_if_inside(builder, [to, frm], count, body)
            return context.get_dummy_value()

        return types.void(target, source, size), codegen

    @intrinsic
    def zero(typingctx: Any, target: Any, size: Any) -> Any:
        """Set `size` bytes at `target` to zero. Nothing happens if `size` <= 0."""
        if not _is_int(target, size):
            return None

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            to, count = (_as_i64(context, builder, a, k) for a, k in zip(args, signature.args, strict=True))
            pointer = ir.IntType(8).as_pointer()

            def body() -> None:
                function = cgutils.get_or_insert_function(
                    builder.module,
                    ir.FunctionType(ir.VoidType(), [pointer, ir.IntType(8), _I64, ir.IntType(1)]),
                    "llvm.memset.p0.i64",
                )
                none = ir.Constant(_I64, 0)
                n = builder.select(builder.icmp_signed(">", count, none), count, none)
                builder.call(
                    function, [builder.inttoptr(to, pointer), ir.Constant(ir.IntType(8), 0), n, cgutils.false_bit]
                )

            _emit_if_inside(builder, [to], count, body)
            return context.get_dummy_value()

        return types.void(target, size), codegen

    @intrinsic
    def call(typingctx: Any, function: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
        """Call the function at an address with six i64; it returns an i64. The way back into Python (ctypes)."""
        if not _is_int(function, a, b, c, d, e, f):
            return None

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            values = [_as_i64(context, builder, v, k) for v, k in zip(args, signature.args, strict=True)]
            kind = ir.FunctionType(_I64, [_I64] * 6).as_pointer()
            return builder.call(builder.inttoptr(values[0], kind), values[1:])

        return types.int64(function, a, b, c, d, e, f), codegen

    load8, load16, load32, load64 = (_make_load(bits, False, False) for bits in (8, 16, 32, 64))
    load8i, load16i, load32i = (_make_load(bits, True, False) for bits in (8, 16, 32))
    load16be, load32be, load64be = (_make_load(bits, False, True) for bits in (16, 32, 64))
    store8, store16, store32, store64 = (_make_store(bits, False) for bits in (8, 16, 32, 64))
    store16be, store32be, store64be = (_make_store(bits, True) for bits in (16, 32, 64))

else:
    i64 = _py_i64
    lsr, mulhi, ctz, popcount, prefetch, copy, zero, call = (  # type: ignore[assignment]
        _py_lsr,
        _py_mulhi,
        _py_ctz,
        _py_popcount,
        _py_prefetch,
        _py_copy,
        _py_zero,
        _py_call,
    )
    load8, load16, load32, load64 = (_py_load(bits, False, False) for bits in (8, 16, 32, 64))
    load8i, load16i, load32i = (_py_load(bits, True, False) for bits in (8, 16, 32))
    load16be, load32be, load64be = (_py_load(bits, False, True) for bits in (16, 32, 64))
    store8, store16, store32, store64 = (_py_store(bits, False) for bits in (8, 16, 32, 64))
    store16be, store32be, store64be = (_py_store(bits, True) for bits in (16, 32, 64))
