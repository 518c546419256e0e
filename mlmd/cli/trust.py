"""Restricts which code a file may name, so that a stranger's file cannot decide what runs.

A checkpoint or a run's folder names the classes of its run. They are instantiated only if the shipped
configuration, or a configuration folder of the command line, names them for the same purpose, or if the command line
has ``trust=<name>``. Names that are typed on the command line itself are not restricted.
"""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from mlmd.cli.program import CONF
from mlmd.cli.settings.choices import read_yaml
from mlmd.errors import ConfigError, DataError

CALCULATOR = "calculator"
"""Argument that names a calculator of ASE by its dotted path."""

_SPECIAL = ("_target_", "_partial_")
"""The keys with a meaning of their own that a stored node may have."""

Names = dict[str, set[str]]
"""Dotted paths by the top-level key of a configuration under which they stand."""


def require_trusted(config: Mapping[str, Any], source: str | Path, *, trusted: Collection[str] = ()) -> None:
    """Refuse a stored configuration that names code which neither mlmd ships nor the user trusts.

    Args:
        config: from a file, resolved: top-level keys with their nodes.
        source: the file, for the error.
        trusted: dotted paths that the command line trusts.

    Raises:
        DataError: with the name, and how to trust it.
        ConfigError: a trusted calculator is no calculator class of ASE.
    """
    for path, name, is_calculator in _named(config, str(source)):
        if name in _shipped().get(path.split(".")[0], ()):
            continue
        if name not in trusted:
            raise DataError(
                f"{source} names {name} for {path}, which is not part of mlmd and was not made; if you know who wrote "
                f"the file, add trust={name}"
            )
        if is_calculator:
            from mlmd.hamiltonians import require_calculator_class

            require_calculator_class(name)


def with_own_caches(stored: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A stored configuration with the caches of the command line: no file decides where else something is written.

    Args:
        stored: from a file.
        own: of the command line.

    >>> stored = {"data": {"cache": "/etc"}, "system": {"name": "H2O", "cache": "/etc"}}
    >>> with_own_caches(stored, {"data": {"cache": "outputs/cache"}})
    {'data': {'cache': 'outputs/cache'}, 'system': {'name': 'H2O'}}
    """
    config = dict(stored)
    data, system, ours = stored.get("data"), stored.get("system"), own.get("data")
    if isinstance(data, Mapping) and data.get("cache") is not None:
        config["data"] = {**data, "cache": ours.get("cache") if isinstance(ours, Mapping) else None}
    if isinstance(system, Mapping):
        config["system"] = {key: value for key, value in system.items() if key != "cache"}
    return config


def names_to_trust(config: Mapping[str, Any]) -> list[str]:
    """The dotted paths of a configuration for which `require_trusted` would ask, each once.

    Args:
        config: of a command line, resolved.
    """
    named = _named(config, "the configuration")
    return sorted({name for path, name, _ in named if name not in _shipped().get(path.split(".")[0], ())})


def trusted_by(given: Any, folders: Collection[Path]) -> list[str]:
    """What a command line trusts: the names it gives, and those in the configuration folders it gives.

    Args:
        given: value of the key ``trust``: null, a dotted path or a list of them.
        folders: further folders of configuration files.

    Raises:
        ConfigError: the value is something else.
    """
    names = [] if given is None else given if isinstance(given, list) else [given]
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"trust = {given!r} must be a dotted path such as my_package.MyClass, or a list of them")
    return sorted({*names, *(name for folder in folders for found in _names_in(folder).values() for name in found)})


def import_modules_of(names: Iterable[str]) -> None:
    """Import the modules of the dotted paths that a command line names or trusts, so that their classes are found.

    A missing module is no error here; finding its class raises one.
    """
    for name in names:
        module = name.rpartition(".")[0]
        if module and not module.startswith("mlmd"):
            with suppress(ModuleNotFoundError):
                import_module(module)


def _named(config: Mapping[str, Any], source: str) -> Iterator[tuple[str, str, bool]]:
    """Where a configuration names code, and what: classes, functions and calculators."""
    for path, node in _mappings(config):
        special = [key for key in node if key.startswith("_") and key.endswith("_") and key not in _SPECIAL]
        unresolved = [key for key, value in node.items() if isinstance(value, str) and "${" in value]
        for key in special + unresolved:
            raise DataError(f"{source}: {path}.{key} has no place in a stored configuration; the file was edited")
        for key in ("_target_", CALCULATOR):
            if node.get(key) is not None:
                yield path, str(node[key]), key == CALCULATOR


def _mappings(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        yield path, {str(key): value for key, value in node.items()}
        for key, value in node.items():
            yield from _mappings(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _mappings(value, f"{path}.{number}")


@functools.cache
def _shipped() -> Names:
    names = _names_in(CONF)
    names.setdefault("rollout", set()).update(names.get("injection", ()))  # rollouts are configured with injections
    return names


def _names_in(folder: Path) -> Names:
    """What the configuration files of a folder name."""
    names: Names = {}
    for path in sorted(folder.rglob("*.yaml")):
        content = read_yaml(path)
        parts = path.relative_to(folder).parts
        if len(parts) > 1 and "@package _global_" not in path.read_text(encoding="utf-8"):
            content = {parts[0]: content}
        for where, node in _mappings(content):
            for key in ("_target_", CALCULATOR):
                if isinstance(node.get(key), str) and node[key] != "???":
                    names.setdefault(where.split(".")[0], set()).add(node[key])
    return names
