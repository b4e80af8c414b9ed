"""YAML that remembers where everything stands, so that errors can point at it.

Scalars follow the core schema of YAML 1.2: ``yes`` and ``on`` are texts, ``12:34`` is a text (not a number to base 60),
``1e3`` is a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from nfuse.chain.errors import ChainError

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """A safe loader with the scalars of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


@dataclass(frozen=True)
class Located:
    """A value of a YAML document with its place.

    Attributes:
        node: The YAML node.
        file: The name of the file, for messages.
        lines: The file's lines.
        path: The keys that lead here.
    """

    node: Any
    file: str
    lines: list[str]
    path: str = ""

    @property
    def is_mapping(self) -> bool:
        """Whether this is a mapping."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """Whether this is a sequence."""
        return isinstance(self.node, yaml.SequenceNode)

    def error(self, message: str, expected: str | None = None, near: str | None = None) -> ChainError:
        """Return an error that points here."""
        mark = self.node.start_mark
        source = self.lines[mark.line] if mark.line < len(self.lines) else None
        return ChainError(
            message,
            file=self.file,
            line=mark.line + 1,
            column=mark.column + 1,
            key=self.path or None,
            expected=expected,
            near=near,
            source=source,
        )

    def at(self, error: ChainError) -> ChainError:
        """Return an error that has no place yet, as one that points here."""
        here = self.error("")
        return error.at(file=here.file, line=here.line, column=here.column, key=here.key, source=here.source)

    def inside(self, error: ChainError, text: str) -> ChainError:
        """Return an error that knows its column in a text, as one that points into the text where it stands here."""
        found = self.at(error)
        at = found.source.find(text, (found.column or 1) - 1) if found.source else -1
        if error.column is None or at < 0:
            return found
        return found.at(file=found.file, line=found.line, column=at + error.column, source=found.source, detail="")

    def kind(self) -> str:
        """Return in words what stands here."""
        if self.is_mapping:
            return "a mapping"
        if self.is_list:
            return "a list"
        return "nothing" if self.value() is None else repr(self.value())

    def items(self) -> list[tuple[str, Located, Located]]:
        """Return a mapping's entries as (key, place of the key, value); keys must be texts and differ."""
        if not self.is_mapping:
            raise self.error(f"{self.kind()} does not fit", expected="a mapping (key: value)")
        seen: dict[str, int] = {}
        out = []
        for key_node, value_node in self.node.value:
            key = Located(key_node, self.file, self.lines, self.path)
            if not isinstance(key_node, yaml.ScalarNode):
                raise key.error("a key must be a word")
            name = str(key_node.value)
            if name in seen:
                raise key.error(f"{name!r} is given twice (first in line {seen[name]})")
            seen[name] = key_node.start_mark.line + 1
            path = f"{self.path}.{name}" if self.path else name
            place = Located(key_node, self.file, self.lines, path)
            out.append((name, place, Located(value_node, self.file, self.lines, path)))
        return out

    def __iter__(self) -> Iterator[Located]:
        if not self.is_list:
            raise self.error(f"{self.kind()} does not fit", expected="a list (- item)")
        for number, node in enumerate(self.node.value):
            yield Located(node, self.file, self.lines, f"{self.path}[{number}]")

    def value(self) -> Any:
        """Return the plain Python value (numbers, texts, lists, dicts)."""
        try:
            return _Values("").construct_document(self.node)
        except (yaml.YAMLError, ValueError) as error:
            raise self.error(f"unreadable value: {getattr(error, 'problem', None) or error}") from None


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    assert isinstance(text, str)
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    base = {"0x": 16, "0o": 8}.get(digits[:2], 10)
    return sign * int(digits[2:] if base != 10 else digits, base)


class _Values(yaml.SafeLoader):
    """Makes Python values of nodes."""


_Values.add_constructor("tag:yaml.org,2002:int", _construct_int)


def parse(text: str, file: str) -> Located:
    """Read one YAML document.

    Raises:
        ChainError: The text is no YAML, or is empty; the message names line and column.
    """
    lines = text.splitlines()
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _no_yaml(error, file, lines) from None
    if node is None:
        raise ChainError("the file is empty", file=file, line=1, column=1, expected="a chain (chain: [...])")
    return Located(node, file, lines)


def _no_yaml(error: yaml.YAMLError, file: str, lines: list[str]) -> ChainError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line, mark.column) if mark else (0, 0)
    text = lines[line] if line < len(lines) else None
    message, expected = f"not YAML: {getattr(error, 'problem', None) or error}", None
    indent = "" if text is None else text[: len(text) - len(text.lstrip())]
    if "\t" in indent or (text or "")[column : column + 1] == "\t":
        message, expected = "not YAML: a tab", "spaces: YAML is indented with spaces only"
        column = indent.index("\t") if "\t" in indent else column
    return ChainError(message, file=file, line=line + 1, column=column + 1, source=text, expected=expected)
