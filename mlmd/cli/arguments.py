"""Checks the arguments of components against the types that their class or function declares."""

import inspect
from collections.abc import Mapping
from types import UnionType
from typing import Any, Protocol, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object

from mlmd.errors import ConfigError, short
from mlmd.plain_types import fits, in_words, is_finite


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
        if key in declared and not fits(value, declared[key]):
            wanted = in_words(declared[key])
            if isinstance(value, float) and not is_finite(value):
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


def _declared(target: str) -> dict[str, Any]:
    """The annotated types of the arguments of a target of mlmd; none where there is no such target."""
    if not target.startswith("mlmd."):
        return {}
    try:
        found = get_object(target)
        annotated = found.__init__ if inspect.isclass(found) else found
        hints = get_type_hints(annotated)
    except Exception:  # building the object raises an error with the cause
        return {}
    return {name: hint for name, hint in hints.items() if name != "return"}


def is_protocol(kind: type) -> bool:
    """Whether a class is a protocol, which `isinstance` cannot check."""
    return Protocol in kind.__bases__
