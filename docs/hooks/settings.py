"""Writes the tables of configuration keys when the site is built: from the typed settings, and from ``conf/``.

A page has a line ``<!-- settings of train -->`` for the keys of a command, and ``<!-- groups -->`` for the choices of
all groups with the keys of the objects that they name.
"""

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import griffe
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from pydantic.fields import FieldInfo

from mlmd.cli.program import CONF
from mlmd.cli.settings import Component, OnTheFlySettings, Settings, SimulateSettings, TrainSettings
from mlmd.cli.settings.base import group_of, is_mapping_of_components, kinds_of, range_of

COMMANDS: dict[str, tuple[type[Settings], str, tuple[str, ...]]] = {
    "train": (TrainSettings, "train", ()),
    "simulate": (SimulateSettings, "simulate", ()),
    "simulate on the fly": (OnTheFlySettings, "simulate", ("mode=on_the_fly",)),
}
"""Settings, primary configuration and overrides of each way to run."""

GROUP_OF = {
    "data.trajectories": "data",
    "data.batches": "data",
    "rollout.injections": "injection",
    "on_the_fly": "mode",
}
"""Groups of components whose key is not that of their group."""

MOST_DEFAULTS = 6
"""Most choices or different defaults that are written out."""

HEADER = "| key | default | values | meaning |\n| --- | --- | --- | --- |\n"

_KINDS: dict[Any, str] = {
    bool: "`true`, `false`",
    int: "whole number",
    float: "number",
    str: "text",
    NoneType: "`null`",
}


class Choice(NamedTuple):
    """A file of a group: its leading comment, and the nodes of it that name a class or function, by key."""

    comment: str
    nodes: dict[str, Mapping[str, Any]]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The text of a page with the tables in place of their marks."""
    markdown = re.sub(r"<!-- settings of ([\w ]+) -->", lambda found: command_table(found[1]), markdown)
    return markdown.replace("<!-- groups -->", groups_text()) if "<!-- groups -->" in markdown else markdown


def command_table(name: str) -> str:
    """The keys of a command."""
    settings, primary, overrides = COMMANDS[name]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(primary, overrides=list(overrides), return_hydra_config=True)
    chosen = {str(key): value for key, value in config.hydra.runtime.choices.items()}
    values = OmegaConf.to_container(OmegaConf.masked_copy(config, [key for key in config if key != "hydra"]))
    return HEADER + "".join(_setting_rows(settings, values, chosen, ""))


def _setting_rows(settings: type[Settings], values: Any, chosen: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        key, inner = f"{path}{name}", group_of(field)
        if inner is not None:
            yield from _setting_rows(inner, values.get(name) or {}, chosen, f"{key}.")
        elif Component in kinds_of(field) or is_mapping_of_components(field):
            group = GROUP_OF.get(key, key)
            is_group = (CONF / group).is_dir()
            default = _code(chosen.get(group)) if key == group and is_group else ""
            where = f"[choices of {group}](#{group})" if is_group else "an object with `_target_`, by name"
            yield _row(key, default, where, str(field.description))
        else:
            yield _row(key, _code(values.get(name, field.default)), _values_of(field), str(field.description))


def _values_of(field: FieldInfo) -> str:
    """The values that a key takes, with their unit."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, Mapping) else {}
    unit = [f"in {extra['unit']}"] if "unit" in extra else []
    return ", ".join([_kinds(field.annotation), *filter(None, [range_of(field)]), *unit])


def _kinds(annotation: Any) -> str:
    """The types of a key in words."""
    if isinstance(annotation, str) or annotation is inspect.Parameter.empty:
        return ""
    if get_origin(annotation) in (Union, UnionType):
        return ", ".join(_kinds(kind) for kind in get_args(annotation))
    if get_origin(annotation) is Literal:
        return ", ".join(_code(word) for word in get_args(annotation))
    kind = get_origin(annotation) or annotation
    if isinstance(kind, type) and issubclass(kind, Sequence) and kind is not str:
        return "list"
    return _KINDS.get(kind, "arguments by name" if kind is Mapping else f"an object: {_code(kind.__name__)}")


def groups_text() -> str:
    """The choices of every group, and the keys of the classes and functions that they name."""
    folders = sorted(path for path in [*CONF.iterdir(), *(CONF / "hydra").iterdir()] if path.is_dir())
    parts = []
    for folder in folders:
        group = folder.relative_to(CONF).as_posix()
        if choices := {path.stem: _choice(path, group) for path in sorted(folder.glob("*.yaml"))}:
            parts += [
                f"### {group} {{#{group.replace('/', '-')}}}\n",
                _choices_text(choices),
                *_tables_of_nodes(choices),
            ]
    return "\n".join(parts)


def _choice(path: Path, group: str) -> Choice:
    text = path.read_text(encoding="utf-8")
    comment = re.match(r"(?:# @package.*\n)?((?:#.*\n)*)", text)
    words = " ".join(line.lstrip("# ") for line in comment[1].splitlines()) if comment else ""
    words = re.split(r":? *python (?:train|simulate)\.py", words)[0]
    if group == "experiment":  # an overlay changes values of other groups
        return Choice(words, {})
    prefix = "" if "@package _global_" in text else group.replace("/", ".")
    return Choice(words, dict(_nodes(yaml.safe_load(text), prefix)))


def _nodes(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The nodes that name a class or function, by key."""
    if isinstance(node, Mapping):
        if "_target_" in node and node["_target_"] != "builtins.dict":
            yield path, node
        for key, value in node.items():
            yield from _nodes(value, f"{path}.{key}" if path else str(key))


def _choices_text(choices: Mapping[str, Choice]) -> str:
    plain = ", ".join(_code(name) for name, choice in choices.items() if not choice.comment)
    rows = [f"| {_code(name)} | {_cell(choice.comment)} |\n" for name, choice in choices.items() if choice.comment]
    table = "| choice | meaning |\n| --- | --- |\n" + "".join(rows) if rows else ""
    return f"{f'Choices: {plain}' if plain else ''}\n\n{table}\n"


def _tables_of_nodes(choices: Mapping[str, Choice]) -> Iterator[str]:
    """One table for every key and class."""
    found: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for name, choice in choices.items():
        for path, node in choice.nodes.items():
            found.setdefault((path, node["_target_"]), {})[name] = node
    for (path, target), nodes in found.items():
        names = ", ".join(_code(name) for name in nodes) if len(nodes) <= MOST_DEFAULTS else f"{len(nodes)} choices"
        with_it = "" if len(nodes) == len(choices) else f" ({names})"
        rows = list(_argument_rows(path, target, nodes))
        yield f"`{path}` is `{target}`{with_it}{':' if rows else '.'}\n\n{HEADER + ''.join(rows) if rows else ''}\n"


def _argument_rows(path: str, target: str, nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    meanings, parameters = _documented(target)
    for key in dict.fromkeys(key for node in nodes.values() for key in node if not str(key).startswith("_")):
        by_value: dict[str, list[str]] = {}
        for choice, node in nodes.items():
            if key in node and not isinstance(node[key], Mapping):
                by_value.setdefault(_code(node[key]), []).append(choice)
        kind = parameters[key].annotation if key in parameters else inspect.Parameter.empty
        yield _row(
            f"{path}.{key}",
            _defaults(by_value),
            _kinds(kind),
            meanings.get(key, f"argument of `{target}`").removesuffix("."),
        )


def _defaults(by_value: Mapping[str, list[str]]) -> str:
    """The values of a key in the files of a group, each with the choices that have it."""
    if len(by_value) > MOST_DEFAULTS:
        return "by choice"
    words = {value: "required" if value == "`???`" else value for value in by_value}
    some = len(by_value) > 1
    return ", ".join(words[value] + (f" ({', '.join(names)})" if some else "") for value, names in by_value.items())


def _documented(target: str) -> tuple[dict[str, str], Mapping[str, inspect.Parameter]]:
    """Meaning and parameters of a class or function of this project; of others only the name is known."""
    if not re.match(r"mlmd|hydra_plugins", target):
        return {}, {}
    module, _, name = target.rpartition(".")
    made = getattr(importlib.import_module(module), name)
    return described(made), inspect.signature(made).parameters


def described(made: Any) -> dict[str, str]:
    """What the docstrings of a function, or of a class and its bases, say of each parameter."""
    found = {}
    for documented in reversed(made.__mro__[:-1]) if inspect.isclass(made) else [made]:
        docstring = griffe.Docstring(inspect.cleandoc(documented.__doc__ or ""))
        for section in griffe.parse_google(docstring, warnings=False):
            if section.kind in (griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.attributes):
                found |= {item.name: " ".join(item.description.split()) for item in section.value}
    return found


def _row(key: str, default: str, values: str, meaning: str) -> str:
    return f"| {_code(key)} | {default} | {values} | {_cell(meaning)} |\n"


def _code(value: Any) -> str:
    """A value as it is typed."""
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`".replace("|", "\\|")


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
