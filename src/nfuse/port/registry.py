"""Ports by URI: ``scheme:rest?option=value&option=value``.

Options follow the last ``?``; values may be percent-encoded. What has no scheme is the path of a capture:
``trace.pcap`` means ``pcap:trace.pcap``. A scheme is registered with a decorator::

    @input_port("gen")
    class Generator(Input):
        def __init__(self, *, flows: int = 1000, side: int = 0, inport: int = 0) -> None: ...

or by another package, whose entry point in the group ``nfuse.ports`` (named like the scheme) names the module that does
so. The keyword-only parameters of the constructor are the options, checked and converted by their annotations (``int``,
``float``, ``bool``, ``str``, ``Literal[...]``, also with ``| None``); a positional parameter takes ``rest``. What
``scheme:?help`` shows is made of its docstring.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import unquote

from nfuse.port.base import Input, Output, Port
from nfuse.port.errors import PortError, PortHelp, UriError

GROUP = "nfuse.ports"
"""Group of the entry points through which packages add schemes."""
HELP = "?help"
"""What follows a scheme where its options are asked for."""

_BUILT_IN = {
    "pcap": "nfuse.port.pcap",
    "gen": "nfuse.port.gen",
    "null": "nfuse.port.null",
    "fault": "nfuse.port.fault",
    "answers": "nfuse.port.answers",
}
_GIVEN = frozenset({"side", "inport"})  # set by the opener, not by the URI
_SUFFIXES = {"k": 10**3, "M": 10**6, "G": 10**9}

PortClass = TypeVar("PortClass", bound=Callable[..., Port])


@dataclass(frozen=True)
class Scheme:
    """A registered kind of port: what makes one, whether that parses all of the URI's rest, and who has the options."""

    make: Callable[..., Any]
    whole: bool
    options: Callable[..., Any]

    def help(self, name: str, what: str) -> str:
        """Return what ``name:?help`` shows."""
        from nfuse.port.help import form_of, help_text

        options = options_of(self.options)
        return help_text(form_of(name, self.make, self.whole, bool(options)), what, self.options, options)


INPUTS: dict[str, Scheme] = {}
OUTPUTS: dict[str, Scheme] = {}


def input_port(
    scheme: str, whole: bool = False, options: Callable[..., Any] | None = None
) -> Callable[[PortClass], PortClass]:
    """Register a class (or function) that makes inputs for `scheme`.

    Args:
        scheme: Lower-case name, as in ``scheme:rest``.
        whole: Give the maker all that follows the colon, options included, as its positional argument.
        options: Whose keyword-only parameters are the options, for the help, where it is not the maker.
    """

    def register(maker: PortClass) -> PortClass:
        INPUTS[scheme] = Scheme(maker, whole, options or maker)
        return maker

    return register


def output_port(
    scheme: str, whole: bool = False, options: Callable[..., Any] | None = None
) -> Callable[[PortClass], PortClass]:
    """Register a class (or function) that makes outputs for `scheme`; arguments as for :func:`input_port`."""

    def register(maker: PortClass) -> PortClass:
        OUTPUTS[scheme] = Scheme(maker, whole, options or maker)
        return maker

    return register


def open_input(uri: str, side: int = 0, inport: int = 0) -> Input:
    """Open the input that `uri` names.

    Args:
        uri: ``scheme:rest?options``, or the path of a capture.
        side: Written to the descriptors: 0 for a chain's forward input, 1 for its reverse input.
        inport: Written to the descriptors: the input's index.

    Raises:
        UriError: Unknown scheme or option, or a value that does not fit.
        PortHelp: The URI is ``scheme:?help``.
        PortError: The port can't be opened.
    """
    return typing.cast(Input, _open(uri, INPUTS, "input", {"side": side, "inport": inport}))


def open_output(uri: str) -> Output:
    """Open the output that `uri` names.

    Raises:
        UriError: Unknown scheme or option, or a value that does not fit.
        PortHelp: The URI is ``scheme:?help``.
        PortError: The port can't be opened.
    """
    return typing.cast(Output, _open(uri, OUTPUTS, "output", {}))


def built_in() -> tuple[str, ...]:
    """Return nfuse's own schemes."""
    return tuple(_BUILT_IN)


def known() -> dict[str, str]:
    """Return all schemes of ports and why each can't be used here ("" if it can be), loading what registers them.

    Schemes that other packages offer come after nfuse's own.
    """
    found: dict[str, str] = {}
    for scheme in [*_BUILT_IN, *sorted(entry.name for entry in importlib.metadata.entry_points(group=GROUP))]:
        try:
            _find(scheme, INPUTS, "input")
            found[scheme] = ""
        except UriError:
            found[scheme] = "" if scheme in OUTPUTS else f"nothing registers the scheme '{scheme}:'"
        except Exception as error:
            found[scheme] = str(error)
    return found


def check_output(uri: str) -> None:
    """Check the URI of an output without opening it: its scheme, and its options.

    Raises:
        UriError: Unknown scheme or option, or a value that does not fit.
        PortError: The scheme's package can't be loaded.
    """
    scheme, rest = split_uri(uri)
    entry = _find(scheme, OUTPUTS, "output")
    if not entry.whole:
        _arguments(scheme, rest, entry)


def split_uri(uri: str) -> tuple[str, str]:
    """Split a URI into its scheme (``pcap`` if it has none) and all that follows the colon."""
    found = re.match(r"([A-Za-z][A-Za-z0-9_+.-]*):", uri)
    if not found or "/" in found[1] or "." in found[1]:
        return "pcap", uri
    return found[1], uri[found.end() :]


def split_options(rest: str) -> tuple[str, dict[str, str]]:
    """Split what follows the scheme into the port's own part and its options.

    Raises:
        UriError: An option without a value, or given twice.
    """
    base, mark, query = rest.rpartition("?")
    if not mark:
        return rest, {}
    return base, parse_options(query, "&", rest)


def parse_options(text: str, separator: str, whole: str) -> dict[str, str]:
    """Parse ``key=value`` pairs between separators.

    Raises:
        UriError: An option without a value, or given twice.
    """
    options: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        key, equals, value = part.partition("=")
        if not equals:
            hint = " (a file whose name has a '?' is written with another '?' at the end)" if separator == "&" else ""
            raise UriError(f"'{whole}': the option '{part}' has no value: expected {part}=VALUE{hint}")
        if key in options:
            raise UriError(f"'{whole}': the option '{key}' is given twice")
        options[key] = unquote(value)
    return options


def options_of(maker: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the options that a maker of ports takes: its keyword-only parameters, annotations resolved."""
    function = maker.__init__ if inspect.isclass(maker) else maker  # type: ignore[misc]
    hints = typing.get_type_hints(function)
    return {
        name: parameter.replace(annotation=hints.get(name, str))
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in _GIVEN
    }


def convert(scheme: str, maker: Callable[..., Any], options: Mapping[str, str]) -> dict[str, Any]:
    """Check the options of a URI against what the maker takes, and convert their values.

    Raises:
        UriError: An unknown option, or a value that does not fit; the message lists what there is.
    """
    known = options_of(maker)
    values: dict[str, Any] = {}
    for key, text in options.items():
        if key not in known:
            nearest = difflib.get_close_matches(key, known, 1)
            meant = f"; did you mean '{nearest[0]}'?" if nearest else ""
            listed = ", ".join(sorted(known)) or "none"
            raise UriError(f"{scheme}: has no option '{key}'{meant} (its options: {listed})")
        try:
            values[key] = _value(known[key].annotation, text)
        except ValueError as error:
            raise UriError(f"{scheme}: {key}={text}: expected {error}") from None
    return values


def _value(kind: Any, text: str) -> Any:
    if isinstance(kind, types.UnionType):
        kinds = [k for k in typing.get_args(kind) if k is not type(None)]
        for last, k in enumerate(kinds, 1 - len(kinds)):
            try:
                return _value(k, text)
            except ValueError:
                if not last:
                    raise
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        for choice in choices:
            if str(choice) == text:
                return choice
        raise ValueError("one of " + ", ".join(map(str, choices)))
    if kind is bool:
        if text.lower() in {"1", "true", "yes", "on"}:
            return True
        if text.lower() in {"0", "false", "no", "off"}:
            return False
        raise ValueError("yes or no")
    if kind is int:
        number = _number(text, "an integer (1000, 1e6, 10k, 2M)")
        if number != int(number):
            raise ValueError("an integer (1000, 1e6, 10k, 2M)")
        return int(number)
    if kind is float:
        return float(_number(text, "a number"))
    return text


def _number(text: str, expected: str) -> int | float:
    factor = _SUFFIXES.get(text[-1:], 1)
    digits = text[:-1] if factor != 1 else text
    try:
        return int(digits, 0) * factor
    except ValueError:
        pass
    try:
        number = float(digits) * factor
    except ValueError:
        raise ValueError(expected) from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(expected)
    return number


def _find(scheme: str, table: dict[str, Scheme], what: str) -> Scheme:
    if scheme not in table and scheme in _BUILT_IN:
        importlib.import_module(_BUILT_IN[scheme])
    if scheme not in table:
        for entry in importlib.metadata.entry_points(group=GROUP, name=scheme):
            try:
                entry.load()
            except Exception as error:
                raise PortError(f"the port '{scheme}:' of {entry.value} can't be loaded: {error}") from error
    if scheme in table:
        return table[scheme]
    names = {*table, *(n for n in _BUILT_IN if n not in INPUTS and n not in OUTPUTS)}
    names |= {e.name for e in importlib.metadata.entry_points(group=GROUP)}
    nearest = difflib.get_close_matches(scheme, names, 1)
    meant = f"did you mean '{nearest[0]}:'? " if nearest else ""
    raise UriError(
        f"no {what} port has the scheme '{scheme}:'; {meant}"
        f"known: {', '.join(sorted(n + ':' for n in names))}; a file with a colon in its name is written ./NAME"
    )


def _open(uri: str, table: dict[str, Scheme], what: str, given: dict[str, int]) -> Port:
    scheme, rest = split_uri(uri)
    entry = _find(scheme, table, what)
    if (rest if entry.whole else rest[rest.rfind("?") :]) == HELP:
        raise PortHelp(entry.help(scheme, what))
    parameters = inspect.signature(entry.make).parameters
    given = {k: v for k, v in given.items() if k in parameters}
    if entry.whole:
        return typing.cast(Port, entry.make(rest, **given))
    rests, values = _arguments(scheme, rest, entry)
    return typing.cast(Port, entry.make(*rests, **values, **given))


def _arguments(scheme: str, rest: str, entry: Scheme) -> tuple[list[str], dict[str, Any]]:
    """Return the positional arguments and the options that a URI gives to the maker of ports."""
    base, options = split_options(rest)
    values = convert(scheme, entry.make, options)
    takes_rest = any(
        p.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
        for n, p in inspect.signature(entry.make).parameters.items()
        if n not in _GIVEN
    )
    if not takes_rest and base:
        raise UriError(f"{scheme}: takes options only, as in {scheme}:?key=value; got '{base}'")
    return ([base] if takes_rest else []), values
