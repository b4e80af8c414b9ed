"""What is written about a class: docstrings in parts, comments and texts beside fields."""

from __future__ import annotations

import pytest

from nfuse import NF, Prefix, u8, u16, u32
from nfuse.nf.documentation import docstring_of, field_docs


class Written(NF):
    """Do one thing,
    said on two lines.

    More about it,
    with `code`.

    Example:
        Written(first=1,
                third="10.0.0.0/8")

    And the end.
    """

    first: u8  # what it is
    second: u16 = 2
    """Said beneath,
    on two lines."""
    third: Prefix = Prefix("10.0.0.0/8")  # noqa: RUF100
    fourth: u32 = 4  # the comment
    """and the text, which wins"""
    fifth: u32 = 5

    class Session:
        seen: u32  # packets so far


class Heir(Written):
    fifth: u32 = 6  # said by the heir


def test_a_docstring_in_parts() -> None:
    words = docstring_of(Written)
    assert words.summary == "Do one thing, said on two lines."
    assert words.more == "More about it,\nwith `code`.\n\nAnd the end."
    assert words.example == {"first": 1, "third": "10.0.0.0/8"}


def test_a_docstring_is_not_inherited() -> None:
    assert docstring_of(Heir).summary == ""
    assert docstring_of(Heir).example is None


@pytest.mark.parametrize("text", ["Written(5)", "Written(first=value)", "see below", "Written(first=1"])
def test_an_example_that_is_no_call_of_literals_stays_prose(text: str) -> None:
    made = type("Made", (), {"__doc__": f"Do it.\n\nExample:\n    {text}\n"})
    assert docstring_of(made).example is None
    assert text in docstring_of(made).more


def test_fields() -> None:
    own = {name: text for name, text in field_docs(Written).items() if name in Written.parameters}
    assert own == {
        "first": "what it is",
        "second": "Said beneath, on two lines.",
        "third": "",
        "fourth": "and the text, which wins",
        "fifth": "",
    }
    assert field_docs(Written.Session) == {"seen": "packets so far"}
    assert field_docs(Heir) == {**field_docs(Written), **own, "fifth": "said by the heir"}


def test_a_class_without_a_source_has_no_field_docs() -> None:
    assert field_docs(type("Made", (), {"__annotations__": {"x": u8}})) == {}
