"""Checks the arguments of components against the types that their class or function declares."""

import inspect
import math
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Protocol, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object

from mlmd.cli.settings.base import MAX_WHOLE
from mlmd.errors import ConfigError, short

_WORDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def check_arguments(node: Mapping[str, Any], path: str) -> None:
    """Refuse arguments of a component whose type is not the declared one.

    Only targets of mlmd are checked, by their annotations. Every number has to be finite.

    Args:
        node: plain values with ``_target_``.
        path: where the node stands in the configuration.

    Raises:
        ConfigError: the first such argument, with its place.
    """
    target = node.get("_target_")
    if not isinstance(target, str) or "." not in target.strip("."):
        raise ConfigError(
            f"{path}._target_ = {short(target, quoted=True)} must be a dotted path such as my_package.MyClass"
        )
    declared = _declared(target)
    for key, value in node.items():
        is_component = isinstance(value, Mapping) and "_target_" in value
        if key in declared and not is_component and not fits(value, declared[key]):
            wanted = _in_words(declared[key])
            if isinstance(value, float) and not _is_finite(value):
                wanted = wanted.replace("a number", "a finite number")
            raise ConfigError(f"{path}.{key} = {short(value, quoted=True)} must be {wanted}")


def classes_of_arguments(target: str) -> dict[str, tuple[type, ...]]:
    """The classes of which the arguments of a target of mlmd have to be, where they are declared as classes.

    Args:
        target: dotted path.

    >>> [each.__name__ for each in classes_of_arguments("mlmd.propagation.Injection")["schedule"]]
    ['InjectionSchedule']
    """
    found = {}
    for name, kind in _declared(target).items():
        parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        if all(isinstance(part, type) and not is_protocol(part) for part in parts):
            found[name] = parts
    return found


def fits(value: Any, kind: Any) -> bool:
    """Whether a plain value is of an annotated type; other types than plain ones and sequences fit everything.

    >>> fits(1, float), fits(float("nan"), float), fits(True, int), fits([1.0, 2.0], tuple[float, float])
    (True, False, False, True)
    """
    if get_origin(kind) in (Union, UnionType):
        return any(fits(value, part) for part in get_args(kind))
    if get_origin(kind) is Literal:
        return type(value) in map(type, get_args(kind))  # the class names the nearest words it takes
    if kind is NoneType:
        return value is None
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_WHOLE
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    if kind in (bool, str):
        return isinstance(value, kind)
    if get_origin(kind) in (tuple, list, Sequence):
        parts = [part for part in get_args(kind) if part is not Ellipsis]
        if not isinstance(value, list | tuple):
            return False
        return all(fits(item, parts[0]) for item in value) if len(set(parts)) == 1 else True
    return True


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _declared(target: str) -> dict[str, Any]:
    """The annotated types of the arguments of a target of mlmd; none where there is no such target."""
    if not target.startswith("mlmd."):
        return {}
    try:
        found = get_object(target)
        annotated = found.__init__ if inspect.isclass(found) else found
        hints = get_type_hints(annotated)
    except Exception:  # making it says what is wrong
        return {}
    return {name: hint for name, hint in hints.items() if name != "return"}


def _in_words(kind: Any) -> str:
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    words: list[str] = []
    for part in parts:
        if part is NoneType:
            words.append("null")
        elif get_origin(part) is Literal:
            words += [repr(value) for value in get_args(part)]
        elif get_origin(part) in (tuple, list, Sequence):
            items = {"a number": "numbers", "a whole number": "whole numbers", "text": "texts"}
            words.append(f"a list of {items.get(_WORDS.get(get_args(part)[0], ''), 'values')}")
        else:
            words.append(_WORDS.get(part, getattr(part, "__name__", "something else")))
    return ", or ".join(words)


def is_protocol(kind: type) -> bool:
    """Whether a class is a protocol, which `isinstance` cannot check."""
    return Protocol in kind.__bases__
