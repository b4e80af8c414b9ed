"""Random handlers: native and interpreted, they do the same to the last bit.

A program is an NF of several small functions over four i64 fields, made of every operator and statement; it is compiled
once and run on many inputs.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nf.both import Both, nf_class

from nfuse.memory.jit import JIT
from nfuse.nf.errors import CompileError

EDGES = [0, 1, -1, 2, 7, 63, 64, 255, 65535, 1 << 31, 1 << 32, (1 << 63) - 1, -(1 << 63), (1 << 64) - 1]
numbers = st.one_of(st.sampled_from(EDGES), st.integers(-(1 << 63), (1 << 64) - 1), st.integers(-9, 9))
fields = st.sampled_from(["flow.a", "flow.b", "flow.c", "flow.d", "flow.narrow", "flow.signed", "self.wide", "x", "y"])
leaves = st.one_of(fields, numbers.map(lambda n: f"({n})" if n < 0 else str(n)))


def grow(inner):
    binary = st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%", "<<", ">>", "&", "|", "^"]), inner)
    compare = st.tuples(inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner)
    joined = st.tuples(inner, st.sampled_from(["and", "or"]), inner)
    return st.one_of(
        binary.map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        compare.map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        joined.map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} < {t[1]} <= {t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(st.sampled_from(["-", "~", "not "]), inner).map(lambda t: f"({t[0]}{t[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        inner.map(lambda t: f"abs({t})"),
        inner.map(lambda t: f"self.array[{t} & 3]"),
        inner.map(lambda t: f"self.array[{t} % 5]"),
        inner.map(lambda t: f"self.map.get({t}, 5)"),
        inner.map(lambda t: f"self.step({t})"),
        st.just("self.stack.pop()"),
        st.just("len(self.stack)"),
    )


expressions = st.recursive(leaves, grow, max_leaves=8)
targets = st.sampled_from(["flow.a", "flow.b", "flow.c", "flow.d", "flow.narrow", "flow.signed", "self.wide", "x", "y"])
operators = st.sampled_from(["=", "+=", "-=", "*=", "^=", "|=", "&=", "//=", ">>="])


def flat(parts):
    return [line for part in parts for line in part]


def blocks(depth):
    simple = st.one_of(
        st.tuples(targets, operators, expressions).map(lambda t: [f"{t[0]} {t[1]} {t[2]}"]),
        st.tuples(expressions, operators, expressions).map(lambda t: [f"self.array[{t[0]} & 3] {t[1]} {t[2]}"]),
        st.tuples(expressions, expressions).map(lambda t: [f"self.map[{t[0]} & 15] = {t[1]}"]),
        expressions.map(lambda t: [f"self.stack.push({t})"]),
    )
    if depth == 0:
        return st.lists(simple, min_size=1, max_size=3).map(flat)
    inner = blocks(depth - 1).map(lambda lines: ["    " + line for line in lines])
    compound = st.one_of(
        st.tuples(expressions, inner, inner).map(lambda t: [f"if {t[0]}:", *t[1], "else:", *t[2]]),
        st.tuples(expressions, inner).map(lambda t: [f"for i in range({t[0]} & 7):", "    x += i", *t[1]]),
        st.tuples(expressions, inner).map(
            lambda t: [f"while {t[0]}:", "    y -= 1", "    if y & 1:", "        continue", *t[1], "    break"]
        ),
    )
    return st.lists(st.one_of(simple, compound), min_size=1, max_size=3).map(flat)


def program(body):
    text = "\n".join("        " + line for line in body)
    return f"""
class Tested(NF):
    class State:
        wide: u64
        array: Array[i16, 4]
        stack: Stack[u32]
        map: HashMap[u8, i32]

    class Session:
        a: i64; b: i64; c: i64; d: u64
        narrow: u8
        signed: i16

    def on_start(self):
        self.stack.reserve(3)
        self.stack.push(70000)
        self.map.reserve(6)

    def step(self, n):
        self.wide += n
        if n == 0:
            return 1 // n
        for k in range(n & 3):
            self.array[k] += 1
        return self.wide ^ n

    def on_flow(self, pkt, flow):
        x = flow.a
        y = 3
{text}
        flow.a = x ^ y
"""


@settings(max_examples=12 if JIT else settings.default.max_examples)  # compiling takes a second
@given(blocks(2), st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=10, max_size=20))
def test_native_and_interpreted_agree(body, inputs):
    try:
        both = Both(nf_class(program(body))())
    except CompileError as error:
        if "this always divides by zero" in str(error):
            return
        raise
    for a, b, c, d in inputs:
        both.store(**{name: signed(value) for name, value in zip("abcd", (a, b, c, d), strict=True)})
        both.call("on_flow")


def signed(value):
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
