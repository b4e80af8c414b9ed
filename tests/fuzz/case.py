"""A case of fuzzing as a file: a chain, its packets, changes on the way; written before it runs, kept if it fails."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nfuse import Chain, Control, from_yaml, to_yaml
from nfuse.engine.driver import ENGINES
from nfuse.engine.verify import verify
from nfuse.port.memory import ListInput
from nfuse.testing import Packet, packets, text

FOUND = Path(__file__).parent / "found"
"""Where cases that failed are kept; ``test_found.py`` runs them."""


@dataclass
class Case:
    """What a run is made of.

    Attributes:
        chain: The chain.
        packets: Its input.
        control: Changes of parameters on the way.
        burst: Packets delivered at once.
    """

    chain: Chain
    packets: list[Packet]
    control: list[Control] = field(default_factory=list)
    burst: int = 64

    def check(self) -> None:
        """Run all engines on it.

        Raises:
            AssertionError: They differ, or packets are lost without a counter.
        """
        source = ListInput(self.packets, most=self.burst)
        found = verify(self.chain, source, tuple(ENGINES), self.control, packets=64, keep=True)
        assert found.identical, str(found)
        assert found.run is not None
        assert found.run.conserved, f"packets in + made = out + dropped does not hold: {found.run.counters}"

    def write(self, path: Path) -> None:
        """Write it to a file."""
        document: dict[str, Any] = {"burst": self.burst}
        if self.control:
            document["control"] = [
                {"nf": change.nf, "set": change.set, "at_packet": change.at_packet} for change in self.control
            ]
        lines = "".join(f"  {line}\n" for line in text(self.packets).splitlines())
        chain = to_yaml(self.chain)
        path.write_text(f"{yaml.safe_dump(document)}packets: |\n{lines}{chain}")

    @classmethod
    def read(cls, path: Path) -> Case:
        """Read it from a file."""
        whole = path.read_text()
        document = yaml.safe_load(whole)
        control = [Control(**change) for change in document.get("control", [])]
        chain = from_yaml(
            yaml.safe_dump({key: document[key] for key in ("name", "chain", "settings") if key in document})
        )
        return cls(chain, packets(document["packets"]), control, document["burst"])


class Keeper:
    """Writes each case before it is run: also one that ends the process is there afterwards."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"running-{os.getpid()}.yaml"

    def check(self, case: Case) -> None:
        """Run a case, written before."""
        case.write(self.path)
        case.check()
        self.path.unlink()


@contextmanager
def keeper(folder: Path = FOUND) -> Iterator[Keeper]:
    """Give what cases are run with; the last one, if it fails, gets a name of its own in the folder."""
    one = Keeper(folder)
    try:
        yield one
    except Exception as error:
        if one.path.exists():
            digest = hashlib.sha256(one.path.read_bytes()).hexdigest()[:12]
            kept = one.path.rename(folder / f"{digest}.yaml")
            error.add_note(f"the case is kept: {kept}\nrun it again: pytest tests/fuzz/test_found.py -k {digest}")
        raise
    except BaseException:
        one.path.unlink(missing_ok=True)
        raise
