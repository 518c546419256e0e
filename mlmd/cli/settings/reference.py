"""Every key of a command with its meaning, unit, range and default: for ``--help`` and the documentation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlmd.cli.program import CONF
from mlmd.cli.settings.base import Settings, choices_of, group_of, is_mapping_of_components, kinds_of, range_of
from mlmd.cli.settings.choices import Key, choices, read_yaml
from mlmd.cli.settings.component import Component
from mlmd.cli.settings.on_the_fly import NOT_USED, OnTheFlySettings
from mlmd.cli.settings.simulate import SimulateSettings
from mlmd.cli.settings.train import TrainSettings

COMMANDS: Mapping[str, tuple[type[Settings], ...]] = {
    "train": (TrainSettings,),
    "simulate": (SimulateSettings, OnTheFlySettings),
}
"""Settings of a command; those after the first belong to ``mode=on_the_fly``."""

INTERNAL = ("digest", "format_version", "injection_name")
"""Keys that a run writes and no user sets."""

GROUP_OF_KEY = {"rollout.injections": "injection", "on_the_fly": "mode"}
"""Groups whose name is not that of the key."""


@dataclass(frozen=True)
class Entry:
    """A key as a user meets it.

    Attributes:
        name: dotted.
        meaning: in words.
        unit: of the value; empty for none.
        bounds: the values that are allowed, in words; empty where the meaning names them.
        default: value of the default choice.
        only_with: the choices that have the key, "regime=thermal"; empty where all of its group have it.
    """

    name: str
    meaning: str
    unit: str = ""
    bounds: str = ""
    default: Any = None
    only_with: tuple[str, ...] = ()


def defaults_of(command: str) -> dict[str, str | None]:
    """The default choice of every group of a command."""
    listed = read_yaml(CONF / f"{command}.yaml")["defaults"]
    chosen = {name: choice for entry in listed if isinstance(entry, dict) for name, choice in entry.items()}
    return {name: choice for name, choice in chosen.items() if not name.startswith(("override", "/"))}


def entries(command: str, folders: Sequence[Path] = (CONF,)) -> list[Entry]:
    """Every key of a command, in the order of its settings.

    Args:
        command: "train" or "simulate".
        folders: where configuration files are.
    """
    first, *others = COMMANDS[command]
    found = {entry.name: entry for entry in _entries(first, command, tuple(folders))}
    for settings in others:
        for entry in _entries(settings, command, tuple(folders)):
            with_mode = Entry(**{**vars(entry), "only_with": (*entry.only_with, "mode=on_the_fly")})
            found.setdefault(entry.name, with_mode)
    return list(found.values())


def _entries(settings: type[Settings], command: str, folders: tuple[Path, ...], path: str = "") -> Iterator[Entry]:
    top = read_yaml(CONF / f"{command}.yaml")
    for name, field in settings.model_fields.items():
        key = f"{path}{name}"
        if key in INTERNAL or (settings is OnTheFlySettings and name in NOT_USED):
            continue
        group = group_of(field)
        if group is not None:
            yield from _entries(group, command, folders, f"{key}.")
        elif Component in kinds_of(field) or is_mapping_of_components(field):
            yield from _of_choices(key, command, folders)
        else:
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            bounds = " | ".join(choices_of(field)) or range_of(field)
            unit, meaning = str(extra.get("unit", "")), field.description or ""
            yield Entry(key, meaning, unit, bounds, top.get(name) if not path else _default(key, command, folders))


def _of_choices(key: str, command: str, folders: tuple[Path, ...]) -> Iterator[Entry]:
    """The keys of a component: those of all choices of its group, each with the choices that have it."""
    group = GROUP_OF_KEY.get(key, key.split(".")[0])
    if group == "mode":
        yield from (Entry(name, meaning, default=value) for name, value, meaning in _of_mode(key))
        return
    known = choices(group, folders)
    having: dict[str, list[str]] = {}
    first: dict[str, Key] = {}
    default = defaults_of(command).get(group)
    for choice in sorted(known, key=lambda name: name != default):
        for each in known[choice]:
            name = f"{key}.<name>{each.name.removeprefix(group)}" if group != key.split(".")[0] else each.name
            if name.startswith(f"{key}.") or key == group:
                having.setdefault(name, []).append(f"{group}={choice}")
                first.setdefault(name, each)
    for name, each in first.items():
        only = () if len(having[name]) == len(known) else tuple(having[name])
        meanings = (other.meaning for keys in known.values() for other in keys if other.name == each.name)
        meaning = each.meaning or next(filter(None, meanings), "")
        yield Entry(name, meaning, default=each.default, only_with=only)


def _of_mode(key: str) -> Iterator[tuple[str, Any, str]]:
    from mlmd.cli.settings.docstrings import arguments_of

    node = read_yaml(CONF / "mode" / "on_the_fly.yaml")[key]
    for name, meaning in arguments_of(str(node["_target_"])).items():
        yield f"{key}.{name}", node.get(name), meaning


def _default(key: str, command: str, folders: tuple[Path, ...]) -> Any:
    group = key.split(".")[0]
    known, chosen = choices(group, folders), defaults_of(command).get(group)
    keys = known.get(str(chosen)) or next(iter(known.values()), [])
    return next((each.default for each in keys if each.name == key), None)
