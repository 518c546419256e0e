"""The choices of every group and the keys that each has, read from the configuration files."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlmd.cli.program import CONF
from mlmd.cli.settings.docstrings import arguments_of

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OWN = ("_target_", "_partial_")


@dataclass(frozen=True)
class Key:
    """A key of a choice.

    Attributes:
        name: dotted, from the top of the configuration: "regime.temperature_K".
        default: the value in the choice's file.
        meaning: what it means; empty where neither the class nor the file describes it.
    """

    name: str
    default: Any
    meaning: str


@functools.cache
def choices(group: str, folders: tuple[Path, ...] = (CONF,)) -> dict[str, list[Key]]:
    """The keys of every choice of a group, those that it inherits included.

    Args:
        group: folder of configuration files.
        folders: where the groups are.
    """
    paths = {path.stem: path for folder in folders for path in sorted((folder / group).glob("*.yaml"))}
    return {name: _keys(path, group, paths) for name, path in paths.items()}


@functools.cache
def read_yaml(path: Path) -> dict[str, Any]:
    """The content of a configuration file, which must not be changed."""
    content: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _LOADER) or {}
    return content


def _keys(path: Path, group: str, others: Mapping[str, Path]) -> list[Key]:
    text = path.read_text(encoding="utf-8")
    content = dict(read_yaml(path))
    found: dict[str, Key] = {}
    for parent in content.pop("defaults", []):
        if isinstance(parent, str) and parent != "_self_" and parent in others:
            found |= {key.name: key for key in _keys(others[parent], group, others)}
    if "@package _global_" not in text:
        found |= {key.name: key for key in _walk(content, group, _comments(text))}
    return list(found.values())


def _walk(node: Mapping[str, Any], path: str, comments: Mapping[str, str]) -> Iterable[Key]:
    documented = arguments_of(str(node["_target_"])) if "_target_" in node else {}
    for key, value in node.items():
        if key in _OWN:
            continue
        name, meaning = f"{path}.{key}", documented.get(key) or comments.get(key, "")
        if isinstance(value, Mapping):
            yield from _walk(value, name, comments)
        else:
            yield Key(name, value, meaning)


def _comments(text: str) -> dict[str, str]:
    """The comment of each key: the lines above it, or the end of its line."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            above.append(stripped.lstrip("# "))
            continue
        key = re.match(r"(\w+):\s*(?:[^#]*?)(?:\s+#\s*(.*))?$", stripped)
        if key and (words := key[2] or " ".join(above)):
            found.setdefault(key[1], words)
        above = []
    return found
