"""Makes objects from configuration nodes with ``_target_``, strictly."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import hydra
from hydra.errors import HydraException

from mlmd.cli.overrides import first_line
from mlmd.cli.settings.component import Component
from mlmd.errors import ConfigError, MlmdError, nearest


def build(component: Component, **keywords: Any) -> Any:
    """The object that a component of the configuration describes.

    Args:
        component: names the class or function and its arguments.
        keywords: further arguments, passed on as they are.

    Raises:
        ConfigError: an unknown ``_target_``, or arguments it does not take.
    """
    node, path = component.node, component.path
    try:
        if not keywords:
            return hydra.utils.instantiate(dict(node), _convert_="all")
        # Hydra itself would take a dataclass among the arguments for a configuration, and make a dict of it.
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
        # "not supported between" and the like are Python's words for a value of the wrong type.
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
