"""Names of differentiated services code points."""

from __future__ import annotations

DSCPS: dict[str, int] = {
    **{f"CS{i}": 8 * i for i in range(8)},  # RFC 2474 section 4.2.2
    **{f"AF{i}{j}": 8 * i + 2 * j for i in range(1, 5) for j in range(1, 4)},  # RFC 2597 section 6
    "EF": 46,  # RFC 3246 section 2.7
    "VA": 44,  # RFC 5865 section 2.3
    "LE": 1,  # RFC 8622 section 4
    "DF": 0,  # RFC 2474 section 4.1
}
"""Code points by name."""


def parse_dscp(value: int | str, what: str = "dscp") -> int:
    """Read a DSCP: a number from 0 to 63, or a name such as ``EF`` or ``af41``.

    Raises:
        ValueError: It is neither; the message begins with `what`.
    """
    text = str(value).strip().upper()
    if text in DSCPS:
        return DSCPS[text]
    if text.isdecimal() and int(text) <= 63:
        return int(text)
    raise ValueError(f"{what}: {value!r} is not a DSCP: expected 0-63, CS0-CS7, AF11-AF43, EF, VA, LE or DF")
