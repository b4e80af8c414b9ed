"""All checks of a chain file, one after the other; a mistake does not keep the others from being found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nfuse.chain.errors import ChainError
from nfuse.chain.lenient import load_leniently
from nfuse.chain.spec import Chain, Node
from nfuse.engine.check.facts import NodeFacts
from nfuse.engine.check.places import place_of
from nfuse.engine.check.ports import unusable
from nfuse.engine.check.reach import Reach
from nfuse.engine.check.whole import available_memory, owned_twice, too_large, unreached
from nfuse.engine.fused.layout import plan_chain
from nfuse.engine.plan.memory import memory_of
from nfuse.engine.start import located
from nfuse.nf.compile import NFInfo, analyse
from nfuse.nf.errors import CompileError
from nfuse.nf.findings import Finding
from nfuse.nf.instance import Instance


@dataclass
class Report:
    """What was found.

    Attributes:
        file: The chain file.
        chain: The chain, as far as it could be read; None if nothing could.
        findings: In the order of their places.
    """

    file: str
    chain: Chain | None = None
    findings: list[Finding] = field(default_factory=list)

    def count(self, severity: str) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)


def check_file(
    file: str,
    *,
    direction: str | None = None,
    two_sided: bool = False,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    available: int | None = None,
) -> Report:
    """Check a chain file without traffic.

    Args:
        file: A ``.yaml`` or ``.py`` file.
        direction: A filter that is true for packets of the reverse direction.
        two_sided: The chain sits between two networks.
        inputs, outputs: URIs of the ports that it is to run on.
        available: Bytes of memory that may be used; None: what this machine has.

    Raises:
        ChainError: There is no such file, or it can't be read.
    """
    report = Report(file)
    try:
        chain, mistakes = load_leniently(file)
    except CompileError as error:
        chain, mistakes = None, []
        report.findings.append(_compile_finding(error))
    report.findings += [_chain_finding(error, file) for error in mistakes]
    whole = not report.findings
    if chain is not None:
        try:
            if direction is not None:
                chain = chain.with_settings(direction=direction)
            if two_sided:
                chain = chain.with_settings(two_sided=True)
        except ChainError as error:
            report.findings.append(_chain_finding(error, file))
        report.chain = chain
        room = available_memory() if available is None else available
        report.findings += _Checks(chain, file, whole).run(room)
    report.findings += unusable(inputs, outputs)
    report.findings = sorted((_shortened(one) for one in report.findings), key=lambda one: _order(one, file))
    return report


class _Checks:
    """The checks of a chain that could be read.

    Args:
        chain: The chain.
        file: Its file.
        whole: Whether all of the file could be read; else NFs are checked apart from their places.
    """

    def __init__(self, chain: Chain, file: str, whole: bool) -> None:
        self.chain, self.file, self.whole = chain, file, whole
        self.infos: dict[str, NFInfo] = {}
        self.refused: dict[str, Finding] = {}
        self.states: dict[str, int] = {}

    def run(self, available: int | None) -> list[Finding]:
        """Return all findings."""
        findings = list(self._compile())
        self._start()
        compiled = len(self.infos) == len(self.chain.nodes)
        if not (self.whole and compiled):
            return findings + [one for node in self.chain.nodes for one in self._ask(node, None)]
        findings += self._places()
        try:
            plan = plan_chain(self.chain)
        except ValueError as error:
            return [*findings, self._unsupported(error)]
        states = [self.states.get(node.name, 0) for node in self.chain.nodes]
        return findings + list(too_large(memory_of(plan, None, states), available, self.file))

    def _compile(self) -> Iterator[Finding]:
        seen: set[str] = set()
        for node in self.chain.nodes:
            try:
                self.infos[node.name] = analyse(type(node.nf))
            except CompileError as error:
                if str(error) not in seen:
                    seen.add(str(error))
                    yield _compile_finding(error, node)

    def _start(self) -> None:
        """Run ``on_start`` of each NF, as an engine would."""
        for node in self.chain.nodes:
            if node.name not in self.infos:
                continue
            try:
                with located(self.chain):
                    instance = Instance(node.nf)
                    instance.start()
                self.states[node.name] = instance.used
            except ChainError as error:
                message = error.message.partition("can't start: ")[2] or error.message
                place = place_of(node.nf, file=self.file)
                self.refused[node.name] = Finding(
                    "error", "start", f"{node.name} can't start: {message}", nf=node.name, **_where(place)
                )

    def _places(self) -> Iterator[Finding]:
        """Ask each NF about itself at its place, and look at the chain as a whole."""
        unable = set(self.refused)
        effects = {name: info.total() for name, info in self.infos.items()}
        reach = Reach(self.chain, effects, unable)
        for node in self.chain.nodes:
            yield from self._ask(node, reach)
        yield from unreached(reach, self.file)
        yield from owned_twice(self.chain, unable, self.file)

    def _ask(self, node: Node, reach: Reach | None) -> Iterator[Finding]:
        """Yield what an NF finds; what ``on_start`` refuses is told only where the NF has not said what is wrong."""
        found: list[Finding] = []
        refused = self.refused.get(node.name)
        try:
            found += node.nf.check(NodeFacts(node, self.chain.capacity, reach, self.file))
        except Exception as error:
            if refused is None:
                text = f"{type(error).__name__}: {error}"
                place = place_of(node.nf, file=self.file)
                found.append(
                    Finding(
                        "error",
                        "check-failed",
                        f"{type(node.nf).__name__}.check failed: {text}",
                        hint="this is a defect of that class",
                        nf=node.name,
                        **_where(place),
                    )
                )
        yield from found
        if refused is not None and not any(finding.severity == "error" for finding in found):
            yield refused

    def _unsupported(self, error: ValueError) -> Finding:
        culprit = next((n for n in self.chain.nodes if str(error).startswith(f"{n.name} ")), None)
        place = place_of(culprit.nf, file=self.file) if culprit else (self.file, None, None)
        return Finding("error", "unsupported", str(error), nf=culprit.name if culprit else "", **_where(place))


def _where(place: tuple[str, int | None, int | None]) -> dict[str, Any]:
    return dict(zip(("file", "line", "column"), place, strict=True))


def _chain_finding(error: ChainError, file: str) -> Finding:
    hints = [
        f"expected {error.expected}" if error.expected else "",
        f"did you mean {error.near!r}?" if error.near else "",
    ]
    return Finding(
        "error",
        "chain-file",
        error.message.splitlines()[0],
        hint="; ".join(filter(None, hints)),
        file=error.file or file,
        line=error.line,
        column=error.column,
    )


def _compile_finding(error: CompileError, node: Node | None = None) -> Finding:
    return Finding(
        "error",
        "compile",
        error.message,
        hint=error.hint,
        nf=node.name if node else "",
        file=error.file or None,
        line=error.line or None,
        column=error.column or None,
    )


def _shortened(finding: Finding) -> Finding:
    """Give a file below the working directory its relative name."""
    if finding.file is None or not os.path.isabs(finding.file):
        return finding
    below = os.path.relpath(finding.file)
    return finding if below.startswith("..") else replace(finding, file=below)


def _order(finding: Finding, file: str) -> tuple[Any, ...]:
    """Sort by place: the chain file first, then others, then what has no place."""
    own = finding.file is not None and Path(finding.file) == Path(file)
    name = finding.file or ""
    return (0 if own else 1 if name else 2, name, finding.line or 0, finding.column or 0)
