"""How many examples the property tests of this folder try."""

from __future__ import annotations

from hypothesis import settings


def few(count: int) -> settings:
    """Return settings for at most `count` examples, fewer where ``NFUSE_EXAMPLES`` says so."""
    return settings(max_examples=min(count, settings.default.max_examples))  # type: ignore[union-attr]
