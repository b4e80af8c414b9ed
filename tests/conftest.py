"""What all tests share: how many examples property tests try, and where captures are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "nfuse",
    max_examples=int(os.environ.get("NFUSE_EXAMPLES", "100")),
    deadline=None,  # a first example may compile
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("nfuse")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real captures beside the project; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("NFUSE_CAPTURES", ROOT.parent / "shared" / "captures"))
    if not folder.is_dir():
        pytest.skip(f"no captures in {folder} (set NFUSE_CAPTURES)")
    return folder


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    config.addinivalue_line("markers", "violates: the test makes accesses outside all arenas on purpose")


@pytest.fixture(autouse=True)
def checked(request: pytest.FixtureRequest) -> Iterator[None]:
    """In the check mode (NFUSE_CHECK=1), fail a test that has left accesses outside all arenas.

    A test that makes them on purpose carries the mark ``violates``, or takes them from the count itself.
    """
    if os.environ.get("NFUSE_CHECK") != "1":
        yield
        return
    from nfuse.memory.raw import violations

    violations()
    yield
    count, address, size = violations()
    if request.node.get_closest_marker("violates") is None:
        assert not count, f"{count} accesses outside all arenas, the first at {address:#x} of {size} bytes"
