"""Classes found by name: those that register themselves, and a user's own by their dotted path."""

import sys
from collections.abc import Mapping
from typing import TypeVar

from mlmd.errors import ConfigError, nearest

Kind = TypeVar("Kind")


def find_class(name: str, registered: Mapping[str, Kind], base: type, *, key: str) -> Kind:
    """The class of a name, or of a dotted path whose module is imported already; nothing is imported here.

    Args:
        name: a registered name, or the dotted path of a class.
        registered: what the classes of this package, and imported ones, are called.
        base: what a class has to derive from.
        key: key of the configuration, for the error.

    Raises:
        ConfigError: there is none, or it is of another kind.
    """
    if name in registered:
        return registered[name]
    module, _, attribute = name.rpartition(".")
    if not module:
        raise ConfigError(f"{key} = {name!r} is unknown: {nearest(name, registered)}")
    if module not in sys.modules:
        raise ConfigError(f"{key} = {name!r}: import {module} first, or trust={name} on the command line")
    found = getattr(sys.modules[module], attribute, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigError(f"{key} = {name!r} is no class that derives from {base.__name__}")
    return found  # type: ignore[return-value]  # a class of this kind, as has been checked
