"""Mistakes in a command's arguments, in the style of all messages: what is wrong, what was expected, where to look."""

from __future__ import annotations

import re

import click


def usage_text(error: click.ClickException) -> str:
    """Return the message of a mistake in a command's arguments."""
    lines = [_what(error)]
    context = getattr(error, "ctx", None)
    if context is not None:
        usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
        lines.append(f"  usage: {usage} (see {context.command_path} --help)")
    return "\n".join(lines)


def _what(error: click.ClickException) -> str:
    if isinstance(error, click.MissingParameter) and error.param is not None:
        told = getattr(error.param, "help", None)
        if isinstance(error.param.type, click.Choice):
            told = ", ".join(map(str, error.param.type.choices))
        return f"{_spelt(error.param)} is missing" + (f"\n  expected: {told[:1].lower()}{told[1:]}" if told else "")
    if isinstance(error, click.BadParameter) and error.param is not None:
        if isinstance(error.param.type, click.IntRange):
            return _not_in_range(error, error.param, error.param.type)
        return f"{_spelt(error.param)}: {_plain(error.message)}"
    if isinstance(error, click.NoSuchOption):
        near = " or ".join(map(repr, sorted(error.possibilities or [])))
        return f"there is no option {error.option_name!r}" + (f"\n  did you mean {near}?" if near else "")
    return _plain(error.format_message())


def _not_in_range(error: click.BadParameter, parameter: click.Parameter, kind: click.IntRange) -> str:
    given = re.match(r"'(.*)' is not a valid|(\S+) is not in", error.message)
    bounds = f", {kind.min} or more" if kind.max is None else f" from {kind.min} to {kind.max}"
    value = f"{given[1] or given[2]!s} " if given else ""
    return f"{_spelt(parameter)}: {value}does not fit\n  expected: a whole number{bounds}"


def _spelt(parameter: click.Parameter) -> str:
    """Return a parameter as it is typed: the long form of an option, the name of an argument."""
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return str(parameter.metavar or parameter.name or "").upper()


def _plain(message: str) -> str:
    """Return one of click's sentences as a message of nfuse."""
    return message[:1].lower() + message[1:].removesuffix(".")
