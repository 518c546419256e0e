"""Makes objects from configuration nodes with ``_target_``, strictly."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import hydra
from hydra.errors import HydraException

from mlmd.cli.arguments import check_arguments, classes_of_arguments
from mlmd.cli.overrides import first_line
from mlmd.cli.settings.component import Component
from mlmd.errors import ConfigError, MlmdError, nearest


def build(component: Component, kind: Any = object, **keywords: Any) -> Any:
    """The object that a component of the configuration describes.

    Args:
        component: names the class or function and its arguments.
        kind: class or protocol, or several, of which the object has to be an instance.
        keywords: further arguments, which are passed unchanged.

    Raises:
        ConfigError: the ``_target_`` is unknown, does not take the arguments, or makes an object of another kind.
    """
    check_arguments(component.node, component.path)
    made = _made(*_with_parts(component, keywords))
    if not isinstance(made, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(each.__name__ for each in kinds)
        raise ConfigError(f"{component.path}: {component.target} makes a {type(made).__name__}, which is no {wanted}")
    return made


def _with_parts(component: Component, keywords: Mapping[str, Any]) -> tuple[Component, dict[str, Any]]:
    """The component without its nested components, and the keywords with the objects built from these."""
    node = component.node
    parts = {key: value for key, value in node.items() if isinstance(value, Mapping) and "_target_" in value}
    if not parts or "_partial_" in node:
        return component, dict(keywords)
    kinds = classes_of_arguments(component.target)
    made = {
        key: build(Component(f"{component.path}.{key}", part), kinds.get(key, object)) for key, part in parts.items()
    }
    return Component(component.path, {key: value for key, value in node.items() if key not in parts}), made | dict(
        keywords
    )


def _made(component: Component, keywords: Mapping[str, Any]) -> Any:
    node, path = component.node, component.path
    try:
        if not keywords:
            return hydra.utils.instantiate(dict(node), _convert_="all")
        # Passed by us: Hydra would treat a dataclass among the arguments as a configuration and make a dict of it.
        return hydra.utils.instantiate(dict(node), _convert_="all", _partial_=True)(**keywords)
    except TypeError as error:
        raise ConfigError(f"{path}: {_what_failed(node, error, error)}") from error
    except HydraException as error:
        cause = error.__cause__
        while isinstance(cause, HydraException) and cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, MlmdError):
            raise cause from error
        raise ConfigError(f"{path}: {_what_failed(node, cause, error)}") from error


def _what_failed(node: Mapping[str, Any], cause: BaseException | None, error: Exception) -> str:
    if isinstance(cause, TypeError):
        # Python's messages for a value of the wrong type do not name an argument, e.g. "not supported between".
        return str(cause) if "argument" in str(cause) else f"a value has the wrong type ({cause})"
    if isinstance(cause, ImportError | AttributeError) and "Error locating target" in str(error):
        module, _, name = str(node["_target_"]).rpartition(".")
        known = vars(sys.modules[module]) if module in sys.modules else ()
        if known:
            return f"there is no {node['_target_']}: {nearest(name, known)}"
        package = module.partition(".")[0]
        cure = f": is the folder of {package} on PYTHONPATH?" if find_spec(package) is None else ""
        return f"there is no {node['_target_']}{cure}"
    return first_line(error)
