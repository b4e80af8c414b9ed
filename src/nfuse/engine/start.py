"""Starting a chain: what its network functions have against their parameters is told with their name and place."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from nfuse.chain.culprit import start_error
from nfuse.chain.errors import ChainError, nearest
from nfuse.chain.spec import Chain
from nfuse.engine.api import Control, Engine
from nfuse.nf.errors import CompileError, culprit
from nfuse.nf.instance import Instance
from nfuse.nf.parameters import ParameterError

ENGINES: dict[str, str] = {
    "reference": "nfuse.engine.reference:ReferenceEngine",
    "fused": "nfuse.engine.fused:FusedEngine",
    "original": "nfuse.engine.fused:OriginalEngine",
}
"""Engines by name: ``module:class``, imported when first asked for."""


def engine_class(name: str) -> Callable[[Chain], Engine]:
    """Return the class of the engine of that name.

    Raises:
        ValueError: No such engine.
    """
    if name not in ENGINES:
        raise ValueError(f"no engine {name!r}; there are {', '.join(ENGINES)}")
    module, _, attribute = ENGINES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]


def started(chain: Chain, engine: str) -> Engine:
    """Make an engine of that name for a chain.

    Raises:
        ChainError: The chain is empty; ``on_start`` of a network function refuses its parameters.
        CompileError: A mistake in a network function.
        ValueError: No such engine, or it does not support the chain.
    """
    if not chain.nodes:
        raise ChainError("the chain is empty", expected="at least one network function")
    made = engine_class(engine)
    with located(chain):
        return made(chain)


def check(chain: Chain) -> list[int]:
    """Run ``on_start`` of all network functions of a chain, as its engines would; return the bytes of their States.

    Raises:
        ChainError: One refuses its parameters.
    """
    sizes = []
    with located(chain):
        for node in chain.nodes:
            instance = Instance(node.nf)
            instance.start()
            sizes.append(instance.used)
    return sizes


def check_control(chain: Chain, control: Sequence[Control]) -> None:
    """Check control input before a run: that its network functions and parameters exist and the values fit.

    Raises:
        ChainError: They don't.
    """
    for change in control:
        node = chain.node(change.nf)
        known = type(node.nf).parameters
        for name, value in change.set.items():
            if name not in known:
                raise ChainError(
                    f"control input for {change.nf!r}: {type(node.nf).__name__} has no parameter {name!r}",
                    expected=", ".join(known) or "no parameters",
                    near=nearest(name, known),
                )
            try:
                known[name].check(value)
            except ParameterError as error:
                raise ChainError(
                    f"control input for {change.nf!r}: {error.message}", expected=error.expected or None
                ) from None


@contextmanager
def located(chain: Chain, verdict: str = "can't start") -> Iterator[None]:
    """Give errors of ``on_start`` and ``on_update`` the name of the NF and its place in the chain file."""
    try:
        yield
    except (ChainError, CompileError):
        raise
    except Exception as error:
        guilty = culprit(error)
        for node in chain.nodes:
            if node.nf is guilty:
                raise start_error(node.nf, node.name, verdict, error) from error
        for node in chain.nodes:
            if isinstance(error, ValueError) and str(error).startswith(f"{node.name} "):  # an engine's, about that NF
                raise start_error(node.nf, node.name, "can't be at this place", error) from error
        raise
