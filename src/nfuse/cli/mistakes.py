"""Mistakes in handlers with the message that nfuse prints of each: what ``docs/mistakes.md`` is made of."""

from __future__ import annotations

import linecache
import types

FILE = "mistake.py"
FRAME = """\
import numpy as np

from nfuse import NF, Array, Stack, ip, u16, u32, u64

PORTS = [80, 443]


def power(base, exponent):
    return base * power(base, exponent - 1) if exponent else 1


class Mistake(NF):
    traffic = ip
    limit: u32 = 3

    class State:
        free: Stack[u16]
        table: Array[u32, 4]

    class Session:
        port: u16
        bytes: u64

    def on_packet(self, pkt, flow):
        ...
"""
"""The network function that mistakes are made in; ``...`` stands for the mistake."""


def message(code: str) -> str:
    """Return what is printed of an error in handler code.

    Args:
        code: The body of ``on_packet`` in :data:`FRAME`.

    Raises:
        ValueError: It is no mistake.
    """
    from nfuse.nf.base import NF
    from nfuse.nf.compile import analyse
    from nfuse.nf.errors import CompileError

    source = FRAME.replace("        ...\n", "".join(f"        {line}\n" for line in code.splitlines()))
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    module = types.ModuleType("mistake")
    try:
        exec(compile(source, FILE, "exec", dont_inherit=True), module.__dict__)
        network_function: type[NF] = module.Mistake
        analyse(network_function)
    except CompileError as error:
        return str(error)
    finally:
        del linecache.cache[FILE]
    raise ValueError(f"no mistake: {code!r}")
