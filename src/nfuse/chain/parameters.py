"""Network functions from chain files: their parameters, with the place of each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nfuse.chain.errors import nearest
from nfuse.chain.located import Located
from nfuse.nf.base import NF, check_made
from nfuse.nf.parameters import REQUIRED, ParameterError, plain


def make(nf_class: type[NF], value: Located | None, place: Located, folder: Path | None) -> NF:
    """Make a network function of the parameters in a chain file.

    Args:
        nf_class: Its class.
        value: The mapping of its parameters; None or an empty value: no parameters.
        place: Where the network function is named, for mistakes that are no single parameter's.
        folder: What relative paths are relative to.

    Raises:
        ChainError: An unknown, missing or invalid parameter.
    """
    given: dict[str, Any] = {}
    places: dict[str, Located] = {}
    if value is not None and (value.is_mapping or value.is_list or value.value() is not None):
        if not value.is_mapping:
            raise value.error(
                f"{value.kind()} does not fit", expected=f"the parameters of {nf_class.__name__} (key: value)"
            )
        for key, key_place, item in value.items():
            if key not in nf_class.parameters:
                valid = ", ".join(nf_class.parameters) or f"nothing: {nf_class.__name__} has no parameters"
                near = nearest(key, nf_class.parameters)
                raise key_place.error(f"{nf_class.__name__} has no parameter {key!r}", expected=valid, near=near)
            given[key], places[key] = item.value(), item
            if nf_class.parameters[key].is_path and isinstance(given[key], str) and folder is not None:
                given[key] = str(folder.resolve() / given[key])
    try:
        made = nf_class(**given)
        check_made(made)
        object.__setattr__(made, "_places", places)
        return made
    except ParameterError as error:
        missing = error.parameter is not None and error.parameter not in given
        where = places.get(error.parameter or "", place)
        message = error.message.removeprefix(f"{nf_class.__name__}.{error.parameter}: ")
        expected = error.expected or None
        if missing:
            message, expected = (
                f"{nf_class.__name__} needs the parameter {error.parameter!r}",
                _declared(nf_class, error),
            )
        raise where.error(message, expected=expected, near=error.nearest) from None
    except (ValueError, TypeError, OSError) as error:
        raise place.error(str(error)) from error


def _declared(nf_class: type[NF], error: ParameterError) -> str:
    return f"{error.parameter}: {nf_class.parameters[error.parameter or ''].kind.name}"


def parameter_values(nf: NF) -> dict[str, Any]:
    """Return the parameters of a network function that differ from their defaults, as YAML values."""
    parameters = type(nf).parameters
    return {
        name: plain(value)
        for name, value in nf.values().items()
        if parameters[name].default is REQUIRED or value != parameters[name].default
    }
