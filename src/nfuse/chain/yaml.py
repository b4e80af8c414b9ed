"""Chain files: a chain as YAML text, and back.

The two directions are inverse on the graph: ``from_yaml(to_yaml(chain)) == chain``. See ``docs/chain-file.md`` for the
format.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from nfuse.chain.errors import ChainError, nearest
from nfuse.chain.graph import Alternative, Branch, Graph, as_class, constant
from nfuse.chain.locate import find_class, reference_to
from nfuse.chain.located import Located, parse
from nfuse.chain.modules import load_module
from nfuse.chain.parameters import make, parameter_values
from nfuse.chain.spec import SETTINGS, Chain, Timeouts, valid_name
from nfuse.errors import shown
from nfuse.nf.base import NF

KEYS = ("name", "chain", "settings")
EMPTY = "the chain is empty"
_FILE_SETTINGS = tuple(key for key in SETTINGS if key != "name")
_DEEPEST = 16


def load_chain(path: str | Path) -> Chain:
    """Load a chain from a ``.yaml`` file, or from a ``.py`` file that has a variable ``chain``.

    Raises:
        ChainError: The file is missing or wrong; the message names file, line, key, and what was expected.
    """
    path = Path(path)
    text = read_chain_file(path)
    if path.suffix != ".py":
        return from_yaml(text, file=str(path), folder=path.parent)
    module = load_module(path.resolve())
    try:
        if not hasattr(module, "chain"):
            raise _no_chain(vars(module))
        chain = module.chain if isinstance(module.chain, Chain) else Chain(module.chain)
        if not chain.nodes:
            raise ChainError(EMPTY, expected="at least one network function")
    except ChainError as error:
        raise error.at(file=shown(str(path))) from None
    return chain


def read_chain_file(path: Path) -> str:
    """Return the text of a chain file.

    Raises:
        ChainError: There is no such file, or it can't be read; the message names the nearest.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        folder = path.parent if path.parent.is_dir() else Path()
        near = nearest(path.name, [p.name for p in folder.iterdir() if p.suffix in {".yaml", ".yml", ".py"}])
        raise ChainError("there is no such chain file", file=str(path), near=near) from None
    except UnicodeDecodeError:
        raise ChainError("not a text file", file=str(path), expected="a chain file (.yaml or .py)") from None
    except OSError as error:
        raise ChainError(f"can't be read: {error.strerror}", file=str(path)) from None


def _no_chain(names: dict[str, Any]) -> ChainError:
    """Tell that a file has no ``chain``, and what in it could be one."""
    for name, value in names.items():
        if isinstance(value, Chain | Graph | NF):
            return ChainError("the file defines no chain", expected=f"the variable `{name}` under the name `chain`")
    classes = [
        name for name, value in names.items() if isinstance(value, type) and value.__module__ == names["__name__"]
    ]
    example = f"{classes[0]}(...)" if classes else "..."
    return ChainError("the file defines no chain", expected=f"a variable: chain = Chain({example})")


# ---------------------------------------------------------------------------------------------------------- reading


def from_yaml(text: str, file: str = "<chain>", folder: Path | None = None) -> Chain:
    """Read a chain from YAML text.

    Args:
        text: The text.
        file: A name for messages.
        folder: What relative paths and modules in the text are relative to (default: the current folder).

    Raises:
        ChainError: The message names file, line, column, key, what was expected, and the nearest valid name.
    """
    return chain_of(parse(text, file), folder)


def chain_of(document: Located, folder: Path | None) -> Chain:
    """Make the chain of a chain file's document; arguments and errors as for :func:`from_yaml`."""
    if document.is_list:  # a bare list of network functions is a chain without settings
        return _guarded(document, lambda: Chain(_whole_graph(document, folder)))
    graph: Graph | None = None
    settings: dict[str, Any] = {}
    places: dict[str, Located] = {}
    for key, place, value in document.items():
        if key == "chain":
            graph = _whole_graph(value, folder)
        elif key == "name":
            settings["name"] = str(value.value())
        elif key == "settings":
            settings.update(_settings(value))
            places = {name: one for name, _, one in value.items()}
        else:
            raise place.error(f"unknown key {key!r}", expected=", ".join(KEYS), near=nearest(key, KEYS))
    if graph is None:
        raise document.error("there is no chain in the file", expected="chain: [...]")
    try:
        return Chain(graph, **settings)
    except ChainError as error:
        if error.line is not None:
            raise
        raise places.get(error.key or "", document).at(error) from None


def _guarded(place: Located, build: Any) -> Any:
    """Call `build`; an error in it that has no place yet gets this one."""
    try:
        return build()
    except ChainError as error:
        if error.line is not None:
            raise
        raise place.at(error) from None


def _whole_graph(place: Located, folder: Path | None) -> Graph:
    graph = _graph(place, folder, 0)
    if not graph.parts:
        raise place.error(EMPTY, expected="at least one network function")
    return graph


def _graph(place: Located, folder: Path | None, depth: int) -> Graph:
    if depth > _DEEPEST:
        raise place.error(f"branches within branches, more than {_DEEPEST} deep")
    if not place.is_list:
        if not place.is_mapping and place.value() is None:
            return Graph()
        raise place.error(f"{place.kind()} does not fit", expected="a list of network functions")
    return Graph(tuple(_part(item, folder, depth) for item in place))


def _part(place: Located, folder: Path | None, depth: int) -> NF | Branch:
    if not place.is_mapping:
        name = place.value()
        if not isinstance(name, str):
            raise place.error(f"{place.kind()} is no network function", expected="a name, or name: {parameters}")
        return _placed(_guarded(place, lambda: make(find_class(name, folder), None, place, folder)), place, None)
    heads = [(key, key_place, value) for key, key_place, value in place.items() if key != "name"]
    given = next((value for key, _, value in place.items() if key == "name"), None)
    if len(heads) != 1:
        raise place.error(
            "one item of the list must be one network function"
            + (f", not {len(heads)}: {', '.join(key for key, _, _ in heads)}" if heads else ""),
            expected="- Name: {parameters} (are the parameters indented deeper than the name?)",
        )
    key, key_place, value = heads[0]
    if key == "branch":
        if given is not None:
            raise given.error("a branch has no name")
        return _branch(value, folder, depth)
    nf_class = _guarded(key_place, lambda: find_class(key, folder))
    nf = _placed(make(nf_class, value, key_place, folder), key_place, value)
    if given is None:
        return nf
    name = given.value()
    if not isinstance(name, str) or not valid_name(name):
        raise given.error(f"{given.kind()} is no name", expected="letters, digits, _, -, . (a letter first)")
    named = nf.named(name)
    object.__setattr__(named, "_name_place", given)
    return named


def _placed(nf: NF, place: Located, values: Located | None) -> NF:
    """Note on a network function where it and its parameters stand, for what is found out about them later."""
    object.__setattr__(nf, "_place", place)
    object.__setattr__(nf, "_values", values)
    return nf


def _branch(place: Located, folder: Path | None, depth: int) -> Branch:
    from nfuse.flow.traffic import everything

    ways: list[Alternative] = []
    for item in place:
        entries = {key: (key_place, value) for key, key_place, value in item.items()}
        for key, (key_place, _) in entries.items():
            if key not in ("when", "chain", "otherwise"):
                valid = ("when", "chain", "otherwise")
                raise key_place.error(f"unknown key {key!r}", expected=", ".join(valid), near=nearest(key, valid))
        if "otherwise" in entries:
            if len(entries) > 1:
                raise item.error("'otherwise' stands alone: it has no condition and is itself the chain")
            ways.append(Alternative(everything, _graph(entries["otherwise"][1], folder, depth + 1)))
        elif "when" in entries:
            graph = _graph(entries["chain"][1], folder, depth + 1) if "chain" in entries else Graph()
            when = _guarded(entries["when"][1], lambda: constant(_expression(entries["when"][1]), "branch"))  # noqa: B023
            way = Alternative(when, graph)
            object.__setattr__(way, "_place", entries["when"][1])
            ways.append(way)
        else:
            raise item.error(
                "an alternative needs a condition", expected="when: FILTER with chain: [...], or otherwise"
            )
    if not any(way.graph.parts for way in ways):
        raise place.error("a branch without any network function")
    return Branch(tuple(ways))


def _expression(place: Located) -> Any:
    text = place.value()
    if not isinstance(text, str):
        raise place.error(f"{place.kind()} is no filter", expected="a pcap filter such as: tcp and dst port 80")
    try:
        return as_class(text)
    except ChainError as error:
        raise place.inside(error, text) from None
    except (ValueError, TypeError) as error:
        raise place.error(str(error), expected="a pcap filter such as: tcp and dst port 80") from None


def _settings(place: Located) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, key_place, value in place.items():
        if key not in _FILE_SETTINGS:
            near = nearest(key, _FILE_SETTINGS)
            raise key_place.error(f"unknown setting {key!r}", expected=", ".join(_FILE_SETTINGS), near=near)
        if key == "timeouts":
            settings[key] = _timeouts(value)
        elif key == "direction":
            settings[key] = None if value.value() is None else _expression(value)
        elif key == "two_sided":
            if not isinstance(value.value(), bool):
                raise value.error(f"{value.kind()} does not fit", expected="true or false")
            settings[key] = value.value()
        else:
            settings[key] = value.value()
        _guarded(value, lambda: Chain(None, **{key: settings[key]}))  # noqa: B023  (called at once)
    return settings


def _timeouts(place: Located) -> Timeouts:
    valid = tuple(Timeouts.__dataclass_fields__)
    values: dict[str, Any] = {}
    for key, key_place, value in place.items():
        if key not in valid:
            raise key_place.error(f"unknown time-out {key!r}", expected=", ".join(valid), near=nearest(key, valid))
        values[key] = value.value()
        _guarded(value, lambda: Timeouts(**values))
    return Timeouts(**values)


# ---------------------------------------------------------------------------------------------------------- writing


def to_yaml(chain: Chain) -> str:
    """Write a chain as YAML text; what has its default value is left out.

    Raises:
        ChainError: A network function is of a class that a file can't name (defined inside a function).
    """
    document: dict[str, Any] = {}
    if chain.name != "chain":
        document["name"] = chain.name
    document["chain"] = _plain_graph(chain.graph)
    default = Chain(None)
    settings: dict[str, Any] = {}
    for key in _FILE_SETTINGS:
        value = getattr(chain, key)
        if value == getattr(default, key) or (key == "two_sided" and chain.direction is not None):
            continue
        if key == "direction":
            value = str(value)
        if key == "inputs":
            value = list(value)
        if key == "timeouts":
            value = {k: v for k, v in vars(value).items() if v != getattr(default.timeouts, k)}
        settings[key] = value
    if settings:
        document["settings"] = settings
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes texts with line breaks and other characters that can't be seen in double quotes, escaped."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _text)


def _plain_graph(graph: Graph) -> list[Any]:
    from nfuse.flow.traffic import everything

    out: list[Any] = []
    for part in graph.parts:
        if isinstance(part, Branch):
            ways = []
            for way in part.alternatives:
                if way.when == everything:
                    ways.append({"otherwise": _plain_graph(way.graph)})
                    continue
                item: dict[str, Any] = {"when": str(way.when)}
                if way.graph.parts:
                    item["chain"] = _plain_graph(way.graph)
                ways.append(item)
            out.append({"branch": ways})
            continue
        name, values = reference_to(type(part)), parameter_values(part)
        if part.name:
            out.append({name: values, "name": part.name})
        else:
            out.append({name: values} if values else name)
    return out
