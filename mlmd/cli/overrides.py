"""Checks the command line before Hydra reads it: choices, keys, types, the folder of the run."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlmd.cli.cures import check_options, check_trainer_keys, of_unknown_choice, of_unknown_key
from mlmd.cli.program import CONF
from mlmd.errors import ConfigError, DataError, short
from mlmd.files import require_plain_name, require_writable_folder, unwritable
from mlmd.sweeps.extras import require_extra

MULTIRUN = ("-m", "--multirun")


def check_overrides(arguments: list[str], config_name: str, *, multirun: bool = False) -> None:
    """Compose the configuration once before Hydra does, to word what is wrong with it.

    Args:
        arguments: overrides of the command line.
        config_name: primary configuration.
        multirun: the run's folders lie in that of a sweep.

    Raises:
        ConfigError: an unknown group, choice or key (nearest names offered), a value that cannot be parsed or is of
            another type than its default, a choice whose package is not installed, a sweep without ``--multirun``.
        DataError: the run's folder cannot be written, or the folder to resume holds no run.
    """
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            loader = GlobalHydra.instance().config_loader()  # knows the choices that a glob stands for
            overrides = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
        except HydraException as error:
            without = next((argument for argument in arguments if "=" not in argument and argument[:1] != "~"), None)
            if without is not None:
                raise ConfigError(
                    f"{without}: settings are written KEY=VALUE, without blanks; {config_name}.py --help lists them"
                ) from error
            raise ConfigError(_unreadable(arguments) or f"cannot read the command line: {first_line(error)}") from error
        groups = _groups([CONF, *_search_path(overrides)])
        check_trainer_keys(_key_of(str(override.input_line)) for override in overrides)
        for override in overrides:
            _check_choice(override, groups)
            _check_sweep(override, multirun=multirun)
        for combination in _one_at_a_time(overrides):
            chosen = [line for line in combination if _is_choice(line, groups)]
            defaults = _plain(_compose(config_name, chosen))
            for line in combination:
                _check_key(line, config_name, set(defaults), _keys(defaults), groups)
            config = _compose(config_name, combination, _keys(defaults))
            _check_values(_plain(config), defaults)
            _check_folder(config, multirun=multirun)


def _unreadable(arguments: Iterable[str]) -> str | None:
    """How an argument is written that only lacks quotes; None if there is none."""
    parser = OverridesParser.create()
    for argument in arguments:
        key, _, value = argument.partition("=")
        if value.startswith(("[", "{")):
            continue  # a list or mapping that is not closed
        quoted = QuotedString(value, quote=Quote.double).with_quotes()
        try:
            parser.parse_override(argument)
        except HydraException:
            try:
                parser.parse_override(f"{key}={quoted}")
            except HydraException:
                continue
            return f"{argument}: a value with such letters needs quotes of its own: '{key}={quoted}'"
    return None


def _compose(config_name: str, overrides: list[str], known: Iterable[str] = ()) -> DictConfig:
    try:
        return hydra.compose(config_name, overrides=overrides, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        unknown = re.match(r"Could not override '([^']+)'", str(error))
        if unknown is None:
            raise ConfigError(first_line(error)) from error
        known = set(known) or set(_plain(hydra.compose(config_name, return_hydra_config=True)))
        raise ConfigError(of_unknown_key(unknown[1], known, config_name)) from error


def _plain(config: DictConfig) -> dict[str, Any]:
    """Values, interpolations as they stand."""
    values = OmegaConf.to_container(config, resolve=False)
    return {str(key): value for key, value in dict(values).items()}  # type: ignore[arg-type]  # a mapping by contract


def _keys(node: Any, path: str = "") -> set[str]:
    """Dotted keys, all nodes included."""
    if not isinstance(node, Mapping):
        return set()
    keys = {f"{path}{key}": value for key, value in node.items()}
    return set(keys).union(*(_keys(value, f"{key}.") for key, value in keys.items()))


def arranged(arguments: list[str]) -> list[str]:
    """The command line with ``--multirun`` at the front, and ``--config-dir`` as an override of Hydra's search path.

    Hydra reads no override after an option that stands among overrides. As an override, the folder is checked with all
    others, and the jobs of a sweep receive it.

    Raises:
        ConfigError: the folder does not exist.

    >>> arranged(["model=DuR0", "--multirun", "seed=1,2"])
    ['--multirun', 'model=DuR0', 'seed=1,2']
    """
    check_options(arguments)
    front, others = [], []
    left = iter(arguments)
    for argument in left:
        name, _, value = argument.partition("=")
        if argument in MULTIRUN:
            front.append(argument)
        elif name in ("--config-dir", "-cd"):
            folder = Path(value or next(left, "missing"))
            if not folder.is_dir():
                raise ConfigError(f"--config-dir {folder}: there is no such folder")
            others.append(f"hydra.searchpath=['file://{folder.resolve()}']")
        else:
            others.append(argument)
    return front + others


def _search_path(overrides: Iterable[Override]) -> list[Path]:
    """Folders of further configuration files that the command line names."""
    given = [override.value() for override in overrides if override.key_or_group == "hydra.searchpath"]
    paths = [str(path).removeprefix("file://") for value in given if isinstance(value, list) for path in value]
    return [Path(path) for path in paths if Path(path).is_dir()]


def _groups(folders: Iterable[Path]) -> dict[str, set[str]]:
    """Choices of every group."""
    groups: dict[str, set[str]] = {}
    for path in (path for folder in folders for path in folder.glob("*/*.yaml")):
        groups.setdefault(path.parent.name, set()).add(path.stem)
    return groups


def _is_choice(line: str, groups: Mapping[str, set[str]]) -> bool:
    """Whether an override chooses a file of a group, or gives the folder of the files."""
    return not line.startswith("~") and (_key_of(line) in groups or _key_of(line) == "hydra.searchpath")


def _check_choice(override: Override, groups: Mapping[str, set[str]]) -> None:
    """Refuse unknown choices of a group."""
    key = _key_of(str(override.input_line))
    if key not in groups or override.is_delete():
        return
    for value in override.sweep_string_iterator() if override.is_sweep_override() else [override.value()]:
        for chosen in value if isinstance(value, list) else [value]:  # several overlays, one on the other
            name = "null" if chosen is None else str(chosen)
            if name not in groups[key]:
                raise ConfigError(of_unknown_choice(key, name, groups[key]))


def _check_sweep(override: Override, *, multirun: bool) -> None:
    """Refuse a way to sweep that cannot be had, or that is asked for without a sweep."""
    if override.is_sweep_override():
        if not multirun:
            raise ConfigError(
                f"{override.input_line} gives several values: add --multirun for a job of each, or write "
                f"'{override.get_key_element()}=[...]' for a list"
            )
        return
    key = _key_of(str(override.input_line))
    value = override.value()
    for choice in value if isinstance(value, list) else [value]:
        require_extra(key, str(choice))
    if key == "sweep" and not multirun:
        raise ConfigError(f"{override.input_line} is for sweeps: add --multirun")


def _key_of(line: str) -> str:
    """Key of an override, without signs and package."""
    return line.split("=")[0].lstrip("+~").split("@")[0]


def _check_key(line: str, command: str, top_level: set[str], known: set[str], groups: Iterable[str]) -> None:
    """Refuse an unknown top-level key; keys below a known one are left to composition."""
    key = _key_of(line)
    if not line.startswith("++") and key not in groups and re.split("[./]", key)[0] not in top_level:
        raise ConfigError(of_unknown_key(key, known, command))


def _check_values(values: Mapping[str, Any], defaults: Mapping[str, Any], path: str = "") -> None:
    """Refuse what lacks a top-level key, and a value of another type than its default.

    Null, and any of Lightning's arguments, is left to those who use it.
    """
    for key, default in defaults.items():
        where = f"{path}{key}"
        if key not in values:
            if not path:
                raise ConfigError(f"{where} was removed from the configuration, but is needed")
            continue
        value = values[key]
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            if where not in ("trainer", "hydra"):
                _check_values(value, default, f"{where}.")
        elif value is not None and "${" not in str(value) and (wanted := _wanted(value, default)):
            raise ConfigError(f"{where} = {short(value)} must be {wanted}")


def _wanted(value: Any, default: Any) -> str | None:
    """What a value should be and is not."""
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, int):
        return None if isinstance(value, int) and not isinstance(value, bool) else "a whole number"
    if isinstance(default, float):
        return None if isinstance(value, int | float) and not isinstance(value, bool) else "a number"
    if isinstance(default, list):
        sound = isinstance(value, list) and not any(_wanted(item, default[0]) for item in value)
        return None if sound else f"a list like {default}"
    return None


def _check_folder(config: DictConfig, *, multirun: bool) -> None:
    """Find out whether the run's folder can be made before Hydra tries to, which would fail with a traceback."""
    HydraConfig.instance().set_config(config)  # for the names of choices in the folder's path
    name = OmegaConf.select(config, "system.name")
    if name is not None:
        require_plain_name(str(name), what="system.name")
    try:
        folder = Path(config.hydra.sweep.dir if multirun else config.hydra.run.dir)
    except OmegaConfBaseException as error:
        raise ConfigError(first_line(error)) from error
    if not isinstance(config.resume, str | None):
        raise ConfigError(f"resume = {config.resume} must be the folder of an interrupted run")
    if config.resume is not None and not (folder / "config.yaml").is_file():
        raise DataError(f"{config.resume} is not the folder of a run: it holds no config.yaml")
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists() or path.is_symlink())
    except OSError as error:
        raise unwritable(folder, error) from error
    if not existing.exists():
        raise DataError(f"cannot write {folder}: {existing} is a link that leads nowhere; remove it")
    require_writable_folder(existing)


def _one_at_a_time(overrides: Iterable[Override]) -> list[list[str]]:
    """Plain override lists that between them take every value of every sweep once."""
    plain, swept = [], []
    for override in overrides:
        if override.is_sweep_override():
            key = override.get_key_element()
            swept.append([f"{key}={value}" for value in _values(override)])
        else:
            plain.append(str(override.input_line))
    longest = max((len(values) for values in swept), default=1)
    return [plain + [values[min(turn, len(values) - 1)] for values in swept] for turn in range(longest)]


def _values(override: Override) -> Iterable[Any]:
    """What a sweep takes; of ranges and intervals the ends, which stand for what lies between."""
    if override.is_interval_sweep():
        interval: Any = override.value()
        return (interval.start, interval.end)
    values = list(override.sweep_string_iterator())
    return values[:: max(1, len(values) - 1)] if override.is_range_sweep() else values


def first_line(error: Exception) -> str:
    """A library's error without its appendices."""
    text = str(error).strip()
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return f"there is no configuration {error.missing_cfg_file!r}"
    if absent := re.search(r"Missing mandatory value: (\S+)", text):
        place = re.search(r"full_key: (\S+)", text)
        # of an interpolation, the place is what uses the value
        key = place[1] if place and place[1].endswith(absent[1]) else absent[1]
        return f"{key} is missing: give {key}=..."
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(line for line in lines[:2] if not line.startswith("full_key:") or len(lines) > 1)
