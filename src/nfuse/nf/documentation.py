"""What an author has written about an NF class: its docstring in parts, and a line about each field.

A field (a parameter, or one of ``State`` or a session) is documented where it is declared, by a comment that ends its
line, or by a text beneath it; the text wins::

    threshold: u32 = 100  # SYNs that a flow may send
    window: u32 = 10
    \"""Seconds; 0: never.\"""

A section ``Example:`` of the docstring, with one constructor call of literals, is the example that tools show.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import textwrap
import tokenize
from dataclasses import dataclass, field
from typing import Any

_EXAMPLE = re.compile(r"^Examples?:\n((?:[ \t]+.*\n|\n)*)", re.MULTILINE)
_FOR_TOOLS = ("noqa", "type:", "pragma:", "fmt:")


@dataclass(frozen=True)
class Docstring:
    """The docstring of an NF class in parts.

    Attributes:
        summary: Its first paragraph, on one line.
        more: All that follows, without the example.
        example: Arguments by name of the constructor call in the section ``Example:``, None if there is none.
    """

    summary: str = ""
    more: str = ""
    example: dict[str, Any] | None = field(default=None)


def docstring_of(cls: type) -> Docstring:
    """Take the docstring of a class apart; one that it inherits does not count."""
    text = inspect.cleandoc(cls.__doc__ or "") + "\n"
    example = None
    if found := _EXAMPLE.search(text):
        example = _arguments(textwrap.dedent(found[1]))
        if example is not None:
            text = text[: found.start()] + text[found.end() :]
    first, _, more = text.strip().partition("\n\n")
    return Docstring(" ".join(first.split()), more.strip(), example)


def _arguments(source: str) -> dict[str, Any] | None:
    """Return the keyword arguments of a constructor call, None if the text is anything else."""
    try:
        tree = ast.parse(source.strip(), mode="eval").body
        if isinstance(tree, ast.Call) and not tree.args:
            return {keyword.arg: ast.literal_eval(keyword.value) for keyword in tree.keywords if keyword.arg}
    except (SyntaxError, ValueError):
        pass
    return None


def field_docs(cls: type) -> dict[str, str]:
    """Return what is written beside the annotated names of a class and its bases; "" where nothing is.

    Where the source can't be read (a class made at the prompt) nothing is found.
    """
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        try:
            source = textwrap.dedent(inspect.getsource(base))
            body = ast.parse(source).body[0]
        except (OSError, TypeError, SyntaxError):
            continue
        if isinstance(body, ast.ClassDef):
            docs |= _in_body(body.body, _comments(source))
    return docs


def _in_body(body: list[ast.stmt], comments: dict[int, str]) -> dict[str, str]:
    docs = {}
    for statement, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        text = comments.get(statement.end_lineno or 0, "")
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            text = " ".join(after.value.value.split())
        docs[statement.target.id] = text
    return docs


def _comments(source: str) -> dict[int, str]:
    """Return the comments by line number, without those that speak to tools."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        text = token.string.lstrip("#: ").strip()
        if token.type == tokenize.COMMENT and not text.startswith(_FOR_TOOLS):
            found[token.start[0]] = text
    return found
