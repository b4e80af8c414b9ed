"""What all tests share: how many examples property tests try, and where captures are."""

from __future__ import annotations

import os
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
